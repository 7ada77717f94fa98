//! Places where limiters are known to go wrong, one by one: rates, rounding, time.

use std::time::Duration;

use tollgate::{Clock, Gcra, Limiter, ManualClock, Quota};

use crate::model::pair::Pair;

const SECOND: u64 = 1_000_000_000;
const DAY: Duration = Duration::from_secs(86_400);

fn limiter(quota: Quota) -> (Limiter, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Limiter::builder(Gcra::new(quota)).clock(clock).build().unwrap(), hand)
}

/// How many single tokens are admitted at this instant.
fn drain(limiter: &Limiter, key: &str) -> u64 {
    (0..u64::MAX).find(|_| limiter.check(key).is_err()).unwrap()
}

fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    // SplitMix64, written from its definition: numbers without a pattern, the same in every run.
    (1_u64..).map(move |n| {
        let z = n.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// Sums of a cost, a capacity and a position pass 64 bits when written carelessly.
#[test]
fn costs_and_quotas_near_their_maxima_are_decided_exactly() {
    let century = 36_525 * DAY;
    let fastest = u64::try_from(u128::from(u32::MAX) * century.as_nanos() / u128::from(SECOND)).unwrap();
    let quotas = [
        Quota::per_second(u32::MAX).burst(u64::MAX),
        Quota::per_second(u32::MAX).burst(1),
        Quota::new(4, Duration::from_nanos(1)).unwrap().burst(u64::MAX),
        Quota::new(fastest, century).unwrap(),
        Quota::new(1, century).unwrap().burst(u64::MAX),
        Quota::new(1, century).unwrap(),
        Quota::per_day(1).burst((1 << 59) - 1),
        Quota::new(0, century).unwrap().burst(u64::MAX),
    ];
    let most = 1 << 59;
    for quota in quotas {
        let mut pair = Pair::new(quota, 100, 0);
        for cost in [u64::MAX, u64::MAX - 1, 1 << 63, 1 << 60, most + 1, most, most - 1, 1, 0] {
            pair.check(1, cost);
            pair.charge(2, cost);
            pair.refund(3, cost);
            pair.set_clock(pair.clock() + SECOND);
        }
        for key in 1..=3 {
            pair.peek(key);
            pair.refund(key, u64::MAX);
            pair.check(key, quota.capacity());
        }
    }
}

/// A period much longer than the burst takes to spend: a month's token must come after a month, to the nanosecond.
#[test]
fn one_token_in_30_days_with_a_burst_of_thousands_comes_exactly_every_30_days() {
    let (limiter, hand) = limiter(Quota::new(1, 30 * DAY).unwrap().burst(5_000));
    assert_eq!(drain(&limiter, "key"), 5_000);
    for _ in 0..100 {
        assert_eq!(limiter.check("key").unwrap_err().retry_after(), Some(30 * DAY));
        hand.advance((30 * DAY).saturating_sub(Duration::from_nanos(1)));
        assert!(limiter.check("key").is_err());
        hand.advance(Duration::from_nanos(1));
        assert!(limiter.check("key").is_ok());
    }
    hand.advance(1_000 * 30 * DAY);
    assert_eq!(drain(&limiter, "key"), 1_000);
}

/// More than one token in two nanoseconds: an interval in whole nanoseconds would be 1 or 2 of them.
#[test]
fn six_hundred_million_a_second_are_six_in_ten_nanoseconds() {
    let (limiter, hand) = limiter(Quota::per_second(600_000_000));
    assert!(limiter.check_n("key", 600_000_000).is_ok());
    let mut admitted = 0;
    for nanos in 1..=10_000 {
        hand.advance(Duration::from_nanos(1));
        admitted += drain(&limiter, "key");
        assert_eq!(admitted, nanos * 6 / 10);
    }
    hand.advance(Duration::from_millis(1));
    assert_eq!(drain(&limiter, "key"), 600_000);
}

/// A limiter that rounds at every look gains or loses tokens when it is looked at often. Two minutes of polls, then for
/// three hours a millisecond of polls around each token (every poll of three hours would be five billion).
#[test]
fn one_token_a_second_polled_every_2_microseconds_for_hours_is_one_a_second() {
    const POLL: u64 = 2_000;
    const MARGIN: u64 = 500_000;
    let (limiter, hand) = limiter(Quota::per_second(1));
    let poll = |nanos: u64| {
        hand.set(Duration::from_nanos(nanos));
        limiter.check("key").is_ok()
    };
    for nanos in (0..120 * SECOND).step_by(2_000) {
        assert_eq!(poll(nanos), nanos % SECOND == 0, "after {nanos} ns");
    }
    for due in (120..3 * 3_600).map(|second| second * SECOND) {
        for nanos in (due - MARGIN..due + MARGIN).step_by(2_000) {
            assert_eq!(poll(nanos), nanos == due, "after {nanos} ns");
        }
    }
    assert_eq!(MARGIN % POLL, 0, "a poll falls on each token");
}

/// A rate rounded down by a hair refuses the client who keeps to it.
#[test]
fn a_request_every_100_ms_at_10_a_second_always_passes() {
    let (limiter, hand) = limiter(Quota::per_second(10).burst(1));
    for _ in 0..100_000 {
        assert!(limiter.check("key").is_ok());
        hand.advance(Duration::from_millis(100));
    }
}

/// Every token that takes a whole number of nanoseconds is there after exactly that many, and not one earlier.
#[test]
fn at_thousands_of_rates_a_request_exactly_when_its_token_is_due_passes() {
    for number in numbers(1).take(5_000) {
        // From 1 ns to a day, and up to a million of them a period.
        let interval = 1 + (number >> 32) % 86_400_000_000_000 % (1 << (number % 47));
        let count = 1 + (number >> 40) % 1_000_000;
        let quota = Quota::new(count, Duration::from_nanos(count * interval)).unwrap();
        for burst in [1, 2, count] {
            assert_tokens_are_on_time(quota.burst(burst));
        }
    }
}

/// So is every other one after its exact time, rounded up: a third of a second is 333 333 334 ns.
#[test]
fn at_thousands_of_odd_rates_each_token_comes_at_the_first_nanosecond_after_its_time() {
    for number in numbers(2).take(5_000) {
        let period = 1 + (number >> 8) % (1 << (1 + number % 50));
        let most = u128::from(u32::MAX) * u128::from(period) / u128::from(SECOND);
        let count = u64::try_from(1 + u128::from(number >> 16) % most.max(1)).unwrap();
        let Ok(quota) = Quota::new(count, Duration::from_nanos(period)) else { continue };
        // Room for a nanosecond's tokens and one more: a key that is never full loses nothing.
        assert_tokens_are_on_time(quota.burst(count.div_ceil(period) + 1));
    }
}

/// Spends the burst at zero, and from then on whatever there is, a nanosecond before and when each token is due.
#[track_caller]
fn assert_tokens_are_on_time(quota: Quota) {
    let (limiter, hand) = limiter(quota);
    let (count, period) = (u128::from(quota.count()), quota.period().as_nanos());
    assert!(limiter.check_n("key", quota.capacity()).is_ok());
    let due = |token: u64| u64::try_from((u128::from(token) * period).div_ceil(count)).unwrap();
    let mut times: Vec<u64> = (1..=20).flat_map(|token| [due(token) - 1, due(token)]).collect();
    times.sort_unstable();
    let mut admitted = 0;
    for nanos in times {
        hand.set(Duration::from_nanos(nanos));
        admitted += drain(&limiter, "key");
        assert_eq!(u128::from(admitted), u128::from(nanos) * count / period, "{quota} after {nanos} ns");
    }
}

/// Credit must not pile up while nobody asks.
#[test]
fn a_burst_after_a_long_idle_time_is_exactly_the_burst() {
    for (quota, burst) in [
        (Quota::per_second(1_000).burst(7), 7),
        (Quota::per_day(3), 3),
        (Quota::per_minute(60).burst(1), 1),
        (Quota::new(7, Duration::from_nanos(1_000_003)).unwrap().burst(5_000), 5_000),
    ] {
        let (limiter, hand) = limiter(quota);
        for idle in [DAY, 30 * DAY, 365 * DAY, 40 * 365 * DAY] {
            assert!(limiter.check("key").is_ok());
            hand.advance(idle);
            assert_eq!(drain(&limiter, "key"), burst, "{quota} after {idle:?}");
            hand.advance(10 * DAY);
        }
    }
}

/// A refusal that takes the tokens it could get starves whoever asks for too much.
#[test]
fn a_cost_that_can_never_fit_leaves_the_key_alone() {
    let (limiter, hand) = limiter(Quota::per_second(10));
    assert!(limiter.check_n("key", 4).is_ok());
    for cost in [11, 12, 1 << 40, 1 << 59, 1 << 60, u64::MAX] {
        let denied = limiter.check_n("key", cost).unwrap_err();
        assert_eq!((denied.retry_after(), denied.remaining()), (None, 6));
        assert!(limiter.check_n("never seen", cost).is_err());
    }
    assert_eq!(limiter.len(), 1, "a refused key is not remembered");
    assert!(limiter.check_n("key", 6).is_ok());
    hand.advance(Duration::from_secs(1));
    assert!(limiter.check_n("key", 10).is_ok());
}

/// A key is bytes, any number of them.
#[test]
fn keys_of_no_bytes_of_one_and_of_a_million_are_told_apart() {
    let (limiter, _hand) = limiter(Quota::per_second(1));
    let (long, mut other) = (vec![7_u8; 1 << 20], vec![7_u8; 1 << 20]);
    other[1 << 19] = 8;
    for key in [&[][..], &[0], &[1], &long, &long[1..], &other] {
        assert!(limiter.check(key).is_ok());
        assert!(limiter.check(key).is_err());
    }
    assert_eq!(limiter.len(), 6);
}
