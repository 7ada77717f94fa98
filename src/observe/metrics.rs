//! [`MetricsObserver`]: counts for the `metrics` facade.

#[cfg(feature = "distributed")]
mod shared;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
#[cfg(feature = "server")]
use std::time::Duration;
#[cfg(feature = "policy")]
use std::time::UNIX_EPOCH;

use metrics::{Counter, Gauge, Histogram, SharedString, Unit};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::{Decided, DecisionOutcome, Observer};
use crate::limiter::{RandomState, Stats};
#[cfg(feature = "policy")]
use crate::policy::PolicyReload;

const DECISIONS: &str = "tollgate_decisions_total";
const ERRORS: &str = "tollgate_errors_total";
const DURATION: &str = "tollgate_decision_duration_seconds";
#[cfg(feature = "redis")]
const STORE_DURATION: &str = "tollgate_store_duration_seconds";
const TRACKED_KEYS: &str = "tollgate_tracked_keys";
const FORGOTTEN_KEYS: &str = "tollgate_forgotten_keys_total";
#[cfg(feature = "policy")]
const POLICY_RELOADS: &str = "tollgate_policy_reloads_total";
/// Named as Prometheus names its own.
#[cfg(feature = "policy")]
const POLICY_LAST_RELOAD: &str = "tollgate_policy_last_reload_success_timestamp_seconds";

const ALIAS_ALLOWED: &str = "allowed_total";
const ALIAS_DENIED: &str = "denied_total";
const ALIAS_ERRORS: &str = "limiter_errors_total";
const ALIAS_LATENCY: &str = "limiter_latency_ms";

/// The label of policies that were not named beforehand.
const OTHER: &str = "other";

/// Counts decisions for the `metrics` facade, and so for whatever exporter the program installs.
///
/// | metric | kind | labels | |
/// |---|---|---|---|
/// | `tollgate_decisions_total` | counter | `policy`, `outcome` | decisions, by [`DecisionOutcome::as_str`] |
/// | `tollgate_errors_total` | counter | `policy`, `kind` | what [failed](Observer::failed) |
/// | `tollgate_decision_duration_seconds` | histogram | `policy` | how long decisions took |
/// | `tollgate_tracked_keys` | gauge | `policy` | keys that are not full, of limiters that are [watched](Self::watch) |
/// | `tollgate_forgotten_keys_total` | counter | `policy` | busy keys forgotten for want of room, likewise |
/// | `tollgate_store_duration_seconds` | histogram | `store`, `operation` | how long `redis` took; registered by each backend, without an observer |
/// | `tollgate_policy_reloads_total` | counter | `result` | files of policies read: `applied`, `failed` |
/// | `tollgate_policy_last_reload_success_timestamp_seconds` | gauge | | when one was applied, in Unix time |
/// | `tollgate_shared_decisions_total` | counter | `policy`, `source`, `outcome` | who decided for a shared limit that is watched (feature `distributed`) |
/// | `tollgate_shared_owing_keys` | gauge | `policy` | keys admitted without the store and not charged there yet |
/// | `tollgate_shared_forgiven_tokens_total` | counter | `policy` | tokens admitted without the store that never will be |
/// | `tollgate_shared_lease_calls_total` | counter | `policy` | how often tokens were asked for in advance |
/// | `tollgate_shared_leased_tokens_total` | counter | `policy` | tokens that were leased |
/// | `tollgate_shared_returned_tokens_total` | counter | `policy` | leased tokens that were brought back |
/// | `tollgate_shared_burned_tokens_total` | counter | `policy` | leased tokens neither spent nor brought back in time |
/// | `tollgate_store_operations_total`, `_batches_`, `_timeouts_`, `_maybe_applied_`, `_bulkhead_refusals_`, `_given_back_`, `_untold_`, `_probes_` | counter | `store` | what a watched store has done |
/// | `tollgate_store_breaker_open` | gauge | `store`, `domain` | 1 while a failure domain is not asked |
/// | `tollgate_store_breaker_opened_total` | counter | `store`, `domain` | how often that began |
/// | `tollgate_store_in_flight` | gauge | `store`, `domain` | operations under way or waiting |
/// | `tollgate_store_nodes` | gauge | `store`, `domain` | nodes that use it, as it says; 0 if it has not |
///
/// Labels are bounded: `policy` is a name given to [`new`](Self::new) or [`watch`](Self::watch), or of a shared limit that is watched, or `other`. No key
/// and no address is ever one.
///
/// Install the program's recorder first. Handles are registered when the observer is built, and those that were
/// registered before there was a recorder count nothing. The exporter for Prometheus shows histograms as summaries
/// unless it is given buckets; for decisions in memory let them reach from `1e-7` to `1e-4` seconds.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::observe::{Decided, DecisionOutcome, MetricsObserver, Observer};
/// use tollgate::{Limiter, Quota};
///
/// let limiter = Arc::new(Limiter::new(Quota::per_minute(100)));
/// let watched = Arc::clone(&limiter);
/// let observer = MetricsObserver::new(["per-client"]).watch("per-client", move || watched.stats());
///
/// observer.decided(&Decided::new("per-client", DecisionOutcome::Allowed));
/// // Before each scrape:
/// observer.refresh();
/// ```
pub struct MetricsObserver {
    policies: HashMap<Arc<str>, PolicyHandles, RandomState>,
    other: PolicyHandles,
    watched: Vec<Watched>,
    /// Each reads the figures of a shared store or limit.
    #[cfg(feature = "distributed")]
    shared: Vec<Box<dyn Fn() + Send + Sync>>,
    measures: bool,
}

