//! The `X-RateLimit-*` fields, which no standard defines.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::figures::{binding, quota, remaining, whole_seconds};
use super::set;
use crate::http::LimitReport;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// One limit in three fields. Its reset is counted from `since`: zero for seconds from now, the time now for a point in
/// time.
pub(super) fn write(reports: &[LimitReport], since: Duration, headers: &mut HeaderMap) {
    let Some(report) = binding(reports) else { return };
    set(headers, LIMIT, HeaderValue::from(quota(report)));
    set(headers, REMAINING, HeaderValue::from(remaining(report)));
    if let Some(reset) = reset(report) {
        set(headers, RESET, HeaderValue::from(whole_seconds(since.saturating_add(reset))));
    }
}

/// A client told to come back in no time at all would do so at once, again and again.
const SHORTEST_WAIT: Duration = Duration::from_nanos(1);

/// The time until the limit is full again, or the wait if that is longer; `None` if it never is.
fn reset(report: &LimitReport) -> Option<Duration> {
    let wait = report.retry_after.filter(|_| report.refuses).map(|wait| wait.max(SHORTEST_WAIT));
    Some(wait.map_or(report.reset_after, |wait| wait.max(report.reset_after)))
        .filter(|reset| *reset < Duration::MAX)
}
