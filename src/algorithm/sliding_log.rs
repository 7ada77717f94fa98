//! [`SlidingLog`]: every admission with its time, so that no window of the given length ever exceeds the limit.

use std::time::Duration;

use crate::build_error::BuildError;
use crate::quota::MAX_PERIOD_NANOS;
use crate::sync::{AtomicU64, Ordering};

/// The sliding window log: exactly `limit` in any window, wherever it begins.
///
/// Each key has a list of what it was admitted and when; what is as old as the window no longer counts. It is the only algorithm whose
/// limit holds for *every* window, and the only one that pays for it in memory: 16 bytes for each time at which a key was
/// admitted something, until that is out of the window. For strict limits that are small: 5 logins in 15 minutes, 100 calls a day.
///
/// **State**: a list per key of (time, tokens), behind the lock of one of many shards. Admitted iff the tokens spent in `(now - window, now]`
/// and the cost are at most the limit.
///
/// **Worst case** in any half-open window of length W as long as a window: exactly `limit`. In general `limit × ⌈W / window⌉`.
///
/// **Cost**: O(log n) for n times in the list; a lock that is shared with a part of the other keys, and an allocation when a list grows.
///
/// **Memory**: bounded by keys ([`max_keys`](crate::Builder::max_keys), 200 bytes each at most) and by times
/// ([`max_times`](SlidingLog::max_times), 16 bytes each). At either bound [`AtCapacity`](crate::AtCapacity) decides.
///
/// ```
/// use std::time::Duration;
/// use tollgate::{Clock, Limiter, SlidingLog};
///
/// let (clock, hand) = Clock::manual();
/// let log = SlidingLog::new(2, Duration::from_secs(60));
/// let limiter = Limiter::builder(log).clock(clock).build()?;
/// assert!(limiter.check("login:alice").is_ok());
/// hand.advance(Duration::from_secs(50));
/// assert!(limiter.check("login:alice").is_ok());
/// let denied = limiter.check("login:alice").unwrap_err();
/// assert_eq!(denied.retry_after(), Some(Duration::from_secs(10))); // when the first is a minute old
/// # Ok::<(), tollgate::BuildError>(())
/// ```
#[derive(Debug)]
pub struct SlidingLog {
    limit: AtomicU64,
    window: Duration,
    max_times: usize,
}

/// 8 million times are 128 MB, eight for each of the default's million keys.
const DEFAULT_MAX_TIMES: usize = 8_000_000;

impl SlidingLog {
    /// At most `limit` in any `window`, 1 ns to 100 years. A limit of zero admits nothing.
    #[must_use]
    pub fn new(limit: u64, window: Duration) -> SlidingLog {
        SlidingLog { limit: AtomicU64::new(limit), window, max_times: DEFAULT_MAX_TIMES }
    }
}
