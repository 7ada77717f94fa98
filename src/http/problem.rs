//! Bodies of refusals: problem details (RFC 9457), of the types that the IETF's rate limit draft defines.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::{Serialize, Serializer};

use super::{LimitReport, Unit};

/// The media type of [`Problem::body`].
pub(crate) const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a request is refused, as clients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The client asked for more than its quota.
    QuotaExceeded,
    /// The server takes no more for now, whoever asks: too many at once, or a limit that cannot be checked.
    TemporaryReducedCapacity,
}

impl Problem {
    /// The problem of a request with these reports: the quota if any rate refuses it, whatever else does.
    pub(crate) fn of(reports: &[LimitReport]) -> Problem {
        if reports.iter().any(|report| violated(report) && report.unit == Unit::Rate) {
            Problem::QuotaExceeded
        } else {
            Problem::TemporaryReducedCapacity
        }
    }

    /// 429 for what the client can keep to, 503 for what it cannot.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Problem::QuotaExceeded => StatusCode::TOO_MANY_REQUESTS,
            Problem::TemporaryReducedCapacity => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The body, in JSON, with the names of the limits that refuse.
    pub(crate) fn body(self, reports: &[LimitReport]) -> Bytes {
        let (problem_type, title) = match self {
            Problem::QuotaExceeded => {
                ("https://iana.org/assignments/http-problem-types#quota-exceeded", "Quota Exceeded")
            }
            Problem::TemporaryReducedCapacity => (
                "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
                "Temporary Reduced Capacity",
            ),
        };
        let details = Details {
            problem_type,
            title,
            status: self.status().as_u16(),
            violated_policies: ViolatedPolicies(reports),
        };
        // Text and numbers are always JSON; an empty body would be one that says less.
        serde_json::to_vec(&details).map(Bytes::from).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Details<'a> {
    #[serde(rename = "type")]
    problem_type: &'static str,
    title: &'static str,
    status: u16,
    #[serde(rename = "violated-policies")]
    violated_policies: ViolatedPolicies<'a>,
}

/// Whether it refuses because so much was asked of it, and not because it cannot be checked.
fn violated(report: &LimitReport) -> bool {
    report.refuses && !report.failed
}

/// The names of the reports that refuse.
struct ViolatedPolicies<'a>(&'a [LimitReport]);

impl Serialize for ViolatedPolicies<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().filter(|report| violated(report)).map(LimitReport::name))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn report(name: &str, unit: Unit, refuses: bool) -> LimitReport {
        LimitReport {
            name: name.into(),
            unit,
            cost: 1,
            limit: 10,
            window: None,
            remaining: 0,
            reset_after: Duration::ZERO,
            retry_after: Some(Duration::ZERO),
            refuses,
            failed: false,
        }
    }

    #[test]
    fn a_rate_that_refuses_is_429_quota_exceeded_and_named() {
        let reports = [report("user", Unit::Rate, true), report("tenant", Unit::Rate, false)];
        let problem = Problem::of(&reports);
        assert_eq!(problem.status(), 429);
        let expected = r#"{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Quota Exceeded","status":429,"violated-policies":["user"]}"#;
        assert_eq!(problem.body(&reports), expected);
    }

    #[test]
    fn a_concurrency_limit_that_refuses_is_503_temporary_reduced_capacity() {
        let reports = [report("user", Unit::Rate, false), report("uploads", Unit::Concurrency, true)];
        let problem = Problem::of(&reports);
        assert_eq!(problem.status(), 503);
        let expected = r#"{"type":"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity","title":"Temporary Reduced Capacity","status":503,"violated-policies":["uploads"]}"#;
        assert_eq!(problem.body(&reports), expected);
    }

    #[test]
    fn a_rate_decides_the_status_when_both_refuse() {
        let reports = [report("uploads", Unit::Concurrency, true), report("user", Unit::Rate, true)];
        assert_eq!(Problem::of(&reports), Problem::QuotaExceeded);
    }

    #[test]
    fn a_limit_that_cannot_be_checked_is_503_and_names_no_policy() {
        let reports = [LimitReport { failed: true, ..report("user", Unit::Rate, true) }];
        assert_eq!(Problem::of(&reports), Problem::TemporaryReducedCapacity);
        let body = Problem::TemporaryReducedCapacity.body(&reports);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["violated-policies"], serde_json::json!([]));
    }

    #[test]
    fn names_with_quotes_and_backslashes_are_read_back() {
        let name = r#"a"b\c"#;
        let body = Problem::QuotaExceeded.body(&[report(name, Unit::Rate, true)]);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["violated-policies"][0], name);
    }
}
