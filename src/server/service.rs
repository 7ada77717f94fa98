//! [`Service`]: what all fronts share. Whoever asks, asks here, so that it is counted once.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::activity::Activity;
use super::caller::{Answer, CallerError, CallerLimit, CallerLimits};
use super::counting::{Counting, Sample};
use super::operate::Health;
use super::settings::{Secret, Settings};
use super::told;
use crate::distributed::SharedStore;
use crate::policy::{Attributes, PolicySet, Verdict, Watcher};
use crate::redis::RedisBackend;

/// What all fronts share.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) settings: Settings,
    /// What the configuration API asks for; anybody may use it if there is none, and then only this machine can reach it.
    pub(crate) token: Option<Secret>,
    pub(crate) policies: Arc<PolicySet>,
    /// Limits that come with the request, unless they are switched off.
    pub(crate) callers: Option<CallerLimits>,
    pub(crate) backends: BTreeMap<String, NamedBackend>,
    pub(crate) health: Health,
    pub(crate) activity: Activity,
    pub(crate) counting: Arc<Counting>,
    /// Follows the file of policies, if there is one.
    pub(crate) watcher: OnceLock<Watcher>,
}

/// A backend and what can be told of it.
#[derive(Debug)]
pub(crate) struct NamedBackend {
    pub(crate) store: SharedStore,
    pub(crate) redis: Arc<RedisBackend>,
}

impl Service {
    /// Asks all policies about a request.
    pub(crate) async fn check(&self, attributes: &Attributes<'_>) -> Verdict {
        let begun = Instant::now();
        let verdict = self.policies.check_async(attributes).await;
        self.note(&verdict, attributes, begun.elapsed());
        verdict
    }

    /// Counts what was decided, for whoever asked the policies himself.
    pub(crate) fn note(&self, verdict: &Verdict, attributes: &Attributes<'_>, took: Duration) {
        self.counting.with(&self.policies, &self.backends, |observer| {
            told::of(verdict, attributes, took, observer);
        });
    }

    /// Asks a limit that came with the request.
    pub(crate) async fn check_caller(
        &self,
        key: &[u8],
        limit: CallerLimit,
        cost: u64,
    ) -> Result<Answer, CallerError> {
        self.callers.as_ref().ok_or(CallerError::Off)?.check(key, limit, cost).await
    }

    /// The same without ever waiting: it decides by what this node knows.
    pub(crate) fn check_caller_now(
        &self,
        key: &[u8],
        limit: CallerLimit,
        cost: u64,
    ) -> Result<Answer, CallerError> {
        self.callers.as_ref().ok_or(CallerError::Off)?.check_now(key, limit, cost)
    }

    /// What was admitted and refused so far by each policy, and under [`CALLER`](super::counting::CALLER); it only grows.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.counting.samples(&self.policies, &self.backends)
    }

    /// All metrics as Prometheus reads them.
    pub(crate) fn metrics(&self) -> String {
        self.counting.render(self)
    }
}
