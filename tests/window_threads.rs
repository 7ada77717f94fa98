//! Eight threads on one key of a window: exactly the limit, also while one window gives way to the next.
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too, to fail is to panic")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tollgate::{Clock, Engine, FixedWindow, Limiter, SlidingLog, SlidingWindow};

const THREADS: usize = 8;
const LIMIT: u64 = 500;
const WINDOWS: u64 = 200;
const WINDOW: Duration = Duration::from_secs(1);

/// Threads hammer one key. Whoever sees that a window is used up moves the clock on by `step`, after which the whole limit is there
/// again, and takes part in the next. So every window is rolled over while all threads are at it.
///
/// `admitted` counts after each admission, so it is never ahead of the limiter: when it says that a window is used up, it is.
fn hammer<A: Engine>(algorithm: A, step: Duration) {
    let (clock, hand) = Clock::manual();
    let limiter = Limiter::builder(algorithm).clock(clock).build().unwrap();
    let (admitted, window, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        while !over.load(Ordering::SeqCst) {
            let _ = limiter.check_n("key", 0);
            if limiter.check("key").is_ok() {
                admitted.fetch_add(1, Ordering::SeqCst);
            }
            let now = window.load(Ordering::SeqCst);
            let used_up = admitted.load(Ordering::SeqCst) >= LIMIT * (now + 1);
            if used_up && window.compare_exchange(now, now + 1, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                if now + 1 == WINDOWS {
                    over.store(true, Ordering::SeqCst);
                } else {
                    hand.advance(step);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    // Not one more in any of them: each further one would have shown as the first of a window that was not begun.
    assert_eq!(admitted.load(Ordering::SeqCst), LIMIT * WINDOWS);
    assert_eq!(limiter.peek("key").remaining(), 0);
}

#[test]
fn eight_threads_get_exactly_the_limit_of_every_fixed_window() {
    hammer(FixedWindow::new(LIMIT, WINDOW), WINDOW);
}

#[test]
fn eight_threads_get_exactly_the_limit_of_every_other_sliding_window() {
    hammer(SlidingWindow::new(LIMIT, WINDOW), WINDOW * 2);
}

#[test]
fn eight_threads_get_exactly_the_limit_of_a_log() {
    hammer(SlidingLog::new(LIMIT, WINDOW), WINDOW);
}
