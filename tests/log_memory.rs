//! The memory of `SlidingLog`: 200 bytes for each of `max_keys` and 16 for each of `max_times`, whatever comes.
//!
//! One test, so that nobody else allocates meanwhile.
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too, to fail is to panic")]

use std::alloc::System;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tollgate::{AtCapacity, Clock, Limiter, ManualClock, SlidingLog};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const HOUR: Duration = Duration::from_secs(3_600);
const MAX_KEYS: usize = 20_000;
const MAX_TIMES: usize = 200_000;

/// What the docs say, and what an empty limiter takes.
const BOUND: usize = 200 * MAX_KEYS + 16 * MAX_TIMES + 64 * 1024;

fn limiter(limit: u64, at_capacity: AtCapacity) -> (Limiter<SlidingLog>, ManualClock) {
    let (clock, hand) = Clock::manual();
    let log = SlidingLog::new(limit, HOUR).max_times(MAX_TIMES);
    let builder = Limiter::builder(log).max_keys(MAX_KEYS).at_capacity(at_capacity).clock(clock);
    (builder.build().unwrap(), hand)
}

/// Bytes on the heap since `region` began.
fn held(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change.bytes_allocated.saturating_sub(change.bytes_deallocated)
}

/// A million keys that spend one token each, while an exhausted one looks in now and then.
fn flood_of_keys(at_capacity: AtCapacity) {
    let region = Region::new(ALLOCATOR);
    let (limiter, hand) = limiter(20, at_capacity);
    assert!(limiter.check_n("exhausted", 20).is_ok());
    let mut admitted = 0;
    for key in 0..1_000_000_u64 {
        admitted += usize::from(limiter.check(&key).is_ok());
        if key % 100 == 0 {
            assert!(limiter.check("exhausted").is_err());
            hand.advance(Duration::from_micros(1));
            assert!(held(&region) <= BOUND, "{} bytes after {key} keys", held(&region));
        }
    }
    let stats = limiter.stats();
    assert!(stats.bytes <= BOUND, "{stats:?}");
    assert!(stats.keys >= MAX_KEYS, "so many surely fit: {stats:?}");
    match at_capacity {
        AtCapacity::ForgetSmallestDebt => {
            assert_eq!(admitted, 1_000_000);
            assert_eq!(usize::try_from(stats.forgotten).unwrap() + stats.keys, admitted + 1);
        }
        AtCapacity::DenyNew => assert_eq!((stats.forgotten, stats.keys), (0, admitted + 1)),
        _ => assert_eq!((stats.forgotten, admitted), (0, 1_000_000)),
    }
    // When all are idle, two give way for every new one.
    hand.advance(HOUR);
    for key in 0..MAX_KEYS {
        assert!(limiter.check(&(key, "again")).is_ok());
    }
    assert_eq!(limiter.stats().forgotten, stats.forgotten, "nobody was forgotten by force");
    assert_eq!(limiter.len(), MAX_KEYS);
}

/// Few keys whose lists together want five times the memory there is. None is ever admitted more than its limit in an hour.
fn flood_of_times() {
    const LIMIT: u64 = 10_000;
    const KEYS: usize = 100;
    let mut admitted: [Vec<u64>; KEYS] = std::array::from_fn(|_| Vec::with_capacity(20_000));
    let region = Region::new(ALLOCATOR);
    let (limiter, hand) = limiter(LIMIT, AtCapacity::DenyNew);
    for step in 0..20_000_u64 {
        for (key, times) in admitted.iter_mut().enumerate() {
            if limiter.check(&key).is_ok() {
                times.push(step);
            }
        }
        hand.advance(HOUR / 10_000);
        assert!(held(&region) <= BOUND, "after {step} steps");
    }
    assert!(limiter.stats().bytes <= BOUND, "{:?}", limiter.stats());
    for times in admitted {
        // Ten thousand steps are an hour, and in one of them a key is admitted once.
        assert!(times.len() >= 10_000, "the first hour is within every limit");
        assert!(times.windows(usize::try_from(LIMIT).unwrap() + 1).all(|w| w[w.len() - 1] - w[0] >= 10_000));
    }
}

/// One key with as large a limit as there are times: exact, and bounded.
fn one_large_limit() {
    let region = Region::new(ALLOCATOR);
    let (limiter, hand) = limiter(u64::try_from(MAX_TIMES).unwrap(), AtCapacity::ForgetSmallestDebt);
    for _ in 0..2 * MAX_TIMES {
        assert!(limiter.check("one").is_ok());
        hand.advance(HOUR / u32::try_from(MAX_TIMES).unwrap());
    }
    assert_eq!(limiter.peek("one").remaining(), 1);
    // While a list is copied to a larger one, both are there.
    assert!(held(&region) <= BOUND, "{}", held(&region));
}

#[test]
fn memory_stays_within_the_bound() {
    for at_capacity in [AtCapacity::ForgetSmallestDebt, AtCapacity::DenyNew, AtCapacity::AllowUntracked] {
        flood_of_keys(at_capacity);
    }
    flood_of_times();
    one_large_limit();
}
