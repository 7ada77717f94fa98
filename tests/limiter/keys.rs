//! Keys of any size and kind: what is decided does not depend on what a key looks like.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tollgate::{Allowed, Clock, Denied, Gcra, Limiter, Quota};

/// How many keys there are in a run: few enough that they run out of tokens.
const KEYS: u8 = 6;

fn limiter(clock: &Clock) -> Limiter {
    let gcra = Gcra::new(Quota::per_second(3).burst(5));
    Limiter::builder(gcra).clock(clock.clone()).build().unwrap()
}

/// All that is told: whether it may go on, what is left, when all is back, and when to come again.
fn told(answer: &Result<Allowed, Denied>) -> (bool, u64, Duration, Option<Duration>) {
    match answer {
        Ok(allowed) => (true, allowed.remaining(), allowed.reset_after(), None),
        Err(denied) => (false, denied.remaining(), denied.reset_after(), denied.retry_after()),
    }
}

/// Texts that are alike but for one byte somewhere, as long as given.
fn alike(length: usize, place: usize) -> Vec<Vec<u8>> {
    let key = |number: u8| {
        let mut text = vec![b'k'; length];
        text[place % length] = number;
        text
    };
    (0..KEYS).map(key).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_megabyte_is_a_key_like_a_byte(
        length in prop_oneof![1..=64_usize, 1_000..=1_100_usize, Just(1 << 20)],
        place in any::<usize>(),
        steps in vec((0..KEYS, 0..4_u64, 0..400_u64), 1..60),
    ) {
        let (clock, hand) = Clock::manual();
        let [small, big, paired] = [limiter(&clock), limiter(&clock), limiter(&clock)];
        let texts = alike(length, place);
        for (key, cost, millis) in steps {
            hand.advance(Duration::from_millis(millis));
            let text = texts[usize::from(key)].as_slice();
            let expected = told(&small.check_n(&key, cost));
            prop_assert_eq!(expected, told(&big.check_n(text, cost)));
            prop_assert_eq!(expected, told(&paired.check_n(&(u128::from(key) << 120, "", text), cost)));
        }
        prop_assert_eq!(small.len(), big.len());
    }
}

#[test]
fn the_empty_key_is_one_as_any_other() {
    let (clock, _hand) = Clock::manual();
    let limiter = limiter(&clock);
    for _ in 0..5 {
        assert!(limiter.check("").is_ok());
    }
    assert!(limiter.check("").is_err());
    assert!(limiter.check("\0").is_ok());
}

#[test]
fn keys_of_no_size_at_all_share_one_count() {
    let (clock, _hand) = Clock::manual();
    let limiter = limiter(&clock);
    assert_eq!((0..10).filter(|_| limiter.check(&()).is_ok()).count(), 5);
}
