//! A flood of fresh keys against a limiter at its bound: who was refused stays refused, memory stays, work stays.

use std::time::Duration;

use tollgate::{AtCapacity, Clock, Gcra, Limiter, ManualClock, Quota};

const MAX_KEYS: usize = 100_000;
const QUOTA: Quota = Quota::per_day(1).burst(10);
const ABUSER: u64 = 0;

fn limiter(at_capacity: AtCapacity) -> (Limiter, ManualClock) {
    let (clock, hand) = Clock::manual();
    let builder = Limiter::builder(Gcra::new(QUOTA)).max_keys(MAX_KEYS).at_capacity(at_capacity).clock(clock);
    (builder.build().unwrap(), hand)
}

/// "42 bytes for each of `max_keys` plus 64 KiB".
const BOUND: usize = 42 * MAX_KEYS + 64 * 1024;

/// "How many busy keys surely fit": 100 to a page, and four pages more.
const MOST_PAGES: usize = MAX_KEYS / 100 + 4;

/// The `n`th of many keys without a pattern, none of which is the abuser's. Multiplying by an odd number repeats none.
fn fresh_key(n: u64) -> u64 {
    (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// One token of each of `keys` fresh keys, with a glance at the abuser now and then; how many were admitted.
fn flood(limiter: &Limiter, hand: &ManualClock, keys: u64) -> u64 {
    let mut admitted = 0;
    for n in 0..keys {
        admitted += u64::from(limiter.check(&fresh_key(n)).is_ok());
        if n % 64 == 0 {
            // Time goes on, by two hours in all: no token of the abuser is due yet.
            hand.advance(Duration::from_millis(46));
            assert!(limiter.check(&ABUSER).is_err(), "admitted after {n} fresh keys");
        }
    }
    admitted
}

fn exhaust(limiter: &Limiter) {
    assert!(limiter.check_n(&ABUSER, 10).is_ok());
    assert!(limiter.check(&ABUSER).is_err());
}

#[test]
fn ten_million_fresh_keys_do_not_make_an_exhausted_one_be_forgotten() {
    const KEYS: u64 = 10_000_000;
    let (limiter, hand) = limiter(AtCapacity::ForgetSmallestDebt);
    exhaust(&limiter);
    assert_eq!(flood(&limiter, &hand, KEYS), KEYS);
    let stats = limiter.stats();
    assert!(stats.bytes <= BOUND, "{stats:?}");
    assert!(stats.pages <= MOST_PAGES, "{stats:?}");
    // Whoever is not there any more was forgotten by force, and counted: nobody was idle yet.
    assert_eq!(stats.forgotten, KEYS + 1 - u64::try_from(stats.keys).unwrap());
    assert!(stats.keys >= MAX_KEYS);
}

#[test]
fn a_million_fresh_keys_are_refused_when_nobody_may_be_forgotten() {
    let (limiter, hand) = limiter(AtCapacity::DenyNew);
    exhaust(&limiter);
    let admitted = flood(&limiter, &hand, 1_000_000);
    let stats = limiter.stats();
    assert!(stats.bytes <= BOUND && stats.pages <= MOST_PAGES, "{stats:?}");
    assert_eq!(stats.forgotten, 0);
    assert_eq!(
        u64::try_from(stats.keys),
        Ok(admitted + 1),
        "all that were admitted, and the abuser, are remembered"
    );
}

#[test]
fn a_million_fresh_keys_pass_untracked_when_nobody_may_be_refused() {
    let (limiter, hand) = limiter(AtCapacity::AllowUntracked);
    exhaust(&limiter);
    assert_eq!(flood(&limiter, &hand, 1_000_000), 1_000_000);
    let stats = limiter.stats();
    assert!(stats.bytes <= BOUND && stats.pages <= MOST_PAGES, "{stats:?}");
    assert_eq!(stats.forgotten, 0);
    assert!(stats.keys >= MAX_KEYS);
}

/// What a call may cost, counted: it splits one page at most, and forgets one key at most.
#[test]
fn no_call_splits_more_than_one_page_or_forgets_more_than_one_key() {
    let (clock, _hand) = Clock::manual();
    let limiter = Limiter::builder(Gcra::new(QUOTA)).max_keys(5_000).clock(clock).build().unwrap();
    let mut before = limiter.stats();
    for n in 0..20_000 {
        assert!(limiter.check(&fresh_key(n)).is_ok());
        let after = limiter.stats();
        assert!(
            after.splits <= before.splits + 1 && after.pages <= before.pages + 1,
            "{before:?}, {after:?}"
        );
        assert!(after.forgotten <= before.forgotten + 1, "{before:?}, {after:?}");
        before = after;
    }
    assert!(before.splits > 40 && before.forgotten > 1_000, "{before:?}");
}

/// The same with a hasher whose leading bits never differ, so that a split separates nobody.
#[test]
fn not_even_with_a_poor_hasher_does_a_call_split_more_than_one_page() {
    let (clock, _hand) = Clock::manual();
    let builder = Limiter::builder(Gcra::new(QUOTA)).max_keys(5_000).clock(clock);
    let limiter = builder.hasher(std::hash::BuildHasherDefault::<LowBits>::default()).build().unwrap();
    let mut before = limiter.stats();
    for n in 1..2_000_u64 {
        assert!(limiter.check(&n).is_ok());
        let after = limiter.stats();
        assert!(after.splits <= before.splits + 1, "{before:?}, {after:?}");
        before = after;
    }
}

/// The key itself: small keys differ in their last bits only.
#[derive(Default)]
struct LowBits(u64);

impl std::hash::Hasher for LowBits {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    }
}

/// `is_empty` used to look at a sample of a large table, and missed the one key that was left.
#[test]
fn one_key_that_is_left_in_a_large_limiter_is_not_overlooked() {
    for left in 0..20_u64 {
        let (clock, hand) = Clock::manual();
        let limiter = Limiter::builder(Gcra::new(Quota::per_second(1))).clock(clock).build().unwrap();
        for key in 0..300_000_u64 {
            assert!(limiter.check(&key).is_ok());
        }
        hand.advance(Duration::from_secs(1));
        assert!(limiter.is_empty());
        assert!(limiter.check(&left).is_ok());
        assert!(!limiter.is_empty());
    }
}
