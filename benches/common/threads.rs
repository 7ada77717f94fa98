//! Running one piece of work on one or more threads, and timing all of it.

use std::ops::Range;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many requests a thread takes from the common pile at a time. A chunk lasts some 100 µs: taking one costs nothing
/// against that, and no thread can finish much before the other, so the contention lasts for the whole run.
const CHUNK: usize = 4096;

/// What all threads together did.
#[derive(Clone, Copy)]
pub(crate) struct Driven {
    /// From the first thread's first request to the last thread's last one.
    pub(crate) wall: Duration,
    pub(crate) admitted: u64,
    /// The share of the threads' time in which they wanted to run and other programs had their cores.
    pub(crate) waited: f64,
}

/// Lets `threads` threads work off the requests 0 to `requests` (exclusive). `work` answers a range of them and
/// says how many it admitted.
pub(crate) fn drive<W: Fn(Range<usize>) -> u64 + Sync>(threads: usize, requests: usize, work: W) -> Driven {
    let pile = AtomicUsize::new(0);
    let run = || {
        let waited_before = time_waited();
        let start = Instant::now();
        let mut admitted = 0;
        let end = loop {
            let from = pile.fetch_add(CHUNK, Ordering::Relaxed);
            if from >= requests {
                break Instant::now();
            }
            admitted += work(from..requests.min(from + CHUNK));
        };
        Part { start, end, admitted, waited: time_waited().saturating_sub(waited_before) }
    };
    let parts = if threads == 1 {
        vec![run()]
    } else {
        let barrier = Barrier::new(threads);
        let mut parts = vec![None; threads];
        std::thread::scope(|scope| {
            for part in &mut parts {
                scope.spawn(|| {
                    barrier.wait();
                    *part = Some(run());
                });
            }
        });
        parts.into_iter().flatten().collect()
    };
    let first = parts.iter().map(|part| part.start).min();
    let last = parts.iter().map(|part| part.end).max();
    let wall = first.zip(last).map_or(Duration::ZERO, |(first, last)| last - first);
    let waited: Duration = parts.iter().map(|part| part.waited).sum();
    Driven {
        wall,
        admitted: parts.iter().map(|part| part.admitted).sum(),
        waited: nanos_each(waited, threads) / nanos_each(wall, 1),
    }
}

/// What one thread did.
#[derive(Clone, Copy)]
struct Part {
    start: Instant,
    end: Instant,
    admitted: u64,
    waited: Duration,
}

/// How long this thread has been ready to run and did not. Zero where the system does not tell in this way.
fn time_waited() -> Duration {
    // Nanoseconds on a core, nanoseconds waiting for one, time slices (Linux, Documentation/scheduler/sched-stats.rst).
    let stats = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let waited = stats.split_whitespace().nth(1).and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(waited.unwrap_or(0))
}

/// The nanoseconds for each of `count` that took `wall` together.
pub(crate) fn nanos_each(wall: Duration, count: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "some millions at most")]
    let count = count as f64;
    wall.as_secs_f64() * 1e9 / count
}
