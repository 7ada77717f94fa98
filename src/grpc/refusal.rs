//! What a refused gRPC client is told.

use std::fmt;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, QuotaViolation, StatusExt};

use super::method;
use crate::decision::Denied;
use crate::http::{LimitReport, Unit};

/// The metadata by which a server sets when its client tries again, in milliseconds: gRFC A6, "Pushback".
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// How long to wait at least where nobody knows how long: the initial backoff in the examples of gRFC A6.
const A_LITTLE: Duration = Duration::from_millis(100);

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    After(Duration),
    /// Nobody knows when.
    Sometime,
    Never,
}

impl Retry {
    /// When all of these waits are over. A wait of zero is one that is not known: there was a refusal.
    pub(super) fn after_all(waits: impl IntoIterator<Item = Option<Duration>>) -> Retry {
        let longest = waits.into_iter().try_fold(Duration::ZERO, |longest, wait| Some(longest.max(wait?)));
        match longest {
            Some(Duration::ZERO) => Retry::Sometime,
            Some(wait) => Retry::After(wait),
            None => Retry::Never,
        }
    }

    fn delay(self) -> Option<Duration> {
        match self {
            Retry::After(wait) => Some(wait),
            Retry::Sometime => Some(A_LITTLE),
            Retry::Never => None,
        }
    }

    /// Milliseconds of pushback; a negative number forbids to try again.
    fn pushback(self) -> Option<i32> {
        match self {
            Retry::After(wait) => Some(i32::try_from(millis_up(wait)).unwrap_or(i32::MAX)),
            Retry::Sometime => None,
            Retry::Never => Some(-1),
        }
    }
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Retry::After(wait) => write!(f, "retry in {:?}", Duration::from_millis(millis_up(*wait))),
            Retry::Sometime => f.write_str("retry a little later"),
            Retry::Never => f.write_str("waiting will not help: ask for less"),
        }
    }
}

