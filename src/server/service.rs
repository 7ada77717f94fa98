//! [`Service`]: what all fronts share. Whoever asks, asks here, so that it is counted once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::activity::Activity;
use crate::distributed::SharedStore;
use crate::policy::PolicySet;
use crate::redis::RedisBackend;

/// What all fronts share.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) policies: Arc<PolicySet>,
    pub(crate) activity: Activity,
    pub(crate) backends: BTreeMap<String, NamedBackend>,
}

/// A backend and what can be told of it.
#[derive(Debug)]
pub(crate) struct NamedBackend {
    pub(crate) store: SharedStore,
    pub(crate) redis: Arc<RedisBackend>,
}
// CORE builds:
//   callers: Option<CallerLimits>, health: Health (initializing, active, failed, recovering; draining), settings: Settings, policy_file: Option<PolicyFile>,
//   metrics: MetricsObserver + PrometheusHandle; watcher: the policies file's Watcher
//   async fn check(&self, query: .., attributes: &Attributes<'_>) -> Verdict      // asks, counts by policy in metrics and activity
//   async fn check_caller(&self, key: &[u8], limit: CallerLimit, cost: u64) -> Result<Answer, CallerError>;  fn check_caller_now(..) // the same, counted under the policy name "caller"
//   fn samples(&self): admitted and refused per policy so far, for the dashboard (monotonic counters)
