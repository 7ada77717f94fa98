//! The end of time, the end of the axis, and quotas that change without rest.

use std::time::Duration;

use tollgate::{Clock, Gcra, Limiter, ManualClock, Quota, QuotaError};

use crate::model::pair::Pair;

const SECOND: u64 = 1_000_000_000;
const YEAR: u64 = 31_557_600 * SECOND;
const END_OF_TIME: Duration = Duration::from_nanos(u64::MAX);

fn before_the_end(nanos: u64) -> Duration {
    Duration::from_nanos(u64::MAX - nanos)
}

fn limiter_at(quota: Quota, start: Duration) -> (Limiter, ManualClock) {
    let (clock, hand) = Clock::manual();
    hand.set(start);
    (Limiter::builder(Gcra::new(quota)).clock(clock).build().unwrap(), hand)
}

fn limiter(quota: Quota) -> (Limiter, ManualClock) {
    limiter_at(quota, Duration::ZERO)
}

fn drain(limiter: &Limiter, key: &str) -> u64 {
    (0..u64::MAX).find(|_| limiter.check(key).is_err()).unwrap()
}

/// Beyond the axis no position is left to count on: nothing may come for free there, nor panic.
#[test]
fn a_clock_set_to_its_end_grants_one_burst_and_then_nothing() {
    for quota in [Quota::per_second(10), Quota::per_second(u32::MAX), Quota::per_day(1).burst(50)] {
        let (limiter, hand) = limiter(quota);
        assert!(limiter.check_n("key", quota.capacity()).is_ok());
        hand.set(Duration::MAX);
        for key in ["key", "new"] {
            assert!(limiter.check_n(key, quota.capacity()).is_ok(), "{quota}");
            let denied = limiter.check(key).unwrap_err();
            assert_eq!(denied.retry_after(), None, "{quota}");
            assert_eq!(denied.reset_after(), Duration::MAX, "{quota}");
        }
        hand.advance(Duration::MAX);
        assert!(limiter.check("key").is_err(), "{quota}");
    }
}

/// A limiter built when the clock has already stopped.
#[test]
fn a_limiter_built_at_the_end_of_its_clock_grants_one_burst_and_then_nothing() {
    let (limiter, hand) = limiter_at(Quota::per_second(10), END_OF_TIME);
    assert_eq!(drain(&limiter, "key"), 10);
    hand.advance(Duration::from_secs(1));
    assert_eq!(limiter.check("key").unwrap_err().retry_after(), None);
    limiter.refund("key", 3);
    assert_eq!(drain(&limiter, "key"), 3);
    assert_eq!(limiter.charge("key", u64::MAX).retry_after(), None);
    assert_eq!(limiter.set_quota(Quota::per_second(20)), Ok(()));
    assert!(limiter.check("key").is_err());
}

/// The clock's last nanosecond is a time like any other; the one after it never comes.
#[test]
fn a_wait_until_the_clocks_last_nanosecond_is_told_and_a_longer_one_is_not() {
    for early in [1, 0] {
        let (limiter, hand) = limiter_at(Quota::per_second(1), before_the_end(SECOND + early));
        assert!(limiter.check("key").is_ok());
        assert_eq!(limiter.check("key").unwrap_err().retry_after(), Some(Duration::from_secs(1)));
        assert_eq!(limiter.peek("key").reset_after(), Duration::from_secs(1));
        hand.advance(Duration::from_secs(1));
        assert!(limiter.check("key").is_ok());
    }
    let (limiter, _hand) = limiter_at(Quota::per_second(1), before_the_end(SECOND - 1));
    assert!(limiter.check("key").is_ok());
    assert_eq!(limiter.check("key").unwrap_err().retry_after(), None);
    assert_eq!(limiter.peek("key").reset_after(), Duration::MAX);
}

/// 150 years are promised, and exactly kept.
#[test]
fn after_150_years_tokens_still_come_to_the_nanosecond() {
    let lasting = [
        Quota::per_second(10),
        Quota::per_second(100_000_000),
        Quota::new(7, Duration::from_nanos(1_000_003)).unwrap(),
        Quota::per_day(1).burst(9),
        Quota::new(1, Duration::from_secs(36_525 * 86_400)).unwrap(),
    ];
    for quota in lasting {
        let mut pair = Pair::new(quota, 10, 0);
        pair.check(1, quota.capacity());
        pair.set_clock(150 * YEAR);
        // Emptied just now, one token takes its time and no more.
        pair.check(2, quota.capacity());
        pair.set_clock(150 * YEAR + u64::try_from(quota.period().as_nanos()).unwrap());
        let end = pair.rule.axis().end();
        assert!(
            pair.rule.position(pair.clock()) < end || quota.period() > Duration::from_secs(86_400),
            "{quota}: the axis has ended"
        );
        pair.check(2, quota.count());
        pair.check(2, 1);
    }
}

/// Where the axis ends, the model ends with it: every answer on the way there and beyond is the model's.
#[test]
fn decisions_are_exact_up_to_the_end_of_the_axis_and_beyond() {
    for quota in [Quota::per_second(10), Quota::per_second(u32::MAX).burst(u64::MAX), Quota::per_hour(9)] {
        let mut pair = Pair::new(quota, 10, 0);
        for year in (0..584).step_by(3) {
            pair.set_clock(year * YEAR);
            pair.check(1, quota.capacity());
            pair.check(1, 1);
            pair.charge(2, quota.capacity() / 2);
            pair.refund(1, 1);
            pair.peek(1);
        }
    }
}

