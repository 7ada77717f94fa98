//! All algorithms under the conformance suite that anybody can run on one of their own; and the suite under algorithms that are broken on
//! purpose.
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too, to fail is to panic")]

mod broken;
mod models;

use std::time::Duration;

use models::{Log, Nanoseconds, Tokens, Windows};
use tollgate::testing::{Conformance, Law, Violation};
use tollgate::{
    Algorithm, BuildError, FixedWindow, Gcra, LeakyBucket, Limiter, PerCall, Quota, SlidingLog,
    SlidingWindow, TokenBucket,
};

const HUNDRED_YEARS: Duration = Duration::from_secs(36_525 * 86_400);

/// Tiny and huge, even and odd: a count, a period, a burst.
fn quotas() -> Vec<Quota> {
    let nanos = Duration::from_nanos;
    let rows = [
        (0, nanos(1), 0),
        (1, nanos(1), 1),
        (4, nanos(1), 9),
        (1, Duration::from_secs(1), 1),
        (1, nanos(999_999_937), 3),
        (3, Duration::from_secs(1), 10),
        (10, Duration::from_secs(1), 20),
        (7, nanos(97), 1_000_000),
        (333, Duration::from_secs(60), 7),
        (u64::from(u32::MAX), Duration::from_secs(1), u64::MAX),
        (1_000_000, Duration::from_secs(3_600), 1_000_003),
        (1, HUNDRED_YEARS, 2),
        (12_345, HUNDRED_YEARS, 1 << 59),
        (1 << 40, HUNDRED_YEARS, 1 << 40),
    ];
    rows.map(|(count, period, burst)| Quota::new(count, period).unwrap().burst(burst)).into()
}

/// Windows from the shortest to the longest.
fn windows() -> [Duration; 8] {
    [1, 2, 7, 999_999_937, 1_000_000_000, 60_000_000_000, 86_400_000_000_000, 3_155_760_000_000_000_000]
        .map(Duration::from_nanos)
}

/// A key that owes more than an algorithm can count owes that much. A model counts on, so it is not asked where so much can be owed: at most
/// 32 charges of twice the limit and ten.
fn counts_all_charges(limit: u64, most: u64) -> bool {
    (2 * u128::from(limit) + 10) * 32 <= u128::from(most)
}

/// Within the time for which the axis lasts: 150 years, but less above 200 million tokens a second, where it is 4 years at least.
fn until(quota: Quota) -> Duration {
    let is_fast = u128::from(quota.count()) * 5 > quota.period().as_nanos();
    Duration::from_secs(31_557_600) * if is_fast { 3 } else { 140 }
}

/// Fewer than by default, since there are many parameters.
const HISTORIES: u32 = 400;

#[test]
fn gcra_keeps_the_laws() -> Result<(), Violation> {
    quotas().into_iter().try_for_each(|quota| {
        println!("{quota:?}");
        let suite = Conformance::new(|| Gcra::new(quota)).histories(HISTORIES).until(until(quota));
        suite.run()?;
        suite.against(|| Tokens::new(quota))
    })
}

#[test]
fn the_token_bucket_keeps_the_laws_when_tokens_come_back_evenly() -> Result<(), Violation> {
    quotas().into_iter().try_for_each(|quota| {
        println!("{quota:?}");
        let bucket = || TokenBucket::new(quota.capacity()).refill(quota.count(), quota.period());
        let suite = Conformance::new(bucket).histories(HISTORIES).until(until(quota));
        suite.run()?;
        suite.against(|| Tokens::new(quota))
    })
}

#[test]
fn the_token_bucket_keeps_the_laws_when_tokens_come_back_at_once() -> Result<(), Violation> {
    quotas().into_iter().try_for_each(|quota| {
        println!("{quota:?}");
        let bucket =
            || TokenBucket::new(quota.capacity()).refill(quota.count(), quota.period()).refill_at_once();
        let suite = Conformance::new(bucket).histories(HISTORIES).until(until(quota));
        suite.run()?;
        suite.against(|| Tokens::at_once(quota))
    })
}

