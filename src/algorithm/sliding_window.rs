//! [`SlidingWindow`]: the count of this window, and the part of the last one that a window ending now would still see.

use std::time::Duration;

use super::live_limit::LiveLimit;
#[cfg(feature = "serde")]
use super::resume::{Origin, Pause, Resume, Shift};
use super::window_clock::{WindowClock, WindowReading, Windows};
use super::{Algorithm, Slot, Start};
use crate::build_error::BuildError;
use crate::decision::{Figures, interval};

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
/// (A [picture](crate::docs::algorithms#slidingwindow) of it.)
///
/// **Cost**: O(1), a few nanoseconds.
///
/// **Range**: the number of a window takes as many of 60 bits as 30 years of them need, and two counts must fit into the rest but
/// one: limits up to 16 383 for a window of a second, 131 071 for a minute, 1 million for an hour, 4 million for a day. After that
/// time nothing more comes back.
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
    /// A value is the number of a window, a bit that says whether it was opened before its time, and two counts of so many bits.
    count_bits: u32,
    number_shift: u32,
}

/// A key's counts at one reading.
#[derive(Clone, Copy, Debug)]
struct Counts {
    reading: WindowReading,
    previous: u64,
    current: u64,
    /// When that window begins, if all of it so far was [scheduled](Algorithm::schedule) ahead and nobody may go before; otherwise 0.
    opens_at: u64,
}

impl SlidingWindow {
    /// At most `limit` in every `window`, 1 ns to 100 years. A limit of zero admits nothing.
    #[must_use]
    pub fn new(limit: u64, window: Duration) -> SlidingWindow {
        let clock = WindowClock::new(window);
        let left = clock.bits_left();
        let count_bits = left.saturating_sub(1) / 2;
        let number_shift = left.min(2 * count_bits + 1);
        SlidingWindow { limit: LiveLimit::new(limit), window, clock, count_bits, number_shift }
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

    /// The mark of a window that was opened before its time.
    #[inline]
    fn ahead(&self) -> u64 {
        // No bit where counts have none either.
        (1 << self.number_shift) >> 1 & !((1 << (2 * self.count_bits)) - 1)
    }

    #[inline]
    fn number(&self, value: u64) -> u64 {
        value >> self.number_shift
    }

    /// The number of the first window in which a key at `value` is idle.
    #[inline]
    fn idle_from(&self, value: u64) -> u64 {
        let number = self.number(value);
        number + 1 + u64::from(value > number << self.number_shift)
    }

    /// What a key at `value` has spent in this window and the one before. A caller who is late for the key's window is decided at its
    /// beginning.
    #[inline]
    fn counts(&self, reading: &WindowReading, value: u64) -> Counts {
        let number = self.number(value);
        let (previous, current) = (value >> self.count_bits & self.most(), value & self.most());
        if number < reading.number {
            let previous = if number + 1 == reading.number { current } else { 0 };
            return Counts { reading: *reading, previous, current: 0, opens_at: 0 };
        }
        if number == reading.number {
            return Counts { reading: *reading, previous, current, opens_at: 0 };
        }
        let reading = self.clock.windows().not_before(reading, number);
        let opens_at = if value & self.ahead() > 0 { reading.now } else { 0 };
        Counts { reading, previous, current, opens_at }
    }

    #[inline]
    fn value(&self, counts: &Counts) -> u64 {
        let mark = if counts.opens_at > 0 { self.ahead() } else { 0 };
        counts.reading.number << self.number_shift
            | mark
            | counts.previous << self.count_bits
            | counts.current
    }

    #[inline]
    fn asked(&self, reading: &WindowReading, value: u64, cost: u64) -> SlidingWindowFigures {
        let Counts { reading, previous, current, opens_at } = self.counts(reading, value);
        // Two counts and a mark beside a number of two bits or more: each is below 2^29.
        let narrow = |count| u32::try_from(count).unwrap_or(u32::MAX);
        let (previous, current) = (narrow(previous), narrow(current));
        SlidingWindowFigures { windows: self.clock.windows(), reading, previous, current, opens_at, cost }
    }
}

#[cfg(feature = "policy")]
impl super::Succeed for SlidingWindow {
    fn succeed(
        &self,
        quota: crate::Quota,
        now: impl FnOnce() -> u64,
    ) -> Result<(SlidingWindow, u64), BuildError> {
        let limit = LiveLimit::new(quota.count());
        limit.check(self.most())?;
        Ok((SlidingWindow { limit, ..*self }, now()))
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
        (reading.number - 1) << self.number_shift
    }

    #[inline]
    fn catch_up(&self, reading: &WindowReading, value: u64) -> WindowReading {
        self.clock.windows().not_before(reading, self.idle_from(value))
    }

    #[inline]
    fn spend(&self, reading: &WindowReading, value: u64, cost: u64) -> Option<u64> {
        let counts = self.counts(reading, value);
        let spent = counts.current.checked_add(cost)?;
        let left = counts.reading.limit.checked_sub(spent)?;
        let window = self.clock.windows().length;
        let fits =
            weighted(counts.previous, &counts.reading, window) <= u128::from(left) * u128::from(window);
        if !fits || counts.opens_at > 0 {
            return None;
        }
        Some(if cost == 0 { value } else { self.value(&Counts { current: spent, ..counts }) })
    }

