//! What a client is answered who is refused.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::json;

use super::Head;
use super::fields::{self, HeaderDialect};
use super::key::Key;
use super::problem::{self, Problem};
use super::report::LimitReport;
use super::rules::{Refused, Rules};

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// One of the limits says so.
    Limits,
    /// It has no key for a limit that must have one.
    NoKey {
        /// The limit's name.
        limit: Arc<str>,
    },
    /// It lacks what a policy demands.
    #[cfg(feature = "policy")]
    NoAttribute {
        /// What, and which policy.
        detail: String,
    },
    /// As many as may be held are held.
    TooManyWait,
}

/// Makes the answer to a refused request.
pub(super) type Respond = dyn for<'a> Fn(&Refusal<'a>) -> Response<Bytes> + Send + Sync;

/// A refusal that is about to be answered, for [`Builder::respond_with`](super::Builder::respond_with).
#[derive(Debug)]
pub struct Refusal<'a> {
    head: &'a Head<'a>,
    status: StatusCode,
    detail: Option<String>,
    reports: &'a [LimitReport],
}

impl<'a> Refusal<'a> {
    /// The request.
    #[must_use]
    pub fn head(&self) -> &'a Head<'a> {
        self.head
    }

    /// The status it would be answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// How long the client should wait, in whole seconds, at least 1; `None` when waiting cannot help.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        fields::retry_after(self.reports)
    }

    /// What each limit said that concerned the request; nothing if it was refused before any was asked.
    #[must_use]
    pub fn limits(&self) -> &'a [LimitReport] {
        self.reports
    }

    /// The answer that would be given: an RFC 9457 problem.
    #[must_use]
    pub fn problem(&self) -> Response<Bytes> {
        let body = match &self.detail {
            None => Problem::of(self.reports).body(self.reports),
            Some(detail) => {
                let title = self.status.canonical_reason();
                let body = json!({"title": title, "status": self.status.as_u16(), "detail": detail});
                body.to_string().into()
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, problem::CONTENT_TYPE);
        response
    }
}

impl Rules {
    /// The answer to a refused request.
    pub(super) fn refuse(&self, head: &Head<'_>, refused: &Refused) -> Response<Bytes> {
        let (status, detail) = match &refused.why {
            Why::Limits => (Problem::of(&refused.reports).status(), None),
            Why::NoKey { limit } => {
                let needs = self.key_of(limit).map(Key::needs).unwrap_or_default();
                (StatusCode::BAD_REQUEST, Some(format!("limit {limit:?} needs {needs}")))
            }
            #[cfg(feature = "policy")]
            Why::NoAttribute { detail } => (StatusCode::BAD_REQUEST, Some(detail.clone())),
            Why::TooManyWait => {
                (StatusCode::SERVICE_UNAVAILABLE, Some("too many requests wait for their turn".to_owned()))
            }
        };
        // How long it takes until fewer wait, the limits do not say.
        let reports = if refused.why == Why::TooManyWait { &[] } else { &*refused.reports };
        #[cfg(feature = "grpc")]
        if crate::grpc::is_grpc(head.headers()) {
            return self.refuse_grpc(head, &refused.why, reports, detail);
        }
        let refusal = Refusal { head, status, detail, reports };
        let mut response = match &self.respond {
            Some(respond) => respond(&refusal),
            None => refusal.problem(),
        };
        let headers = response.headers_mut();
        self.write_fields(reports, true, headers);
        if !headers.contains_key(RETRY_AFTER) {
            match &refused.why {
                Why::Limits => fields::write_retry_after(reports, headers),
                // Their turns come one after the other.
                Why::TooManyWait => fields::set(headers, RETRY_AFTER, HeaderValue::from_static("1")),
                Why::NoKey { .. } => {}
                #[cfg(feature = "policy")]
                Why::NoAttribute { .. } => {}
            }
        }
        response
    }

    #[cfg(feature = "grpc")]
    fn refuse_grpc(
        &self,
        head: &Head<'_>,
        why: &Why,
        reports: &[LimitReport],
        detail: Option<String>,
    ) -> Response<Bytes> {
        let detail = detail.unwrap_or_default();
        let status = match why {
            Why::Limits => crate::grpc::refusal(reports),
            Why::NoKey { .. } => tonic::Status::invalid_argument(detail),
            #[cfg(feature = "policy")]
            Why::NoAttribute { .. } => tonic::Status::invalid_argument(detail),
            Why::TooManyWait => tonic::Status::unavailable(detail),
        };
        let mut parts = crate::grpc::response(status, head.headers());
        self.write_fields(reports, true, &mut parts.headers);
        Response::from_parts(parts, Bytes::new())
    }

    /// Tells the client where the limits stand. Lists go on what layers inside this one have said of theirs.
    pub(super) fn write_fields(&self, reports: &[LimitReport], refused: bool, headers: &mut HeaderMap) {
        if reports.is_empty() || self.shadow {
            return;
        }
        let now = if self.dialects.contains(&HeaderDialect::XEpoch) {
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
        } else {
            Duration::ZERO
        };
        for dialect in &self.dialects {
            fields::write(*dialect, reports, refused, now, headers);
        }
    }
}
