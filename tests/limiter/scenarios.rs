//! What limits are for, in virtual time.

use std::time::Duration;

use proptest::prelude::*;
use tollgate::{
    Algorithm, Clock, Gcra, LeakyBucket, Limiter, ManualClock, Quota, Status, TokenBucket, check_all,
};

use crate::strategies::cases;

const SECOND: Duration = Duration::from_secs(1);

fn limiter<A: Algorithm>(algorithm: A) -> (Limiter<A>, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Limiter::builder(algorithm).clock(clock).build().unwrap(), hand)
}

/// All that a caller is told of a key.
fn figures(status: Status) -> (u64, u64, Duration, Option<Duration>) {
    (status.limit(), status.remaining(), status.reset_after(), status.retry_after())
}

/// Requests of one client at a thousand a second and of nine at five a second, for ten seconds; how many of the nine's are refused.
fn polite_requests_refused(pass: impl Fn(&Limiter, &Limiter, u64) -> bool) -> usize {
    const NOISY: u64 = 0;
    let (clock, hand) = Clock::manual();
    let build = |quota: Quota| Limiter::builder(Gcra::new(quota)).clock(clock.clone()).build().unwrap();
    let (total, per_client) = (build(Quota::per_second(100)), build(Quota::per_second(10)));
    let mut refused = 0;
    for millisecond in 0..10_000_u64 {
        hand.set(Duration::from_millis(millisecond));
        pass(&total, &per_client, NOISY);
        // Every 200 ms, not all at once.
        for polite in (1..10).filter(|client| millisecond % 200 == 20 * client) {
            refused += usize::from(!pass(&total, &per_client, polite));
        }
    }
    refused
}

#[test]
fn a_noisy_neighbour_takes_nothing_from_others_where_limits_are_asked_together() {
    let refused = polite_requests_refused(|total, per_client, client| {
        check_all(&[total.on(&()), per_client.on(&client)]).is_ok()
    });
    assert_eq!(refused, 0);
}

#[test]
fn a_noisy_neighbour_starves_others_where_limits_are_asked_one_after_the_other() {
    let refused = polite_requests_refused(|total, per_client, client| {
        total.check(&()).is_ok() && per_client.check(&client).is_ok()
    });
    assert!(refused > 0);
}

