//! Late callers under the algorithms that count in windows.
//!
//! What is promised is what `late_callers.rs` says. Here a caller who took its time at `own` may be decided anywhere up to the latest time that
//! anybody has seen, so the admissions since then that took their time at `a` or later have all been decided between `a` and the latest
//! time `b`. There must not be more of them than the limit allows between the two, for any `a`.

use std::collections::HashMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::engine::{Engine, Keys};
use super::{AtCapacity, Limiter};
use crate::algorithm::{FixedWindow, SlidingLog, SlidingWindow};
use crate::clock::{Clock, Now};

/// The smallest, under which one too many shows soonest.
const LIMIT: u64 = 1;
const WINDOW: u64 = 1_000;

/// One check, `age` nanoseconds late.
#[derive(Clone, Copy, Debug)]
struct Call {
    wait: u64,
    age: u64,
    key: u64,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let age = prop_oneof![2 => Just(0), 1 => 0..=3 * WINDOW];
    let wait = prop_oneof![2 => Just(0), 2 => 0..=WINDOW / 8, 1 => 0..=WINDOW];
    vec((wait, age, 0..5_u64).prop_map(|(wait, age, key)| Call { wait, age, key }), 1..400)
}

/// Keys of one line, for which its window of 32 slots has room, so that nobody is ever forgotten by force, and every newcomer takes the
/// place of whoever is idle.
fn tag(key: u64) -> u64 {
    key << 32
}

/// Fails when more calls of a key are admitted than `most(a, b)` for some `a`.
fn audit<A: Engine>(algorithm: A, calls: &[Call], most: impl Fn(u64, u64) -> u64) {
    let (clock, hand) = Clock::manual();
    let builder = Limiter::builder(algorithm).max_keys(1_000).at_capacity(AtCapacity::DenyNew);
    let limiter = builder.clock(clock).build().unwrap();
    let mut admitted: HashMap<u64, Vec<u64>> = HashMap::new();
    let (mut now, mut latest) = (0, 0);
    for call in calls {
        now += call.wait;
        hand.set(Duration::from_nanos(now));
        let own = now.saturating_sub(call.age);
        latest = latest.max(own);
        let caller = Now { clock: own, time: own };
        if limiter.keys.spend(&limiter.algorithm, caller, tag(call.key), 1).is_ok() {
            let times = admitted.entry(call.key).or_default();
            times.push(own);
            for a in times.iter().copied() {
                let since = times.iter().filter(|time| **time >= a).count() as u64;
                let most = most(a, latest);
                assert!(since <= most, "{call:?}: {since} admitted between {a} and {latest}, not {most}");
            }
        }
    }
    assert_eq!(limiter.stats().forgotten, 0);
}

/// The windows of the clock that a time between the two may be in.
fn in_windows(a: u64, b: u64) -> u64 {
    LIMIT * (b / WINDOW - a / WINDOW + 1)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_late_caller_gets_more_of_a_fixed_window(calls in calls()) {
        audit(FixedWindow::new(LIMIT, Duration::from_nanos(WINDOW)), &calls, in_windows);
    }

    #[test]
    fn no_late_caller_gets_more_of_a_sliding_window(calls in calls()) {
        // A limit of one is used up by one in the window before, however little of that still counts.
        let in_every_other = |a: u64, b: u64| in_windows(a, b).div_ceil(2);
        audit(SlidingWindow::new(LIMIT, Duration::from_nanos(WINDOW)), &calls, in_every_other);
    }

    #[test]
    fn no_late_caller_gets_more_of_a_log(calls in calls()) {
        let in_any = |a: u64, b: u64| LIMIT * (b - a + 1).div_ceil(WINDOW);
        audit(SlidingLog::new(LIMIT, Duration::from_nanos(WINDOW)), &calls, in_any);
    }
}
