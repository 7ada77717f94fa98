//! What `tollgate::concurrency` promises.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in helpers of tests, too, to fail is to panic")]

mod adaptive;
mod adaptive_loop;
mod adaptive_rules;
mod fixed;
mod keyed;
#[cfg(feature = "tokio")]
mod queue;
#[cfg(feature = "tokio")]
mod queue_threads;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many are inside, and the most that ever were.
#[derive(Default)]
struct Gauge {
    inside: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    fn enter(&self) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// Runs `work` in so many threads that start together.
fn in_threads(threads: usize, work: impl Fn(usize) + Sync) {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        for n in 0..threads {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(n);
            });
        }
    });
}

/// Panics with what `holding` returns in hand.
fn panic_with<T>(holding: impl FnOnce() -> T) {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _held = holding();
        std::panic::resume_unwind(Box::new("on purpose"));
    }));
    assert!(panicked.is_err());
}
