//! [`RemoteLimit`]: a limit that a backend counts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::super::limits::LimitSpec;
use super::super::model::{BackendMode, Policy};
use super::rule::rule;
use crate::clock::Clock;
use crate::distributed::{
    FailurePolicy, GlobalBuildError, GlobalConcurrencyLimit, GlobalLimiter, LeaseSettings, Mode, Rule,
    SharedStore,
};

/// A limit that a backend counts.
pub(in crate::policy) struct RemoteLimit {
    /// As in header fields.
    pub(in crate::policy) name: Arc<str>,
    pub(in crate::policy) spec: LimitSpec,
    /// The time in which an empty key becomes full, or a window ends.
    pub(in crate::policy) window: Option<Duration>,
    pub(super) rule: Rule,
    pub(super) counting: Counting,
}

/// What asks the backend.
pub(super) enum Counting {
    Rate(GlobalLimiter),
    Places(GlobalConcurrencyLimit),
}

/// How the limits of a policy ask their backend.
#[derive(Clone, Copy)]
pub(super) struct Asking<'p> {
    pub(super) policy: &'p Policy,
    pub(super) store: &'p SharedStore,
    pub(super) clock: &'p Clock,
}

impl Asking<'_> {
    /// What counts by this rule under this name in the store.
    fn counting(&self, stored_as: &str, rule: Rule) -> Result<Counting, GlobalBuildError> {
        match rule {
            Rule::Concurrency { places, hold } => self.places(stored_as, places, hold).map(Counting::Places),
            rate => self.limiter(stored_as, rate).map(Counting::Rate),
        }
    }

    fn limiter(&self, stored_as: &str, rule: Rule) -> Result<GlobalLimiter, GlobalBuildError> {
        let policy = self.policy;
        let mode = match policy.mode {
            BackendMode::Direct => Mode::Direct,
            BackendMode::Leased => Mode::Leased(LeaseSettings::default()),
        };
        let builder = GlobalLimiter::builder(stored_as, rule, self.store)
            .mode(mode)
            .on_failure(self.on_failure())
            .budget(policy.budget.unwrap_or_default().into())
            .expected_nodes(policy.expected_nodes.unwrap_or(1))
            .clock(self.clock.clone());
        match policy.max_keys {
            Some(max_keys) => builder.max_keys(max_keys),
            None => builder,
        }
        .build()
    }

    fn places(
        &self,
        stored_as: &str,
        places: u64,
        hold: Duration,
    ) -> Result<GlobalConcurrencyLimit, GlobalBuildError> {
        let policy = self.policy;
        let builder = GlobalConcurrencyLimit::builder(stored_as, places, hold, self.store)
            .on_failure(self.on_failure())
            .budget(policy.budget.unwrap_or_default().into())
            .expected_nodes(policy.expected_nodes.unwrap_or(1));
        match policy.max_keys {
            Some(max_keys) => builder.max_keys(max_keys),
            None => builder,
        }
        .build()
    }

    fn on_failure(&self) -> FailurePolicy {
        self.policy.on_failure.into()
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
        let counting = asking.counting(stored_as, rule).map_err(|error| error.to_string())?;
        Ok(RemoteLimit { name, spec, window: spec.window(), rule, counting })
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