impl MetricsObserver {
    /// Registers the metrics of these policies with the current recorder. Decisions under any other policy are counted
    /// as `other`.
    #[must_use]
    pub fn new<P: Into<Arc<str>>>(policies: impl IntoIterator<Item = P>) -> MetricsObserver {
        describe_counter!(DECISIONS, Unit::Count, "Decisions of rate limits.");
        describe_counter!(ERRORS, Unit::Count, "Failures of backends and of sources of keys.");
        describe_histogram!(DURATION, Unit::Seconds, "How long the decision of a rate limit took.");
        let named = |policy: P| {
            let policy = policy.into();
            (Arc::clone(&policy), PolicyHandles::register(&policy.into()))
        };
        MetricsObserver {
            policies: policies.into_iter().map(named).collect(),
            other: PolicyHandles::register(&SharedString::from(OTHER)),
            watched: Vec::new(),
            #[cfg(feature = "distributed")]
            shared: Vec::new(),
            measures: true,
        }
    }

    /// Whether it asks for decisions to be timed: two readings of a clock each. It does unless told otherwise. Times
    /// that somebody else asked for are recorded all the same.
    #[must_use]
    pub fn durations(self, measures: bool) -> MetricsObserver {
        MetricsObserver { measures, ..self }
    }

    /// Whether to count under plain names besides, all of them with the label `policy`: `allowed_total` (whatever went
    /// on), `denied_total` (whatever did not), `limiter_errors_total`, and the histogram `limiter_latency_ms`. It does
    /// not unless told so.
    #[must_use]
    pub fn aliases(mut self, wanted: bool) -> MetricsObserver {
        if wanted {
            describe_counter!(ALIAS_ALLOWED, Unit::Count, "Requests that rate limits let through.");
            describe_counter!(ALIAS_DENIED, Unit::Count, "Requests that rate limits refused.");
            describe_counter!(ALIAS_ERRORS, Unit::Count, "Failures of backends and of sources of keys.");
            describe_histogram!(ALIAS_LATENCY, Unit::Milliseconds, "How long a decision took.");
        }
        for handles in self.policies.values_mut().chain([&mut self.other]) {
            handles.aliases = wanted.then(|| Aliases::register(&handles.label));
        }
        self
    }

    /// Watches the limiter whose [`stats`](crate::Limiter::stats) these are, under a policy's name of which there
    /// should be few. One limiter for each name: several would overwrite each other.
    #[must_use]
    pub fn watch<F>(mut self, policy: impl Into<Arc<str>>, stats: F) -> MetricsObserver
    where
        F: Fn() -> Stats + Send + Sync + 'static,
    {
        describe_gauge!(TRACKED_KEYS, Unit::Count, "Keys that are not full.");
        describe_counter!(FORGOTTEN_KEYS, Unit::Count, "Busy keys that were forgotten for want of room.");
        let policy = SharedString::from(policy.into());
        self.watched.push(Watched {
            tracked_keys: gauge!(TRACKED_KEYS, "policy" => policy.clone()),
            forgotten_keys: counter!(FORGOTTEN_KEYS, "policy" => policy),
            stats: Box::new(stats),
        });
        self
    }

    /// Reads the stats of the limiters that are [watched](Self::watch). To be called before each scrape, or every few
    /// seconds; not for each request, as it reads as much as [`Limiter::stats`](crate::Limiter::stats).
    pub fn refresh(&self) {
        for watched in &self.watched {
            watched.refresh();
        }
        #[cfg(feature = "distributed")]
        for refresh in &self.shared {
            refresh();
        }
    }

    /// The same decision of so many, which took so long together.
    #[cfg(feature = "server")]
    pub(crate) fn decided_many(&self, policy: &str, outcome: DecisionOutcome, count: u64, took: Duration) {
        let handles = self.handles(policy);
        handles.decisions(outcome).increment(count);
        handles.duration.record(took);
    }

    fn handles(&self, policy: &str) -> &PolicyHandles {
        self.policies.get(policy).unwrap_or(&self.other)
    }
}

impl Observer for MetricsObserver {
    fn decided(&self, decision: &Decided<'_>) {
        self.handles(decision.policy).decided(decision);
    }

    fn wants_duration(&self) -> bool {
        self.measures
    }

    fn failed(&self, policy: &str, kind: &'static str) {
        self.handles(policy).failed(kind);
    }

