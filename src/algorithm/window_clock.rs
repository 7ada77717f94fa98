//! The window clock: time as the number of a window and the time that has passed of it, exactly and without a division.
//!
//! Windows are aligned to Unix time and numbered from 1, the one in which the limiter was built.

use std::time::Duration;

use super::Start;
use crate::build_error::BuildError;
use crate::quota::MAX_PERIOD_NANOS;

/// Bits of a key's value.
const VALUE_BITS: u32 = 60;

/// How long windows can be told apart, at least: 30 years of 365.25 days.
const LIFETIME_NANOS: u64 = 30 * 31_557_600 * 1_000_000_000;

/// A sequence of windows of one length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    /// Nanoseconds of a window.
    pub(super) length: u64,
    /// The number of the last one. Time stands still at its end.
    last: u64,
}

/// Windows, and where in them a limiter's clock stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowClock {
    windows: Windows,
    /// `floor((2^64 - 1) / length)`, to divide by multiplying.
    inverse: u64,
    /// The clock when the limiter was built, and how much of the first window was left then.
    start: u64,
    first_left: u64,
}

impl WindowClock {
    /// A length out of range counts as the nearest that is not; `begin` refuses it.
    pub(super) fn new(window: Duration) -> WindowClock {
        let length = u64::try_from(window.as_nanos()).unwrap_or(MAX_PERIOD_NANOS).clamp(1, MAX_PERIOD_NANOS);
        // The first window has begun already, and they are numbered from 1; what is spent in the last of the 30 years counts for up to two
        // windows more.
        let count = LIFETIME_NANOS / length + 4;
        // All ones: the highest number that needs no more bits.
        let last = u64::MAX >> count.leading_zeros();
        WindowClock {
            windows: Windows { length, last },
            inverse: u64::MAX / length,
            start: 0,
            first_left: length,
        }
    }

    /// The same windows, counted from `start`.
    pub(super) fn begin(&self, window: Duration, start: Start) -> Result<WindowClock, BuildError> {
        if window != Duration::from_nanos(self.windows.length) {
            return Err(BuildError::Window { window });
        }
        let passed = start.since_aligned(start.now(), self.windows.length);
        Ok(WindowClock { start: start.now(), first_left: self.windows.length - passed, ..*self })
    }

    #[inline]
    pub(super) fn windows(&self) -> Windows {
        self.windows
    }

    /// How many bits of a value are left beside the number of a window.
    #[inline]
    pub(super) fn bits_left(&self) -> u32 {
        VALUE_BITS.saturating_sub(u64::BITS - self.windows.last.leading_zeros())
    }

    /// `limit` goes with the reading: one decision and its figures use one limit, though it may be changed meanwhile.
    #[inline]
    pub(super) fn read(&self, now: u64, limit: u64) -> WindowReading {
        let time = now.saturating_sub(self.start);
        let Some(time) = time.checked_sub(self.first_left) else {
            return WindowReading {
                number: 1,
                elapsed: self.windows.length - self.first_left + time,
                now,
                limit,
            };
        };
        let (passed, elapsed) = self.divide(time);
        if passed + 1 < self.windows.last {
            WindowReading { number: passed + 2, elapsed, now, limit }
        } else {
            WindowReading { number: self.windows.last, elapsed: self.windows.length - 1, now, limit }
        }
    }

    /// `time / length` and the rest.
    ///
    /// The inverse is below `2^64 / length` by at most 1, so the product is below the quotient by less than `time / 2^64`, which is
    /// less than 1: its floor is the quotient's, or one less.
    #[inline]
    fn divide(&self, time: u64) -> (u64, u64) {
        let length = self.windows.length;
        let quotient = ((u128::from(time) * u128::from(self.inverse)) >> 64) as u64;
        let rest = time - quotient * length;
        if rest < length { (quotient, rest) } else { (quotient + 1, rest - length) }
    }
}

impl Windows {
    /// The beginning of window `number`, or `reading` if that is later.
    #[inline]
    pub(super) fn not_before(&self, reading: &WindowReading, number: u64) -> WindowReading {
        if number <= reading.number { *reading } else { self.later(reading, number) }
    }

    #[cold]
    fn later(&self, reading: &WindowReading, number: u64) -> WindowReading {
        let number = number.min(self.last).max(reading.number);
        if number == reading.number {
            return *reading;
        }
        let now = self.start_of(reading, number - reading.number).unwrap_or(u64::MAX);
        WindowReading { number, elapsed: 0, now, ..*reading }
    }

    /// When the window begins that is so many after the reading's; `None` beyond the last, or the clock's end.
    pub(super) fn start_of(&self, reading: &WindowReading, windows_ahead: u64) -> Option<u64> {
        if windows_ahead > self.last - reading.number {
            return None;
        }
        let nanos = u128::from(reading.now) + u128::from(windows_ahead) * u128::from(self.length);
        u64::try_from(nanos - u128::from(reading.elapsed)).ok()
    }
}

/// A reading of a window clock of [`FixedWindow`](crate::FixedWindow) and [`SlidingWindow`](crate::SlidingWindow).
#[derive(Clone, Copy, Debug)]
pub struct WindowReading {
    /// The number of the window, from 1.
    pub(super) number: u64,
    /// Nanoseconds of it that have passed, less than its length.
    pub(super) elapsed: u64,
    /// The clock's nanoseconds.
    pub(super) now: u64,
    /// The limit in force.
    pub(super) limit: u64,
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A number of any magnitude up to 64 bits.
    fn magnitude() -> impl Strategy<Value = u64> {
        (0..=64_u32, any::<u64>()).prop_map(|(bits, number)| number.checked_shr(64 - bits).unwrap_or(0))
    }

    fn begun(window: u64, start: u64, unix: u64) -> WindowClock {
        let window = Duration::from_nanos(window);
        WindowClock::new(window).begin(window, Start::new(start, unix)).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn dividing_by_multiplying_is_exact(time in magnitude(), window in magnitude(), near in -2..3_i64) {
            let window = window.clamp(1, MAX_PERIOD_NANOS);
            let clock = begun(window, 0, 0);
            // Near a multiple, too, where one less or more shows.
            let multiple = (time / window).saturating_mul(window).saturating_add_signed(near);
            for time in [time, multiple, u64::MAX] {
                prop_assert_eq!(clock.divide(time), (time / window, time % window));
            }
        }

        #[test]
        fn windows_begin_at_whole_multiples_of_unix_time(
            window in magnitude(),
            start in magnitude(),
            unix in magnitude(),
            later in magnitude(),
        ) {
            let window = window.clamp(1, MAX_PERIOD_NANOS);
            let (clock, now) = (begun(window, start, unix), start.saturating_add(later));
            let reading = clock.read(now, 0);
            let unix_now = u128::from(unix) + u128::from(now - start);
            let number = unix_now / u128::from(window) - u128::from(unix / window) + 1;
            if number <= u128::from(clock.windows.last) {
                prop_assert_eq!(u128::from(reading.number), number);
                prop_assert_eq!(u128::from(reading.elapsed), unix_now % u128::from(window));
            }
            prop_assert!(reading.number <= clock.windows.last && reading.elapsed < window);
        }

        #[test]
        fn windows_are_told_apart_for_30_years(window in magnitude()) {
            let window = window.clamp(1, MAX_PERIOD_NANOS);
            let clock = begun(window, 0, window - 1);
            let end = clock.read(LIFETIME_NANOS, 0);
            prop_assert_eq!(end.number, LIFETIME_NANOS.div_ceil(window) + 1);
            prop_assert!(clock.windows.last < 1 << (VALUE_BITS - clock.bits_left()));
        }
    }
}
