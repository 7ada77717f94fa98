//! Snapshots that cannot be made from outside: of another process, whose clock began at another time; of another build;
//! and such as nobody would make.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::snapshot::{Saved, Snapshot, Snapshots};
use super::{Builder, Limiter};
use crate::algorithm::{
    FixedWindow, Gcra, LeakyBucket, Origin, PerCall, SlidingLog, SlidingWindow, TokenBucket, TokenOrigin,
    WindowOrigin,
};
use crate::build_error::BuildError;
use crate::clock::{Clock, ManualClock};
use crate::decision::Status;
use crate::quota::Quota;
use crate::snapshot_error::SnapshotError;

const WINDOW: u64 = 1_000;
const KEYS: u64 = 4;

fn at<A: Snapshots>(algorithm: A, now: u64) -> (Builder<A>, ManualClock) {
    let (clock, hand) = Clock::manual();
    hand.set(Duration::from_nanos(now));
    (Limiter::builder(algorithm).clock(clock), hand)
}

fn figures(status: &Status) -> (u64, u64, Duration, Option<Duration>) {
    (status.limit(), status.remaining(), status.reset_after(), status.retry_after())
}

/// Waits, and what a key spends then.
type Spending = (u64, u64, u64);

fn spending() -> impl Strategy<Value = Vec<Spending>> {
    vec((0..WINDOW / 2, 0..KEYS, 0..4_u64), 1..30)
}

/// The second process's clock is behind by whole windows, so that its zero may be later than everything that was spent.
fn goes_on_elsewhere<A: Snapshots>(
    make: impl Fn() -> A,
    before: &[Spending],
    pause: u64,
    after: &[Spending],
) -> Result<(), TestCaseError> {
    let mut now = 1_000 * WINDOW;
    let (old, old_hand) = at(make(), now);
    let old = old.build().unwrap();
    for (wait, key, tokens) in before {
        now += wait;
        old_hand.set(Duration::from_nanos(now));
        let _ = old.charge(key, *tokens);
    }
    let mut snapshot = old.snapshot();
    now += pause;
    old_hand.set(Duration::from_nanos(now));
    let behind = (now - pause) / WINDOW * WINDOW;
    snapshot.content.unix -= behind;
    let (new, new_hand) = at(make(), now - behind);
    let new = new.restore(snapshot).build().unwrap();
    for (wait, key, tokens) in after {
        now += wait;
        old_hand.set(Duration::from_nanos(now));
        new_hand.set(Duration::from_nanos(now - behind));
        for key in 0..KEYS {
            prop_assert_eq!(figures(&new.peek(&key)), figures(&old.peek(&key)), "key {} at {}", key, now);
        }
        let decisions = [&new, &old].map(|limiter| limiter.check_n(key, *tokens).is_ok());
        prop_assert_eq!(decisions[0], decisions[1]);
    }
    prop_assert_eq!(new.len(), old.len());
    Ok(())
}

fn quota() -> Quota {
    Quota::new(7, Duration::from_nanos(WINDOW)).unwrap()
}

fn bucket() -> TokenBucket {
    TokenBucket::new(7).refill(3, Duration::from_nanos(WINDOW)).refill_at_once()
}

fn window() -> Duration {
    Duration::from_nanos(WINDOW)
}

fn build<A: Snapshots>(algorithm: A, saved: Saved, unix: u64, now: u64) -> Result<Limiter<A>, BuildError> {
    let mut snapshot = Limiter::with(Gcra::new(quota())).unwrap().snapshot();
    algorithm.saved_name().clone_into(&mut snapshot.content.algorithm);
    (snapshot.content.saved, snapshot.content.unix) = (saved, unix);
    at(algorithm, now).0.restore(snapshot).build()
}

/// Whatever a limiter went on from, it answers.
fn stands_it<A: Snapshots>(algorithm: A, saved: &Saved, unix: u64, now: u64) {
    if let Ok(limiter) = build(algorithm, saved.clone(), unix, now) {
        for key in 0..KEYS {
            let _ = (figures(&limiter.peek(&key)), limiter.check(&key), limiter.charge(&key, u64::MAX));
            limiter.refund(&key, 1);
        }
        let _ = (limiter.len(), limiter.stats(), limiter.snapshot());
    }
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..10_u64,
        Just(WINDOW),
        any::<u64>(),
        (0..64_u32).prop_map(|bits| 1 << bits),
        (0..9_u64).prop_map(|n| u64::MAX - n)
    ]
}

fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        (prop_oneof![0..64_u32, any::<u32>()], number(), number(), number(), any::<bool>()).prop_map(
            |(unit_bits, capacity, period, carry, at_once)| Origin::Tokens(TokenOrigin {
                unit_bits,
                capacity,
                period,
                carry,
                at_once
            })
        ),
        (number(), number()).prop_map(|(length, elapsed)| Origin::Windows(WindowOrigin { length, elapsed })),
        Just(Origin::Nanos),
    ]
}

