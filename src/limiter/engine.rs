//! [`Engine`]: what a [`Limiter`](super::Limiter) can be made of; and [`Keys`]: what it asks of whatever holds its keys.

use std::fmt;

use super::words::Words;
use super::{AtCapacity, Stats};
use crate::algorithm::{Algorithm, Start};
use crate::build_error::BuildError;
use crate::clock::{Now, Timeline};
use crate::decision::{Allowed, Denied, Status};

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
}

impl<A: Algorithm> Engine for A {
    type Keys = Words;

    fn begin(&mut self, start: Start, _max_keys: usize) -> Result<(), BuildError> {
        self.start(start)
    }
}

/// A store of keys under an algorithm. Keys are known by their tags, 64 bits of their hash.
///
/// Its name cannot be reached from outside, which is what keeps [`Engine`] to the types of this crate and to [`Algorithm`]s.
pub trait Keys<A>: Send + Sync + fmt::Debug {
    /// An empty store.
    fn new(algorithm: &A, max_keys: usize, at_capacity: AtCapacity) -> Self;

    /// Spends `cost`, or refuses and changes nothing.
    fn spend(&self, algorithm: &A, now: Now, tag: u64, cost: u64) -> Result<Allowed, Denied>;

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
