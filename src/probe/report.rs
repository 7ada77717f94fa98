//! [`Report`]: what came of a probe.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::HumanCount;
use serde::Serialize;

use super::account::{Account, Worst};
use super::load::Seen;
use super::plan::{Plan, Target};

/// What came of a probe.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whom it asked.
    pub target: Target,
    /// On so many connections.
    pub connections: usize,
    /// So many checks in each request.
    pub batch: usize,
    /// So many different keys.
    pub keys: usize,
    /// The limit of each, in the form of `--limit`.
    pub limit: String,
    /// How long it took.
    pub seconds: f64,
    /// Checks that were answered.
    pub checks: u64,
    /// So many each second.
    pub checks_per_second: f64,
    /// Checks that were allowed.
    pub admitted: u64,
    /// Checks that were not.
    pub refused: u64,
    /// Why other checks were not made, and how many.
    pub failed: BTreeMap<String, u64>,
    /// How long requests took.
    pub latency: Latency,
    /// Whether what was admitted fits the limit.
    pub fit: Fit,
}

/// How long requests took, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half of the requests took no longer.
    pub p50: f64,
    /// 90 of 100.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1 000.
    pub p999: f64,
    /// All of them.
    pub max: f64,
}

/// Whether what was admitted fits the limit.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Fit {
    /// Keys that were asked about.
    pub keys: u64,
    /// Of these, such that were admitted more often than the limit allows at any time of the probe.
    pub keys_over: u64,
    /// The most that one of them was admitted beyond.
    pub most_over: u64,
    /// Of these, such that were refused though the limit had a token for them.
    pub keys_under: u64,
    /// The most that one of them was admitted too few.
    pub most_under: u64,
    /// The most that a key was admitted.
    pub most_admitted: u64,
}

impl Fit {
    /// Nobody was admitted too many, and nobody too few.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.keys_over == 0 && self.keys_under == 0
    }

    fn of(accounts: impl Iterator<Item = Account>) -> Fit {
        let mut fit = Fit::default();
        for account in accounts.filter(Account::is_asked) {
            let Worst { too_many, too_few } = account.worst;
            fit.keys += 1;
            fit.keys_over += u64::from(too_many > 0);
            fit.most_over = fit.most_over.max(too_many);
            fit.keys_under += u64::from(too_few > 0);
            fit.most_under = fit.most_under.max(too_few);
            fit.most_admitted = fit.most_admitted.max(account.admitted());
        }
        fit
    }
}

impl Latency {
    fn of(latencies: &Histogram<u64>) -> Latency {
        #[expect(clippy::cast_precision_loss, reason = "at most a minute")]
        let micros = |nanos: u64| nanos as f64 / 1_000.0;
        let at = |quantile| micros(latencies.value_at_quantile(quantile));
        Latency { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: micros(latencies.max()) }
    }
}

impl Report {
    pub(super) fn new(
        plan: &Plan,
        elapsed: Duration,
        seen: &Seen,
        accounts: impl Iterator<Item = Account>,
    ) -> Report {
        let checks = seen.admitted + seen.refused;
        #[expect(clippy::cast_precision_loss, reason = "a speed has fewer digits")]
        let checks_per_second = checks as f64 / elapsed.as_secs_f64();
        Report {
            target: plan.target.clone(),
            connections: plan.connections,
            batch: plan.batch,
            keys: plan.keys.count,
            limit: plan.limit.to_string(),
            seconds: elapsed.as_secs_f64(),
            checks,
            checks_per_second,
            admitted: seen.admitted,
            refused: seen.refused,
            failed: seen.failed.clone(),
            latency: Latency::of(&seen.latencies),
            fit: Fit::of(accounts),
        }
    }

    /// The service answered, and what it admitted fits.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.checks > 0 && self.fit.is_good()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50, p90, p99, p999, max } = self.latency;
        let Fit { keys, keys_over, most_over, keys_under, most_under, most_admitted } = self.fit;
        writeln!(
            f,
            "asked      {} on {} connections, {} in a request",
            self.target, self.connections, self.batch
        )?;
        writeln!(f, "limit      {} for each of {} keys", self.limit, HumanCount(self.keys as u64))?;
        let speed = format!("{:.0}", self.checks_per_second);
        writeln!(f, "checks     {} in {:.2} s: {speed}/s", HumanCount(self.checks), self.seconds)?;
        writeln!(
            f,
            "answers    {} admitted, {} refused",
            HumanCount(self.admitted),
            HumanCount(self.refused)
        )?;
        writeln!(
            f,
            "latency    50%: {p50:.0} us, 90%: {p90:.0} us, 99%: {p99:.0} us, 99.9%: {p999:.0} us, longest: {max:.0} us"
        )?;
        for (reason, checks) in &self.failed {
            writeln!(f, "failed     {}: {}", HumanCount(*checks), reason.escape_debug())?;
        }
        if self.checks == 0 {
            return writeln!(f, "fits       unknown: nothing was answered");
        }
        if self.fit.is_good() {
            return writeln!(
                f,
                "fits       yes: {} keys, of which none was admitted too many or too few; at most {}",
                HumanCount(keys),
                HumanCount(most_admitted)
            );
        }
        writeln!(
            f,
            "fits       NO: of {} keys {} were admitted up to {} too many, {} up to {} too few",
            HumanCount(keys),
            HumanCount(keys_over),
            HumanCount(most_over),
            HumanCount(keys_under),
            HumanCount(most_under)
        )
    }
}