fn saved() -> impl Strategy<Value = Saved> {
    prop_oneof![
        3 => (origin(), vec((number(), number()), 0..20)).prop_map(|(origin, keys)| Saved::Words { origin, keys }),
        1 => (number(), vec((number(), vec((number(), number()), 0..5)), 0..20))
            .prop_map(|(window, keys)| Saved::Logs { window, keys }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn limiters_go_on_in_a_process_whose_clock_began_later(
        before in spending(), pause in 0..3 * WINDOW, after in spending(),
    ) {
        goes_on_elsewhere(|| Gcra::new(quota()), &before, pause, &after)?;
        goes_on_elsewhere(bucket, &before, pause, &after)?;
        goes_on_elsewhere(|| LeakyBucket::new(quota(), 5), &before, pause, &after)?;
        goes_on_elsewhere(|| PerCall::new().otherwise(quota()), &before, pause, &after)?;
        goes_on_elsewhere(|| FixedWindow::new(7, window()), &before, pause, &after)?;
        goes_on_elsewhere(|| SlidingWindow::new(7, window()), &before, pause, &after)?;
        goes_on_elsewhere(|| SlidingLog::new(7, window()), &before, pause, &after)?;
    }

    #[test]
    fn no_snapshot_makes_a_limiter_panic(saved in saved(), unix in number(), now in number()) {
        stands_it(Gcra::new(quota()), &saved, unix, now);
        stands_it(Gcra::new(Quota::per_second(u32::MAX).burst(u64::MAX)), &saved, unix, now);
        stands_it(bucket(), &saved, unix, now);
        stands_it(PerCall::new().otherwise(quota()), &saved, unix, now);
        stands_it(FixedWindow::new(7, window()), &saved, unix, now);
        stands_it(SlidingWindow::new(7, window()), &saved, unix, now);
        stands_it(SlidingLog::new(7, window()), &saved, unix, now);
    }
}

fn refusal<A: Snapshots>(algorithm: A, saved: Saved) -> BuildError {
    build(algorithm, saved, 0, 0).map(drop).unwrap_err()
}

#[test]
fn numbers_that_no_limiter_has_are_refused() {
    let damaged = BuildError::Snapshot(SnapshotError::Damaged);
    let possible = TokenOrigin { unit_bits: 20, capacity: 7, period: WINDOW, carry: 0, at_once: false };
    let words = |origin| Saved::Words { origin, keys: vec![(1, 1)] };
    assert!(build(Gcra::new(quota()), words(Origin::Tokens(possible)), 0, 0).is_ok());
    for origin in [
        Origin::Tokens(TokenOrigin { unit_bits: 60, ..possible }),
        Origin::Tokens(TokenOrigin { capacity: u64::MAX, ..possible }),
        Origin::Tokens(TokenOrigin { period: 0, ..possible }),
        Origin::Tokens(TokenOrigin { period: u64::MAX, ..possible }),
        Origin::Tokens(TokenOrigin { carry: WINDOW, ..possible }),
        Origin::Windows(WindowOrigin { length: WINDOW, elapsed: 0 }),
        Origin::Nanos,
    ] {
        assert_eq!(refusal(Gcra::new(quota()), words(origin)), damaged, "{origin:?}");
    }
    for origin in
        [Origin::Windows(WindowOrigin { length: WINDOW, elapsed: WINDOW }), Origin::Tokens(possible)]
    {
        assert_eq!(refusal(FixedWindow::new(7, window()), words(origin)), damaged, "{origin:?}");
    }
    assert_eq!(refusal(PerCall::new(), words(Origin::Tokens(possible))), damaged);
    assert_eq!(refusal(SlidingLog::new(7, window()), words(Origin::Nanos)), damaged);
    let lists = Saved::Logs { window: WINDOW, keys: Vec::new() };
    assert_eq!(refusal(FixedWindow::new(7, window()), lists), damaged);
}

#[test]
fn a_build_that_hashes_differently_refuses() {
    let limiter = Limiter::new(quota());
    let restored = |change: fn(&mut Snapshot)| {
        let mut snapshot = limiter.snapshot();
        change(&mut snapshot);
        Limiter::builder(Gcra::new(quota())).restore(snapshot).build().map(drop)
    };
    let refused = Err(BuildError::Snapshot(SnapshotError::HashesDiffer));
    assert_eq!(restored(|snapshot| snapshot.content.probe ^= 1), refused);
    assert_eq!(restored(|snapshot| snapshot.content.seeds[3] ^= 1), refused);
    assert_eq!(restored(|_| ()), Ok(()));
}

/// Two clocks drift apart by some millionths. A key must not be locked out for a window more because of that, nor let
/// go for one less.
#[test]
fn windows_of_clocks_that_drifted_apart_are_the_nearest_ones() {
    for drift in [-3_i64, 0, 3] {
        let (old, _) = at(FixedWindow::new(7, window()), 50 * WINDOW + 500);
        let old = old.build().unwrap();
        let _ = old.charge("key", 5);
        let mut snapshot = old.snapshot();
        snapshot.content.unix = snapshot.content.unix.saturating_add_signed(drift);
        for (windows, remaining) in [(0, 2), (1, 7)] {
            let (new, hand) = at(FixedWindow::new(7, window()), (50 + windows) * WINDOW + 900);
            let new = new.restore(snapshot.clone()).build().unwrap();
            assert_eq!(new.peek("key").remaining(), remaining);
            hand.set(Duration::from_nanos((51 + windows) * WINDOW));
            assert_eq!(new.peek("key").remaining(), 7);
        }
    }
}
