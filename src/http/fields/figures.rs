//! A report in the whole numbers that header fields carry.

use std::cmp::Reverse;
use std::time::Duration;

use super::structured::LARGEST_INTEGER;
use crate::http::{LimitReport, Unit};

/// Of a limit that could not be checked nobody knows where it stands, and clients are told nothing.
pub(super) fn known(reports: &[LimitReport]) -> impl Iterator<Item = &LimitReport> {
    reports.iter().filter(|report| !report.failed)
}

/// Seconds, rounded up: a client that waits for them is never too early.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    let begun = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(begun).min(LARGEST_INTEGER)
}

/// The quota that is announced.
pub(super) fn quota(report: &LimitReport) -> u64 {
    report.limit.min(LARGEST_INTEGER)
}

/// What is announced as left: never more than the quota.
pub(super) fn remaining(report: &LimitReport) -> u64 {
    report.remaining.min(quota(report))
}

/// The window that is announced, in seconds: at least 1, as the drafts ask for; `None` for a limit that has none.
pub(super) fn window(report: &LimitReport) -> Option<u64> {
    match report.unit {
        Unit::Rate => report.window.map(|window| whole_seconds(window).max(1)),
        Unit::Concurrency => None,
    }
}

/// Seconds, at least 1, until a request that this limit refuses fits; `None` when it does not refuse, or waiting cannot
/// help.
pub(super) fn wait(report: &LimitReport) -> Option<u64> {
    let wait = report.retry_after.filter(|_| report.refuses)?;
    Some(whole_seconds(wait).max(1))
}

/// The seconds for which what is left has to last: the wait of a limit that refuses, else the time in which so much
/// comes back. A client that spreads what is left over them is within the quota.
pub(super) fn effective_window(report: &LimitReport) -> Option<u64> {
    wait(report).or_else(|| window(report).map(|window| time_to_regain(report, window)))
}

/// The time in which what is left would come back, or one token where nothing is: no shorter, so that clients infer no higher rate than the quota's.
fn time_to_regain(report: &LimitReport, window: u64) -> u64 {
    // Each factor has 15 digits, so their product fits; no more is left than the quota, so the quotient is at most the
    // window.
    let needed = u128::from(remaining(report).max(1)) * u128::from(window);
    let seconds = needed.div_ceil(u128::from(quota(report).max(1)));
    u64::try_from(seconds).map_or(window, |seconds| seconds.max(1))
}

/// The report for the dialects that have room for one: of those that refuse, the one with the longest wait; if none
/// does, the one with the least left. Rates go before concurrency limits, which clients of these dialects do not know.
pub(super) fn binding(reports: &[LimitReport]) -> Option<&LimitReport> {
    known(reports).min_by_key(|report| {
        // A limit that the request never fits binds for ever.
        let binds_for =
            if report.refuses { report.retry_after.unwrap_or(Duration::MAX) } else { Duration::ZERO };
        let is_rate = report.unit == Unit::Rate;
        (!report.refuses, Reverse(binds_for), !is_rate, remaining(report), Reverse(effective_window(report)))
    })
}
