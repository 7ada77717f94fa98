//! What each algorithm's documentation states as its worst case: no window of any traffic exceeds it, and an adversary reaches it.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tollgate::{
    Clock, Engine, FixedWindow, LeakyBucket, Limiter, ManualClock, PerCall, Quota, SlidingLog, SlidingWindow,
    TokenBucket,
};

fn limiter<A: Engine>(algorithm: A) -> (Limiter<A>, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Limiter::builder(algorithm).max_keys(10).clock(clock).build().unwrap(), hand)
}

/// So many tokens at a time.
type Admission = (u64, u64);

/// What is admitted of requests: waits, and what is asked for then. `None` asks for all that is left. The first wait is until the limiter is
/// built.
fn admissions<A: Engine>(algorithm: A, asked: &[(u64, Option<u64>)]) -> Vec<Admission> {
    let (clock, hand) = Clock::manual();
    let (mut now, mut admitted) = (asked.first().map_or(0, |(wait, _)| *wait), Vec::new());
    hand.set(Duration::from_nanos(now));
    let limiter = Limiter::builder(algorithm).max_keys(10).clock(clock).build().unwrap();
    for (wait, cost) in asked {
        now += wait;
        hand.set(Duration::from_nanos(now));
        let cost = cost.unwrap_or_else(|| limiter.peek("key").remaining());
        if let Ok(allowed) = limiter.check_n("key", cost) {
            // Whoever may wait goes later.
            let delay = u64::try_from(allowed.delay().as_nanos()).unwrap();
            admitted.push((now + delay, cost));
        }
    }
    admitted
}

/// The most tokens in any half-open window of so many nanoseconds. Admissions are in order of time.
fn most_in(admissions: &[Admission], window: u64) -> u64 {
    let (mut first, mut sum, mut most) = (0, 0, 0);
    for (time, tokens) in admissions {
        sum += tokens;
        while admissions[first].0 + window <= *time {
            sum -= admissions[first].1;
            first += 1;
        }
        most = most.max(sum);
    }
    most
}

/// Windows of every length at which one more admission comes in, and some in between.
fn assert_never_more(admissions: &[Admission], bound: impl Fn(u64) -> u64) {
    let lengths = admissions.iter().flat_map(|(end, _)| {
        admissions.iter().filter(move |(start, _)| start <= end).map(move |(start, _)| end - start + 1)
    });
    for window in lengths.flat_map(|length| [length, length + 1, length * 2]) {
        let most = most_in(admissions, window);
        assert!(most <= bound(window), "{most} tokens in {window} ns, not {}", bound(window));
    }
}

/// Greedy and modest callers, at times that cluster around the ends of windows of 1000 ns.
fn asked() -> impl Strategy<Value = Vec<(u64, Option<u64>)>> {
    let wait = prop_oneof![
        3 => 0..30_u64,
        2 => 0..400_u64,
        2 => prop::sample::select(vec![499, 500, 501, 999, 1_000, 1_001]),
    ];
    let cost = prop_oneof![3 => Just(Some(1)), 2 => Just(None), 1 => (0..8_u64).prop_map(Some)];
    vec((wait, cost), 1..60)
}

const WINDOW: u64 = 1_000;

fn window() -> Duration {
    Duration::from_nanos(WINDOW)
}

