//! All algorithms under the conformance suite that anybody can run on one of their own; and the suite under algorithms that are broken on
//! purpose.
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too, to fail is to panic")]

use std::time::Duration;

use tollgate::testing::{Conformance, Law, Violation};
use tollgate::{FixedWindow, Gcra, LeakyBucket, PerCall, Quota, SlidingLog, SlidingWindow, TokenBucket};

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

/// Fewer than by default, since there are many parameters.
const HISTORIES: u32 = 400;

#[test]
fn gcra_keeps_the_laws() -> Result<(), Violation> {
    quotas().into_iter().try_for_each(|quota| {
        println!("{quota:?}");
        Conformance::new(|| Gcra::new(quota)).histories(HISTORIES).run()
    })
}

#[test]
fn the_token_bucket_keeps_the_laws_when_tokens_come_back_evenly() -> Result<(), Violation> {
    quotas().into_iter().try_for_each(|quota| {
        println!("{quota:?}");
        let bucket = || TokenBucket::new(quota.capacity()).refill(quota.count(), quota.period());
        Conformance::new(bucket).histories(HISTORIES).run()
    })
}

#[test]
fn the_token_bucket_keeps_the_laws_when_tokens_come_back_at_once() -> Result<(), Violation> {
    quotas().into_iter().try_for_each(|quota| {
        println!("{quota:?}");
        let bucket =
            || TokenBucket::new(quota.capacity()).refill(quota.count(), quota.period()).refill_at_once();
        Conformance::new(bucket).histories(HISTORIES).run()
    })
}

#[test]
fn the_leaky_bucket_keeps_the_laws() -> Result<(), Violation> {
    quotas().into_iter().try_for_each(|quota| {
        println!("{quota:?}");
        Conformance::new(|| LeakyBucket::new(quota, quota.capacity())).histories(HISTORIES).run()
    })
}

#[test]
fn the_fixed_window_keeps_the_laws() -> Result<(), Violation> {
    for window in windows() {
        // The highest that fits, as the error of one that does not tells.
        for limit in [0, 1, 2, 5, 1_000, most(|limit| FixedWindow::new(limit, window))] {
            println!("{limit} in {window:?}");
            Conformance::new(|| FixedWindow::new(limit, window)).histories(HISTORIES / 4).run()?;
        }
    }
    Ok(())
}

#[test]
fn the_sliding_window_keeps_the_laws() -> Result<(), Violation> {
    for window in windows() {
        for limit in [0, 1, 2, 5, 1_000, most(|limit| SlidingWindow::new(limit, window))] {
            println!("{limit} in {window:?}");
            Conformance::new(|| SlidingWindow::new(limit, window)).histories(HISTORIES / 4).run()?;
        }
    }
    Ok(())
}

#[test]
fn a_quota_per_call_keeps_the_laws_where_intervals_are_whole() -> Result<(), Violation> {
    quotas().into_iter().filter(is_even).try_for_each(|quota| {
        println!("{quota:?}");
        Conformance::new(|| PerCall::new().otherwise(quota)).histories(HISTORIES).run()
    })
}

#[test]
fn a_quota_per_call_keeps_the_other_laws_where_intervals_are_rounded() -> Result<(), Violation> {
    quotas().into_iter().filter(|quota| !is_even(quota)).try_for_each(|quota| {
        println!("{quota:?}");
        Conformance::new(|| PerCall::new().otherwise(quota))
            .without(Law::Splitting, "a cost is rounded up to whole nanoseconds")
            .without(Law::Reset, "the roundings of a burst may be left when all of its tokens are")
            .histories(HISTORIES)
            .run()
    })
}

#[test]
fn the_sliding_log_keeps_its_promises() -> Result<(), Violation> {
    for window in windows() {
        for limit in [0, 1, 2, 5, 1_000, 8_000_000] {
            println!("{limit} in {window:?}");
            Conformance::new(|| SlidingLog::new(limit, window)).histories(HISTORIES).limiter()?;
        }
    }
    Ok(())
}

fn is_even(quota: &Quota) -> bool {
    quota.count() == 0 || quota.period().as_nanos().is_multiple_of(quota.count().into())
}

/// The highest limit that an algorithm takes.
fn most<A: tollgate::Algorithm>(make: impl Fn(u64) -> A) -> u64 {
    match tollgate::Limiter::with(make(u64::MAX)) {
        Err(tollgate::BuildError::LimitTooLarge { max, .. }) => max,
        _ => u64::MAX,
    }
}