    #[inline]
    fn figures(&self, reading: &WindowReading, value: u64, cost: u64) -> Figures {
        Figures::sliding_window(self.asked(reading, value, cost))
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

    /// Only in the window that was charged, as far as it still counts.
    fn settle(&self, reading: &WindowReading, value: u64, charged: u64, estimate: u64, actual: u64) -> u64 {
        let (number, charged) = (self.number(value), self.number(charged));
        let (less, more) = (estimate.saturating_sub(actual), actual.saturating_sub(estimate));
        let shift = match number.checked_sub(charged) {
            _ if charged + 1 < reading.number => return value,
            Some(0) => 0,
            Some(1) => self.count_bits,
            // Forgotten since.
            None if charged == reading.number => return self.charge(reading, value, more),
            _ => return value,
        };
        let count = value >> shift & self.most();
        let settled = count.saturating_sub(less).saturating_add(more).min(self.most());
        value - (count << shift) + (settled << shift)
    }

    /// Behind what is there already: in this window, if the weight of the last one goes down enough; or in one of the next two.
    fn schedule(&self, reading: &WindowReading, value: u64, cost: u64) -> Option<Slot> {
        let counts = self.counts(reading, value);
        let (windows_ahead, time) = self.asked(reading, value, cost).fits_at()?;
        let slot = if windows_ahead == 0 {
            Counts { current: counts.current + cost, ..counts }
        } else {
            let previous = if windows_ahead == 1 { counts.current } else { 0 };
            let number = counts.reading.number + windows_ahead;
            let reading = WindowReading { number, ..counts.reading };
            Counts { reading, previous, current: cost, opens_at: time }
        };
        Some(Slot::at(time, if cost == 0 { value } else { self.value(&slot) }))
    }

    /// Later than full, where what was spent was refunded.
    fn idle_at(&self, reading: &WindowReading, value: u64) -> Option<u64> {
        if value <= self.position(reading) {
            return Some(0);
        }
        self.clock.windows().start_of(reading, self.idle_from(value) - reading.number)
    }

    fn refill_time(&self) -> Option<Duration> {
        Some(self.window())
    }

    #[inline]
    fn debt(&self, reading: &WindowReading, value: u64) -> u64 {
        let Counts { reading, previous, current, .. } = self.counts(reading, value);
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
        Ok(Shift::new(0, windows << self.number_shift))
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
    // Half as wide as elsewhere: answers are handed about by value.
    previous: u32,
    current: u32,
    opens_at: u64,
    cost: u64,
}

impl SlidingWindowFigures {
    fn counts(&self) -> Counts {
        let (previous, current) = (u64::from(self.previous), u64::from(self.current));
        Counts { reading: self.reading, previous, current, opens_at: self.opens_at }
    }

    pub(crate) fn limit(&self) -> u64 {
        self.reading.limit
    }

    pub(crate) fn remaining(&self) -> u64 {
        let Counts { reading, previous, current, opens_at } = self.counts();
        if opens_at > 0 {
            return 0;
        }
        let window = u128::from(self.windows.length);
        let left = u128::from(self.limit().saturating_sub(current)) * window;
        let left = left.saturating_sub(weighted(previous, &reading, self.windows.length));
        // At most the limit.
        u64::try_from(left / window).unwrap_or(u64::MAX)
    }

    pub(crate) fn reset_at(&self) -> Option<u64> {
        let Counts { reading, previous, current, opens_at } = self.counts();
        match (previous, current) {
            (0, 0) => Some(opens_at),
            (_, 0) => self.windows.start_of(&reading, 1),
            _ => self.windows.start_of(&reading, 2),
        }
    }

    pub(crate) fn retry_at(&self) -> Option<u64> {
        self.fits_at().map(|(_, time)| time)
    }

    pub(crate) fn interval(&self) -> u64 {
        interval(self.windows.length, self.limit(), self.cost)
    }

    /// In how many windows the cost fits, and when: in this window, if the weight of the last one goes down enough; else in the next, where
    /// this one is the last; and if not even then, as when all of the limit is asked for, in the one after it.
    fn fits_at(&self) -> Option<(u64, u64)> {
        let Counts { reading, previous, current, opens_at } = self.counts();
        let left = self.limit().checked_sub(self.cost)?;
        if let Some(left) = left.checked_sub(current)
            && let Some(elapsed) = self.elapsed_until(previous, left)
        {
            let wait = elapsed.saturating_sub(reading.elapsed);
            return Some((0, if wait == 0 { opens_at } else { reading.now.checked_add(wait)? }));
        }
        match self.elapsed_until(current, left) {
            Some(elapsed) => Some((1, self.windows.start_of(&reading, 1)?.checked_add(elapsed)?)),
            None => Some((2, self.windows.start_of(&reading, 2)?)),
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
