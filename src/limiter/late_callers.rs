//! Late callers: threads that took their time, were held up, and decide long after others have moved on.
//!
//! What is promised (DESIGN 6.6): a late caller is decided at the time it took, or, if its key was forgotten meanwhile, at
//! some time up to the latest that anybody has seen, since only such a time allows to forget. Never is a key admitted
//! more than if nothing were ever forgotten and each of its callers were decided at such a time.
//!
//! That leaves a choice of times, so the tests hold the limiter between two accounts of each key that never forget:
//!
//! - the *generous* one decides each admission at the least time that allows it. Nothing may be admitted that it has no
//!   time for: it has spent the least that is possible.
//! - the *strict* one decides each admission at the latest time. What fits into it must be admitted: it has spent the
//!   most that is possible.
//!
//! For a caller who is not late both times are one, and where nobody is late the two accounts are the same exact model.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::Limiter;
use super::engine::Keys;
use crate::algorithm::{Algorithm, Gcra};
use crate::clock::{Clock, ManualClock, Now};
use crate::decision::{Allowed, Denied};
use crate::quota::Quota;

/// One check, `age` nanoseconds late.
#[derive(Clone, Copy, Debug)]
struct Call {
    wait: u64,
    age: u64,
    key: u64,
    cost: u64,
}

/// What a key has spent: positions on the limiter's axis.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    least: u64,
    most: u64,
}

/// A limiter with an account of every key.
struct Audited {
    limiter: Limiter<Gcra>,
    hand: ManualClock,
    now: u64,
    latest: u64,
    unit: u64,
    accounts: HashMap<u64, Account>,
}

impl Audited {
    fn new(quota: Quota, max_keys: usize) -> Audited {
        let (clock, hand) = Clock::manual();
        let limiter = Limiter::builder(Gcra::new(quota)).max_keys(max_keys).clock(clock).build().unwrap();
        // The first token that is spent at zero leads to its length.
        let start = limiter.algorithm.read(0);
        let unit = limiter.algorithm.charge(&start, 0, 1);
        Audited { limiter, hand, now: 0, latest: 0, unit, accounts: HashMap::new() }
    }

    fn position(&self, time: u64) -> u64 {
        self.limiter.algorithm.position(&self.limiter.algorithm.read(time))
    }

    fn call(&mut self, call: Call) {
        self.now += call.wait;
        self.hand.set(std::time::Duration::from_nanos(self.now));
        let time = self.now.saturating_sub(call.age);
        let admitted = spend_at(&self.limiter, Now { clock: time, time }, call.key, call.cost).is_ok();
        let own = self.position(time);
        self.latest = self.latest.max(own);
        self.audit(call, own, admitted);
    }

    /// The caller took `own` and may have been decided anywhere from there to the latest position that was seen.
    fn audit(&mut self, call: Call, own: u64, admitted: bool) {
        let capacity = self.limiter.algorithm.quota().capacity() * self.unit;
        let cost = call.cost * self.unit;
        let account = self.accounts.entry(call.key).or_default();
        let least_time = own.max((account.least + cost).saturating_sub(capacity));
        if admitted {
            assert!(
                least_time <= self.latest,
                "{call:?} was admitted too early by all accounts, {account:?}"
            );
            // A cost of zero spends nothing, and so moves nothing.
            if cost > 0 {
                account.least = account.least.max(least_time) + cost;
                account.most = account.most.max(self.latest) + cost;
            }
        } else {
            assert!(account.most.max(own) + cost > own + capacity, "{call:?} was refused, {account:?}");
        }
    }
}

/// A check by a caller who took its time at `now`.
fn spend_at(limiter: &Limiter<Gcra>, now: Now, tag: u64, cost: u64) -> Result<Allowed, Denied> {
    limiter.keys.spend(&limiter.algorithm, now, tag, cost)
}

/// A tag with random leading bits, which choose a page; its window is one of two that overlap, or now and then any other.
fn tag(key: u64) -> u64 {
    let random = ahash::RandomState::with_seeds(1, 2, 3, 4).hash_one(key);
    let line = if key.is_multiple_of(4) { random % 64 } else { key % 2 * 3 };
    random & !63 | line
}

fn calls(keys: u64, longest_wait: u64, oldest: u64) -> impl Strategy<Value = Vec<Call>> {
    let age = prop_oneof![2 => Just(0), 1 => 0..=oldest];
    let wait = prop_oneof![1 => Just(0), 1 => 0..=longest_wait];
    let call = (wait, age, 0..keys, 0..4_u64).prop_map(|(wait, age, key, cost)| Call {
        wait,
        age,
        key: tag(key),
        cost,
    });
    vec(call, 1..600)
}

