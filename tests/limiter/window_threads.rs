//! Eight threads on one key of a window: exactly the limit, also while one window gives way to the next.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tollgate::{Clock, Engine, FixedWindow, Limiter, SlidingLog, SlidingWindow};

const THREADS: usize = 8;
const LIMIT: u64 = 500;
const ROUNDS: u64 = 1_000;
const WINDOW: Duration = Duration::from_secs(1);

/// Threads hammer one key. Whoever sees that all is spent that there is moves the clock on by `step`, after which there is more, and takes
/// part in the next round; `all_up_to` says how much there is in this round and those before. So every window is rolled over while all threads are at it.
///
/// `admitted` counts after each admission, so it is never ahead of the limiter: when it says that all is spent, it is.
fn hammer<A: Engine>(algorithm: A, step: Duration, all_up_to: impl Fn(u64) -> u64 + Sync) {
    let (clock, hand) = Clock::manual();
    let limiter = Limiter::builder(algorithm).clock(clock).build().unwrap();
    let (admitted, round, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let start = Barrier::new(THREADS);
    let work = || {
        start.wait();
        while !over.load(Ordering::SeqCst) {
            let _ = limiter.check_n("key", 0);
            if limiter.check("key").is_ok() {
                admitted.fetch_add(1, Ordering::SeqCst);
            }
            let now = round.load(Ordering::SeqCst);
            let is_spent = admitted.load(Ordering::SeqCst) >= all_up_to(now);
            if is_spent && round.compare_exchange(now, now + 1, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                if now + 1 == ROUNDS {
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
    // Not one more in any of them: each further one would have shown as the first of a round that was not begun.
    assert_eq!(admitted.load(Ordering::SeqCst), all_up_to(ROUNDS - 1));
    assert_eq!(limiter.peek("key").remaining(), 0);
}

#[test]
fn eight_threads_get_exactly_the_limit_of_every_fixed_window() {
    hammer(FixedWindow::new(LIMIT, WINDOW), WINDOW, |round| LIMIT * (round + 1));
}

#[test]
fn eight_threads_get_exactly_the_limit_of_every_other_sliding_window() {
    hammer(SlidingWindow::new(LIMIT, WINDOW), WINDOW * 2, |round| LIMIT * (round + 1));
}

/// In each window once at its beginning, when all of the last one still counts, and once in its middle, when half of it does.
#[test]
fn eight_threads_get_exactly_what_the_last_window_leaves_of_a_sliding_window() {
    let (mut previous, mut current, mut all_up_to) = (0, 0, vec![0]);
    // One more than is reached: whoever is late looks at it.
    for round in 0..=ROUNDS {
        let is_new_window = round % 2 == 0;
        if is_new_window {
            (previous, current) = (current, 0);
        }
        // Half a token that counts leaves no room for a whole one.
        let counts: u64 = if is_new_window { previous } else { previous.div_ceil(2) };
        let left = LIMIT.saturating_sub(counts + current);
        assert!(left > 0 || round < 3, "there is something to contend for");
        current += left;
        all_up_to.push(all_up_to[all_up_to.len() - 1] + left);
    }
    let all_up_to = |round| all_up_to[usize::try_from(round).unwrap() + 1];
    hammer(SlidingWindow::new(LIMIT, WINDOW), WINDOW / 2, all_up_to);
}

#[test]
fn eight_threads_get_exactly_the_limit_of_a_log() {
    hammer(SlidingLog::new(LIMIT, WINDOW), WINDOW, |round| LIMIT * (round + 1));
}
