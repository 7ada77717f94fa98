//! [`LimitRule`]: how a limit learns from the requests that return.

use std::fmt;
use std::time::Duration;

use super::AdaptiveError;

/// What a rule is told about one request that has returned.
///
/// For an example see [`LimitRule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it returned, on the limit's clock.
    pub ended: Duration,
    /// How long it was in flight.
    pub round_trip: Duration,
    /// How many were in flight just after it was admitted, itself included.
    pub in_flight: usize,
    /// Whether it found what it called overloaded: [`Outcome::Overload`](super::Outcome::Overload).
    pub overload: bool,
}

/// How a limit learns from the requests that return: [`Aimd`](super::Aimd), [`Gradient2`](super::Gradient2), or a rule of
/// your own.
///
/// The [`AdaptiveConcurrency`](super::AdaptiveConcurrency) keeps the estimate and clamps it to its minimum and maximum. The
/// rule says where the estimate goes next, under a lock, so it should be quick.
///
/// ```
/// use tollgate::concurrency::{AdaptiveConcurrency, LimitRule, Outcome, Sample};
///
/// /// Halves on overload, and otherwise creeps up.
/// #[derive(Debug)]
/// struct Cautious;
///
/// impl LimitRule for Cautious {
///     fn update(&mut self, estimate: f64, sample: &Sample) -> f64 {
///         if sample.overload { estimate / 2.0 } else { estimate + 1.0 / estimate }
///     }
/// }
///
/// let limit = AdaptiveConcurrency::builder(Cautious).min(1).build()?;
/// limit.try_acquire()?.finish(Outcome::Overload);
/// assert_eq!(limit.limit(), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait LimitRule: fmt::Debug + Send {
    /// Whether the rule's own parameters make sense; asked once, when the limit is built.
    ///
    /// # Errors
    ///
    /// [`AdaptiveError::Parameter`], naming the parameter that does not.
    fn validate(&self) -> Result<(), AdaptiveError> {
        Ok(())
    }

    /// The estimate after `sample`, given the one before it. The limit in force is the estimate, clamped and rounded down.
    ///
    /// An estimate that is not a number leaves the limit as it was.
    fn update(&mut self, estimate: f64, sample: &Sample) -> f64;
}

/// A number of requests as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^32")]
pub(super) fn real(count: usize) -> f64 {
    count as f64
}