const TOKEN: u64 = 1_000_000_000;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// So many keys in two windows that idle ones give way at every turn.
    #[test]
    fn no_late_caller_finds_a_key_fresh_whose_place_was_taken(calls in calls(60, 3 * TOKEN, 20 * TOKEN)) {
        let mut audited = Audited::new(Quota::per_second(1).burst(5), 1);
        for call in calls {
            audited.call(call);
        }
        prop_assert_eq!(audited.limiter.stats().forgotten, 0);
    }

    /// Keys stay busy for so long that the windows fill up and pages are split.
    #[test]
    fn no_late_caller_finds_a_key_fresh_after_its_page_was_split(calls in calls(300, TOKEN / 20, 8 * TOKEN)) {
        let mut audited = Audited::new(Quota::per_second(1).burst(5), 10_000);
        for call in calls {
            audited.call(call);
        }
        prop_assert_eq!(audited.limiter.stats().forgotten, 0);
    }

    /// Where nobody is late the two accounts are one: forgetting and splitting change no decision at all.
    #[test]
    fn without_late_callers_every_decision_is_exact(calls in calls(300, TOKEN / 20, 0)) {
        let mut audited = Audited::new(Quota::per_second(1).burst(5), 10_000);
        for call in calls {
            audited.call(call);
        }
        prop_assert!(audited.accounts.values().all(|account| account.least == account.most));
    }
}

fn limiter() -> Limiter<Gcra> {
    let (clock, _hand) = Clock::manual();
    let builder = Limiter::builder(Gcra::new(Quota::per_second(1).burst(5)));
    builder.max_keys(1_000).clock(clock).build().unwrap()
}

fn at(seconds: u64) -> Now {
    Now { clock: seconds * TOKEN, time: seconds * TOKEN }
}

/// Key `n` of those whose window begins at `line`; odd ones go to the new page when the first is split.
fn key(line: u64, n: u64) -> u64 {
    (n % 2) << 63 | n << 8 | line
}

/// `key` has spent its burst at 0 s, was full at 5 s, and was forgotten then.
#[track_caller]
fn assert_no_second_burst(limiter: &Limiter<Gcra>, key: u64) {
    // Two threads that took their time at 0 s. The first is decided at 5 s, when the key was full again.
    assert!(spend_at(limiter, at(0), key, 5).is_ok());
    assert!(spend_at(limiter, at(0), key, 1).is_err());
    // So nothing is left at 5 s, and one token comes by 6 s.
    assert!(spend_at(limiter, at(5), key, 1).is_err());
    assert!(spend_at(limiter, at(6), key, 1).is_ok());
    assert!(spend_at(limiter, at(6), key, 1).is_err());
}

#[test]
fn a_late_caller_of_a_key_whose_place_was_taken_gets_no_second_burst() {
    let limiter = limiter();
    assert!(spend_at(&limiter, at(0), key(0, 1), 5).is_ok());
    for other in 2..6 {
        assert!(spend_at(&limiter, at(5), key(0, other), 5).is_ok());
    }
    assert_no_second_burst(&limiter, key(0, 1));
}

#[test]
fn a_late_caller_of_a_key_that_was_tidied_away_beyond_its_line_gets_no_second_burst() {
    let limiter = limiter();
    for neighbour in 2..6 {
        assert!(spend_at(&limiter, at(0), key(0, neighbour), 1).is_ok());
    }
    assert!(spend_at(&limiter, at(0), key(0, 1), 5).is_ok());
    // The line is busy again when a newcomer looks around.
    for neighbour in 2..7 {
        assert!(spend_at(&limiter, at(5), key(0, neighbour), 5).is_ok());
    }
    assert_no_second_burst(&limiter, key(0, 1));
}

#[test]
fn a_late_caller_of_a_key_that_was_idle_when_its_page_was_split_gets_no_second_burst() {
    let limiter = limiter();
    assert!(spend_at(&limiter, at(0), key(40, 1), 5).is_ok());
    // One more than a window holds.
    for other in 0..33 {
        assert!(spend_at(&limiter, at(5), key(0, other), 5).is_ok());
    }
    assert_eq!(limiter.stats().splits, 1);
    assert_no_second_burst(&limiter, key(40, 1));
}

#[test]
fn a_late_caller_of_a_key_that_was_forgotten_before_its_page_was_split_gets_no_second_burst() {
    let limiter = limiter();
    assert!(spend_at(&limiter, at(0), key(40, 1), 5).is_ok());
    for other in (3..11).step_by(2) {
        assert!(spend_at(&limiter, at(5), key(40, other), 5).is_ok());
    }
    for other in 0..33 {
        assert!(spend_at(&limiter, at(5), key(0, other), 5).is_ok());
    }
    assert_eq!(limiter.stats().splits, 1);
    assert_no_second_burst(&limiter, key(40, 1));
}

/// How long a late caller has to wait counts from the time it took.
#[test]
fn a_late_callers_figures_count_from_its_own_time() {
    let limiter = limiter();
    assert!(spend_at(&limiter, at(9), key(0, 1), 5).is_ok());
    let denied = spend_at(&limiter, at(4), key(0, 1), 1).unwrap_err();
    assert_eq!(denied.retry_after(), Some(std::time::Duration::from_secs(6)));
    assert_eq!(denied.reset_after(), std::time::Duration::from_secs(10));
}
