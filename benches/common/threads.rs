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
}

/// Lets `threads` threads work off the requests 0 to `requests` (exclusive). `work` answers a range of them and
/// says how many it admitted.
pub(crate) fn drive<W: Fn(Range<usize>) -> u64 + Sync>(threads: usize, requests: usize, work: W) -> Driven {
    let pile = AtomicUsize::new(0);
    let run = || {
        let start = Instant::now();
        let mut admitted = 0;
        loop {
            let from = pile.fetch_add(CHUNK, Ordering::Relaxed);
            if from >= requests {
                return (start, Instant::now(), admitted);
            }
            admitted += work(from..requests.min(from + CHUNK));
        }
    };
    if threads == 1 {
        let (start, end, admitted) = run();
        return Driven { wall: end - start, admitted };
    }
    let barrier = Barrier::new(threads);
    let mut results = vec![None; threads];
    std::thread::scope(|scope| {
        for result in &mut results {
            scope.spawn(|| {
                barrier.wait();
                *result = Some(run());
            });
        }
    });
    let results = || results.iter().flatten();
    let first = results().map(|&(start, ..)| start).min();
    let last = results().map(|&(_, end, _)| end).max();
    let wall = first.zip(last).map_or(Duration::ZERO, |(first, last)| last - first);
    Driven { wall, admitted: results().map(|&(.., admitted)| admitted).sum() }
}

/// The nanoseconds for each of `count` that took `wall` together.
pub(crate) fn nanos_each(wall: Duration, count: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "some millions at most")]
    let count = count as f64;
    wall.as_secs_f64() * 1e9 / count
}
