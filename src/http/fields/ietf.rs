//! The fields of the IETF drafts: `RateLimit` and `RateLimit-Policy`, and those before them.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::figures::{binding, effective_window, known, quota, remaining, whole_seconds, window};
use super::structured::FieldValue;
use super::{retry_after, set};
use crate::http::{LimitReport, Unit};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Draft 11's word for limits on how many at once; requests, the default, need none.
const CONCURRENT_REQUESTS: &str = "concurrent-requests";

/// `"";q=999999999999999;qu="concurrent-requests", `, the longest member but for its name.
const MEMBER_BYTES: usize = 47;

/// Draft 11: all limits, by name.
pub(super) fn write_draft_11(reports: &[LimitReport], refused: bool, headers: &mut HeaderMap) {
    let bytes = reports.iter().map(|report| report.name.len() + MEMBER_BYTES).sum();
    let mut policies = FieldValue::with_capacity(bytes);
    let mut states = FieldValue::with_capacity(bytes);
    let retry_after = if refused { retry_after(reports) } else { None };
    for report in known(reports) {
        policies.member(&report.name);
        policies.parameter("q", quota(report));
        if report.unit == Unit::Concurrency {
            policies.string_parameter("qu", CONCURRENT_REQUESTS);
        }
        if let Some(window) = window(report) {
            policies.parameter("w", window);
        }

        states.member(&report.name);
        states.parameter("r", remaining(report));
        // The draft wants no window to end later than `Retry-After`. A limit that does not refuse would have to shorten
        // its own, and so promise too much; as the draft allows, it leaves the window out.
        if let Some(seconds) =
            effective_window(report).filter(|end| retry_after.is_none_or(|most| *end <= most))
        {
            states.parameter("t", seconds);
        }
    }
    add_to_list(headers, POLICY, policies);
    add_to_list(headers, RATE_LIMIT, states);
}

/// Draft 07: one limit in a dictionary, and all policies.
pub(super) fn write_draft_07(reports: &[LimitReport], headers: &mut HeaderMap) {
    let Some(report) = binding(reports) else { return };
    let mut state = FieldValue::with_capacity("limit=, remaining=, reset=".len() + 3 * 15);
    state.entry("limit", quota(report));
    state.entry("remaining", remaining(report));
    state.entry("reset", reset(report));
    write_unnamed_policies(reports, headers);
    if let Some(value) = state.finish() {
        set(headers, RATE_LIMIT, value);
    }
}

/// Draft 06: one limit in three fields, and all policies.
pub(super) fn write_draft_06(reports: &[LimitReport], headers: &mut HeaderMap) {
    let Some(report) = binding(reports) else { return };
    write_unnamed_policies(reports, headers);
    set(headers, LIMIT, HeaderValue::from(quota(report)));
    set(headers, REMAINING, HeaderValue::from(remaining(report)));
    set(headers, RESET, HeaderValue::from(reset(report)));
}

/// `RateLimit-Policy` of drafts 06 and 07, which ask for a window: limits without one are left out.
fn write_unnamed_policies(reports: &[LimitReport], headers: &mut HeaderMap) {
    let mut policies = FieldValue::with_capacity(reports.len() * MEMBER_BYTES);
    for report in known(reports) {
        if let Some(window) = window(report) {
            policies.integer_member(quota(report));
            policies.parameter("w", window);
        }
    }
    if let Some(value) = policies.finish() {
        set(headers, POLICY, value);
    }
}

/// Drafts 06 and 07 always ask for a number: that of a limit without a window is the time until it is full again.
fn reset(report: &LimitReport) -> u64 {
    effective_window(report).unwrap_or_else(|| whole_seconds(report.reset_after).max(1))
}

/// Joins the named limits that a layer further in has written already. Values of older dialects, which begin with no
/// string, would spoil the list and are replaced.
fn add_to_list(headers: &mut HeaderMap, name: HeaderName, members: FieldValue) {
    let Some(value) = members.finish() else { return };
    if headers.get(&name).is_some_and(|present| present.as_bytes().starts_with(b"\"")) {
        // Fails in a map of 32,768 fields only, and then without a change.
        let _ = headers.try_append(name, value);
    } else {
        set(headers, name, value);
    }
}
