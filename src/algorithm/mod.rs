//! Algorithms: what a key's word means, and the laws that let the table forget words that say nothing.

mod double_cell;
mod fixed_window;
mod gcra;
mod leaky_bucket;
mod live_limit;
mod log;
mod per_call;
#[cfg(feature = "serde")]
mod resume;
mod sliding_log;
mod sliding_window;
mod slot;
mod token_axis;
mod token_bucket;
mod token_clock;
#[cfg(all(test, not(tollgate_loom)))]
mod token_clock_tests;
mod window_clock;

pub use fixed_window::FixedWindow;
pub use gcra::Gcra;
pub use leaky_bucket::LeakyBucket;
pub use per_call::PerCall;
pub use sliding_log::SlidingLog;
pub use sliding_window::SlidingWindow;
pub use slot::Slot;
pub use token_axis::TokenReading;
pub use token_bucket::TokenBucket;
pub use token_clock::MAX_VALUE;
pub use window_clock::WindowReading;

pub(crate) use fixed_window::FixedWindowFigures;
pub(crate) use log::Log;
pub(crate) use per_call::PerCallFigures;
#[cfg(feature = "serde")]
pub(crate) use resume::{Origin, Pause, Resume, Shift};
#[cfg(all(test, feature = "serde", not(tollgate_loom)))]
pub(crate) use resume::{TokenOrigin, WindowOrigin};
pub(crate) use sliding_window::SlidingWindowFigures;
pub(crate) use token_axis::TokenFigures;

use std::time::Duration;

use crate::build_error::BuildError;
use crate::decision::Figures;

/// The moment at which a limiter is built, on two clocks: what [`Algorithm::start`] is told. [`Clock`](crate::Clock) shows where the one comes from; the other is Unix time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    now: u64,
    unix: u64,
}

impl Start {
    /// The moment that is `now` on the limiter's clock and `unix` in Unix time, both in nanoseconds.
    #[must_use]
    pub fn new(now: u64, unix: u64) -> Start {
        Start { now, unix }
    }

    /// Nanoseconds on the limiter's clock.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Nanoseconds of Unix time; with a manual clock the same as [`now`](Start::now).
    #[must_use]
    pub fn unix(&self) -> u64 {
        self.unix
    }

    /// How long before `now`, on the limiter's clock and not before the start, Unix time was last a multiple of `period`
    /// nanoseconds; 0 for a period of 0.
    #[must_use]
    pub fn since_aligned(&self, now: u64, period: u64) -> u64 {
        let unix = u128::from(self.unix) + u128::from(now.saturating_sub(self.now));
        #[expect(clippy::cast_possible_truncation, reason = "less than the period")]
        unix.checked_rem(u128::from(period)).map_or(0, |rest| rest as u64)
    }
}

/// A rate-limiting algorithm: a pure function on one 60-bit value per key.
///
/// A [`Limiter`](crate::Limiter) reads its clock, turns the time into the algorithm's [`Reading`](Algorithm::Reading),
/// and lets the algorithm decide what becomes of the key's value. Everything else (which key has which value, how
/// threads agree, what is forgotten) is the limiter's work. Implement this trait to limit by a rule of your own.
///
/// # Laws
///
/// With `r` any reading and `v` any value that the algorithm has produced, at most [`MAX_VALUE`]:
///
/// 1. **Time.** [`position`](Algorithm::position) never falls as the time rises.
/// 2. **Idle is absent.** A value at or below `position(r)` decides exactly as 0 does, at `r` and at every later
///    reading. 0 is the value of a key that was never seen. A key with such a value is forgotten at any moment.
/// 3. **Spending.** An admitted cost above 0 leaves a value above `position(r)`.
/// 4. **A refusal changes nothing.** There is nothing that [`spend`](Algorithm::spend) could write when it refuses.
/// 5. **Splitting.** A cost of `n` is admitted iff `n` costs of 1 in a row would all be, at one reading (unless the
///    algorithm's own documentation says otherwise).
/// 6. **Giving back.** [`refund`](Algorithm::refund) never raises a value; [`charge`](Algorithm::charge) never lowers
///    it. Neither leaves the range of values.
/// 7. **Refused for all.** What [`spend`](Algorithm::spend) refuses a key at 0, it refuses every key.
/// 8. **Late callers.** [`catch_up`](Algorithm::catch_up)`(r, v)` is the earliest reading, not before `r`, whose
///    position is at least `v`. A reading older than a value admits no more from it than one of the value's own time.
/// 9. **Slots.** [`schedule`](Algorithm::schedule) leaves what [`spend`](Algorithm::spend) would leave if it admitted. What it would not
///    admit gets a slot that is still to come, and a key that nobody else spends from would be admitted when it comes.
/// 10. **Settling.** [`settle`](Algorithm::settle) leaves a value alone when the estimate was right, never raises it when less was
///     spent, and never lowers it when more was.
///
/// None of these functions may panic, whatever the arguments. [`testing`](crate::testing) checks all of it.
/// `examples/custom_algorithm.rs` is one of one's own, with its tests.
pub trait Algorithm: Send + Sync {
    /// What the algorithm makes of one reading of the clock.
    type Reading: Copy;