/// Nearly each of these was accepted or refused by less than a percent of a year.
#[test]
fn a_change_of_quota_is_refused_when_less_than_a_year_of_axis_is_left() {
    for years in [100, 148, 149, 150, 200, 290] {
        for faster in [10, 11, 20, 100, 1_000, 1_500, 2_000, u32::MAX] {
            let mut pair = Pair::new(Quota::per_second(10), 10, 0);
            pair.set_clock(years * YEAR);
            pair.check(1, 5);
            pair.set_quota(Quota::per_second(faster));
            pair.check(1, 5);
        }
    }
}

/// A refused change must not be half done.
#[test]
fn a_refused_change_of_quota_changes_nothing() {
    let quota = Quota::per_second(10).burst(20);
    let (limiter, hand) = limiter(quota);
    hand.advance(Duration::from_nanos(123_456_789));
    assert!(limiter.check_n("key", 15).is_ok());
    let before = limiter.peek("key");
    let fast = Quota::per_second(u32::MAX);
    let slow = Quota::new(1, Duration::from_secs(86_400)).unwrap();
    let large = quota.burst(u64::MAX);
    assert_eq!(limiter.set_quota(fast), Err(QuotaError::TooFastForLimiter { quota: fast }));
    assert_eq!(limiter.set_quota(large), Err(QuotaError::TooFastForLimiter { quota: large }));
    assert_eq!(limiter.set_quota(slow), Err(QuotaError::TooSlowForLimiter { quota: slow }));
    assert_eq!(limiter.algorithm().quota(), quota);
    let after = limiter.peek("key");
    assert_eq!(
        (after.limit(), after.remaining(), after.reset_after()),
        (before.limit(), before.remaining(), before.reset_after())
    );
    assert_eq!(drain(&limiter, "key"), 5);
    hand.advance(Duration::from_millis(100));
    assert_eq!(drain(&limiter, "key"), 1);
}

/// The example of the documentation: down by D and up again grants up to D tokens, and never more.
#[test]
fn going_down_by_d_and_up_again_grants_at_most_d_tokens() {
    let (high, low) = (Quota::per_hour(10).burst(20), Quota::per_hour(10).burst(12));
    let (limiter, _hand) = limiter(high);
    for spent in 0..=20 {
        limiter.reset("key");
        assert!(limiter.check_n("key", spent).is_ok());
        assert_eq!(limiter.set_quota(low), Ok(()));
        let level = limiter.peek("key").remaining();
        assert_eq!(level, (20 - spent).min(12));
        assert_eq!(limiter.set_quota(high), Ok(()));
        assert_eq!(limiter.peek("key").remaining(), level + 8);
    }
}

/// Writing the configuration that is in force once a second must not cost anybody anything.
#[test]
fn setting_the_same_quota_again_and_again_changes_nothing() {
    let quota = Quota::new(7, Duration::from_secs(3)).unwrap();
    let (limiter, hand) = limiter(quota);
    assert_eq!(drain(&limiter, "key"), 7);
    let mut admitted = 0;
    for _ in 0..3_000 {
        hand.advance(Duration::from_millis(10));
        assert_eq!(limiter.set_quota(quota), Ok(()));
        admitted += drain(&limiter, "key");
    }
    assert_eq!(admitted, 70);
}

/// Fractions of tokens survive each change, so a rate that flaps gives its average.
#[test]
fn a_rate_that_flaps_for_an_hour_admits_its_average() {
    let quotas = [Quota::per_second(7).burst(10), Quota::per_second(13).burst(10)];
    let (limiter, hand) = limiter(quotas[0]);
    assert_eq!(drain(&limiter, "key"), 10);
    let mut admitted = 0;
    for turn in 1..=72_000 {
        hand.advance(Duration::from_millis(50));
        admitted += drain(&limiter, "key");
        assert_eq!(limiter.set_quota(quotas[turn % 2]), Ok(()));
    }
    assert!((35_999..=36_000).contains(&admitted), "{admitted}");
}

/// Every combination of two quotas back and forth, with debt and with fractions, against the model.
#[test]
fn quotas_that_flap_between_any_two_are_exact() {
    let quotas = [
        Quota::per_second(10),
        Quota::per_second(10).burst(3),
        Quota::new(7, Duration::from_nanos(999_999_937)).unwrap().burst(50),
        Quota::new(13, Duration::from_millis(370)).unwrap(),
        Quota::per_second(0),
        Quota::per_second(11).burst(0),
    ];
    for (first, second) in quotas.iter().flat_map(|a| quotas.iter().map(move |b| (*a, *b))) {
        let mut pair = Pair::new(first, 10, 0);
        for turn in 0..40 {
            pair.charge(1, turn % 3);
            pair.check(2, turn % 5);
            pair.set_clock(pair.clock() + 77_777_777 * (turn % 4));
            pair.set_quota(if turn % 2 == 0 { second } else { first });
            pair.peek(1);
            pair.peek(2);
        }
    }
}
