//! The quotas of the rows.

/// What a limiter is built from: one token per `interval` nanoseconds, at most `burst` at once. Whole nanoseconds,
/// because governor and the simple limiters know nothing finer; so all four mean the same quota exactly.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) interval: u64,
    pub(crate) burst: u32,
    /// The bound that tollgate asks for; the others know none.
    pub(crate) max_keys: usize,
}

/// Tollgate's default bound, and more than these rows keep alive at once.
const MAX_KEYS: usize = 1_000_000;

/// A hot key that is always admitted. One token per microsecond is less than any limiter is asked for, so the key
/// stays in debt and its word away from the clock; 4 x 10^9 tokens are more than a run can spend.
pub(crate) const ADMITTED: Setup = Setup { interval: 1_000, burst: u32::MAX, max_keys: MAX_KEYS };

/// A hot key that is refused, but for about one request in some thousands.
pub(crate) const REFUSED: Setup = Setup { interval: 1_000_000, burst: 1_000, max_keys: MAX_KEYS };

/// Keys that are idle again a millisecond after their one request.
pub(crate) const SHORT_LIVED: Setup = Setup { interval: 1_000_000, burst: 10, max_keys: MAX_KEYS };

/// After this many fresh keys the limiters that do not forget by themselves are told to drop the idle ones, and the time
/// counts: without it their memory grows without end. Governor was fastest with it of 2^13, 2^15, 2^16, 2^17, 2^18 and 2^20
/// (142, 150, 118, 200, 324, 345 ns; three rounds each, on a machine busy with other work).
pub(crate) const FORGET_EVERY: usize = 1 << 16;

/// Keys per call of `check_many`: a choice, what one read from a busy socket may bring. Other sizes were not tried.
pub(crate) const BATCH: usize = 256;

/// More requests than any of a million keys gets in a run. With the interval of [`live`] the burst lasts 114 years;
/// five times as many would not fit the 64 bits of nanoseconds that governor keeps.
pub(crate) const OFTEN: u32 = 1_000_000;

/// `count` keys that stay live, of which none spends more than `burst`: a token comes back in an hour, far beyond
/// the end of the run. So the exact count of admissions depends on no clock.
pub(crate) const fn live(count: usize, burst: u32) -> Setup {
    // A fifth more room than keys: the bound is not what is measured.
    Setup { interval: 3_600_000_000_000, burst, max_keys: count / 5 * 6 }
}