    /// Its name in reports, in lower case with underscores: `gcra`.
    fn name(&self) -> &'static str;

    /// Told once, when a limiter is built.
    ///
    /// # Errors
    ///
    /// Any [`BuildError`], such as [`BuildError::Algorithm`], to keep the limiter from being built.
    fn start(&mut self, start: Start) -> Result<(), BuildError>;

    /// Reads the time `now`, nanoseconds on the limiter's clock. Any number of threads do this at once.
    fn read(&self, now: u64) -> Self::Reading;

    /// The value at or below which a key is idle.
    fn position(&self, reading: &Self::Reading) -> u64;

    /// The earliest reading, not before `reading`, whose position is at least `value`.
    fn catch_up(&self, reading: &Self::Reading, value: u64) -> Self::Reading;

    /// Decides whether a key at `value` may spend `cost`: its value from now on, or `None` when it may not.
    fn spend(&self, reading: &Self::Reading, value: u64, cost: u64) -> Option<u64>;

    /// What a caller is told about a key that stands at `value` (after spending, if it was admitted) and asks for `cost`.
    fn figures(&self, reading: &Self::Reading, value: u64, cost: u64) -> Figures;

    /// The value after spending `tokens` whether they are there or not.
    fn charge(&self, reading: &Self::Reading, value: u64, tokens: u64) -> u64;

    /// The value after giving back `tokens`.
    fn refund(&self, reading: &Self::Reading, value: u64, tokens: u64) -> u64;

    /// The value after a charge of `estimate` tokens, which left the key at `charged`, has turned out to be one of `actual` tokens.
    ///
    /// The key has gone on to `value` since. The default charges or refunds the difference; give another where that would touch
    /// what was spent at another time.
    fn settle(&self, reading: &Self::Reading, value: u64, charged: u64, estimate: u64, actual: u64) -> u64 {
        let _ = charged;
        match actual.checked_sub(estimate) {
            Some(more) => self.charge(reading, value, more),
            None => self.refund(reading, value, estimate - actual),
        }
    }

    /// The next free slot in which a key at `value` may spend `cost`; `None` when it never may.
    ///
    /// The default has no slots but at once, so that whoever would have to wait is refused.
    fn schedule(&self, reading: &Self::Reading, value: u64, cost: u64) -> Option<Slot> {
        self.spend(reading, value, cost).map(Slot::at_once)
    }

    /// When a key at `value` goes idle, if nothing more is spent: the clock's nanoseconds, or `None` for never.
    ///
    /// It is told to newcomers for whom there is no room. The default is the time at which the key is full; give another where a
    /// value stays above the position for longer.
    fn idle_at(&self, reading: &Self::Reading, value: u64) -> Option<u64> {
        self.figures(reading, value, 0).reset_at()
    }

    /// The time in which an empty key becomes full, or a window ends: over it, the limit is a rate. It is for those who are told the limit in
    /// advance, such as HTTP clients in header fields. Default: `None`, for not known.
    fn refill_time(&self) -> Option<Duration> {
        None
    }

    /// How much is lost when a key at `value` is forgotten by force; of several the one with the least gives way.
    fn debt(&self, reading: &Self::Reading, value: u64) -> u64;
}

/// An algorithm whose limit may change while others still go by the old one.
///
/// Both then decide about the same keys: each by its own limit, the old one as of the moment at which the new one took over. So whoever began
/// under a limit ends under it, and nobody waits for anybody.
#[cfg(feature = "policy")]
pub(crate) trait Succeed: crate::Engine {
    /// The algorithm that goes on from here under another quota, of which windows take the count; and the time from which on it does.
    fn succeed(&self, quota: crate::Quota, now: impl FnOnce() -> u64) -> Result<(Self, u64), BuildError>;
}
