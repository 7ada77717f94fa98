//! The system's clocks: another zero in every process, and a wall clock that may be set back.

use std::time::Duration;

use serde_json::Value;
use tollgate::{
    FixedWindow, Gcra, LeakyBucket, Limiter, PerCall, Quota, SlidingLog, SlidingWindow, Snapshots,
    TokenBucket,
};

use super::{SECOND, limiter_at, restored_at};

const CENTURY: Duration = Duration::from_secs(36_525 * 86_400);

fn no_fresh_burst<A: Snapshots>(make: impl Fn() -> A) {
    let limiter = Limiter::with(make()).unwrap();
    assert!(limiter.check_n("busy", 10).is_ok());
    let restored = Limiter::builder(make()).restore(limiter.snapshot()).build().unwrap();
    assert!(restored.check("busy").is_err());
    assert!(restored.check_n("new", 10).is_ok());
    let again = Limiter::builder(make()).restore(restored.snapshot()).build().unwrap();
    assert!(again.check("busy").is_err() && again.check("new").is_err());
}

/// The windows are so long that none ends while this runs.
#[test]
fn a_restart_grants_no_fresh_burst() {
    let quota = Quota::new(10, CENTURY).unwrap();
    no_fresh_burst(|| Gcra::new(quota));
    no_fresh_burst(|| TokenBucket::new(10).refill(10, CENTURY));
    no_fresh_burst(|| TokenBucket::new(10).refill(10, CENTURY).refill_at_once());
    no_fresh_burst(|| LeakyBucket::new(quota, 9));
    no_fresh_burst(|| PerCall::new().otherwise(Quota::per_day(10)));
    no_fresh_burst(|| FixedWindow::new(10, CENTURY));
    no_fresh_burst(|| SlidingWindow::new(10, CENTURY));
    no_fresh_burst(|| SlidingLog::new(10, CENTURY));
}

fn without_time_running_back<A: Snapshots>(make: impl Fn() -> A) {
    let (limiter, _) = limiter_at(make(), 5_000 * SECOND + 7);
    assert!(limiter.check_n("busy", 10).is_ok());
    let snapshot = limiter.snapshot();
    for earlier in [0, 1, 4_999 * SECOND, 4_961 * SECOND, 5_000 * SECOND + 6] {
        let (restored, hand) = restored_at(make(), earlier, snapshot.clone());
        assert!(restored.check("busy").is_err(), "at {earlier}");
        assert!(restored.peek("busy").retry_after() >= limiter.peek("busy").retry_after(), "at {earlier}");
        // And it is not locked out for more than two windows or a refill.
        hand.advance(Duration::from_secs(180));
        assert!(restored.check_n("busy", 10).is_ok(), "at {earlier}");
    }
}

#[test]
fn a_wall_clock_that_was_set_back_counts_as_no_time() {
    let minute = Duration::from_secs(60);
    without_time_running_back(|| Gcra::new(Quota::per_minute(10)));
    without_time_running_back(|| TokenBucket::new(10).refill(10, minute).refill_at_once());
    without_time_running_back(|| LeakyBucket::new(Quota::per_minute(10), 9));
    without_time_running_back(|| PerCall::new().otherwise(Quota::per_minute(10)));
    without_time_running_back(|| FixedWindow::new(10, minute));
    without_time_running_back(|| SlidingWindow::new(10, minute));
    without_time_running_back(|| SlidingLog::new(10, minute));
}

#[test]
fn a_snapshot_tells_unix_time() {
    let before = unix();
    let snapshot = Limiter::new(Quota::per_hour(1)).snapshot();
    let Value::Number(taken) = serde_json::to_value(snapshot).unwrap()["content"]["unix"].take() else {
        panic!("no time");
    };
    let taken = taken.as_u64().unwrap();
    assert!((before..=unix()).contains(&taken));
}

fn unix() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}
