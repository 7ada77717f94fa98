//! [`Front`]: what stands before all routes.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Limited;
use hyper::body::Incoming;
use tokio::time::timeout;
use tower_service::Service as _;

use crate::server::rest::Problem;
use crate::server::settings::ConnectionLimits;

/// Its bodies may be larger than others'.
const BATCH: &str = "/check/batch";
const GRPC: &[u8] = b"application/grpc";

/// What stands before all routes: bounds on bodies and time, and an answer when something panics. It boxes nothing that the routes do not box themselves.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    routes: Router,
    body_bytes: usize,
    batch_bytes: usize,
    request_time: Duration,
}

impl Front {
    pub(crate) fn new(routes: Router, limits: &ConnectionLimits) -> Front {
        let &ConnectionLimits { body_bytes, batch_bytes, request_time, .. } = limits;
        Front { routes, body_bytes, batch_bytes, request_time }
    }

    pub(crate) async fn answer(mut self, request: Request<Incoming>) -> Result<Response, Infallible> {
        let most = if request.uri().path() == BATCH { self.batch_bytes } else { self.body_bytes };
        let request = if is_grpc(request.headers()) {
            // A stream may be of any length; each message of it is bounded.
            request.map(Body::new)
        } else if length(request.headers()).is_some_and(|length| length > most as u64) {
            let detail = format!("the body may have {most} bytes");
            return Ok(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response());
        } else {
            request.map(|body| Body::new(Limited::new(body, most)))
        };
        let answered = AssertUnwindSafe(timeout(self.request_time, self.routes.call(request))).catch_unwind();
        Ok(match answered.await {
            Ok(Ok(Ok(response))) => response,
            Ok(Err(_)) => {
                let detail = "the request took too long to arrive, or to be answered";
                Problem::new(StatusCode::REQUEST_TIMEOUT, detail).into_response()
            }
            Err(_) => {
                tracing::error!("a request could not be answered: there was a panic");
                let detail = "the service has a bug that this request met: please report it";
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
            }
        })
    }
}

/// Whether a request is said to be gRPC.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(GRPC))
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
