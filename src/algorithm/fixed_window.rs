//! [`FixedWindow`]: a count that starts anew with every window.

use std::time::Duration;

use super::live_limit::LiveLimit;
#[cfg(feature = "serde")]
use super::resume::{Origin, Pause, Resume, Shift};
use super::window_clock::{WindowClock, WindowReading, Windows};
use super::{Algorithm, Slot, Start};
use crate::build_error::BuildError;
use crate::decision::{Figures, interval};

/// The fixed window counter: so many in every minute, hour or day of the clock.
///
/// Windows are aligned to Unix time (a window of an hour begins on the hour, of a day at midnight UTC), read once when the limiter
/// is built; with a manual clock they are aligned to its zero. A debt ([`charge`](crate::Limiter::charge)) ends with its window.
///
/// **State**: one word per key: the number of the window in which it spent last, and how much. Admitted iff
/// `count + cost <= limit`.
///
/// **Worst case** in any half-open window of length W as long as a window: `2 × limit`, reached by whoever spends all at the end of one
/// window and all at the beginning of the next. In general `limit × (⌈W / window⌉ + 1)`.
/// (A [picture](crate::docs::algorithms#fixedwindow) of it.)
///
/// **Cost**: O(1), a few nanoseconds.
///
/// **Range**: the number of a window takes as many of 60 bits as 30 years of them need, and the limit must fit into the rest but
/// one: 536 870 911 for a window of a second, 34 billion for a minute. After that time nothing more is admitted once a key's last
/// window is spent.
///
/// ```
/// use std::time::Duration;
/// use tollgate::{Clock, FixedWindow, Limiter};
///
/// let hour = Duration::from_secs(3600);
/// let (clock, hand) = Clock::manual();
/// hand.set(hour / 4);
/// let limiter = Limiter::builder(FixedWindow::new(2, hour)).clock(clock).build()?;
/// assert!(limiter.check_n("alice", 2).is_ok());
/// assert_eq!(limiter.check("alice").unwrap_err().retry_after(), Some(hour * 3 / 4));
/// # Ok::<(), tollgate::BuildError>(())
/// ```
#[derive(Debug)]
pub struct FixedWindow {
    limit: LiveLimit,
    window: Duration,
    clock: WindowClock,
    /// A value is the number of a window, a bit that says whether it was opened before its time, and so many bits of count.
    count_bits: u32,
}

/// What a key has spent, and the window in which that counts.
#[derive(Clone, Copy, Debug)]
struct Counted {
    reading: WindowReading,
    count: u64,
    /// When that window begins, if all of it so far was [scheduled](Algorithm::schedule) ahead and nobody may go before; otherwise 0.
    opens_at: u64,
}

impl FixedWindow {
    /// At most `limit` in every `window`, 1 ns to 100 years. A limit of zero admits nothing.
    #[must_use]
    pub fn new(limit: u64, window: Duration) -> FixedWindow {
        let clock = WindowClock::new(window);
        FixedWindow {
            limit: LiveLimit::new(limit),
            window,
            clock,
            count_bits: clock.bits_left().saturating_sub(1),
        }
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
        (1 << self.clock.bits_left()) >> 1 & !self.most()
    }

    #[inline]
    fn value(&self, number: u64, count: u64) -> u64 {
        number << self.clock.bits_left() | count
    }

    #[inline]
    fn number(&self, value: u64) -> u64 {
        value >> self.clock.bits_left()
    }

    /// The number of the first window in which a key at `value` is idle: a count above zero, or a mark, is only when its window is over.
    #[inline]
    fn idle_from(&self, value: u64) -> u64 {
        let number = self.number(value);
        number + u64::from(value > self.value(number, 0))
    }

    /// What a key at `value` has spent. A caller who is late for the key's window is decided in it.
    #[inline]
    fn count(&self, reading: &WindowReading, value: u64) -> Counted {
        let number = self.number(value);
        if number <= reading.number {
            let count = if number < reading.number { 0 } else { value & self.most() };
            return Counted { reading: *reading, count, opens_at: 0 };
        }
        let reading = self.clock.windows().not_before(reading, number);
        let opens_at = if value & self.ahead() > 0 { reading.now } else { 0 };
        Counted { reading, count: value & self.most(), opens_at }
    }

    /// The value of a key that has spent so much, and keeps its mark.
    #[inline]
    fn value_of(&self, counted: &Counted) -> u64 {
        let mark = if counted.opens_at > 0 { self.ahead() } else { 0 };
        self.value(counted.reading.number, counted.count) | mark
    }
}

#[cfg(feature = "policy")]
impl super::Succeed for FixedWindow {
    fn succeed(
        &self,
        quota: crate::Quota,
        now: impl FnOnce() -> u64,
    ) -> Result<(FixedWindow, u64), BuildError> {
        let limit = LiveLimit::new(quota.count());
        limit.check(self.most())?;
        Ok((FixedWindow { limit, ..*self }, now()))
    }
}

impl Algorithm for FixedWindow {
    type Reading = WindowReading;

