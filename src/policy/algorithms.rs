//! From the name of an algorithm to the algorithm: the one place that knows what a quota means to each.

use super::model::AlgorithmName;
use crate::algorithm::{FixedWindow, Gcra, LeakyBucket, SlidingLog, SlidingWindow, Succeed, TokenBucket};
use crate::quota::Quota;

/// What a limit of a policy is made of: it goes on when the limit changes, and where there are snapshots, after a restart.
#[cfg(feature = "serde")]
pub(crate) trait InPolicies: Succeed + crate::limiter::Snapshots + 'static {}
#[cfg(feature = "serde")]
impl<A: Succeed + crate::limiter::Snapshots + 'static> InPolicies for A {}

/// What a limit of a policy is made of: it goes on when the limit changes.
#[cfg(not(feature = "serde"))]
pub(crate) trait InPolicies: Succeed + 'static {}
#[cfg(not(feature = "serde"))]
impl<A: Succeed + 'static> InPolicies for A {}

/// What is to be done with an algorithm, whichever it is.
pub(crate) trait WithAlgorithm {
    type Output;

    fn with<A: InPolicies>(self, algorithm: A) -> Self::Output;
}

impl AlgorithmName {
    /// Does something with the algorithm of this name.
    pub(crate) fn build<W: WithAlgorithm>(self, quota: Quota, work: W) -> W::Output {
        let (count, period, burst) = (quota.count(), quota.period(), quota.capacity());
        match self {
            AlgorithmName::Gcra => work.with(Gcra::new(quota)),
            AlgorithmName::TokenBucket => work.with(TokenBucket::new(burst).refill(count, period)),
            AlgorithmName::LeakyBucket => {
                // With a queue of any length one request may go, but a burst of zero admits none.
                let rate = if burst == 0 { Quota::per_second(0) } else { quota };
                work.with(LeakyBucket::new(rate, burst.saturating_sub(1)))
            }
            AlgorithmName::FixedWindow => work.with(FixedWindow::new(count, period)),
            AlgorithmName::SlidingWindow => work.with(SlidingWindow::new(count, period)),
            AlgorithmName::SlidingLog => work.with(SlidingLog::new(count, period)),
        }
    }
}
