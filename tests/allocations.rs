//! Who is known, refused, looked at or new costs no allocation; only a page does.
//!
//! One test, so that nobody else allocates meanwhile.
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too, to fail is to panic")]

use std::alloc::System;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tollgate::{AtCapacity, Clock, Gcra, Limiter, Quota};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Fails if `work` allocates, reallocates or frees.
#[track_caller]
fn without_allocating<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let region = Region::new(ALLOCATOR);
    let result = work();
    let change = region.change();
    let calls = change.allocations + change.reallocations + change.deallocations;
    assert_eq!(calls, 0, "{what}: {change:?}");
    result
}

#[test]
fn nothing_is_allocated_but_pages() {
    let (clock, hand) = Clock::manual();
    let builder = Limiter::builder(Gcra::new(Quota::per_day(100))).clock(clock).max_keys(1_000);
    let limiter = builder.at_capacity(AtCapacity::DenyNew).build().unwrap();
    let names: Vec<String> = (0..20_000).map(|n| format!("client {n}")).collect();

    assert!(limiter.check("known").is_ok());
    without_allocating("hits", || (0..50).all(|_| limiter.check("known").is_ok()));
    without_allocating("figures", || {
        let denied = limiter.check_n("known", 60).unwrap_err();
        (denied.retry_after(), denied.reset_after(), denied.remaining())
    });
    without_allocating("refusals", || (0..50).all(|_| limiter.check_n("known", 60).is_err()));
    without_allocating("refusals of keys never seen", || limiter.check_n("unknown", 101).is_err());
    without_allocating("peeks", || (limiter.peek("known").remaining(), limiter.peek("unknown").remaining()));
    without_allocating("refunds", || (limiter.refund("known", 3), limiter.refund("unknown", 3)));
    without_allocating("charges", || limiter.charge("known", 3).remaining());
    without_allocating("inserts without a split", || {
        names[..20].iter().all(|name| limiter.check(name).is_ok())
    });
    without_allocating("resets", || names[..20].iter().for_each(|name| limiter.reset(name)));
    without_allocating("changes of quota", || limiter.set_quota(Quota::per_day(100).burst(50)).unwrap());
    without_allocating("checks under a changed quota", || limiter.check("known").is_ok());
    without_allocating("counting", || (limiter.len(), limiter.stats()));

    // The test can see an allocation: this is one.
    let region = Region::new(ALLOCATOR);
    let admitted = names.iter().filter(|name| limiter.check(name).is_ok()).count();
    assert!(region.change().allocations > 0);
    assert!(limiter.stats().pages > 1 && admitted < names.len());

    without_allocating("refusals for want of room", || {
        names.iter().filter(|name| limiter.check(name).is_err_and(|denied| denied.at_capacity())).count()
    });
    hand.advance(Duration::from_secs(3 * 86_400));
    without_allocating("idle keys giving way", || {
        names[10_000..10_900].iter().all(|name| limiter.check(name).is_ok())
    });
    let mut answers = Vec::with_capacity(500);
    without_allocating("batches", || limiter.check_many(&names[10_000..10_500], &mut answers));
    assert_eq!(answers.len(), 500);
    without_allocating("clearing", || limiter.clear());
}