/// Whole milliseconds, never less than the wait: who comes early is refused again.
fn millis_up(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// What a request is told that is refused by those limits of `reports` that say so.
pub(crate) fn refusal(reports: &[LimitReport]) -> Status {
    let refusing = reports.iter().filter(|report| report.refuses());
    let retry = Retry::after_all(refusing.clone().map(LimitReport::retry_after));
    let (unchecked, reached): (Vec<_>, Vec<_>) = refusing.partition(|report| report.failed());
    if reached.is_empty() {
        return unavailable(&format!("limit cannot be checked ({})", names(&unchecked)), retry);
    }
    let violations = reached.iter().map(|report| violation_of(report)).collect();
    exhausted(format!("limit reached ({}): {retry}", names(&reached)), violations, retry)
}

fn names(reports: &[&LimitReport]) -> String {
    let names: Vec<_> = reports.iter().map(|report| report.name()).collect();
    names.join(", ")
}

/// The head of a reply that is this status and nothing else, to a request with these headers. The body is empty.
pub(crate) fn response(status: Status, request: &HeaderMap) -> http::response::Parts {
    let (mut parts, ()) = status.into_http().into_parts();
    if let Some(content_type) = method::content_type(request) {
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    parts
}

/// The status for a check that did not pass: `RESOURCE_EXHAUSTED`, with the details that [this module](crate::grpc) tells of.
///
/// `name` is what the limit is called in them. It goes into a header of the reply, so it should not be longer than a line.
///
/// ```
/// use tollgate::{Limiter, Quota, grpc};
/// use tonic::{Code, Request, Response, Status};
///
/// fn render(limiter: &Limiter, request: Request<u64>) -> Result<Response<&'static str>, Status> {
///     let pages = request.into_inner();
///     let _allowed = limiter.check_n("everybody", pages).map_err(|denied| grpc::status_of(&denied, "pages"))?;
///     Ok(Response::new("done"))
/// }
///
/// let limiter = Limiter::new(Quota::per_minute(100));
/// assert!(render(&limiter, Request::new(100)).is_ok());
/// assert_eq!(render(&limiter, Request::new(1)).unwrap_err().code(), Code::ResourceExhausted);
/// ```
#[must_use]
pub fn status_of(denied: &Denied, name: &str) -> Status {
    let message = denied.to_string();
    let violation = violation(name, "tokens", denied.limit(), message.clone());
    exhausted(message, vec![violation], Retry::after_all([denied.retry_after()]))
}

fn violation_of(report: &LimitReport) -> QuotaViolation {
    let (metric, limit) = match report.unit() {
        Unit::Rate => ("requests", report.window().map_or(String::new(), |window| format!(" in {window:?}"))),
        Unit::Concurrency => ("concurrent-requests", " at once".to_owned()),
    };
    let description = format!("{} left of {}{limit}", report.remaining(), report.limit());
    violation(report.name(), metric, report.limit(), description)
}

pub(super) fn violation(name: &str, metric: &str, limit: u64, description: String) -> QuotaViolation {
    QuotaViolation {
        quota_id: name.to_owned(),
        quota_metric: metric.to_owned(),
        quota_value: i64::try_from(limit).unwrap_or(i64::MAX),
        description,
        ..QuotaViolation::default()
    }
}

pub(super) fn exhausted(message: String, violations: Vec<QuotaViolation>, retry: Retry) -> Status {
    let mut details = ErrorDetails::with_quota_failure(violations);
    if let Some(delay) = retry.delay() {
        details.set_retry_info(Some(delay));
    }
    let mut metadata = MetadataMap::new();
    if let Some(millis) = retry.pushback() {
        metadata.insert(PUSHBACK, MetadataValue::from(millis));
    }
    Status::with_error_details_and_metadata(Code::ResourceExhausted, message, details, metadata)
}

/// It is not the client's fault, and another try may succeed. Without pushback: the client's own backoff grows if this goes on.
pub(super) fn unavailable(message: &str, retry: Retry) -> Status {
    let details = ErrorDetails::with_retry_info(retry.delay());
    Status::with_error_details(Code::Unavailable, format!("{message}: {retry}"), details)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rate(name: &str, limit: u64, retry_after: Option<Duration>) -> LimitReport {
        LimitReport {
            name: name.into(),
            unit: Unit::Rate,
            cost: 1,
            limit,
            window: Some(SECOND),
            remaining: 0,
            reset_after: SECOND,
            retry_after,
            refuses: retry_after != Some(Duration::ZERO),
            failed: false,
        }
    }

    fn concurrency(name: &str) -> LimitReport {
        let report = rate(name, 8, Some(Duration::ZERO));
        LimitReport { unit: Unit::Concurrency, window: None, refuses: true, ..report }
    }

    fn pushback(status: &Status) -> Option<&str> {
        status.metadata().get(PUSHBACK).map(|value| value.to_str().unwrap())
    }

    fn retry_delay(status: &Status) -> Option<Duration> {
        status.get_details_retry_info().and_then(|info| info.retry_delay)
    }

    #[test]
    fn each_limit_that_refuses_is_a_violation_and_the_longest_wait_counts() {
        let (short, long) = (Duration::from_micros(1_500), Duration::from_nanos(2_000_000_001));
        let status = refusal(&[
            rate("second", 5, Some(short)),
            rate("hour", 10, Some(Duration::ZERO)),
            rate("day", u64::MAX, Some(long)),
            concurrency("at-once"),
        ]);
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.message(), "limit reached (second, day, at-once): retry in 2.001s");
        assert_eq!((retry_delay(&status), pushback(&status)), (Some(long), Some("2001")));
        let violations = status.get_details_quota_failure().unwrap().violations;
        let told: Vec<_> = violations
            .iter()
            .map(|v| (&*v.quota_id, &*v.quota_metric, v.quota_value, &*v.description))
            .collect();
        assert_eq!(
            told,
            [
                ("second", "requests", 5, "0 left of 5 in 1s"),
                ("day", "requests", i64::MAX, "0 left of 18446744073709551615 in 1s"),
                ("at-once", "concurrent-requests", 8, "0 left of 8 at once"),
            ]
        );
    }

    #[test]
    fn where_one_limit_can_never_be_met_waiting_for_the_others_does_not_help() {
        let status = refusal(&[rate("second", 5, Some(SECOND)), rate("size", 1, None)]);
        assert_eq!((retry_delay(&status), pushback(&status)), (None, Some("-1")));
        assert_eq!(status.message(), "limit reached (second, size): waiting will not help: ask for less");
    }

    #[test]
    fn a_concurrency_limit_alone_leaves_the_pace_to_the_clients_backoff() {
        let status = refusal(&[concurrency("at-once"), rate("second", 5, Some(Duration::ZERO))]);
        assert_eq!((retry_delay(&status), pushback(&status)), (Some(A_LITTLE), None));
        assert_eq!(status.message(), "limit reached (at-once): retry a little later");
    }

    #[test]
    fn the_reply_is_http_200_with_headers_alone_that_decode_to_the_status() {
        let status = refusal(&[rate("second", 5, Some(SECOND))]);
        let web =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/grpc-web+proto"))]);
        let parts = response(status.clone(), &web);
        assert_eq!(parts.status, http::StatusCode::OK);
        assert_eq!(parts.headers[CONTENT_TYPE], "application/grpc-web");
        assert_eq!(parts.headers[PUSHBACK], "1000");
        let decoded = Status::from_header_map(&parts.headers).unwrap();
        assert_eq!((decoded.code(), decoded.message()), (status.code(), status.message()));
        assert_eq!(decoded.details(), status.details());
        assert_eq!(response(status, &HeaderMap::new()).headers[CONTENT_TYPE], "application/grpc");
    }
}
