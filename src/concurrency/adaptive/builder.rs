//! [`AdaptiveBuilder`]: everything about an adaptive limit that is fixed when it is made.

use super::error::MOST_IN_FLIGHT;
use super::partitions::{self, Share};
use super::{AdaptiveConcurrency, AdaptiveError, LimitRule};
use crate::clock::Clock;

/// Builds an [`AdaptiveConcurrency`].
///
/// ```
/// use tollgate::concurrency::{AdaptiveConcurrency, Aimd};
///
/// let limit = AdaptiveConcurrency::builder(Aimd::new()).initial(10).min(2).max(64).build()?;
/// assert_eq!(limit.limit(), 10);
/// # Ok::<(), tollgate::concurrency::AdaptiveError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct AdaptiveBuilder<R> {
    rule: R,
    initial: usize,
    min: usize,
    max: usize,
    clock: Option<Clock>,
    shares: Vec<Share>,
}

impl<R: LimitRule + 'static> AdaptiveBuilder<R> {
    /// 20 at first and at least, 200 at most: the published defaults of both rules.
    pub(super) fn new(rule: R) -> AdaptiveBuilder<R> {
        AdaptiveBuilder { rule, initial: 20, min: 20, max: 200, clock: None, shares: Vec::new() }
    }

    /// The limit before anything is learnt; default 20, from `min` to `max`.
    pub fn initial(mut self, initial: usize) -> AdaptiveBuilder<R> {
        self.initial = initial;
        self
    }

    /// The least that the limit may fall to; default 20, from 1. Lower it for a callee that stands fewer at once.
    pub fn min(mut self, min: usize) -> AdaptiveBuilder<R> {
        self.min = min;
        self
    }

    /// The most that the limit may rise to; default 200, from `min` to 2³⁰.
    pub fn max(mut self, max: usize) -> AdaptiveBuilder<R> {
        self.max = max;
        self
    }

    /// The source of time for round trips; default [`Clock::monotonic`].
    pub fn clock(mut self, clock: Clock) -> AdaptiveBuilder<R> {
        self.clock = Some(clock);
        self
    }

    /// Guarantees `share` of the limit, above 0 and up to 1, to requests that ask the [`Partition`](super::Partition) of this
    /// name. All shares together come to at most 1.
    pub fn partition(mut self, name: impl Into<String>, share: f64) -> AdaptiveBuilder<R> {
        self.shares.push(Share { name: name.into(), fraction: share });
        self
    }

    /// Builds the limit.
    ///
    /// # Errors
    ///
    /// [`AdaptiveError`], naming the first option that is out of range.
    ///
    /// ```
    /// use tollgate::concurrency::{AdaptiveConcurrency, AdaptiveError, Aimd};
    ///
    /// let error = AdaptiveConcurrency::builder(Aimd::new()).initial(10).build().unwrap_err();
    /// assert_eq!(error, AdaptiveError::Initial { initial: 10, min: 20, max: 200 });
    /// ```
    pub fn build(self) -> Result<AdaptiveConcurrency, AdaptiveError> {
        let AdaptiveBuilder { rule, initial, min, max, clock, shares } = self;
        if min == 0 {
            return Err(AdaptiveError::Min { min });
        }
        if max < min || max > MOST_IN_FLIGHT {
            return Err(AdaptiveError::Max { max, min });
        }
        if initial < min || initial > max {
            return Err(AdaptiveError::Initial { initial, min, max });
        }
        rule.validate()?;
        partitions::validate(&shares)?;
        let estimate = super::Estimate::new(Box::new(rule), initial, min, max);
        Ok(AdaptiveConcurrency::assemble(estimate, clock.unwrap_or_default(), shares))
    }
}
