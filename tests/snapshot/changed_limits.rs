//! Limits that differ from those of the saved limiter: what was spent stays spent.

use std::time::Duration;

use proptest::prelude::*;
use tollgate::{FixedWindow, Gcra, LeakyBucket, Quota, SlidingLog, SlidingWindow, TokenBucket};

use super::{SECOND, limiter_at, restored_at, through_json};

const MINUTE: Duration = Duration::from_secs(60);

fn quota() -> impl Strategy<Value = Quota> {
    (1..12_u64, 1..100 * SECOND, 1..12_u64).prop_map(|(count, period, burst)| {
        Quota::new(count, Duration::from_nanos(period)).unwrap().burst(burst)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn another_quota_at_a_restart_is_set_quota_at_the_snapshot(
        before in quota(), after in quota(), spent in 0..30_u64, passed in 0..300 * SECOND, pause in 0..300 * SECOND,
    ) {
        let (old, hand) = limiter_at(Gcra::new(before), 0);
        let _ = old.charge("key", spent);
        hand.advance(Duration::from_nanos(passed));
        let snapshot = old.snapshot();
        // Far from the quota at build a change while running is refused.
        prop_assume!(old.set_quota(after).is_ok());
        hand.advance(Duration::from_nanos(pause));
        let (new, _) = restored_at(Gcra::new(after), passed + pause, through_json(&snapshot));
        let (exact, restored) = (old.peek("key").reset_after(), new.peek("key").reset_after());
        prop_assert!(restored.abs_diff(exact) <= two_units(before, after), "{restored:?} and {exact:?}");
    }

    #[test]
    fn a_limit_may_change_with_a_restart(old_limit in 1..20_u64, new_limit in 1..20_u64, spent in 0..20_u64) {
        let left = new_limit.saturating_sub(spent);
        let (old, _) = limiter_at(FixedWindow::new(old_limit, MINUTE), 0);
        let _ = old.charge("key", spent);
        let (new, _) = restored_at(FixedWindow::new(new_limit, MINUTE), 0, old.snapshot());
        prop_assert_eq!(new.peek("key").remaining(), left);

        let (old, _) = limiter_at(SlidingWindow::new(old_limit, MINUTE), 0);
        let _ = old.charge("key", spent);
        let (new, _) = restored_at(SlidingWindow::new(new_limit, MINUTE), 0, old.snapshot());
        prop_assert_eq!(new.peek("key").remaining(), left);

        let (old, _) = limiter_at(SlidingLog::new(old_limit, MINUTE), 0);
        let _ = old.charge("key", spent);
        let (new, _) = restored_at(SlidingLog::new(new_limit, MINUTE), 0, old.snapshot());
        prop_assert_eq!(new.peek("key").remaining(), left);
    }
}

/// A unit of each axis: below 10 ns of refill, after a live change as much longer as the rate is lower.
fn two_units(before: Quota, after: Quota) -> Duration {
    let interval =
        |quota: Quota| quota.period().as_secs_f64() / f64::from(u32::try_from(quota.count()).unwrap());
    Duration::from_nanos(10).mul_f64(1.0 + interval(after) / interval(before))
}

#[test]
fn a_smaller_burst_caps_what_is_left_and_a_larger_one_adds_to_it() {
    let quota = Quota::per_hour(10);
    let (old, _) = limiter_at(Gcra::new(quota), 0);
    let _ = (old.charge("little", 1), old.charge("much", 8));
    let left = |burst| {
        let (new, _) = restored_at(Gcra::new(quota.burst(burst)), 0, old.snapshot());
        ["new", "little", "much"].map(|key| new.peek(key).remaining())
    };
    assert_eq!(left(10), [10, 9, 2]);
    assert_eq!(left(5), [5, 5, 2]);
    assert_eq!(left(15), [15, 14, 7]);
}

#[test]
fn the_time_of_the_pause_counts_at_the_new_quota() {
    let (old, _) = limiter_at(Gcra::new(Quota::per_hour(3600)), 0);
    let _ = old.charge("key", 3600);
    let (new, _) = restored_at(Gcra::new(Quota::per_hour(7200).burst(3600)), 100 * SECOND, old.snapshot());
    assert_eq!(new.peek("key").remaining(), 200);
}

#[test]
fn the_places_of_a_queue_stay_taken_when_it_becomes_longer() {
    let (old, _) = limiter_at(LeakyBucket::new(Quota::per_second(1), 2), 0);
    let _ = old.charge("key", 3);
    let (new, _) = restored_at(LeakyBucket::new(Quota::per_second(1), 4), SECOND, old.snapshot());
    assert_eq!(new.check("key").unwrap().delay(), Duration::from_secs(2));
}

#[test]
fn a_bucket_may_be_refilled_at_once_from_now_on_or_not_any_more() {
    let evenly = || TokenBucket::new(60).refill(60, MINUTE);
    let (old, _) = limiter_at(evenly(), 50 * SECOND);
    let _ = old.charge("key", 60);
    let (new, hand) = restored_at(evenly().refill_at_once(), 55 * SECOND, old.snapshot());
    assert_eq!(new.peek("key").remaining(), 0);
    hand.set(MINUTE);
    assert_eq!(new.peek("key").remaining(), 60);

    let (old, _) = limiter_at(evenly().refill_at_once(), 50 * SECOND);
    let _ = old.charge("key", 60);
    let (new, _) = restored_at(evenly(), 70 * SECOND, old.snapshot());
    assert_eq!(new.peek("key").remaining(), 20);
}

/// The old limiter was changed while it ran, so its axis counts in other units than one that is built with the same
/// quota.
#[test]
fn a_quota_that_was_set_live_is_the_quota_that_counts() {
    let (fast, slow) = (Quota::per_second(50), Quota::per_second(1).burst(50));
    let (old, hand) = limiter_at(Gcra::new(fast), 0);
    old.set_quota(slow).unwrap();
    let _ = old.charge("key", 50);
    hand.advance(Duration::from_secs(7));
    let (new, _) = restored_at(Gcra::new(slow), 10 * SECOND, old.snapshot());
    assert_eq!(new.peek("key").remaining(), 10);
}