#[test]
fn the_leaky_bucket_keeps_the_laws() -> Result<(), Violation> {
    quotas().into_iter().try_for_each(|quota| {
        println!("{quota:?}");
        let suite = Conformance::new(|| LeakyBucket::new(quota, quota.capacity())).histories(HISTORIES);
        suite.run()?;
        let places = quota.burst(quota.capacity() + 1);
        suite.until(until(places)).against(|| Tokens::new(places))
    })
}

#[test]
fn the_fixed_window_keeps_the_laws() -> Result<(), Violation> {
    for window in windows() {
        let most = most(|limit| FixedWindow::new(limit, window));
        for limit in limits(most) {
            println!("{limit} in {window:?}");
            let suite = Conformance::new(|| FixedWindow::new(limit, window)).histories(HISTORIES / 4);
            suite.run()?;
            if counts_all_charges(limit, most) {
                suite.against(|| Windows::fixed(limit, window))?;
            }
        }
    }
    Ok(())
}

#[test]
fn the_sliding_window_keeps_the_laws() -> Result<(), Violation> {
    for window in windows() {
        let most = most(|limit| SlidingWindow::new(limit, window));
        for limit in limits(most) {
            println!("{limit} in {window:?}");
            let suite = Conformance::new(|| SlidingWindow::new(limit, window)).histories(HISTORIES / 4);
            suite.run()?;
            if counts_all_charges(limit, most) {
                suite.against(|| Windows::sliding(limit, window))?;
            }
        }
    }
    Ok(())
}

#[test]
fn a_quota_per_call_keeps_the_laws_where_intervals_are_whole() -> Result<(), Violation> {
    quotas().into_iter().filter(is_even).try_for_each(|quota| {
        println!("{quota:?}");
        let suite = Conformance::new(|| PerCall::new().otherwise(quota)).histories(HISTORIES);
        suite.run()?;
        against_nanoseconds(&suite, quota)
    })
}

#[test]
fn a_quota_per_call_keeps_the_other_laws_where_intervals_are_rounded() -> Result<(), Violation> {
    quotas().into_iter().filter(|quota| !is_even(quota)).try_for_each(|quota| {
        println!("{quota:?}");
        let suite = Conformance::new(|| PerCall::new().otherwise(quota))
            .without(Law::Splitting, "a cost is rounded up to whole nanoseconds")
            .without(Law::Reset, "the roundings of a burst may be left when all of its tokens are")
            .histories(HISTORIES);
        suite.run()?;
        against_nanoseconds(&suite, quota)
    })
}

/// Where a burst does not take so long to come back that it is cut, and there is one.
fn against_nanoseconds<F: Fn() -> PerCall>(suite: &Conformance<F>, quota: Quota) -> Result<(), Violation> {
    let longest = quota.period().as_nanos() * u128::from(quota.capacity());
    if quota.count() == 0 || longest / u128::from(quota.count()) > 1 << 57 {
        return Ok(());
    }
    suite.against(|| Nanoseconds::new(quota))
}

#[test]
fn the_sliding_log_keeps_its_promises() -> Result<(), Violation> {
    for window in windows() {
        for limit in [0, 1, 2, 5, 1_000, 8_000_000] {
            println!("{limit} in {window:?}");
            let suite = Conformance::new(|| SlidingLog::new(limit, window)).histories(HISTORIES);
            suite.limiter()?;
            suite.against(|| Log::new(limit, window))?;
        }
    }
    Ok(())
}

fn is_even(quota: &Quota) -> bool {
    quota.count() == 0 || quota.period().as_nanos().is_multiple_of(quota.count().into())
}

/// The highest limit that an algorithm takes, which the error for a higher one tells.
fn most<A: Algorithm>(make: impl Fn(u64) -> A) -> u64 {
    match Limiter::with(make(u64::MAX)) {
        Err(BuildError::LimitTooLarge { max, .. }) => max,
        _ => u64::MAX,
    }
}

/// Small limits, as far as they fit, and the highest.
fn limits(most: u64) -> impl Iterator<Item = u64> {
    [0, 1, 2, 5, 1_000].into_iter().filter(move |limit| *limit < most).chain([most])
}
