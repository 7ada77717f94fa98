//! A snapshot while others check.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tollgate::{Gcra, Limiter, Quota, SlidingLog, Snapshots};

/// Known before the snapshot, and checked again and again meanwhile.
const OLD: u64 = 20_000;

/// Newcomers make pages split, which moves keys under the snapshot's feet.
fn misses_no_busy_key<A: Snapshots>(make: impl Fn() -> A) {
    let limiter = Limiter::with(make()).unwrap();
    for key in 0..OLD {
        assert!(limiter.check(&key).is_ok());
    }
    let done = AtomicBool::new(false);
    let snapshots = thread::scope(|scope| {
        for caller in 1..=4_u64 {
            let (limiter, done) = (&limiter, &done);
            scope.spawn(move || {
                for n in 0..u64::MAX {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    let _ = limiter.check(&(n % OLD));
                    // At most 100 000, so that `len` counts all.
                    let _ = limiter.check(&(caller, n % 25_000));
                }
            });
        }
        let snapshots: Vec<_> = (0..10).map(|_| limiter.snapshot()).collect();
        done.store(true, Ordering::Relaxed);
        snapshots
    });
    let mut before = vec![u64::MAX; usize::try_from(OLD).unwrap()];
    for snapshot in snapshots.into_iter().chain([limiter.snapshot()]) {
        let restored = Limiter::builder(make()).restore(snapshot).build().unwrap();
        for (key, before) in (0..OLD).zip(&mut before) {
            let left = restored.peek(&key).remaining();
            assert!(left < 1_000_000, "key {key} is missing");
            assert!(left <= *before, "key {key} had spent more in an earlier snapshot");
            *before = left;
        }
    }
    let restored = Limiter::builder(make()).restore(limiter.snapshot()).build().unwrap();
    assert_eq!(restored.len(), limiter.len());
}

#[test]
fn a_snapshot_misses_no_key_that_is_busy_throughout() {
    const YEAR: std::time::Duration = std::time::Duration::from_secs(31_557_600);
    misses_no_busy_key(|| Gcra::new(Quota::new(1, YEAR).unwrap().burst(1_000_000)));
    misses_no_busy_key(|| SlidingLog::new(1_000_000, YEAR));
}
