//! [`MemoryBackend`]: a store within the process.

mod count;
mod fixed_window;
mod gcra;
mod lease;
mod leased;
#[cfg(all(test, not(tollgate_loom)))]
mod limiter_tests;
#[cfg(all(test, not(tollgate_loom)))]
mod model_tests;
mod operations;
mod places;
mod sliding_log;
mod sliding_window;
mod state;
mod table;
#[cfg(all(test, not(tollgate_loom)))]
mod tests;
mod token_bucket;

use std::fmt;
use std::time::Instant;

use parking_lot::Mutex;

use super::backend::{Backend, BackendError, BoxFuture};
use super::operation::Operation;
use super::reply::Reply;
use crate::clock::Clock;
#[doc(hidden)]
pub use lease::LeaseState;
use table::Table;

/// A store within the process: for tests, for simulations, and for limits of a single process that are to be shared later.
///
/// It computes as the scripts do that count in Redis, with the same integers, so that it gives the same answers at the same times. All
/// operations are one after the other, and no time passes while a [`Check`](Operation::Check) looks at its subjects.
///
/// **Time** is the clock's in microseconds of Unix time: the system's at the moment at which the backend is made, and from there on what the
/// clock says has passed; with a manual clock the clock's own.
///
/// **Memory** is needed for keys that are not full, and for at most as many that have become so since. A sliding log needs an entry for
/// every token of another microsecond.
///
/// **Cost**: O(1) for each operation, of a sliding log and of places O(limit).
///
/// ```
/// use std::time::{Duration, Instant};
/// use tollgate::distributed::{Backend, MemoryBackend, Operation, Reply, Rule, Spending, Subject};
/// use tollgate::{Clock, Quota};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (clock, _hand) = Clock::manual();
/// let backend = MemoryBackend::with_clock(clock);
/// let alice = Subject::new("api", Rule::Gcra(Quota::per_second(10)), *b"alice");
/// let check = Operation::Check(vec![Spending::new(alice, 7)]);
/// let replies = backend.execute(&[check.clone(), check], Instant::now() + Duration::from_secs(1)).await;
/// let Ok(Reply::Checked { admitted: true, .. }) = replies[0] else { panic!("7 of 10 fit") };
/// let Ok(Reply::Checked { admitted: false, ref standings }) = replies[1] else { panic!("14 of 10 do not") };
/// assert_eq!(standings[0].remaining, 3);
/// assert_eq!(standings[0].retry_after, Some(Duration::from_millis(400)));
/// # }
/// ```
pub struct MemoryBackend {
    clock: Clock,
    /// Nanoseconds: the clock's when the backend was made, and Unix time's.
    start: (u64, u64),
    table: Mutex<Table>,
}

impl MemoryBackend {
    /// A store that is empty, with a monotonic clock.
    #[must_use]
    pub fn new() -> MemoryBackend {
        MemoryBackend::with_clock(Clock::monotonic())
    }

    /// A store that is empty, with this clock.
    #[must_use]
    pub fn with_clock(clock: Clock) -> MemoryBackend {
        let start = clock.start();
        MemoryBackend { clock, start: (start.now(), start.unix()), table: Mutex::default() }
    }

    /// Microseconds of Unix time.
    fn now(&self) -> i64 {
        let (now, unix) = self.start;
        // 2^64 nanoseconds are 1.8e16 microseconds, which are 2.9e17 ticks.
        let nanos = i128::from(self.clock.nanos()) - i128::from(now) + i128::from(unix);
        i64::try_from(nanos.clamp(0, i128::from(u64::MAX)) / 1_000).unwrap_or(i64::MAX)
    }
}

impl Default for MemoryBackend {
    fn default() -> MemoryBackend {
        MemoryBackend::new()
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let states = self.table.lock().len();
        f.debug_struct("MemoryBackend")
            .field("clock", &self.clock)
            .field("states", &states)
            .finish_non_exhaustive()
    }
}

impl Backend for MemoryBackend {
    fn execute<'a>(
        &'a self,
        operations: &'a [Operation],
        _deadline: Instant,
    ) -> BoxFuture<'a, Vec<Result<Reply, BackendError>>> {
        let answer = |operation| {
            let mut table = self.table.lock();
            operations::answer(operation, &mut table, self.now())
        };
        Box::pin(std::future::ready(operations.iter().map(answer).collect()))
    }
}
