//! [`SlidingWindow`]: the count of this window, and the part of the last one that a window ending now would still see.

use std::time::Duration;

use super::live_limit::LiveLimit;
#[cfg(feature = "serde")]
use super::resume::{Origin, Pause, Resume, Shift};
use super::window_clock::{WindowClock, WindowReading, Windows};
use super::{Algorithm, Start};
use crate::build_error::BuildError;
use crate::decision::Figures;

/// The sliding window counter: a fixed window without the double burst at its edges, for traffic that is not out to get it.
///
/// What was spent in the window before counts in proportion to how much of it a window that ends now still covers, as
/// if it had been spent evenly. The proportion is exact: nothing is rounded off. Windows are aligned to Unix time, read once when the
/// limiter is built; with a manual clock they are aligned to its zero.
///
/// **State**: one word per key: the number of the window in which it spent last, what it spent there and in the window before. Admitted
/// iff `previous × (window - elapsed) / window + current + cost <= limit`.
///
/// **Worst case** in any half-open window of length W as long as a window: `2 × limit - 1`, reached by an adversary who spends all at the very
/// end of one window and then one by one as the weight goes down. Traffic that is even within a window stays within the limit.
///
/// **Cost**: O(1), a few nanoseconds.
///
/// **Range**: a window is from 1 ns to 100 years; the number of a window takes as many of 60 bits as 30 years of them need, and two counts must
/// fit into the rest: limits up to 32 767 for a window of a second, 262 143 for a minute, 1 million for an hour, 8 million for a day.
/// After that time nothing more comes back.
///
/// **Source**: Cloudflare, "How we built rate limiting capable of scaling to millions of domains", 2017.
///
/// ```
/// use std::time::Duration;
/// use tollgate::{Clock, Limiter, SlidingWindow};
///
/// let minute = Duration::from_secs(60);
/// let (clock, hand) = Clock::manual();
/// let limiter = Limiter::builder(SlidingWindow::new(10, minute)).clock(clock).build()?;
/// assert!(limiter.check_n("alice", 10).is_ok());
/// hand.set(minute * 3 / 2);
/// assert_eq!(limiter.peek("alice").remaining(), 5); // half of the 10 still count
/// # Ok::<(), tollgate::BuildError>(())
/// ```
#[derive(Debug)]
pub struct SlidingWindow {
    limit: LiveLimit,
    window: Duration,
    clock: WindowClock,
    /// A value is the number of a window and two counts of so many bits.
    count_bits: u32,
}

/// A key's counts at one reading.
#[derive(Clone, Copy, Debug)]
struct Counts {
    reading: WindowReading,
    previous: u64,
    current: u64,
}

impl SlidingWindow {
    /// At most `limit` in every `window`, 1 ns to 100 years. A limit of zero admits nothing.
    #[must_use]
    pub fn new(limit: u64, window: Duration) -> SlidingWindow {
        let clock = WindowClock::new(window);
        SlidingWindow { limit: LiveLimit::new(limit), window, clock, count_bits: clock.bits_left() / 2 }
    }

    /// The limit in force.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit.get()
    }

    /// The length of a window.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.window
    }

    pub(crate) fn set_limit(&self, limit: u64) -> Result<(), BuildError> {
        self.limit.set(limit, self.most())
    }

    /// The highest count.
    #[inline]
    fn most(&self) -> u64 {
        (1 << self.count_bits) - 1
    }

    /// What a key at `value` has spent in this window and the one before. A caller who is late for the key's window is decided at its
    /// beginning.
    #[inline]
    fn counts(&self, reading: &WindowReading, value: u64) -> Counts {
        let bits = self.count_bits;
        let (number, previous, current) =
            (value >> (2 * bits), value >> bits & self.most(), value & self.most());
        if number >= reading.number {
            return Counts { reading: self.clock.windows().not_before(reading, number), previous, current };
        }
        let previous = if number + 1 == reading.number { current } else { 0 };
        Counts { reading: *reading, previous, current: 0 }
    }

    #[inline]
    fn value(&self, counts: &Counts) -> u64 {
        let bits = self.count_bits;
        counts.reading.number << (2 * bits) | counts.previous << bits | counts.current
    }
}

impl Algorithm for SlidingWindow {
    type Reading = WindowReading;

