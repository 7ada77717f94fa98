//! [`ConcurrencyLimit`]: at most so many at once; and [`Permit`], which one of them holds.

use std::sync::Arc;

use super::holder::Holder;
use super::places::Places;
use super::saturated::{Cause, Saturated};
#[cfg(feature = "tokio")]
use super::{queue::Handover, waiters::Waiters};

/// At most so many at once.
///
/// `Send + Sync`; share it by reference or in an `Arc`. A permit that is free is taken and given back with one atomic
/// operation each; nobody blocks.
///
/// ```
/// use tollgate::concurrency::ConcurrencyLimit;
///
/// let limit = ConcurrencyLimit::new(10);
/// match limit.try_acquire() {
///     Ok(_permit) => println!("one of {} at work", limit.in_flight()),
///     Err(saturated) => println!("{saturated}"),
/// }
/// assert_eq!(limit.in_flight(), 0);
/// ```
///
/// With the feature `tokio`, callers can also wait for a place, in a queue of bounded length: `acquire_within`.
///
/// What the last holder of a place did before it gave the place back, the next one sees.
#[derive(Debug)]
pub struct ConcurrencyLimit {
    places: Places,
    #[cfg(feature = "tokio")]
    waiters: Waiters<Handover>,
}

impl ConcurrencyLimit {
    /// A limit of `max` at once. 0 admits nobody; more than 2³¹ - 1 counts as 2³¹ - 1.
    ///
    /// With the feature `tokio`, up to 1024 callers may wait, the oldest first.
    #[must_use]
    pub fn new(max: usize) -> ConcurrencyLimit {
        ConcurrencyLimit {
            places: Places::new(max),
            #[cfg(feature = "tokio")]
            waiters: Waiters::default(),
        }
    }

    /// A limit with a queue of its own.
    #[cfg(feature = "tokio")]
    pub(super) fn with_waiters(max: usize, waiters: Waiters<Handover>) -> ConcurrencyLimit {
        ConcurrencyLimit { places: Places::new(max), waiters }
    }

    /// Takes a permit if one is free and nobody waits for it. O(1), never blocks.
    ///
    /// # Errors
    ///
    /// [`Saturated`] when as many as may be are in flight, or others wait in the queue.
    ///
    /// ```
    /// use tollgate::concurrency::ConcurrencyLimit;
    ///
    /// let limit = ConcurrencyLimit::new(1);
    /// let permit = limit.try_acquire()?;
    /// assert!(limit.try_acquire().is_err());
    /// drop(permit);
    /// assert!(limit.try_acquire().is_ok());
    /// # Ok::<(), tollgate::concurrency::Saturated>(())
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, Saturated> {
        self.acquire_raw()?;
        Ok(Permit::of(Holder::Borrowed(self)))
    }

    /// As [`try_acquire`](ConcurrencyLimit::try_acquire), with a permit that can go anywhere, such as into a spawned task.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](ConcurrencyLimit::try_acquire).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tollgate::concurrency::ConcurrencyLimit;
    ///
    /// let limit = Arc::new(ConcurrencyLimit::new(4));
    /// let permit = limit.try_acquire_owned()?;
    /// let worker = std::thread::spawn(move || drop(permit));
    /// worker.join().unwrap();
    /// assert_eq!(limit.in_flight(), 0);
    /// # Ok::<(), tollgate::concurrency::Saturated>(())
    /// ```
    #[inline]
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<Permit<'static>, Saturated> {
        self.acquire_raw()?;
        Ok(Permit::of(Holder::Shared(Arc::clone(self))))
    }

    /// Changes how many may be in flight; in force for the next that asks. More than 2³¹ - 1 counts as 2³¹ - 1.
    ///
    /// Those in flight go on: below their number, nobody is admitted until enough of them have ended. Raising it lets
    /// waiting callers go on, as many as there are new places: O(their number), otherwise O(1).
    pub fn set_max(&self, max: usize) {
        let somebody_waits = self.places.set_max(max);
        self.hand_over(somebody_waits);
    }

    /// How many may be in flight.
    #[must_use]
    pub fn max(&self) -> usize {
        self.figures().max()
    }

    /// How many are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.figures().in_flight()
    }

    /// Takes a place without a permit that would give it back: for whoever calls `release_raw` once for every time that
    /// this succeeds.
    #[inline]
    pub(crate) fn acquire_raw(&self) -> Result<(), Saturated> {
        self.places.try_take().map_err(|seen| seen.refusal(Cause::Busy))
    }

    /// Gives a place back that `acquire_raw` took.
    #[inline]
    pub(crate) fn release_raw(&self) {
        let somebody_waits = self.places.give_back();
        self.hand_over(somebody_waits);
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// The figures of a refusal, which are those that people ask for.
    pub(super) fn figures(&self) -> Saturated {
        self.places.look().refusal(Cause::Busy)
    }

    #[inline]
    pub(super) fn hand_over(&self, somebody_waits: bool) {
        #[cfg(feature = "tokio")]
        if somebody_waits {
            self.waiters.serve(&self.places);
        }
        #[cfg(not(feature = "tokio"))]
        debug_assert!(!somebody_waits, "there is no queue in {self:?}");
    }

    #[cfg(feature = "tokio")]
    pub(super) fn places_and_waiters(&self) -> (&Places, &Waiters<Handover>) {
        (&self.places, &self.waiters)
    }
}

/// One of those in flight, from [`ConcurrencyLimit::try_acquire`] and its relatives.
///
/// Given back exactly once, when it is dropped: also by a panic and with a future that is dropped. If somebody waits,
/// the place goes straight to them. One that is leaked (`std::mem::forget`) is never given back.
#[derive(Debug)]
#[must_use = "a permit is given back as soon as it is dropped"]
pub struct Permit<'a> {
    limit: Holder<'a, ConcurrencyLimit>,
}

impl<'a> Permit<'a> {
    /// A permit for a place that was taken.
    #[inline]
    pub(super) fn of(limit: Holder<'a, ConcurrencyLimit>) -> Permit<'a> {
        Permit { limit }
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.limit.release_raw();
    }
}
