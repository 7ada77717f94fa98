//! [`Partition`]: a named share of a limit, guaranteed to one kind of request.

use std::fmt;

use super::permit::AdaptivePermit;
use super::{AdaptiveConcurrency, AdaptiveError};
use crate::concurrency::Saturated;
use crate::concurrency::holder::Holder;

/// How far rounding may take a sum of shares that is 1 on paper: each addition errs by at most 2⁻⁵³, and this is
/// enough for millions of them.
const ROUNDING: f64 = 1e-9;

/// A share as it was given to the builder.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Share {
    pub(super) name: String,
    pub(super) fraction: f64,
}

impl Share {
    /// The share of `limit`, rounded up, and so at least 1: as published.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to the limit")]
    pub(super) fn of(&self, limit: u32) -> u32 {
        (f64::from(limit) * self.fraction).ceil() as u32
    }
}

/// Whether these shares can be guaranteed side by side.
pub(super) fn validate(shares: &[Share]) -> Result<(), AdaptiveError> {
    for (index, Share { name, fraction }) in shares.iter().enumerate() {
        if !(*fraction > 0.0 && *fraction <= 1.0) {
            return Err(AdaptiveError::Share { partition: name.clone(), share: *fraction });
        }
        if shares[..index].iter().any(|earlier| earlier.name == *name) {
            return Err(AdaptiveError::DuplicatePartition { partition: name.clone() });
        }
    }
    let sum: f64 = shares.iter().map(|share| share.fraction).sum();
    if sum > 1.0 + ROUNDING {
        return Err(AdaptiveError::SharesAboveOne { sum });
    }
    Ok(())
}

/// One partition of an [`AdaptiveConcurrency`]: a named share of its limit, guaranteed to one kind of request.
///
/// A request is admitted while the whole is below the limit, **or** while its partition has less in flight than its
/// share. So a partition borrows what others leave idle, and takes back what is its own at once, without waiting
/// for the borrowers to return. Until they do, the total may exceed the limit: by at most the
/// [guarantees](Partition::guaranteed) of the partitions that were borrowed from, which together are the limit at
/// most (and one for each partition, since shares are rounded up). The rule is that of Netflix's
/// [concurrency-limits](https://github.com/Netflix/concurrency-limits) (`AbstractPartitionedLimiter`).
///
/// ```
/// use tollgate::concurrency::{AdaptiveConcurrency, Aimd};
///
/// let limit = AdaptiveConcurrency::builder(Aimd::new())
///     .initial(20)
///     .partition("live", 0.7)
///     .partition("batch", 0.3)
///     .build()?;
/// let (Some(live), Some(batch)) = (limit.partition("live"), limit.partition("batch")) else { unreachable!() };
///
/// let borrowed: Vec<_> = std::iter::from_fn(|| batch.try_acquire().ok()).collect();
/// assert_eq!(borrowed.len(), 20); // nobody else was there
///
/// let guaranteed: Vec<_> = std::iter::from_fn(|| live.try_acquire().ok()).collect();
/// assert_eq!(guaranteed.len(), 14); // 70 % of 20, all the same
/// # Ok::<(), tollgate::concurrency::AdaptiveError>(())
/// ```
#[derive(Clone)]
pub struct Partition<'a> {
    holder: Holder<'a, AdaptiveConcurrency>,
    index: usize,
}

impl<'a> Partition<'a> {
    pub(super) fn new(holder: Holder<'a, AdaptiveConcurrency>, index: usize) -> Partition<'a> {
        Partition { holder, index }
    }

    /// Lets one request go on, or not, at once.
    ///
    /// # Errors
    ///
    /// [`Saturated`] when the limit is reached and this partition has its share in flight.
    pub fn try_acquire(&self) -> Result<AdaptivePermit<'a>, Saturated> {
        AdaptivePermit::acquire(self.holder.clone(), Some(self.index))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.given().name
    }

    /// Its share of the limit, above 0 and at most 1, as given to the builder.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.given().fraction
    }

    /// How many of it are surely admitted under the limit now in force: its share of the limit, rounded up, and so at
    /// least 1.
    #[must_use]
    pub fn guaranteed(&self) -> usize {
        self.given().of(self.holder.limit_in_force()) as usize
    }

    /// How many of it are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.holder.in_flight.of(self.index) as usize
    }

    pub(super) fn holder(&self) -> &Holder<'a, AdaptiveConcurrency> {
        &self.holder
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    fn given(&self) -> &Share {
        &self.holder.shares[self.index]
    }
}

impl fmt::Debug for Partition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition")
            .field("name", &self.name())
            .field("share", &self.share())
            .field("in_flight", &self.in_flight())
            .finish()
    }
}
