//! With the same limits, what a restored limiter says and decides is what the saved one would, had it run on.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tollgate::{
    FixedWindow, Gcra, LeakyBucket, Limiter, PerCall, Quota, SlidingLog, SlidingWindow, Snapshots, Status,
    TokenBucket,
};

use super::{SECOND, limiter_at, restored_at, through_json, through_postcard};

const KEYS: u64 = 6;

#[derive(Clone, Debug)]
enum Op {
    Check { key: u64, cost: u64 },
    Charge { key: u64, tokens: u64 },
    Refund { key: u64, tokens: u64 },
    Reset(u64),
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let key = || 0..KEYS;
    prop_oneof![
        8 => (key(), 0..5_u64).prop_map(|(key, cost)| Op::Check { key, cost }),
        2 => (key(), prop_oneof![9 => 0..20_u64, 1 => 0..1_000_u64])
            .prop_map(|(key, tokens)| Op::Charge { key, tokens }),
        2 => (key(), 0..8_u64).prop_map(|(key, tokens)| Op::Refund { key, tokens }),
        1 => key().prop_map(Op::Reset),
        8 => nanos().prop_map(Op::Wait),
    ]
}

/// From a nanosecond to a minute.
fn nanos() -> impl Strategy<Value = u64> {
    prop_oneof![0..20_u64, 0..SECOND, 0..60 * SECOND, (0..20_u64).prop_map(|seconds| seconds * SECOND)]
}

#[derive(Clone, Debug)]
struct Life {
    start: u64,
    before: Vec<Op>,
    pause: u64,
    after: Vec<Op>,
    binary: bool,
}

fn life() -> impl Strategy<Value = Life> {
    let start = prop_oneof![Just(0), 0..100 * SECOND, Just(1_800_000_000 * SECOND + 123_456_789)];
    (start, vec(op(), 1..60), nanos(), vec(op(), 0..60), any::<bool>())
        .prop_map(|(start, before, pause, after, binary)| Life { start, before, pause, after, binary })
}

type Figures = (u64, u64, Duration, Option<Duration>);

fn figures(status: &Status) -> Figures {
    (status.limit(), status.remaining(), status.reset_after(), status.retry_after())
}

/// Whether a check was allowed, and what its caller was told.
fn answer<A: Snapshots>(
    limiter: &Limiter<A>,
    key: u64,
    cost: u64,
) -> (bool, u64, Duration, Option<Duration>) {
    match limiter.check_n(&key, cost) {
        Ok(allowed) => (true, allowed.remaining(), allowed.reset_after(), Some(allowed.delay())),
        Err(denied) => (false, denied.remaining(), denied.reset_after(), denied.retry_after()),
    }
}

fn apply<A: Snapshots>(limiter: &Limiter<A>, op: &Op) -> Option<(bool, u64, Duration, Option<Duration>)> {
    match *op {
        Op::Check { key, cost } => return Some(answer(limiter, key, cost)),
        Op::Charge { key, tokens } => drop(limiter.charge(&key, tokens)),
        Op::Refund { key, tokens } => limiter.refund(&key, tokens),
        Op::Reset(key) => limiter.reset(&key),
        Op::Wait(_) => {}
    }
    None
}

fn goes_on<A: Snapshots>(make: impl Fn() -> A, life: &Life) -> Result<(), TestCaseError> {
    let mut now = life.start;
    let (old, old_hand) = limiter_at(make(), now);
    let wait = |op: &Op| if let Op::Wait(nanos) = op { *nanos } else { 0 };
    for op in &life.before {
        now += wait(op);
        old_hand.set(Duration::from_nanos(now));
        apply(&old, op);
    }
    let snapshot = old.snapshot();
    let snapshot = if life.binary { through_postcard(&snapshot) } else { through_json(&snapshot) };
    now += life.pause;
    old_hand.set(Duration::from_nanos(now));
    let (new, new_hand) = restored_at(make(), now, snapshot);
    for op in &life.after {
        now += wait(op);
        old_hand.set(Duration::from_nanos(now));
        new_hand.set(Duration::from_nanos(now));
        for key in 0..KEYS {
            prop_assert_eq!(figures(&new.peek(&key)), figures(&old.peek(&key)), "key {} at {}", key, now);
        }
        prop_assert_eq!(new.len(), old.len());
        prop_assert_eq!(apply(&new, op), apply(&old, op), "{:?} at {}", op, now);
    }
    Ok(())
}

fn quota() -> impl Strategy<Value = Quota> {
    let period = prop_oneof![1..50_u64, 1..100 * SECOND, (1..40_u64).prop_map(|seconds| seconds * SECOND)];
    (0..12_u64, period, 0..12_u64).prop_filter_map("too fast", |(count, period, burst)| {
        Some(Quota::new(count, Duration::from_nanos(period)).ok()?.burst(burst))
    })
}

/// From 500 ns on there is room for 15 beside the number of a window, also twice.
fn window() -> impl Strategy<Value = Duration> {
    prop_oneof![500..550_u64, 500..100 * SECOND, (1..40_u64).prop_map(|seconds| seconds * SECOND)]
        .prop_map(Duration::from_nanos)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_gcra_goes_on(quota in quota(), life in life()) {
        goes_on(|| Gcra::new(quota), &life)?;
    }

    #[test]
    fn a_token_bucket_goes_on(quota in quota(), life in life(), at_once in any::<bool>()) {
        let bucket = || {
            let bucket = TokenBucket::new(quota.capacity()).refill(quota.count(), quota.period());
            if at_once { bucket.refill_at_once() } else { bucket }
        };
        goes_on(bucket, &life)?;
    }

    #[test]
    fn a_leaky_bucket_goes_on(quota in quota(), life in life()) {
        goes_on(|| LeakyBucket::new(quota, quota.capacity()), &life)?;
    }

    #[test]
    fn a_quota_for_each_call_goes_on(quota in quota(), life in life()) {
        goes_on(|| PerCall::new().otherwise(quota), &life)?;
    }

    #[test]
    fn a_fixed_window_goes_on(limit in 0..12_u64, window in window(), life in life()) {
        goes_on(|| FixedWindow::new(limit, window), &life)?;
    }

    #[test]
    fn a_sliding_window_goes_on(limit in 0..12_u64, window in window(), life in life()) {
        goes_on(|| SlidingWindow::new(limit, window), &life)?;
    }

    #[test]
    fn a_sliding_log_goes_on(limit in 0..12_u64, window in window(), life in life()) {
        goes_on(|| SlidingLog::new(limit, window), &life)?;
    }
}
