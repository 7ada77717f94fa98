//! What a check allocates that is paid from a lease: nothing.
#![cfg(feature = "distributed")]
#![allow(clippy::unwrap_used, reason = "to fail is to panic")]

use std::alloc::System;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tollgate::distributed::{GlobalLimiter, LeaseSettings, MemoryBackend, Mode, Rule, SharedStore, Source};
use tollgate::{Clock, Quota};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[tokio::test(start_paused = true)]
async fn a_check_that_is_paid_from_a_lease_allocates_nothing() {
    let store = SharedStore::new(MemoryBackend::with_clock(Clock::tokio()));
    let rule = Rule::TokenBucket(Quota::per_second(1_000));
    let limiter = GlobalLimiter::builder("test", rule, &store)
        .mode(Mode::Leased(LeaseSettings::default()))
        .clock(Clock::tokio())
        .build()
        .unwrap();
    // Until much is leased at a time, and then until it has just been.
    for _ in 0..200 {
        assert!(limiter.check("ann").await.is_allowed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let calls = limiter.stats().lease_calls;
    while limiter.stats().lease_calls == calls {
        assert!(limiter.check("ann").await.is_allowed());
    }
    tokio::time::sleep(Duration::from_millis(2)).await;
    let calls = limiter.stats().lease_calls;

    let region = Region::new(ALLOCATOR);
    for _ in 0..3 {
        assert_eq!(limiter.check("ann").await.source(), Source::Lease);
        assert_eq!(limiter.check_now("ann", 1).source(), Source::Lease);
    }
    let change = region.change();
    assert_eq!(limiter.stats().lease_calls, calls, "nothing was asked meanwhile");
    assert_eq!((change.allocations, change.reallocations), (0, 0));
}
