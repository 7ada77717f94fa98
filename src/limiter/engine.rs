//! [`Engine`]: what a [`Limiter`](super::Limiter) can be made of; and [`Keys`]: what it asks of whatever holds its keys.

use std::fmt;
use std::time::Duration;

use super::words::Words;
use super::{AtCapacity, Stats};
use crate::algorithm::{Algorithm, Start};
use crate::build_error::BuildError;
use crate::clock::{Now, Timeline};
use crate::decision::{Allowed, Denied, Figures, Status};
use crate::store::Pending;

/// What a [`Limiter`](crate::Limiter) can be made of: every [`Algorithm`] (one word a key), and
/// [`SlidingLog`](crate::SlidingLog) (a list a key).
///
/// It is there to be named in bounds, and cannot be implemented directly: implement [`Algorithm`], and this comes with it.
///
/// ```
/// use tollgate::{Engine, Limiter, Quota, SlidingLog};
///
/// fn serve<A: Engine>(limiter: &Limiter<A>) -> bool {
///     limiter.check("somebody").is_ok()
/// }
///
/// assert!(serve(&Limiter::new(Quota::per_second(10))));
/// assert!(serve(&Limiter::with(SlidingLog::new(10, std::time::Duration::from_secs(1)))?));
/// # Ok::<(), tollgate::BuildError>(())
/// ```
pub trait Engine: Send + Sync + Sized {
    /// What holds the keys.
    #[doc(hidden)]
    type Keys: Keys<Self>;

    /// Told once, when a limiter is built for so many keys.
    #[doc(hidden)]
    fn begin(&mut self, start: Start, max_keys: usize) -> Result<(), BuildError>;

    /// The time in which an empty key becomes full, or a window ends.
    #[doc(hidden)]
    fn refill_time(&self) -> Option<Duration>;
}

impl<A: Algorithm> Engine for A {
    type Keys = Words;

    fn begin(&mut self, start: Start, _max_keys: usize) -> Result<(), BuildError> {
        self.start(start)
    }

    fn refill_time(&self) -> Option<Duration> {
        Algorithm::refill_time(self)
    }
}

/// What was charged where: enough to take it back, or to change it. Only the store that gave it can read it. If the key had no room and
/// is not tracked, it knows that nothing was charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// A word's value before, or the time under which a list has what was charged.
    pub(crate) before: u64,
    /// A word's value after, or the sum of all that a list was ever added.
    pub(crate) after: u64,
}

/// A slot that was taken.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// When it comes, on the limiter's clock.
    pub(super) time: u64,
    pub(super) receipt: Receipt,
}

/// A store of keys under an algorithm. Keys are known by their tags, 64 bits of their hash.
///
/// Its name cannot be reached from outside, which is what keeps [`Engine`] to the types of this crate and to [`Algorithm`]s.
pub trait Keys<A>: Send + Sync + fmt::Debug {
    /// An empty store.
    fn new(algorithm: &A, max_keys: usize, at_capacity: AtCapacity) -> Self;

    /// Spends `cost`, or refuses and changes nothing.
    fn spend(&self, algorithm: &A, now: Now, tag: u64, cost: u64) -> Result<Allowed, Denied>;

    /// Spends `cost` as [`spend`](Keys::spend) does, and remembers what it did.
    fn take(&self, algorithm: &A, now: Now, tag: u64, cost: u64) -> Result<Receipt, Denied>;

    /// Whether `cost` would fit now, and if there is one, the short way to take it. Changes nothing.
    fn prepare(&self, algorithm: &A, now: Now, tag: u64, cost: u64) -> (bool, Option<Pending<'_>>);

    /// Whether `cost` would fit, were it spent now, and where the key stands. Changes nothing.
    fn look(&self, algorithm: &A, now: Now, tag: u64, cost: u64) -> Result<Allowed, Denied>;

    /// Where the key stood after a charge of `cost`. Of a list it is where it stands when it is asked.
    fn after(&self, algorithm: &A, now: Now, tag: u64, cost: u64, receipt: Receipt) -> Figures;

    /// Takes a charge of `cost` back: exactly, if nobody has spent from the key since; or else as far as it still counts.
    fn undo(&self, algorithm: &A, now: Now, tag: u64, cost: u64, receipt: Receipt);

    /// Makes a charge of `estimate` one of `actual` tokens.
    fn settle(&self, algorithm: &A, now: Now, tag: u64, estimate: u64, actual: u64, receipt: Receipt);

    /// Takes the next free slot for `cost` if it comes within `max_delay` nanoseconds.
    fn schedule(&self, algorithm: &A, now: Now, tag: u64, cost: u64, max_delay: u64)
    -> Result<Taken, Denied>;

    /// Gives a slot back if nobody stands behind it.
    fn unschedule(&self, algorithm: &A, now: Now, tag: u64, cost: u64, receipt: Receipt);

    /// Spends one token of each, in order, and appends the answers. At most [`GROUP`](super::batch::GROUP) keys.
    fn spend_group(
        &self,
        algorithm: &A,
        timeline: &Timeline,
        tags: &[u64],
        answers: &mut Vec<Result<Allowed, Denied>>,
    );

    /// Spends `tokens`, there or not.
    fn charge(&self, algorithm: &A, now: Now, tag: u64, tokens: u64) -> Status;

    /// Gives `tokens` back.
    fn refund(&self, algorithm: &A, now: Now, tag: u64, tokens: u64);

    /// Forgets what a key has spent.
    fn reset(&self, algorithm: &A, now: Now, tag: u64);

    /// Forgets what all keys have spent.
    fn clear(&self);

    /// How many keys are not idle; may be an estimate.
    fn live(&self, algorithm: &A, now: Now) -> usize;

    /// Whether all keys are idle.
    fn is_idle(&self, algorithm: &A, now: Now) -> bool;

    /// Numbers about memory; of the store alone.
    fn stats(&self, algorithm: &A, now: Now) -> Stats;
}
