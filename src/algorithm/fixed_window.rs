//! [`FixedWindow`]: a count that starts anew with every window.

use std::time::Duration;

use super::live_limit::LiveLimit;
#[cfg(feature = "serde")]
use super::resume::{Origin, Pause, Resume, Shift};
use super::window_clock::{WindowClock, WindowReading, Windows};
use super::{Algorithm, Start};
use crate::build_error::BuildError;
use crate::decision::Figures;

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
///
/// **Cost**: O(1), a few nanoseconds.
///
/// **Range**: a window is from 1 ns to 100 years; the number of a window takes as many of 60 bits as 30 years of them need, and the limit
/// must fit into the rest: 1 073 741 823 for a window of a second, 68 billion for a minute. After that time nothing more is admitted
/// once a key's last window is spent.
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
    /// A value is the number of a window and so many bits of count.
    count_bits: u32,
}

impl FixedWindow {
    /// At most `limit` in every `window`, 1 ns to 100 years. A limit of zero admits nothing.
    #[must_use]
    pub fn new(limit: u64, window: Duration) -> FixedWindow {
        let clock = WindowClock::new(window);
        FixedWindow { limit: LiveLimit::new(limit), window, clock, count_bits: clock.bits_left() }
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

    #[inline]
    fn value(&self, number: u64, count: u64) -> u64 {
        number << self.count_bits | count
    }

    /// The window that counts for a key at `value`, and what it has spent there. A caller who is late for the key's window is decided in
    /// it.
    #[inline]
    fn count(&self, reading: &WindowReading, value: u64) -> (WindowReading, u64) {
        let number = value >> self.count_bits;
        let count = if number < reading.number { 0 } else { value & self.most() };
        (self.clock.windows().not_before(reading, number), count)
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
        // A count above zero is idle only when its window is over.
        let number = (value >> self.count_bits) + u64::from(value & self.most() > 0);
        self.clock.windows().not_before(reading, number)
    }

    #[inline]
    fn spend(&self, reading: &WindowReading, value: u64, cost: u64) -> Option<u64> {
        let (window, count) = self.count(reading, value);
        let spent = count.checked_add(cost).filter(|spent| *spent <= window.limit)?;
        Some(if cost == 0 { value } else { self.value(window.number, spent) })
    }

    #[inline]
    fn figures(&self, reading: &WindowReading, value: u64, cost: u64) -> Figures {
        let (reading, count) = self.count(reading, value);
        Figures::fixed_window(FixedWindowFigures { windows: self.clock.windows(), reading, count, cost })
    }

    #[inline]
    fn charge(&self, reading: &WindowReading, value: u64, tokens: u64) -> u64 {
        if tokens == 0 {
            return value;
        }
        let (window, count) = self.count(reading, value);
        self.value(window.number, count.saturating_add(tokens).min(self.most()))
    }

    #[inline]
    fn refund(&self, reading: &WindowReading, value: u64, tokens: u64) -> u64 {
        let (_, count) = self.count(reading, value);
        value - count.min(tokens)
    }

    #[inline]
    fn debt(&self, reading: &WindowReading, value: u64) -> u64 {
        self.count(reading, value).1
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
        Ok(Shift::new(0, windows << self.count_bits))
    }
}

/// What a caller of a [`FixedWindow`] may ask, worked out when it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FixedWindowFigures {
    windows: Windows,
    reading: WindowReading,
    count: u64,
    cost: u64,
}

impl FixedWindowFigures {
    pub(crate) fn limit(&self) -> u64 {
        self.reading.limit
    }

    pub(crate) fn remaining(&self) -> u64 {
        self.limit().saturating_sub(self.count)
    }

    pub(crate) fn reset_at(&self) -> Option<u64> {
        if self.count == 0 { Some(0) } else { self.windows.start_of(&self.reading, 1) }
    }

    pub(crate) fn retry_at(&self) -> Option<u64> {
        if self.cost > self.limit() {
            return None;
        }
        let fits = self.count.saturating_add(self.cost) <= self.limit();
        if fits { Some(0) } else { self.windows.start_of(&self.reading, 1) }
    }
}
