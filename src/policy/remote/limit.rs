//! [`RemoteLimit`]: a limit that a backend counts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::super::limits::LimitSpec;
use super::super::model::{BackendMode, OnFailure, Policy};
use super::rule::rule;
use crate::clock::Clock;
use crate::distributed::{
    FailurePolicy, GlobalBuildError, GlobalBuilder, GlobalLimiter, LeaseSettings, Mode, Rule, SharedStore,
};

/// A limit that a backend counts.
pub(in crate::policy) struct RemoteLimit {
    /// As in header fields.
    pub(in crate::policy) name: Arc<str>,
    pub(in crate::policy) spec: LimitSpec,
    /// The time in which an empty key becomes full, or a window ends.
    pub(in crate::policy) window: Option<Duration>,
    pub(super) rule: Rule,
    pub(super) limiter: GlobalLimiter,
}

/// How the limits of a policy ask their backend.
#[derive(Clone, Copy)]
pub(super) struct Asking<'p> {
    pub(super) policy: &'p Policy,
    pub(super) store: &'p SharedStore,
    pub(super) clock: &'p Clock,
}

impl Asking<'_> {
    /// A limit by this rule, which the store knows under this name.
    pub(super) fn limiter(&self, stored_as: &str, rule: Rule) -> Result<GlobalLimiter, GlobalBuildError> {
        self.builder(stored_as, rule).build()
    }

    fn builder(&self, stored_as: &str, rule: Rule) -> GlobalBuilder {
        let policy = self.policy;
        let mode = match policy.mode {
            BackendMode::Direct => Mode::Direct,
            BackendMode::Leased => Mode::Leased(LeaseSettings::default()),
        };
        let on_failure = match policy.on_failure {
            OnFailure::Open => FailurePolicy::Open,
            OnFailure::Closed => FailurePolicy::Closed,
            OnFailure::Local => FailurePolicy::Local,
        };
        let builder = GlobalLimiter::builder(stored_as, rule, self.store)
            .mode(mode)
            .on_failure(on_failure)
            .budget(policy.budget.unwrap_or_default().into())
            .expected_nodes(policy.expected_nodes.unwrap_or(1))
            .clock(self.clock.clone());
        match policy.max_keys {
            Some(max_keys) => builder.max_keys(max_keys),
            None => builder,
        }
    }

    /// Whether another policy's limits are asked in the same way.
    pub(super) fn is_that_of(&self, other: &Policy) -> bool {
        let how = |policy: &Policy| {
            (policy.mode, policy.on_failure, policy.budget, policy.expected_nodes, policy.max_keys)
        };
        how(self.policy) == how(other)
    }
}

impl RemoteLimit {
    pub(super) fn new(
        name: Arc<str>,
        stored_as: &str,
        spec: LimitSpec,
        asking: &Asking<'_>,
    ) -> Result<RemoteLimit, String> {
        let rule = rule(spec).map_err(|(_, message)| message)?;
        let limiter = asking.limiter(stored_as, rule).map_err(|error| error.to_string())?;
        Ok(RemoteLimit { name, spec, window: spec.window(), rule, limiter })
    }
}

impl fmt::Debug for RemoteLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteLimit")
            .field("name", &self.name)
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}
