//! [`Counting`]: what was decided so far, by policy: for Prometheus, and for the dashboard.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use metrics::{counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use parking_lot::Mutex;

use super::activity::Activity;
use super::caller::{Answer, CallerError};
use super::operate::State;
use super::service::{NamedBackend, Service};
use super::told::CallerKey;
use crate::distributed::Source;
use crate::limiter::RandomState;
use crate::observe::{Decided, DecisionOutcome, MetricsObserver, Observer};
use crate::policy::{PolicyReload, PolicySet};

/// Under this name limits are counted that come with the request.
pub(crate) const CALLER: &str = "caller";

/// The kind of failure where there is no room for a limit or a key that came with a request.
const NO_ROOM: &str = "no_room";

const STATE: &str = "tollgate_state";
const BUILD: &str = "tollgate_build_info";
const TRACKED_KEYS: &str = "tollgate_tracked_keys";
const FORGOTTEN_KEYS: &str = "tollgate_forgotten_keys_total";

/// In memory a decision takes a microsecond, by a backend a millisecond, and no request waits longer than 10 seconds.
const BUCKETS: [f64; 14] =
    [1e-7, 2.5e-7, 5e-7, 1e-6, 1e-5, 1e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 1e-1, 1.0];

/// What was decided so far, by policy.
pub(crate) struct Counting {
    /// Its own, and not the program's: several services may run in one.
    recorder: Arc<PrometheusRecorder>,
    exported: PrometheusHandle,
    named: ArcSwap<Named>,
    /// One at a time makes handles for other policies.
    renaming: Mutex<()>,
}

/// Where the decisions of the policies of a version are counted.
struct Named {
    version: Option<u64>,
    recorder: Arc<PrometheusRecorder>,
    observer: MetricsObserver,
    callers: Arc<Counts>,
    counts: HashMap<Arc<str>, Arc<Counts>, RandomState>,
}

#[derive(Debug, Default)]
struct Counts {
    admitted: AtomicU64,
    refused: AtomicU64,
}

impl Counts {
    fn add(&self, admitted: u64, refused: u64) {
        self.admitted.fetch_add(admitted, Ordering::Relaxed);
        if refused > 0 {
            self.refused.fetch_add(refused, Ordering::Relaxed);
        }
    }
}

/// What a policy has admitted and refused so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) policy: Arc<str>,
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
}

impl Counting {
    /// # Errors
    ///
    /// Only for buckets that make no sense.
    pub(crate) fn new() -> Result<Counting, BuildError> {
        let durations = Matcher::Suffix("_duration_seconds".to_owned());
        let recorder = PrometheusBuilder::new().set_buckets_for_metric(durations, &BUCKETS)?.build_recorder();
        let recorder = Arc::new(recorder);
        let named = with_local_recorder(&recorder, || Named {
            version: None,
            recorder: Arc::clone(&recorder),
            observer: MetricsObserver::new([CALLER]),
            callers: Arc::default(),
            counts: HashMap::default(),
        });
        Ok(Counting {
            exported: recorder.handle(),
            recorder,
            named: ArcSwap::from_pointee(named),
            renaming: Mutex::default(),
        })
    }

    /// Runs what registers metrics, so that they are registered here.
    pub(crate) fn register<T>(&self, registers: impl FnOnce() -> T) -> T {
        with_local_recorder(&self.recorder, registers)
    }

    /// Tells somebody who counts. Policies that are new since the last time get counters of their own.
    pub(crate) fn with<T>(
        &self,
        policies: &PolicySet,
        backends: &BTreeMap<String, NamedBackend>,
        tell: impl FnOnce(&dyn Observer) -> T,
    ) -> T {
        let mut named = self.named.load();
        if named.version != Some(policies.version()) {
            drop(named);
            self.rename(policies, backends);
            named = self.named.load();
        }
        tell(&**named)
    }

    fn rename(&self, policies: &PolicySet, backends: &BTreeMap<String, NamedBackend>) {
        let _one_at_a_time = self.renaming.lock();
        let old = self.named.load();
        // In this order: if it changes in between it is done again.
        let version = policies.version();
        if old.version == Some(version) {
            return;
        }
        let in_force = policies.policies();
        let names: Vec<Arc<str>> =
            in_force.policy.iter().map(|policy| policy.id.as_str()).chain([CALLER]).map(Arc::from).collect();
        let callers = Arc::clone(&old.callers);
        let mut counts: HashMap<_, _, _> = names
            .iter()
            .map(|name| (Arc::clone(name), old.counts.get(name).cloned().unwrap_or_default()))
            .collect();
        counts.insert(CALLER.into(), Arc::clone(&callers));
        let observer = self.register(|| {
            // Nobody looks at their keys any more, and the last number would be told for ever.
            for gone in old.counts.keys().filter(|name| !counts.contains_key(*name)) {
                gauge!(TRACKED_KEYS, "policy" => gone.to_string()).set(0.0);
            }
            let observer = MetricsObserver::new(names);
            backends.iter().fold(observer, |observer, (name, backend)| {
                observer.watch_store(name.clone(), &backend.store)
            })
        });
        self.named.store(Arc::new(Named {
            version: Some(version),
            recorder: Arc::clone(&self.recorder),
            observer,
            callers,
            counts,
        }));
    }

