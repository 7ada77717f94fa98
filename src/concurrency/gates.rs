//! Concurrency limits among the limits of [`check_all`](crate::check_all): places are taken like tokens, and given back when the work is over.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::counts::NotTaken;
use super::{ConcurrencyLimit, KeyedConcurrencyLimit};
use crate::clock::{Instant, Now};
use crate::decision::{Allowed, Denied, Figures};
#[cfg(feature = "tower")]
use crate::limiter::Turns;
use crate::limiter::{Gate, On, Outcome, Prepared, Receipt};

#[cfg(feature = "tower")]
impl Turns for ConcurrencyLimit {}
#[cfg(feature = "tower")]
impl<S: Send + Sync> Turns for KeyedConcurrencyLimit<S> {}
#[cfg(feature = "tower")]
impl Turns for super::AdaptiveConcurrency {}

/// What a limit says of so many in flight. When one will end, it cannot know: whoever asks may as well come back at once, unless it asks for more
/// than there ever are.
pub(super) fn figures(in_flight: u64, max: u64, asked: u64) -> Figures {
    let retry_at = (asked <= max).then_some(0);
    Figures::new(max, max.saturating_sub(in_flight), Some(0), retry_at)
}

/// Nothing is to be remembered of places that were taken.
const TAKEN: (Now, Receipt) = (Now::NEVER, Receipt { before: 0, after: 0 });

impl Gate for ConcurrencyLimit {
    fn prepare<'a>(&'a self, _: &mut Instant, _: u64, places: u64, _: &mut Prepared<'a>) -> bool {
        self.places().look().has_room_for(places)
    }

    fn look(&self, _: &mut Instant, _: u64, places: u64) -> Result<Allowed, Denied> {
        let seen = self.places().look();
        let figures = figures(seen.in_flight, seen.max, places);
        if seen.has_room_for(places) { Ok(Allowed::new(figures)) } else { Err(Denied::new(figures)) }
    }

    fn take(&self, _: &mut Instant, _: u64, places: u64) -> Result<(Now, Receipt), Denied> {
        match self.places().try_take_many(places) {
            Ok(()) => Ok(TAKEN),
            Err(seen) => Err(Denied::new(figures(seen.in_flight, seen.max, places))),
        }
    }

    fn after(&self, _: Now, _: u64, places: u64, _: Receipt) -> Figures {
        let seen = self.places().look();
        figures(seen.in_flight, seen.max, places)
    }

    fn undo(&self, _: u64, places: u64, _: Receipt) {
        let somebody_waits = self.places().give_back_many(places);
        self.hand_over(somebody_waits);
    }

    /// Places are not an estimate.
    fn settle(&self, _: u64, _: u64, _: u64, _: Receipt) {}

    fn release(&self, tag: u64, places: u64, receipt: Receipt, _: Outcome) {
        self.undo(tag, places, receipt);
    }
}

impl ConcurrencyLimit {
    /// This limit, one of several for [`check_all`](crate::check_all): its cost is how many places are taken, until the answer is dropped.
    ///
    /// ```
    /// use tollgate::concurrency::ConcurrencyLimit;
    /// use tollgate::{Limiter, Quota, check_all};
    ///
    /// let (rate, at_once) = (Limiter::new(Quota::per_second(100)), ConcurrencyLimit::new(1));
    /// let guard = check_all(&[rate.on("ann").label("rate"), at_once.on().label("at once")]).unwrap();
    /// let denied = check_all(&[rate.on("ann").label("rate"), at_once.on().label("at once")]).unwrap_err();
    /// assert_eq!(denied.label(), Some("at once"));
    /// assert_eq!(rate.peek("ann").remaining(), 99); // what was refused took no token
    /// drop(guard);
    /// assert_eq!(at_once.in_flight(), 0);
    /// ```
    pub fn on(&self) -> On<'_> {
        On::borrowed(self, 0).holding()
    }

    /// As [`on`](ConcurrencyLimit::on), for an answer that outlives the borrow: in another task, or with the body of a response.
    pub fn on_owned<'a>(self: &Arc<Self>) -> On<'a> {
        On::shared(Arc::<Self>::clone(self), 0).holding()
    }
}

impl<S: Send + Sync> Gate for KeyedConcurrencyLimit<S> {
    fn prepare<'a>(&'a self, _: &mut Instant, tag: u64, places: u64, _: &mut Prepared<'a>) -> bool {
        self.room_for(tag, places).is_ok()
    }

    fn look(&self, _: &mut Instant, tag: u64, places: u64) -> Result<Allowed, Denied> {
        match self.room_for(tag, places) {
            Ok(in_flight) => Ok(Allowed::new(figures(in_flight, self.max() as u64, places))),
            Err(in_flight) => Err(Denied::new(figures(in_flight, self.max() as u64, places))),
        }
    }

    fn take(&self, _: &mut Instant, tag: u64, places: u64) -> Result<(Now, Receipt), Denied> {
        let max = self.max() as u64;
        match self.counts().take_many(tag, places, max) {
            Ok(()) => Ok(TAKEN),
            Err(NotTaken::Busy(in_flight)) => Err(Denied::new(figures(in_flight, max, places))),
            Err(NotTaken::NoRoom) => Err(Denied::no_room(max, Some(0), 0)),
        }
    }

    fn after(&self, _: Now, tag: u64, places: u64, _: Receipt) -> Figures {
        figures(self.counts().of(tag), self.max() as u64, places)
    }

    fn undo(&self, tag: u64, places: u64, _: Receipt) {
        self.counts().give_back_many(tag, places);
    }

    /// Places are not an estimate.
    fn settle(&self, _: u64, _: u64, _: u64, _: Receipt) {}

    fn release(&self, tag: u64, places: u64, receipt: Receipt, _: Outcome) {
        self.undo(tag, places, receipt);
    }
}

impl<S: Send + Sync> KeyedConcurrencyLimit<S> {
    /// How many of the key are in flight, if so many more may be; or if not.
    fn room_for(&self, tag: u64, places: u64) -> Result<u64, u64> {
        let (in_flight, max) = (self.counts().of(tag), self.max() as u64);
        let fits = max.checked_sub(in_flight).is_some_and(|room| places <= room);
        if fits { Ok(in_flight) } else { Err(in_flight) }
    }
}

impl<S: BuildHasher + Send + Sync> KeyedConcurrencyLimit<S> {
    /// This limit on `key`, one of several for [`check_all`](crate::check_all): its cost is how many places are taken, until the answer is dropped.
    pub fn on<K: Hash + ?Sized>(&self, key: &K) -> On<'_> {
        On::borrowed(self, self.tag_of(key)).holding()
    }

    /// As [`on`](KeyedConcurrencyLimit::on), for an answer that outlives the borrow: in another task, or with the body of a response.
    pub fn on_owned<'a, K: Hash + ?Sized>(self: &Arc<Self>, key: &K) -> On<'a>
    where
        S: 'a,
    {
        On::shared(Arc::<Self>::clone(self), self.tag_of(key)).holding()
    }
}