    #[cfg(feature = "policy")]
    fn policies_reloaded(&self, reload: &PolicyReload<'_>) {
        describe_counter!(POLICY_RELOADS, Unit::Count, "Readings of watched files of policies.");
        describe_gauge!(POLICY_LAST_RELOAD, Unit::Seconds, "When policies were last read and applied.");
        let applied = reload.outcome.is_ok();
        // Both are there from the first reading on: an alert for failures needs a zero to begin with.
        counter!(POLICY_RELOADS, "result" => "applied").increment(u64::from(applied));
        counter!(POLICY_RELOADS, "result" => "failed").increment(u64::from(!applied));
        if let (true, Ok(since_epoch)) = (applied, reload.at.duration_since(UNIX_EPOCH)) {
            gauge!(POLICY_LAST_RELOAD).set(since_epoch);
        }
    }
}

impl fmt::Debug for MetricsObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policies: Vec<_> = self.policies.keys().collect();
        f.debug_struct("MetricsObserver").field("policies", &policies).finish_non_exhaustive()
    }
}

/// Where the decisions under a policy are counted.
struct PolicyHandles {
    label: SharedString,
    allowed: Counter,
    denied: Counter,
    shadow_denied: Counter,
    error_allowed: Counter,
    error_denied: Counter,
    duration: Histogram,
    aliases: Option<Aliases>,
}

impl PolicyHandles {
    fn register(label: &SharedString) -> PolicyHandles {
        let decisions = |outcome: DecisionOutcome| {
            let (policy, outcome) = (label.clone(), outcome.as_str());
            counter!(DECISIONS, "policy" => policy, "outcome" => outcome)
        };
        PolicyHandles {
            label: label.clone(),
            allowed: decisions(DecisionOutcome::Allowed),
            denied: decisions(DecisionOutcome::Denied),
            shadow_denied: decisions(DecisionOutcome::ShadowDenied),
            error_allowed: decisions(DecisionOutcome::ErrorAllowed),
            error_denied: decisions(DecisionOutcome::ErrorDenied),
            duration: histogram!(DURATION, "policy" => label.clone()),
            aliases: None,
        }
    }

    fn decisions(&self, outcome: DecisionOutcome) -> &Counter {
        match outcome {
            DecisionOutcome::Allowed => &self.allowed,
            DecisionOutcome::Denied => &self.denied,
            DecisionOutcome::ShadowDenied => &self.shadow_denied,
            DecisionOutcome::ErrorAllowed => &self.error_allowed,
            DecisionOutcome::ErrorDenied => &self.error_denied,
        }
    }

    fn decided(&self, decision: &Decided<'_>) {
        self.decisions(decision.outcome).increment(1);
        if let Some(took) = decision.took {
            self.duration.record(took);
        }
        if let Some(aliases) = &self.aliases {
            aliases.decided(decision);
        }
    }

    fn failed(&self, kind: &'static str) {
        // The kinds are not known beforehand. Failures are rare and slow as they are: the recorder may look them up.
        counter!(ERRORS, "policy" => self.label.clone(), "kind" => kind).increment(1);
        if let Some(aliases) = &self.aliases {
            aliases.errors.increment(1);
        }
    }
}

/// The same under plain names.
struct Aliases {
    allowed: Counter,
    denied: Counter,
    errors: Counter,
    latency: Histogram,
}

impl Aliases {
    fn register(label: &SharedString) -> Aliases {
        Aliases {
            allowed: counter!(ALIAS_ALLOWED, "policy" => label.clone()),
            denied: counter!(ALIAS_DENIED, "policy" => label.clone()),
            errors: counter!(ALIAS_ERRORS, "policy" => label.clone()),
            latency: histogram!(ALIAS_LATENCY, "policy" => label.clone()),
        }
    }

    fn decided(&self, decision: &Decided<'_>) {
        let count = if decision.outcome.goes_on() { &self.allowed } else { &self.denied };
        count.increment(1);
        if let Some(took) = decision.took {
            self.latency.record(took.as_secs_f64() * 1e3);
        }
    }
}

/// A limiter and where its numbers go.
struct Watched {
    tracked_keys: Gauge,
    forgotten_keys: Counter,
    stats: Box<dyn Fn() -> Stats + Send + Sync>,
}

impl Watched {
    fn refresh(&self) {
        let stats = (self.stats)();
        #[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers")]
        self.tracked_keys.set(stats.keys as f64);
        self.forgotten_keys.absolute(stats.forgotten);
    }
}

/// Histograms of how long a store takes, in the order of these operations.
#[cfg(feature = "redis")]
pub(crate) fn store_durations(store: &'static str, operations: &[&'static str]) -> Vec<Histogram> {
    describe_histogram!(STORE_DURATION, Unit::Seconds, "How long an operation of a shared store took.");
    let of =
        |operation: &&'static str| histogram!(STORE_DURATION, "store" => store, "operation" => *operation);
    operations.iter().map(of).collect()
}