    /// Counts what was decided under limits that came with a request, all of it in one go.
    pub(crate) fn note_callers<'a>(
        &self,
        asked: impl IntoIterator<Item = (&'a [u8], &'a Result<Answer, CallerError>)>,
        took: Duration,
        activity: &Activity,
    ) {
        let mut counts = [0; DecisionOutcome::ALL.len()];
        let named = self.named.load();
        for (key, answer) in asked {
            if let Err(CallerError::TooManyKeys { .. } | CallerError::TooManyLimits { .. }) = answer {
                named.failed(CALLER, NO_ROOM);
            }
            let Some(outcome) = outcome(answer) else { continue };
            counts[outcome as usize] += 1;
            if !outcome.goes_on() {
                activity.note_refused(CALLER, &CallerKey(key));
            }
        }
        let decided = DecisionOutcome::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0);
        let (mut admitted, mut refused) = (0, 0);
        for (outcome, count) in decided {
            named.observer.decided_many(CALLER, outcome, count, took);
            *(if outcome.goes_on() { &mut admitted } else { &mut refused }) += count;
        }
        named.callers.add(admitted, refused);
        activity.note_many(admitted + refused, refused);
    }

    /// What was admitted and refused so far, by policy.
    pub(crate) fn samples(
        &self,
        policies: &PolicySet,
        backends: &BTreeMap<String, NamedBackend>,
    ) -> Vec<Sample> {
        self.with(policies, backends, |_| ());
        let named = self.named.load();
        let sample = |(policy, counts): (&Arc<str>, &Arc<Counts>)| Sample {
            policy: Arc::clone(policy),
            admitted: counts.admitted.load(Ordering::Relaxed),
            refused: counts.refused.load(Ordering::Relaxed),
        };
        let mut samples: Vec<_> = named.counts.iter().map(sample).collect();
        samples.sort_by(|one, other| one.policy.cmp(&other.policy));
        samples
    }

    /// Everything as Prometheus reads it.
    pub(crate) fn render(&self, service: &Service) -> String {
        self.with(&service.policies, &service.backends, |_| ());
        self.register(|| {
            self.named.load().observer.refresh();
            note_state(service);
            note_keys(&service.policies);
        });
        self.exported.render()
    }

    /// Puts what was recorded into its buckets, which otherwise grows until somebody asks. To be called every few seconds.
    pub(crate) fn tidy(&self) {
        self.exported.run_upkeep();
    }
}

fn note_state(service: &Service) {
    describe_gauge!(STATE, "1 for the state in which the service is.");
    describe_gauge!(BUILD, "1, with the version.");
    let now = service.health.report(&service.backends).state;
    for state in State::ALL {
        gauge!(STATE, "state" => state.as_str()).set(if state == now { 1.0 } else { 0.0 });
    }
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// Limits come and go with the policies, so they are looked at anew each time.
fn note_keys(policies: &PolicySet) {
    describe_gauge!(TRACKED_KEYS, "Keys that are not full.");
    describe_counter!(FORGOTTEN_KEYS, "Busy keys that were forgotten for want of room.");
    let mut of_policies: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for limit in policies.stats() {
        let (keys, forgotten) = of_policies.entry(limit.policy).or_default();
        *keys += limit.stats.keys;
        *forgotten += limit.stats.forgotten;
    }
    for (policy, (keys, forgotten)) in of_policies {
        counter!(FORGOTTEN_KEYS, "policy" => policy.clone()).absolute(forgotten);
        #[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers")]
        gauge!(TRACKED_KEYS, "policy" => policy).set(keys as f64);
    }
}

impl Observer for Named {
    fn decided(&self, decision: &Decided<'_>) {
        self.observer.decided(decision);
        if let Some(counts) = self.counts.get(decision.policy) {
            let goes_on = u64::from(decision.outcome.goes_on());
            counts.add(goes_on, 1 - goes_on);
        }
    }

    fn failed(&self, policy: &str, kind: &'static str) {
        with_local_recorder(&self.recorder, || self.observer.failed(policy, kind));
    }
}

/// What a limit that came with a request came to; `None` if it could not be asked.
fn outcome(answer: &Result<Answer, CallerError>) -> Option<DecisionOutcome> {
    let answer = answer.as_ref().ok()?;
    Some(match (answer.allowed, answer.source) {
        (true, Some(Source::FailOpen)) => DecisionOutcome::ErrorAllowed,
        (true, _) => DecisionOutcome::Allowed,
        (false, Some(Source::FailClosed)) => DecisionOutcome::ErrorDenied,
        (false, _) => DecisionOutcome::Denied,
    })
}

impl Observer for Counting {
    fn failed(&self, policy: &str, kind: &'static str) {
        self.named.load().failed(policy, kind);
    }

    fn policies_reloaded(&self, reload: &PolicyReload<'_>) {
        self.register(|| self.named.load().observer.policies_reloaded(reload));
        match reload.outcome {
            Ok(change) => {
                tracing::info!(file = %reload.file.display(), version = change.version, "policies applied");
                for begun in &change.restarted {
                    let (policy, limit) = (&begun.policy, begun.limit.as_deref().unwrap_or("all"));
                    tracing::warn!(%policy, %limit, "every key is full again: {}", begun.reason);
                }
            }
            Err(error) => {
                tracing::error!(file = %reload.file.display(), "policies not applied, the old ones stay in force: {error}");
            }
        }
    }
}

impl fmt::Debug for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counting").finish_non_exhaustive()
    }
}
