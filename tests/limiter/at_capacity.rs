//! The bound on memory, and what happens to new keys when it is reached.

use std::time::Duration;

use tollgate::{AtCapacity, BuildError, Clock, Gcra, Limiter, ManualClock, Quota};

/// Hardly anything comes back meanwhile, so a key that has spent stays busy.
const SLOW: Quota = Quota::per_day(10);

fn limiter(max_keys: usize, at_capacity: AtCapacity) -> (Limiter, ManualClock) {
    let (clock, hand) = Clock::manual();
    let builder = Limiter::builder(Gcra::new(SLOW)).max_keys(max_keys).at_capacity(at_capacity).clock(clock);
    (builder.build().unwrap(), hand)
}

/// "42 bytes for each of `max_keys` plus 64 KiB".
fn bound(max_keys: usize) -> usize {
    42 * max_keys + 64 * 1024
}

/// Sizes at which memory grows in leaps if it grows in powers of two, and ordinary ones.
const SIZES: [usize; 14] =
    [1, 2, 50, 100, 900, 2_900, 3_000, 6_100, 12_500, 25_000, 51_000, 100_000, 300_000, 1_000_000];

/// The first key that is refused for want of room, and its answer.
fn first_locked_out(limiter: &Limiter) -> (u64, tollgate::Denied) {
    (0..).find_map(|key: u64| Some((key, limiter.check(&key).err()?))).unwrap()
}

#[test]
fn as_many_keys_as_max_keys_surely_fit() {
    for max_keys in SIZES {
        for _ in 0..(20_000 / max_keys).clamp(2, 200) {
            let (limiter, _hand) = limiter(max_keys, AtCapacity::DenyNew);
            for key in 0..max_keys {
                assert!(limiter.check(&key).is_ok(), "key {key} of {max_keys}");
            }
        }
    }
}

#[test]
fn memory_stays_within_its_bound_however_many_keys_come() {
    for max_keys in SIZES {
        for at_capacity in [AtCapacity::ForgetSmallestDebt, AtCapacity::DenyNew] {
            let (limiter, _hand) = limiter(max_keys, at_capacity);
            for key in 0..3 * max_keys + 2_000 {
                let _ = limiter.check(&key);
            }
            let bytes = limiter.stats().bytes;
            assert!(bytes <= bound(max_keys), "{bytes} bytes of {} for {max_keys} keys", bound(max_keys));
        }
    }
}

#[test]
fn an_empty_limiter_takes_less_than_64_kib() {
    for max_keys in [1, 1_000, 1_000_000, 10_000_000, 100_000_000] {
        let (limiter, _hand) = limiter(max_keys, AtCapacity::default());
        assert!(limiter.check("one key").is_ok());
        let bytes = limiter.stats().bytes;
        assert!(bytes < 64 * 1024, "{bytes} bytes for max_keys {max_keys}");
    }
}

#[test]
fn max_keys_out_of_range_is_an_error_that_names_it() {
    for max_keys in [0, (1 << 36) + 1, usize::MAX] {
        let error = Limiter::builder(Gcra::new(SLOW)).max_keys(max_keys).build().unwrap_err();
        assert_eq!(error, BuildError::MaxKeys { max_keys });
        assert!(error.to_string().contains(&max_keys.to_string()), "{error}");
    }
}

/// A key that is full again leaves its place to the next, for ever.
#[test]
fn idle_keys_make_room_for_any_number_of_new_ones() {
    let (limiter, hand) = limiter(1_000, AtCapacity::DenyNew);
    for round in 0..500 {
        for key in 0..1_000_u64 {
            assert!(limiter.check(&(round, key)).is_ok());
        }
        assert_eq!(limiter.len(), 1_000);
        hand.advance(Duration::from_secs(8_640));
        assert!(limiter.is_empty());
    }
    assert_eq!(limiter.stats().forgotten, 0);
}

mod deny_new {
    use super::*;

    #[test]
    fn a_new_key_is_told_that_there_is_no_room_and_nobody_is_forgotten() {
        let (limiter, _hand) = limiter(100, AtCapacity::DenyNew);
        let (held, denied) = first_locked_out(&limiter);
        assert!(denied.at_capacity());
        assert_eq!((denied.limit(), denied.remaining()), (10, 0));
        assert!(denied.to_string().contains("too many keys"), "{denied}");
        for key in 0..held {
            assert_eq!(limiter.peek(&key).remaining(), 9);
        }
        assert_eq!(limiter.stats().forgotten, 0);
        assert_eq!(u64::try_from(limiter.len()), Ok(held));
    }

    #[test]
    fn a_known_key_is_limited_as_ever() {
        let (limiter, _hand) = limiter(100, AtCapacity::DenyNew);
        let (_, denied) = first_locked_out(&limiter);
        assert!(denied.at_capacity());
        for left in (0..9).rev() {
            assert_eq!(limiter.check(&0_u64).unwrap().remaining(), left);
        }
        let denied = limiter.check(&0_u64).unwrap_err();
        assert!(!denied.at_capacity());
        assert_eq!(denied.retry_after(), Some(Duration::from_secs(8_640)));
    }

