//! Header fields that tell clients of their limits: [`HeaderDialect`], and `Retry-After`.

mod figures;
mod ietf;
mod legacy;
#[cfg(test)]
mod read_back_tests;
mod structured;
#[cfg(test)]
mod tests;

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::LimitReport;

/// Which header fields tell clients of their limits.
///
/// All times are in seconds, rounded up; numbers above 999,999,999,999,999 are announced as that. The IETF drafts are
/// not a standard yet: their fields may change in a minor release, with the draft.
///
/// Only draft 11 has room for several limits. The other dialects show the one that binds: of those that refuse the one
/// with the longest wait, else the one with the least left, rates before concurrency limits.
///
/// Dialects can be sent side by side if no field belongs to both: one of the drafts, and one of the `X-` dialects. Of
/// two that share a field, the later one writes it.
///
/// ```
/// use tollgate::http::HeaderDialect;
///
/// let dialects = [HeaderDialect::default(), HeaderDialect::XDelta];
/// assert_eq!(dialects[0], HeaderDialect::Draft11);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeaderDialect {
    /// IETF draft 11 (2026): `RateLimit-Policy: "user";q=100;w=60` and `RateLimit: "user";r=50;t=30`, for all limits.
    ///
    /// `q` is the limit, `w` its window, `r` what is left, and `t` how long that has to last: the wait if the limit
    /// refuses, else the time in which so much comes back. `t` is missing where it is not known, or would end after
    /// `Retry-After`. A concurrency limit has no `w`, but `qu="concurrent-requests"`.
    ///
    /// Limits of layers further in, which have written their fields already, stay in the lists.
    #[default]
    Draft11,
    /// IETF draft 07 (2023): `RateLimit: limit=100, remaining=50, reset=30` and `RateLimit-Policy: 100;w=60`.
    ///
    /// `reset` is draft 11's `t`.
    Draft07,
    /// IETF draft 06 (2022): `RateLimit-Limit: 100`, `RateLimit-Remaining: 50`, `RateLimit-Reset: 30` and
    /// `RateLimit-Policy: 100;w=60`.
    ///
    /// The reset is draft 11's `t`.
    Draft06,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`: the seconds until the limit is full again.
    /// A limit that never is sends no reset.
    XDelta,
    /// The same with the point in time, in seconds since 1970 (UTC).
    XEpoch,
}

/// Writes the fields of one dialect. `refused` is whether the request is, so that the response has a `Retry-After`;
/// `unix_now` is the time since 1970.
pub(crate) fn write(
    dialect: HeaderDialect,
    reports: &[LimitReport],
    refused: bool,
    unix_now: Duration,
    headers: &mut HeaderMap,
) {
    match dialect {
        HeaderDialect::Draft11 => ietf::write_draft_11(reports, refused, headers),
        HeaderDialect::Draft07 => ietf::write_draft_07(reports, headers),
        HeaderDialect::Draft06 => ietf::write_draft_06(reports, headers),
        HeaderDialect::XDelta => legacy::write(reports, Duration::ZERO, headers),
        HeaderDialect::XEpoch => legacy::write(reports, unix_now, headers),
    }
}

/// Seconds, at least 1, until all limits that refuse no longer do; `None` if none refuses, or waiting cannot help.
pub(crate) fn retry_after(reports: &[LimitReport]) -> Option<u64> {
    let mut longest = None;
    for report in reports.iter().filter(|report| report.refuses) {
        longest = longest.max(Some(figures::wait(report)?));
    }
    longest
}

/// Writes `Retry-After`, unless waiting cannot help.
pub(crate) fn write_retry_after(reports: &[LimitReport], headers: &mut HeaderMap) {
    if let Some(seconds) = retry_after(reports) {
        set(headers, RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// Sets a field; a response that has all of the 32,768 fields that fit goes without, where `insert` would panic.
pub(super) fn set(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    let _ = headers.try_insert(name, value);
}