/// Places in any order.
fn shuffled(places: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..places).collect();
    // Multiplied by an odd number, the upper bits are in no order (D. Knuth's multiplicative hashing).
    order.sort_by_key(|place| (seed ^ *place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    order
}

/// Reserves a whole burst of unit tokens, or what is left of it, at one instant, and cancels it in any order.
fn cancelled_bursts_leave_no_trace<A: Algorithm>(algorithm: A, spent: u64, wait: u64, seed: u64) {
    let (limiter, hand) = limiter(algorithm);
    let _ = limiter.check_n("key", spent.min(limiter.peek("key").limit()));
    hand.advance(Duration::from_nanos(wait));
    let before = figures(limiter.peek("key"));
    let burst = usize::try_from(before.1).unwrap();
    let mut reserved: Vec<_> = (0..burst).map(|_| limiter.reserve("key", 1).ok()).collect();
    assert!(reserved.iter().all(Option::is_some) && limiter.reserve("key", 1).is_err());
    for place in shuffled(burst, seed) {
        reserved[place].take().unwrap().cancel();
    }
    assert_eq!(figures(limiter.peek("key")), before);
}

#[test]
fn a_burst_that_is_cancelled_leaves_no_trace_at_any_rate() {
    // Enough for what is rounded off to show.
    const BURST: u64 = 100;
    for rate in 1..=10_000 {
        let quota = Quota::per_second(rate).burst(BURST);
        // A third of a token of a key that has spent half has come back, and nothing of a fresh one.
        let token = 1_000_000_000 / u64::from(rate);
        for (spent, wait) in [(0, 0), (BURST / 2, token / 3)] {
            cancelled_bursts_leave_no_trace(Gcra::new(quota), spent, wait, rate.into());
        }
    }
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn a_burst_that_is_cancelled_leaves_no_trace_in_any_order(
        rate in 1..=10_000_u32, burst in 1..2_000_u64, spent in 0..2_000_u64, wait in 0..2_000_000_000_u64, seed: u64,
    ) {
        let quota = Quota::per_second(rate).burst(burst);
        cancelled_bursts_leave_no_trace(Gcra::new(quota), spent, wait, seed);
        cancelled_bursts_leave_no_trace(TokenBucket::new(burst).refill(rate.into(), SECOND), spent, wait, seed);
        cancelled_bursts_leave_no_trace(LeakyBucket::new(quota, burst), spent, wait, seed);
    }
}

#[test]
fn slots_that_are_cancelled_from_the_last_to_the_first_all_come_back() {
    let (limiter, _hand) = limiter(Gcra::new(Quota::per_second(10).burst(1)));
    let before = figures(limiter.peek("mail"));
    let mut slots: Vec<_> = (0..3).map(|_| limiter.schedule("mail", 1, SECOND).unwrap()).collect();
    for left in (0..3).rev() {
        assert_eq!(slots.pop().unwrap().delay(), Duration::from_millis(100 * left));
    }
    assert_ne!(figures(limiter.peek("mail")), before, "what is dropped stays taken");
    limiter.reset("mail");
    let mut slots: Vec<_> = (0..3).map(|_| limiter.schedule("mail", 1, SECOND).unwrap()).collect();
    while let Some(last) = slots.pop() {
        last.cancel();
    }
    assert_eq!(figures(limiter.peek("mail")), before);
}

proptest! {
    #![proptest_config(cases(1))]

    /// Some give their slots back, from anywhere in the line, and others come and take the next; each goes at its time.
    #[test]
    fn nobody_goes_in_a_slot_that_somebody_else_has(
        steps in prop::collection::vec((0..40_u64, 0..4_usize, any::<prop::sample::Index>()), 1..100),
    ) {
        let token = Duration::from_millis(100);
        let (limiter, hand) = limiter(Gcra::new(Quota::per_second(10).burst(1)));
        let (mut now, mut waiting, mut went) = (Duration::ZERO, Vec::new(), Vec::new());
        for (wait, comers, gives_up) in steps {
            now += Duration::from_millis(wait);
            hand.set(now);
            for _ in 0..comers {
                let slot = limiter.schedule("mail", 1, Duration::MAX).unwrap();
                waiting.push((now + slot.delay(), slot));
            }
            // Whose time has come is gone.
            while waiting.first().is_some_and(|(time, _)| *time <= now) {
                went.push(waiting.remove(0).0);
            }
            if comers == 0 && !waiting.is_empty() {
                let (_, slot) = waiting.remove(gives_up.index(waiting.len()));
                slot.cancel();
            }
        }
        went.extend(waiting.into_iter().map(|(time, _)| time));
        // The rate is kept over any stretch, to a unit of the axis, which is below 10 ns.
        let unit = Duration::from_nanos(10);
        for (first, rest) in (0..).map_while(|first| went[first..].split_first()) {
            for (count, last) in (1_u32..).zip(rest) {
                prop_assert!(*last + unit > *first + count * token, "{:?}", went);
            }
        }
    }
}

/// The k-th request after the first 20 comes at k × 50 ms, when the hour's bucket of 10 000 has had k × 50 / 360 more. So it passes while
/// 20 + k <= 10 000 + k × 5/36, which is 9 980 × 36/31 times: the bucket is empty from 579.45 s, and refuses the one at 579.5 s.
#[test]
fn a_greedy_caller_has_the_rate_of_the_second_until_the_hour_is_spent() {
    const BURST: usize = 20;
    const AT_THE_RATE_OF_THE_SECOND: usize = 9_980 * 36 / 31;
    let (clock, hand) = Clock::manual();
    let build = |quota: Quota| Limiter::builder(Gcra::new(quota)).clock(clock.clone()).build().unwrap();
    let (second, hour) = (build(Quota::per_second(20)), build(Quota::per_hour(10_000)));
    let (mut now, mut admitted, mut bound_by_hour) = (Duration::ZERO, Vec::new(), None);
    while now < 1_000 * SECOND {
        match check_all(&[second.on("key").label("second"), hour.on("key").label("hour")]) {
            Ok(_) => admitted.push(now),
            Err(denied) => {
                if denied.label() == Some("hour") {
                    bound_by_hour.get_or_insert(now);
                }
                // Greedy: at the first instant that is possible.
                now += denied.retry_after().unwrap();
                hand.set(now);
            }
        }
    }
    let (at_once, later) = admitted.split_at(BURST);
    assert_eq!(at_once, [Duration::ZERO; BURST]);
    let (by_second, by_hour) = later.split_at(AT_THE_RATE_OF_THE_SECOND);
    for (count, time) in (1_u32..).zip(by_second) {
        assert_eq!(*time, count * Duration::from_millis(50));
    }
    assert_eq!(by_second.last(), Some(&Duration::from_millis(579_450)));
    assert_eq!(bound_by_hour, Some(Duration::from_millis(579_450)));
    // The 11 610th token is there when 1 610 have come back, and then one each 360 ms.
    for (count, time) in (1_610_u32..).zip(by_hour) {
        assert_eq!(*time, count * Duration::from_millis(360));
    }
}

#[test]
fn spread_retries_are_never_too_early_and_bounded_and_a_crowd_does_not_come_back_at_once() {
    const SLOTS: u16 = 100;
    let interval = Duration::from_millis(100);
    let build = |spread: u16| {
        let (clock, hand) = Clock::manual();
        let gcra = Gcra::new(Quota::per_second(10).burst(1));
        let limiter = Limiter::builder(gcra).clock(clock).retry_spread(spread).build().unwrap();
        assert!(limiter.check("key").is_ok());
        hand.advance(Duration::from_millis(33));
        limiter
    };
    let exact = build(0).check("key").unwrap_err().retry_after().unwrap();
    let spread = build(SLOTS);
    let mut waits: Vec<Duration> =
        (0..SLOTS).map(|_| spread.check("key").unwrap_err().retry_after().unwrap()).collect();
    assert!(waits.iter().all(|wait| *wait >= exact && *wait < exact + interval * u32::from(SLOTS)));
    // As many as there are slots: nobody meets anybody else.
    waits.sort();
    assert!(waits.windows(2).all(|pair| pair[1] == pair[0] + interval));
}

/// A bucket of one token, though ten would come back every second, lets one go each second.
#[test]
fn slots_of_a_bucket_that_is_refilled_at_once_never_go_beyond_its_capacity() {
    let (limiter, _hand) = limiter(TokenBucket::new(1).refill(10, SECOND).refill_at_once());
    let delay = || limiter.schedule("mail", 1, Duration::MAX).unwrap().delay();
    assert_eq!([delay(), delay(), delay()], [Duration::ZERO, SECOND, 2 * SECOND]);
}