    fn name(&self) -> &'static str {
        "sliding_window"
    }

    fn start(&mut self, start: Start) -> Result<(), BuildError> {
        self.clock = self.clock.begin(self.window, start)?;
        self.limit.check(self.most())
    }

    #[inline]
    fn read(&self, now: u64) -> WindowReading {
        self.clock.read(now, self.limit())
    }

    /// What was spent in the window before still counts, so only older values are idle.
    #[inline]
    fn position(&self, reading: &WindowReading) -> u64 {
        (reading.number - 1) << (2 * self.count_bits)
    }

    #[inline]
    fn catch_up(&self, reading: &WindowReading, value: u64) -> WindowReading {
        let bits = 2 * self.count_bits;
        let started = value >> bits << bits < value;
        self.clock.windows().not_before(reading, (value >> bits) + 1 + u64::from(started))
    }

    #[inline]
    fn spend(&self, reading: &WindowReading, value: u64, cost: u64) -> Option<u64> {
        let counts = self.counts(reading, value);
        let spent = counts.current.checked_add(cost)?;
        let left = counts.reading.limit.checked_sub(spent)?;
        let window = self.clock.windows().length;
        if weighted(counts.previous, &counts.reading, window) > u128::from(left) * u128::from(window) {
            return None;
        }
        Some(if cost == 0 { value } else { self.value(&Counts { current: spent, ..counts }) })
    }

    #[inline]
    fn figures(&self, reading: &WindowReading, value: u64, cost: u64) -> Figures {
        let Counts { reading, previous, current } = self.counts(reading, value);
        Figures::sliding_window(SlidingWindowFigures {
            windows: self.clock.windows(),
            reading,
            previous,
            current,
            cost,
        })
    }

    #[inline]
    fn charge(&self, reading: &WindowReading, value: u64, tokens: u64) -> u64 {
        let counts = self.counts(reading, value);
        let current = counts.current.saturating_add(tokens).min(self.most());
        // A count that is full stays, and with it the value: of an older window where counts have no bits at all.
        if current == counts.current { value } else { self.value(&Counts { current, ..counts }) }
    }

    /// From this window, then from the one before. The value keeps its window, also when nothing is left of it: callers who are late must
    /// not be decided in an earlier one.
    #[inline]
    fn refund(&self, reading: &WindowReading, value: u64, tokens: u64) -> u64 {
        if value <= self.position(reading) {
            return value;
        }
        let current = value & self.most();
        let counts = self.counts(reading, value);
        if counts.current != current {
            // Spent in the window before.
            return value - current.min(tokens);
        }
        let from_previous = tokens.saturating_sub(current).min(counts.previous);
        value - current.min(tokens) - (from_previous << self.count_bits)
    }

    /// Later than full, where what was spent was refunded.
    fn idle_at(&self, reading: &WindowReading, value: u64) -> Option<u64> {
        if value <= self.position(reading) {
            return Some(0);
        }
        let bits = 2 * self.count_bits;
        let number = (value >> bits) + 1 + u64::from(value >> bits << bits < value);
        self.clock.windows().start_of(reading, number - reading.number)
    }

    #[inline]
    fn debt(&self, reading: &WindowReading, value: u64) -> u64 {
        let Counts { reading, previous, current } = self.counts(reading, value);
        let window = self.clock.windows().length;
        // At most `previous`.
        let weighted = weighted(previous, &reading, window) / u128::from(window);
        current.saturating_add(u64::try_from(weighted).unwrap_or(u64::MAX))
    }
}

#[cfg(feature = "serde")]
impl Resume for SlidingWindow {
    fn origin(&self, now: u64) -> (u64, Origin) {
        let reading = self.read(now);
        (self.position(&reading), Origin::windows(self.clock.windows(), &reading))
    }

    fn resume(&mut self, pause: Pause, origin: &Origin) -> Result<Shift, BuildError> {
        self.start(pause.until())?;
        let reading = self.read(pause.until().now());
        let windows = pause.windows(origin, self.clock.windows(), &reading)?;
        Ok(Shift::new(0, windows << (2 * self.count_bits)))
    }
}

/// What `previous` still counts for, times the window.
#[inline]
fn weighted(previous: u64, reading: &WindowReading, window: u64) -> u128 {
    u128::from(previous) * u128::from(window - reading.elapsed)
}

/// What a caller of a [`SlidingWindow`] may ask, worked out when it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlidingWindowFigures {
    windows: Windows,
    reading: WindowReading,
    previous: u64,
    current: u64,
    cost: u64,
}

impl SlidingWindowFigures {
    pub(crate) fn limit(&self) -> u64 {
        self.reading.limit
    }

    pub(crate) fn remaining(&self) -> u64 {
        let window = u128::from(self.windows.length);
        let left = u128::from(self.limit().saturating_sub(self.current)) * window;
        let left = left.saturating_sub(weighted(self.previous, &self.reading, self.windows.length));
        // At most the limit.
        u64::try_from(left / window).unwrap_or(u64::MAX)
    }

    pub(crate) fn reset_at(&self) -> Option<u64> {
        match (self.previous, self.current) {
            (0, 0) => Some(0),
            (_, 0) => self.windows.start_of(&self.reading, 1),
            _ => self.windows.start_of(&self.reading, 2),
        }
    }

    /// In this window, if the weight of the last one goes down enough; else in the next, where this one is the last; and if not
    /// even then, as when all of the limit is asked for, in the one after it.
    pub(crate) fn retry_at(&self) -> Option<u64> {
        let left = self.limit().checked_sub(self.cost)?;
        if let Some(left) = left.checked_sub(self.current)
            && let Some(elapsed) = self.elapsed_until(self.previous, left)
        {
            let wait = elapsed.saturating_sub(self.reading.elapsed);
            return if wait == 0 { Some(0) } else { self.reading.now.checked_add(wait) };
        }
        match self.elapsed_until(self.current, left) {
            Some(elapsed) => self.windows.start_of(&self.reading, 1)?.checked_add(elapsed),
            None => self.windows.start_of(&self.reading, 2),
        }
    }

    /// The least time of a window that must have passed for `previous` to count for `left` or less; `None` when it takes all of the
    /// window, or more.
    fn elapsed_until(&self, previous: u64, left: u64) -> Option<u64> {
        let window = self.windows.length;
        if previous <= left {
            return Some(0);
        }
        // previous × (window - elapsed) <= left × window, and left < previous.
        let not_elapsed = u128::from(left) * u128::from(window) / u128::from(previous);
        let not_elapsed = u64::try_from(not_elapsed).ok()?;
        if not_elapsed == 0 { None } else { Some(window - not_elapsed) }
    }
}
