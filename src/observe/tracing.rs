//! [`TracingObserver`]: refusals as events.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::Level;

use super::{Decided, Observer};
#[cfg(feature = "policy")]
use crate::policy::PolicyReload;

/// Tells `tracing` of refusals, or of some of them.
///
/// An event (target `tollgate`, level `WARN` unless [said otherwise](Self::level)) for every decision that was not
/// simply to let the request through: `denied`, `shadow_denied` and `error_denied`. Its fields are `policy`,
/// `outcome`, `key_kind`, `route`, `tier`, `cost`, and `left_out`: how many refusals since the last event got none. A
/// route or tier that is not known is absent. The key is in no event: it may name a person, and a log is forever.
///
/// With the feature `policy` there is one, too, for each time that a watched file of policies has changed: at `INFO`
/// with `file`, `version` and `change`, or at `WARN` with `file` and `error` if what was in force still is.
///
/// ```
/// use tollgate::observe::{Decided, DecisionOutcome, Observer, TracingObserver};
///
/// // The first refusal, then each hundredth: a flood does not fill the disk.
/// let observer = TracingObserver::new().every(100);
/// observer.decided(&Decided::new("per-client", DecisionOutcome::Denied).with_key_kind("ip"));
/// ```
#[derive(Debug)]
pub struct TracingObserver {
    level: Level,
    every: u64,
    /// Refusals so far, under all policies together.
    refusals: AtomicU64,
}

impl TracingObserver {
    /// An event for every refusal.
    #[must_use]
    pub fn new() -> TracingObserver {
        TracingObserver { level: Level::WARN, every: 1, refusals: AtomicU64::new(0) }
    }

    /// An event for the first refusal and then for each `n`th, whatever the policies; for no `n`, take 1: all of them.
    #[must_use]
    pub fn every(self, n: u64) -> TracingObserver {
        TracingObserver { every: n.max(1), ..self }
    }

    /// Events of this level.
    #[must_use]
    pub fn level(self, level: Level) -> TracingObserver {
        TracingObserver { level, ..self }
    }
}

impl Default for TracingObserver {
    fn default() -> TracingObserver {
        TracingObserver::new()
    }
}

impl Observer for TracingObserver {
    fn decided(&self, decision: &Decided<'_>) {
        if decision.outcome.goes_on() && !decision.outcome.is_over_limit() {
            return;
        }
        let earlier = self.refusals.fetch_add(1, Ordering::Relaxed);
        if earlier.is_multiple_of(self.every) {
            let left_out = if earlier == 0 { 0 } else { self.every - 1 };
            tell(self.level, decision, left_out);
        }
    }

    #[cfg(feature = "policy")]
    fn policies_reloaded(&self, reload: &PolicyReload<'_>) {
        let file = reload.file.display();
        match reload.outcome {
            Ok(change) => tracing::info!(
                target: "tollgate", %file, version = change.version, %change, "policies in force"
            ),
            Err(error) => tracing::warn!(target: "tollgate", %file, %error, "policies not in force"),
        }
    }
}

fn tell(level: Level, decision: &Decided<'_>, left_out: u64) {
    /// The level of an event must be a constant.
    macro_rules! event {
        ($level:expr) => {
            tracing::event!(
                target: "tollgate",
                $level,
                policy = decision.policy,
                outcome = decision.outcome.as_str(),
                key_kind = decision.key_kind,
                route = decision.route,
                tier = decision.tier,
                cost = decision.cost,
                left_out,
                "rate limit refusal"
            )
        };
    }
    match level {
        Level::ERROR => event!(Level::ERROR),
        Level::WARN => event!(Level::WARN),
        Level::INFO => event!(Level::INFO),
        Level::DEBUG => event!(Level::DEBUG),
        Level::TRACE => event!(Level::TRACE),
    }
}
