//! What `TopRefused` takes.
//!
//! One test, so that nobody else allocates meanwhile.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use tollgate::observe::{Decided, DecisionOutcome, Observer, TopRefused};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that were allocated and not freed.
fn held(change: Stats) -> usize {
    change.bytes_allocated - change.bytes_deallocated
}

#[test]
fn a_place_takes_less_than_400_bytes_and_a_flood_that_has_them_all_allocates_nothing() {
    // Just past a power of two is where tables that grow by doubling waste most.
    for capacity in [100, 129, 1_000, 1_025, 1_800, 3_585] {
        let refused = TopRefused::new(capacity);
        let flood = |keys: std::ops::Range<usize>| {
            for key in keys {
                refused.decided(&Decided::new("limit", DecisionOutcome::Denied).with_key(&key));
            }
        };
        let region = Region::new(ALLOCATOR);
        flood(0..10 * capacity);
        let bytes = held(region.change()) / capacity;
        assert!(bytes < 400, "{bytes} bytes for each of {capacity}");

        let region = Region::new(ALLOCATOR);
        flood(10 * capacity..100 * capacity);
        assert_eq!(region.change(), Stats::default(), "with {capacity} places");
        assert_eq!(refused.top(usize::MAX).len(), capacity);
    }
}