    fn name(&self) -> &'static str {
        "fixed_window"
    }

    fn start(&mut self, start: Start) -> Result<(), BuildError> {
        self.clock = self.clock.begin(self.window, start)?;
        self.limit.check(self.most())
    }

    #[inline]
    fn read(&self, now: u64) -> WindowReading {
        self.clock.read(now, self.limit())
    }

    #[inline]
    fn position(&self, reading: &WindowReading) -> u64 {
        self.value(reading.number, 0)
    }

    #[inline]
    fn catch_up(&self, reading: &WindowReading, value: u64) -> WindowReading {
        self.clock.windows().not_before(reading, self.idle_from(value))
    }

    #[inline]
    fn spend(&self, reading: &WindowReading, value: u64, cost: u64) -> Option<u64> {
        let Counted { reading: window, count, opens_at } = self.count(reading, value);
        let spent = count.checked_add(cost).filter(|spent| *spent <= window.limit && opens_at == 0)?;
        Some(if cost == 0 { value } else { self.value(window.number, spent) })
    }

    #[inline]
    fn figures(&self, reading: &WindowReading, value: u64, cost: u64) -> Figures {
        let counted = self.count(reading, value);
        Figures::fixed_window(FixedWindowFigures { windows: self.clock.windows(), counted, cost })
    }

    #[inline]
    fn charge(&self, reading: &WindowReading, value: u64, tokens: u64) -> u64 {
        if tokens == 0 {
            return value;
        }
        let counted = self.count(reading, value);
        let count = counted.count.saturating_add(tokens).min(self.most());
        self.value_of(&Counted { count, ..counted })
    }

    #[inline]
    fn refund(&self, reading: &WindowReading, value: u64, tokens: u64) -> u64 {
        value - self.count(reading, value).count.min(tokens)
    }

    /// Only in the window that was charged; when it is over, so is its debt.
    fn settle(&self, reading: &WindowReading, value: u64, charged: u64, estimate: u64, actual: u64) -> u64 {
        if self.count(reading, value).reading.number != self.number(charged) {
            return value;
        }
        match actual.checked_sub(estimate) {
            Some(more) => self.charge(reading, value, more),
            None => self.refund(reading, value, estimate - actual),
        }
    }

    /// In this window, or the next; behind what is there already.
    fn schedule(&self, reading: &WindowReading, value: u64, cost: u64) -> Option<Slot> {
        let Counted { reading: window, count, opens_at } = self.count(reading, value);
        if cost > window.limit {
            return None;
        }
        let slot = if count.saturating_add(cost) <= window.limit {
            Counted { reading: window, count: count + cost, opens_at }
        } else {
            let opens_at = self.clock.windows().start_of(&window, 1)?;
            let next = WindowReading { number: window.number + 1, ..window };
            Counted { reading: next, count: cost, opens_at }
        };
        Some(Slot::at(slot.opens_at, if cost == 0 { value } else { self.value_of(&slot) }))
    }

    /// Later than full, where a slot that was taken ahead was refunded: its window stays marked.
    fn idle_at(&self, reading: &WindowReading, value: u64) -> Option<u64> {
        if value <= self.position(reading) {
            return Some(0);
        }
        self.clock.windows().start_of(reading, self.idle_from(value).saturating_sub(reading.number))
    }

    fn refill_time(&self) -> Option<Duration> {
        Some(self.window())
    }

    #[inline]
    fn debt(&self, reading: &WindowReading, value: u64) -> u64 {
        self.count(reading, value).count
    }
}

#[cfg(feature = "serde")]
impl Resume for FixedWindow {
    fn origin(&self, now: u64) -> (u64, Origin) {
        let reading = self.read(now);
        (self.position(&reading), Origin::windows(self.clock.windows(), &reading))
    }

    fn resume(&mut self, pause: Pause, origin: &Origin) -> Result<Shift, BuildError> {
        self.start(pause.until())?;
        let reading = self.read(pause.until().now());
        let windows = pause.windows(origin, self.clock.windows(), &reading)?;
        Ok(Shift::new(0, windows << self.clock.bits_left()))
    }
}

/// What a caller of a [`FixedWindow`] may ask, worked out when it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FixedWindowFigures {
    windows: Windows,
    counted: Counted,
    cost: u64,
}

impl FixedWindowFigures {
    pub(crate) fn limit(&self) -> u64 {
        self.counted.reading.limit
    }

    pub(crate) fn remaining(&self) -> u64 {
        if self.counted.opens_at > 0 { 0 } else { self.limit().saturating_sub(self.counted.count) }
    }

    pub(crate) fn reset_at(&self) -> Option<u64> {
        let Counted { reading, count, opens_at } = &self.counted;
        if *count == 0 { Some(*opens_at) } else { self.windows.start_of(reading, 1) }
    }

    pub(crate) fn retry_at(&self) -> Option<u64> {
        if self.cost > self.limit() {
            return None;
        }
        let Counted { reading, count, opens_at } = &self.counted;
        let fits = count.saturating_add(self.cost) <= self.limit();
        if fits { Some(*opens_at) } else { self.windows.start_of(reading, 1) }
    }

    pub(crate) fn interval(&self) -> u64 {
        interval(self.windows.length, self.limit(), self.cost)
    }
}
