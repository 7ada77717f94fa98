//! How a call of several limits ends: what a refusal says, and that places are given back once.

use tollgate::concurrency::{AdaptiveConcurrency, ConcurrencyLimit, LimitRule, Outcome, Sample};
use tollgate::{AtCapacity, Clock, Gcra, Limiter, Quota, check_all};

/// The answer of `check_all` to a newcomer for whom there is no room is that of a check by itself.
#[test]
fn a_newcomer_without_room_is_told_so_by_several_limits_too() {
    let (clock, _hand) = Clock::manual();
    let builder = Limiter::builder(Gcra::new(Quota::per_hour(10))).clock(clock).max_keys(1);
    let full = builder.at_capacity(AtCapacity::DenyNew).build().unwrap();
    let newcomer = (0..1_000_000_u64).find(|key| full.check(key).is_err()).unwrap();
    let alone = full.check(&newcomer).unwrap_err();
    let everyone = Limiter::new(Quota::per_hour(100));
    let denied = check_all(&[everyone.on(&()), full.on(&newcomer).label("full")]).unwrap_err();
    let binding = denied.binding();
    assert_eq!((binding.label(), binding.refuses(), binding.at_capacity()), (Some("full"), true, true));
    assert_eq!((binding.remaining(), binding.retry_after()), (alone.remaining(), alone.retry_after()));
    assert_eq!(everyone.peek(&()).remaining(), 100);
}

/// A message is often made later than the refusal. By then a rate may have room again, which has nothing to do with work that ends.
#[test]
fn a_message_says_what_is_to_be_waited_for() {
    let (clock, hand) = Clock::manual();
    let limiter = Limiter::builder(Gcra::new(Quota::per_second(10).burst(1))).clock(clock).build().unwrap();
    assert!(limiter.check("key").is_ok());
    let rate = check_all(&[limiter.on("key").label("rate")]).unwrap_err();
    assert_eq!(rate.to_string(), "limit \"rate\" reached: 0 of 1 left, retry in 100ms");
    hand.advance(std::time::Duration::from_secs(1));
    assert_eq!(rate.to_string(), "limit \"rate\" reached: 1 of 1 left, retry at once");

    let calls = ConcurrencyLimit::new(1);
    let place = calls.try_acquire().unwrap();
    let work = check_all(&[calls.on()]).unwrap_err();
    assert_eq!(work.to_string(), "limit number 1 reached: 0 of 1 left, retry when work under it has ended");
    drop(place);
    assert_eq!(work.to_string(), "limit number 1 reached: 1 of 1 left, retry at once");
}

/// However often an answer is asked, it says the same, and the crowd is spread as by a check.
#[test]
fn retries_of_several_limits_are_spread_as_those_of_one() {
    for slots in [2_u16, 3, 4, 10] {
        let (clock, _hand) = Clock::manual();
        let builder = Limiter::builder(Gcra::new(Quota::per_second(10).burst(1)));
        let limiter = builder.clock(clock).retry_spread(slots).build().unwrap();
        assert!(limiter.check("key").is_ok());
        let waits: std::collections::BTreeSet<_> = (0..100)
            .map(|_| {
                let denied = check_all(&[limiter.on("key")]).unwrap_err();
                let wait = denied.retry_after();
                assert_eq!(denied.limits().next().unwrap().retry_after(), wait);
                assert_eq!(denied.binding().retry_after(), wait);
                wait
            })
            .collect();
        assert_eq!(waits.len(), usize::from(slots));
    }
}

/// A rule of somebody's that panics while places are given back must not make them be given back twice.
#[test]
fn places_are_given_back_once_though_a_rule_panics() {
    #[derive(Debug)]
    struct Panics;

    impl LimitRule for Panics {
        fn update(&mut self, _: f64, _: &Sample) -> f64 {
            panic!("a rule with a fault")
        }
    }

    for adaptive_first in [true, false] {
        let fixed = ConcurrencyLimit::new(2);
        let _other = fixed.try_acquire().unwrap();
        let adaptive = AdaptiveConcurrency::builder(Panics).build().unwrap();
        let mut limits = [fixed.on(), adaptive.on()];
        if adaptive_first {
            limits.reverse();
        }
        let guard = check_all(&limits).unwrap();
        let ends = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| guard.finish(Outcome::Success)));
        assert!(ends.is_err());
        assert_eq!((fixed.in_flight(), fixed.max()), (1, 2));
        assert_eq!(adaptive.in_flight(), 0);
    }
}
