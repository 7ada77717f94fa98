//! [`GlobalConcurrencyBuilder`]: everything about a shared concurrency limit that is fixed when it is made.

use std::sync::Arc;
use std::time::Duration;

use super::{GlobalConcurrencyLimit, Inner};
use crate::concurrency::KeyedConcurrencyLimit;
use crate::distributed::failure::FailurePolicy;
use crate::distributed::limiter::{Counters, GlobalBuildError, GlobalBuilder};
use crate::distributed::rule::Rule;
use crate::observe::Observer;

/// Builds a [`GlobalConcurrencyLimit`], which has an example.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct GlobalConcurrencyBuilder {
    common: GlobalBuilder,
}

impl GlobalConcurrencyBuilder {
    pub(super) fn new(common: GlobalBuilder) -> GlobalConcurrencyBuilder {
        GlobalConcurrencyBuilder { common }
    }

    /// What it decides when the store cannot be asked; default [`FailurePolicy::Local`].
    pub fn on_failure(self, policy: FailurePolicy) -> GlobalConcurrencyBuilder {
        GlobalConcurrencyBuilder { common: self.common.on_failure(policy) }
    }

    /// As [`GlobalBuilder::expected_nodes`].
    pub fn expected_nodes(self, nodes: u32) -> GlobalConcurrencyBuilder {
        GlobalConcurrencyBuilder { common: self.common.expected_nodes(nodes) }
    }

    /// How long an acquisition may take at most; default 25 ms, from 1 ms to 60 s.
    pub fn budget(self, budget: Duration) -> GlobalConcurrencyBuilder {
        GlobalConcurrencyBuilder { common: self.common.budget(budget) }
    }

    /// As [`GlobalBuilder::tag`].
    pub fn tag<F>(self, tag: F) -> GlobalConcurrencyBuilder
    where
        F: Fn(&[u8]) -> &[u8] + Send + Sync + 'static,
    {
        GlobalConcurrencyBuilder { common: self.common.tag(tag) }
    }

    /// How many keys surely fit that have places taken on this node alone in an outage; default 100 000, from 1 to 2³². Others are then
    /// refused.
    pub fn max_keys(self, max_keys: usize) -> GlobalConcurrencyBuilder {
        GlobalConcurrencyBuilder { common: self.common.max_keys(max_keys) }
    }

    /// Is told when the store [failed](Observer::failed), under the limit's name.
    pub fn observer(self, observer: Arc<dyn Observer>) -> GlobalConcurrencyBuilder {
        GlobalConcurrencyBuilder { common: self.common.observer(observer) }
    }

    /// Builds the limit. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`GlobalBuildError`] names what is out of range.
    pub fn build(self) -> Result<GlobalConcurrencyLimit, GlobalBuildError> {
        let common = self.common;
        common.validate()?;
        let Rule::Concurrency { places, hold } = common.subjects.rule else {
            return Err(GlobalBuildError::NoRate);
        };
        let local = KeyedConcurrencyLimit::builder(0).max_keys(common.max_keys).build();
        let local = local.map_err(|_| GlobalBuildError::MaxKeys { max_keys: common.max_keys })?;
        let inner = Inner {
            subjects: common.subjects,
            places,
            hold,
            store: common.store,
            budget: common.budget,
            policy: common.policy,
            expected_nodes: common.expected_nodes,
            local: Arc::new(local),
            counters: Counters::default(),
            observer: common.observer,
        };
        Ok(GlobalConcurrencyLimit { inner: Arc::new(inner) })
    }
}