    /// The keys spend one after the other, so their places come free at different times.
    #[test]
    fn after_retry_after_there_is_room_and_one_nanosecond_earlier_there_is_not() {
        for round in 0..20_u64 {
            let (limiter, hand) = limiter(100, AtCapacity::DenyNew);
            let mut key = round << 32;
            let denied = loop {
                hand.advance(Duration::from_nanos(1_001));
                match limiter.check_n(&key, 1 + key % 3) {
                    Ok(_) => key += 1,
                    Err(denied) => break denied,
                }
            };
            let wait = denied.retry_after().unwrap();
            assert_eq!(denied.reset_after(), wait);
            hand.advance(wait.saturating_sub(Duration::from_nanos(1)));
            let denied = limiter.check(&key).unwrap_err();
            assert_eq!(denied.retry_after(), Some(Duration::from_nanos(1)));
            hand.advance(Duration::from_nanos(1));
            assert!(limiter.check(&key).is_ok());
        }
    }

    #[test]
    fn a_cost_above_the_capacity_is_refused_for_itself_and_not_for_want_of_room() {
        let (limiter, _hand) = limiter(100, AtCapacity::DenyNew);
        let (key, _) = first_locked_out(&limiter);
        let denied = limiter.check_n(&key, 11).unwrap_err();
        assert!(!denied.at_capacity());
        assert_eq!(denied.retry_after(), None);
    }

    #[test]
    fn looking_at_refunding_and_resetting_a_new_key_need_no_room() {
        let (limiter, _hand) = limiter(100, AtCapacity::DenyNew);
        let (key, _) = first_locked_out(&limiter);
        let before = limiter.stats();
        assert_eq!(limiter.peek(&key).remaining(), 10);
        limiter.refund(&key, 3);
        limiter.reset(&key);
        assert!(limiter.check_n(&key, 0).is_ok());
        // Documented: a new key for which there is no room is not charged.
        assert_eq!(limiter.charge(&key, 4).remaining(), 10);
        assert_eq!(limiter.stats(), before);
    }

    #[test]
    fn a_reset_and_a_clear_make_room() {
        let (limiter, _hand) = limiter(100, AtCapacity::DenyNew);
        let (newcomer, _) = first_locked_out(&limiter);
        for key in 0..newcomer {
            limiter.reset(&key);
        }
        assert!(limiter.check(&newcomer).is_ok());
        first_locked_out(&limiter);
        limiter.clear();
        assert!(limiter.is_empty());
        assert!(limiter.check(&newcomer).is_ok());
    }
}

mod allow_untracked {
    use super::*;

    #[test]
    fn newcomers_always_pass_and_known_keys_are_limited_as_ever() {
        let (limiter, _hand) = limiter(100, AtCapacity::AllowUntracked);
        for key in 0..10_000_u64 {
            assert_eq!(limiter.check(&key).unwrap().remaining(), 9);
        }
        let held = u64::try_from(limiter.len()).unwrap();
        let tracked = (0..10_000_u64).filter(|key| limiter.peek(key).remaining() == 9).count();
        assert_eq!(u64::try_from(tracked), Ok(held));
        assert_eq!(limiter.stats().forgotten, 0);
        let admitted: u64 = (0..20).map(|_| u64::from(limiter.check(&0_u64).is_ok())).sum();
        assert_eq!(admitted, 9);
        let denied = limiter.check_n(&9_999_u64, 11).unwrap_err();
        assert!(!denied.at_capacity());
    }
}

mod forget_smallest_debt {
    use super::*;

    #[test]
    fn each_key_that_is_forgotten_is_counted() {
        for max_keys in [1, 500, 20_000] {
            let (limiter, _hand) = limiter(max_keys, AtCapacity::ForgetSmallestDebt);
            let keys = 20 * u64::try_from(max_keys).unwrap() + 10_000;
            for key in 0..keys {
                assert!(limiter.check(&key).is_ok());
            }
            let held = (0..keys).filter(|key| limiter.peek(key).remaining() < 10).count();
            let stats = limiter.stats();
            assert_eq!(stats.keys, held);
            assert_eq!(stats.forgotten, keys - u64::try_from(held).unwrap());
        }
    }

    /// Whoever has spent more than the newcomers outlives them all.
    #[test]
    fn the_key_that_has_spent_least_gives_way() {
        let (limiter, _hand) = limiter(100, AtCapacity::ForgetSmallestDebt);
        for heavy in 0..100_u64 {
            assert!(limiter.check_n(&heavy, 3).is_ok());
        }
        for fresh in 1_000..30_000_u64 {
            assert!(limiter.check_n(&fresh, 1 + fresh % 2).is_ok());
        }
        for heavy in 0..100_u64 {
            assert_eq!(limiter.peek(&heavy).remaining(), 7);
        }
        assert!(limiter.stats().forgotten > 20_000);
    }
}
