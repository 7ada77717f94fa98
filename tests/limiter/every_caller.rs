//! Worst cases where the world is so small that every caller there is can be tried: what the documentation states is never exceeded, and
//! somebody reaches it.
//!
//! A caller is a plan of how much to ask for at each step of the clock, written as the digits of its key. All of them go through one limiter
//! side by side, so each plan is decided by the limiter itself.

use std::time::Duration;

use tollgate::{
    Clock, Engine, FixedWindow, Gcra, LeakyBucket, Limiter, PerCall, Quota, SlidingLog, SlidingWindow,
    TokenBucket,
};

/// Long beside a unit of the axis, by which tokens may come early.
const STEP: u64 = 10_000;

/// Steps of a window, a period.
const STEPS: u64 = 4;

fn window() -> Duration {
    Duration::from_nanos(STEPS * STEP)
}

/// The most tokens of any caller in any half-open window, for each number of steps that the window touches from the first on.
struct Most(Vec<u64>);

impl Most {
    /// Every caller who asks for 0 to `greed` tokens at each of `steps` steps. What is admitted counts when it goes.
    fn of<A: Engine>(algorithm: A, greed: u64, steps: u32) -> Most {
        let (clock, hand) = Clock::manual();
        let callers = (greed + 1).pow(steps);
        let max_keys = usize::try_from(callers).unwrap();
        let limiter = Limiter::builder(algorithm).max_keys(max_keys).clock(clock).build().unwrap();
        let mut admitted = vec![Vec::new(); max_keys];
        for step in 0..steps {
            let now = u64::from(step) * STEP;
            hand.set(Duration::from_nanos(now));
            for (caller, admitted) in (0..).zip(&mut admitted) {
                let asked = caller / (greed + 1).pow(step) % (greed + 1);
                // One by one, since each may have to wait for its own turn. Plans that ask for less try all that fits of a larger cost.
                for _ in 0..asked {
                    let Ok(allowed) = limiter.check::<u64>(&caller) else { break };
                    admitted.push(now + u64::try_from(allowed.delay().as_nanos()).unwrap());
                }
            }
        }
        assert_eq!(limiter.stats().forgotten, 0);
        // Windows so short that they can begin at any step of a period.
        let lengths = (0..=u64::from(steps) - STEPS).map(|distance| distance * STEP + 1);
        Most(
            lengths
                .map(|length| admitted.iter().map(|times| most_in(times, length)).max().unwrap())
                .collect(),
        )
    }

    /// `bound` is what the documentation states for a window of so many nanoseconds; `is_reached` for how many steps somebody reaches it.
    #[track_caller]
    fn assert_is(&self, bound: impl Fn(u64) -> u64, is_reached: impl Fn(u64) -> bool) {
        for (steps, most) in (1..).zip(&self.0) {
            let length = (steps - 1) * STEP + 1;
            let bound = bound(length);
            assert!(*most <= bound, "{most} in {length} ns, not {bound}");
            assert!(*most == bound || !is_reached(steps), "nobody got {bound} in {length} ns, but {most}");
        }
    }
}

/// Times are in order.
fn most_in(times: &[u64], length: u64) -> u64 {
    let in_window = |(first, start): (usize, &u64)| {
        times[first..].iter().take_while(|time| **time < start + length).count() as u64
    };
    times.iter().enumerate().map(in_window).max().unwrap_or(0)
}

/// Two windows that are whole and one nanosecond cannot touch a third one before and after: the bound has room there.
fn fits_between(steps: u64) -> bool {
    steps % STEPS != 1
}

#[test]
fn nobody_gets_more_than_twice_the_limit_of_a_fixed_window_and_somebody_gets_it() {
    for limit in 1..=2 {
        let most = Most::of(FixedWindow::new(limit, window()), limit, 11);
        most.assert_is(|length| limit * (length.div_ceil(STEPS * STEP) + 1), fits_between);
    }
}

#[test]
fn nobody_gets_twice_the_limit_of_a_sliding_window_and_somebody_one_less() {
    for limit in 1..=2 {
        let most = Most::of(SlidingWindow::new(limit, window()), limit, 11);
        assert_eq!(most.0[usize::try_from(STEPS - 1).unwrap()], 2 * limit - 1, "in a window's length");
    }
}

#[test]
fn nobody_gets_more_than_the_limit_of_a_log_and_somebody_gets_it_in_every_window() {
    for limit in 1..=2 {
        let most = Most::of(SlidingLog::new(limit, window()).max_times(4_000_000), limit, 11);
        most.assert_is(|length| limit * length.div_ceil(STEPS * STEP), |_| true);
    }
}

#[test]
fn nobody_gets_more_than_a_bucket_and_the_refills_in_between_and_somebody_gets_them() {
    for (capacity, tokens) in [(1, 1), (2, 1), (2, 2)] {
        let bucket = TokenBucket::new(capacity).refill(tokens, window()).refill_at_once();
        let most = Most::of(bucket, capacity, 11);
        most.assert_is(|length| capacity + tokens * length.div_ceil(STEPS * STEP), fits_between);
    }
}

/// The quotas of which a token comes every so many steps; nothing is rounded, so the bounds of all three are the same.
#[test]
fn nobody_gets_more_than_a_burst_and_the_rate_and_somebody_gets_them() {
    for (count, burst) in [(1, 1), (1, 2), (2, 2), (4, 1)] {
        let quota = Quota::new(count, window()).unwrap().burst(burst);
        let bound = |length: u64| burst + length * count / (STEPS * STEP);
        let bucket = TokenBucket::new(burst).refill(count, window());
        Most::of(Gcra::new(quota), burst, 11).assert_is(bound, |_| true);
        Most::of(bucket, burst, 11).assert_is(bound, |_| true);
        Most::of(PerCall::new().otherwise(quota), burst, 11).assert_is(bound, |_| true);
    }
}

#[test]
fn nobody_goes_more_often_than_once_an_interval_from_a_leaky_bucket_and_somebody_does() {
    for (count, queue) in [(1, 0), (1, 1), (2, 1), (4, 1)] {
        let rate = Quota::new(count, window()).unwrap();
        let most = Most::of(LeakyBucket::new(rate, queue), queue + 1, 10);
        most.assert_is(|length| (length * count).div_ceil(STEPS * STEP), |_| true);
    }
}
