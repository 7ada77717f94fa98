//! Snapshots that are what they should be, but not for this limiter: `build` says why.

use std::time::Duration;

use tollgate::{
    BuildError, FixedWindow, Gcra, LeakyBucket, Limiter, Quota, RandomState, SlidingLog, SlidingWindow,
    SnapshotError, Snapshots,
};

use super::{SECOND, limiter_at};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn refusal<A: Snapshots, B: Snapshots>(saved: A, restored: B) -> BuildError {
    let (limiter, _) = limiter_at(saved, SECOND);
    let _ = limiter.charge("key", 1);
    Limiter::builder(restored).restore(limiter.snapshot()).build().map(drop).unwrap_err()
}

#[test]
fn another_algorithm_is_refused_by_name() {
    let quota = Quota::per_hour(10);
    let error = refusal(Gcra::new(quota), LeakyBucket::new(quota, 3));
    let algorithm = |snapshot: &str, limiter| {
        BuildError::Snapshot(SnapshotError::Algorithm { snapshot: snapshot.into(), limiter })
    };
    assert_eq!(error, algorithm("gcra", "leaky_bucket"));
    assert!(error.to_string().contains("\"gcra\" and the limiter's is \"leaky_bucket\""));
    let error = refusal(SlidingLog::new(1, MINUTE), SlidingWindow::new(1, MINUTE));
    assert_eq!(error, algorithm("sliding_log", "sliding_window"));
}

#[test]
fn another_window_is_refused_with_both_lengths() {
    let expected = BuildError::Snapshot(SnapshotError::Window { snapshot: MINUTE, limiter: HOUR });
    assert_eq!(refusal(FixedWindow::new(1, MINUTE), FixedWindow::new(1, HOUR)), expected);
    assert_eq!(refusal(SlidingWindow::new(1, MINUTE), SlidingWindow::new(1, HOUR)), expected);
    assert_eq!(refusal(SlidingLog::new(1, MINUTE), SlidingLog::new(1, HOUR)), expected);
    assert!(expected.to_string().contains("is 60s and the limiter's is 3600s"));
}

#[test]
fn a_hasher_given_after_the_snapshot_is_refused() {
    let limiter = Limiter::new(Quota::per_hour(10));
    let builder = Limiter::builder(Gcra::new(Quota::per_hour(10))).restore(limiter.snapshot());
    let error = builder.hasher(RandomState::new()).build().unwrap_err();
    assert_eq!(error, BuildError::Snapshot(SnapshotError::OtherHasher));
    // The snapshot's own replaces one given before.
    let builder = Limiter::builder(Gcra::new(Quota::per_hour(10))).hasher(RandomState::new());
    assert!(builder.restore(limiter.snapshot()).build().is_ok());
}

#[test]
fn limits_that_cannot_be_built_are_refused_with_a_snapshot_as_without() {
    let (limiter, _) = limiter_at(SlidingWindow::new(1, MINUTE), 0);
    let error = Limiter::builder(SlidingWindow::new(u64::MAX, MINUTE)).restore(limiter.snapshot()).build();
    assert!(matches!(error.unwrap_err(), BuildError::LimitTooLarge { .. }));
    let error =
        Limiter::builder(SlidingWindow::new(1, MINUTE)).max_keys(0).restore(limiter.snapshot()).build();
    assert_eq!(error.unwrap_err(), BuildError::MaxKeys { max_keys: 0 });
}
