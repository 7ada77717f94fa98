//! More keys than there is room for.

use std::time::Duration;

use tollgate::{AtCapacity, BuildError, Gcra, Limiter, Quota, SlidingLog, Snapshot, SnapshotError};

use super::SECOND;

/// One key of every ten has spent a lot.
const KEYS: u64 = 20_000;
const FEW: usize = 1_000;

fn gcra() -> Gcra {
    Gcra::new(Quota::per_day(100))
}

fn crowd() -> Snapshot {
    let limiter = Limiter::with(gcra()).unwrap();
    for key in 0..KEYS {
        let _ = limiter.charge(&key, if key % 10 == 0 { 90 } else { 1 });
    }
    limiter.snapshot()
}

#[test]
fn those_that_have_spent_the_least_are_forgotten_and_counted() {
    let builder = Limiter::builder(gcra()).max_keys(2 * FEW);
    let limiter = builder.restore(crowd()).build().unwrap();
    assert_eq!(limiter.stats().forgotten, KEYS - limiter.len() as u64);
    let kept = (0..KEYS).step_by(10).filter(|key| limiter.peek(key).remaining() < 100).count();
    // Room is found in a window of 32 slots, so chance decides about a few.
    assert!(kept >= 1_900, "{kept}");
}

#[test]
fn where_nobody_may_be_forgotten_the_limiter_is_not_built() {
    let builder = Limiter::builder(gcra()).max_keys(FEW).at_capacity(AtCapacity::DenyNew);
    let error = builder.restore(crowd()).build().unwrap_err();
    let keys = usize::try_from(KEYS).unwrap();
    assert_eq!(error, BuildError::Snapshot(SnapshotError::TooManyKeys { keys, max_keys: FEW }));
    assert!(
        error
            .to_string()
            .contains("20000 busy keys do not fit into a limiter with max_keys 1000: raise max_keys")
    );
}

#[test]
fn where_newcomers_go_untracked_those_that_have_spent_the_most_are_kept() {
    let builder = Limiter::builder(gcra()).max_keys(2 * FEW).at_capacity(AtCapacity::AllowUntracked);
    let limiter = builder.restore(crowd()).build().unwrap();
    assert_eq!(limiter.stats().forgotten, 0);
    let kept = (0..KEYS).step_by(10).filter(|key| limiter.peek(key).remaining() < 100).count();
    assert!(kept >= 1_900, "{kept}");
}

/// A limiter holds rather more keys than `max_keys`, and must be able to do so again.
#[test]
fn a_limiter_that_was_full_comes_back_under_the_same_bound() {
    let (max_keys, build) = (FEW, |builder: tollgate::Builder<Gcra>| builder.build().unwrap());
    let limiter = build(Limiter::builder(gcra()).max_keys(max_keys));
    for key in 0..KEYS {
        let _ = limiter.charge(&key, 1);
    }
    let restored = build(Limiter::builder(gcra()).max_keys(max_keys).restore(limiter.snapshot()));
    assert!(restored.len() >= max_keys);
}

#[test]
fn lists_are_forgotten_refused_or_left_out_too() {
    let log = || SlidingLog::new(100, Duration::from_nanos(1_000 * SECOND));
    let limiter = Limiter::with(log()).unwrap();
    for key in 0..KEYS {
        let _ = limiter.charge(&key, 1);
    }
    let few = |at_capacity| {
        Limiter::builder(log()).max_keys(FEW).at_capacity(at_capacity).restore(limiter.snapshot()).build()
    };
    let forgetful = few(AtCapacity::ForgetSmallestDebt).unwrap();
    assert_eq!(forgetful.stats().forgotten + forgetful.len() as u64, KEYS);
    assert_eq!(few(AtCapacity::AllowUntracked).unwrap().len(), FEW);
    let error = few(AtCapacity::DenyNew).unwrap_err();
    assert!(matches!(error, BuildError::Snapshot(SnapshotError::TooManyKeys { .. })));
}