/// Nanoseconds of a unit of the axis: tokens may come so much earlier.
const UNIT: u64 = 10;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_fixed_window_admits_twice_its_limit_at_most(limit in 0..9_u64, asked in asked()) {
        let admitted = admissions(FixedWindow::new(limit, window()), &asked);
        assert_never_more(&admitted, |length| limit * (length.div_ceil(WINDOW) + 1));
    }

    #[test]
    fn a_sliding_window_admits_one_less_than_twice_its_limit_at_most(limit in 0..9_u64, asked in asked()) {
        let admitted = admissions(SlidingWindow::new(limit, window()), &asked);
        assert_never_more(&admitted, |length| {
            if length <= WINDOW { (2 * limit).saturating_sub(1) } else { limit * (length.div_ceil(WINDOW) + 1) }
        });
    }

    #[test]
    fn a_log_never_admits_more_than_its_limit(limit in 0..9_u64, asked in asked()) {
        let admitted = admissions(SlidingLog::new(limit, window()), &asked);
        assert_never_more(&admitted, |length| limit * length.div_ceil(WINDOW));
    }

    #[test]
    fn a_token_bucket_admits_its_capacity_and_the_refill_at_most(
        capacity in 0..9_u64, tokens in 0..9_u64, asked in asked(),
    ) {
        let admitted = admissions(TokenBucket::new(capacity).refill(tokens, window()), &asked);
        assert_never_more(&admitted, |length| capacity + tokens * (length + UNIT) / WINDOW);
    }

    #[test]
    fn a_token_bucket_that_is_refilled_at_once_admits_its_capacity_and_all_refills_in_between(
        capacity in 0..9_u64, tokens in 0..9_u64, asked in asked(),
    ) {
        let admitted = admissions(TokenBucket::new(capacity).refill(tokens, window()).refill_at_once(), &asked);
        assert_never_more(&admitted, |length| capacity + tokens * length.div_ceil(WINDOW));
    }

    #[test]
    fn a_leaky_bucket_lets_one_go_in_an_interval(count in 1..9_u64, queue in 0..9_u64, asked in asked()) {
        // A cost of more takes as many intervals, of which the times say only the first.
        let asked: Vec<_> = asked.into_iter().map(|(wait, _)| (wait, Some(1))).collect();
        let rate = Quota::new(count, window()).unwrap();
        let admitted = admissions(LeakyBucket::new(rate, queue), &asked);
        assert_never_more(&admitted, |length| ((length + UNIT) * count).div_ceil(WINDOW));
    }

    #[test]
    fn a_quota_for_each_call_admits_its_burst_and_the_refill_at_most(
        count in 1..2_000_u64, burst in 0..9_u64, asked in asked(),
    ) {
        let quota = Quota::new(count, window()).unwrap().burst(burst);
        let admitted = admissions(PerCall::new().otherwise(quota), &asked);
        let rounding = if WINDOW.is_multiple_of(count) { 0 } else { burst };
        assert_never_more(&admitted, |length| {
            let refill = (length + rounding) * count / WINDOW;
            // Rounding never lets a whole token more through.
            burst + refill.min(length * count / WINDOW + 1)
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// "Calls with different quotas on one key see each other's spending as time": of which there is the longest burst and what passes.
    #[test]
    fn quotas_that_differ_from_call_to_call_together_admit_a_burst_and_what_passes(
        quotas in vec((1..9_u64, 1..9_u64), 1..4), asked in vec((0..400_u64, 0..4_usize, 0..9_u64), 1..60),
    ) {
        let (limiter, hand) = limiter(PerCall::new());
        // Intervals of whole nanoseconds, so that nothing is rounded.
        let intervals: Vec<_> = quotas.iter().map(|(tenths, _)| WINDOW / 10 * tenths).collect();
        let bursts: Vec<_> = quotas.iter().map(|(_, burst)| *burst).collect();
        let (mut now, mut admitted) = (0, Vec::new());
        for (wait, quota, cost) in asked {
            now += wait;
            hand.set(Duration::from_nanos(now));
            let quota = quota % quotas.len();
            let called = Quota::new(1, Duration::from_nanos(intervals[quota])).unwrap().burst(bursts[quota]);
            if limiter.check_with("key", called, cost).is_ok() {
                admitted.push((now, cost * intervals[quota]));
            }
        }
        let longest = intervals.iter().zip(&bursts).map(|(interval, burst)| interval * burst).max().unwrap();
        assert_never_more(&admitted, |length| longest + length - 1);
    }
}

/// Asks for one token at every nanosecond.
fn greedy<A: Engine>(limiter: &Limiter<A>, hand: &ManualClock, times: std::ops::Range<u64>) -> u64 {
    let mut admitted = 0;
    for time in times {
        hand.set(Duration::from_nanos(time));
        while limiter.check("key").is_ok() {
            admitted += 1;
        }
    }
    admitted
}

#[test]
fn an_adversary_gets_twice_the_limit_of_a_fixed_window() {
    let (limiter, hand) = limiter(FixedWindow::new(7, window()));
    assert_eq!(greedy(&limiter, &hand, 999..1_999), 2 * 7);
}

#[test]
fn an_adversary_gets_one_less_than_twice_the_limit_of_a_sliding_window() {
    for limit in [1, 2, 7, 15] {
        let (limiter, hand) = limiter(SlidingWindow::new(limit, window()));
        assert_eq!(greedy(&limiter, &hand, 999..1_999), 2 * limit - 1);
    }
}

#[test]
fn an_adversary_gets_the_limit_of_a_log_in_every_window_and_no_more() {
    let (limiter, hand) = limiter(SlidingLog::new(7, window()));
    for start in [0, 1_000, 2_000] {
        assert_eq!(greedy(&limiter, &hand, start..start + 1_000), 7);
    }
}

#[test]
fn an_adversary_gets_the_capacity_of_a_bucket_and_the_refill() {
    let (evenly, hand) = limiter(TokenBucket::new(7).refill(3, window()));
    assert_eq!(greedy(&evenly, &hand, 100..100 + 4 * WINDOW + 1), 7 + 3 * 4);

    // Just before a refill; windows that are whole intervals long meet as many of them.
    let (at_once, hand) = limiter(TokenBucket::new(7).refill(3, window()).refill_at_once());
    assert_eq!(greedy(&at_once, &hand, 999..999 + 4 * WINDOW), 7 + 3 * 4);

    let quota = Quota::new(3, window()).unwrap().burst(7);
    let (per_call, hand) = limiter(PerCall::new().otherwise(quota));
    assert_eq!(greedy(&per_call, &hand, 100..100 + 4 * WINDOW + 9), 7 + 3 * 4);
}

/// An interval of 333.01 ns counts as 334, so the room for seven single tokens is 6 ns more than a cost of seven needs.
#[test]
fn an_adversary_gets_a_token_early_where_intervals_are_rounded_by_less_than_a_nanosecond_for_each_of_the_burst()
 {
    let quota = Quota::new(100, Duration::from_nanos(33_301)).unwrap().burst(7);
    let (limiter, hand) = limiter(PerCall::new().otherwise(quota));
    assert!(limiter.check_n("key", 7).is_ok());
    let exact = 334;
    let wait = limiter.check("key").unwrap_err().retry_after().unwrap();
    assert_eq!(wait, Duration::from_nanos(exact - 6));
    hand.set(wait);
    assert!(limiter.check("key").is_ok());
}

#[test]
fn an_adversary_goes_once_an_interval_from_a_leaky_bucket() {
    let (limiter, _hand) = limiter(LeakyBucket::new(Quota::new(4, window()).unwrap(), 6));
    let delays: Vec<_> =
        (0..8).map(|_| limiter.check("key").map(|allowed| allowed.delay().as_nanos())).collect();
    let expected = [0, 250, 500, 750, 1_000, 1_250, 1_500];
    assert!(
        delays
            .iter()
            .zip(expected)
            .all(|(delay, expected)| delay.as_ref().is_ok_and(|nanos| *nanos == expected))
    );
    assert!(delays[7].is_err(), "one goes and six wait");
}
