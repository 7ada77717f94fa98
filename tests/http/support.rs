//! Services, layers and requests of tests.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tollgate::http::{Key, Limit, Missing, RateLimitBody, RateLimitLayer};
use tollgate::{Clock, Gcra, Limiter, ManualClock, Quota};
use tower::{Layer, Service, ServiceExt};

pub(crate) type Answer = Response<RateLimitBody<Full<Bytes>>>;

/// A limiter whose time is set by hand.
pub(crate) fn limiter(quota: Quota) -> (Arc<Limiter>, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Arc::new(Limiter::builder(Gcra::new(quota)).clock(clock).build().unwrap()), hand)
}

/// Without any time going by.
pub(crate) fn still(quota: Quota) -> Arc<Limiter> {
    limiter(quota).0
}

pub(crate) fn by_user() -> Key {
    Key::header("x-user").or(Missing::Shared)
}

/// One limit by user.
pub(crate) fn layer(limiter: Arc<Limiter>) -> RateLimitLayer {
    RateLimitLayer::new(Limit::new("per-user", limiter).by(by_user())).unwrap()
}

pub(crate) fn get(path: &str, user: &str) -> Request<()> {
    Request::get(path).header("x-user", user).body(()).unwrap()
}

/// Answers every request with its path.
pub(crate) async fn echo(request: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(request.uri().path().to_owned())))
}

/// The answer to one request.
pub(crate) async fn answer(layer: &RateLimitLayer, request: Request<()>) -> Answer {
    layer.layer(tower::service_fn(echo)).oneshot(request).await.unwrap()
}

/// The statuses of the answers to `n` requests, one after the other.
pub(crate) async fn statuses(
    layer: &RateLimitLayer,
    n: usize,
    request: impl Fn() -> Request<()>,
) -> Vec<u16> {
    let mut service = layer.layer(tower::service_fn(echo));
    let mut statuses = Vec::new();
    for _ in 0..n {
        statuses.push(service.ready().await.unwrap().call(request()).await.unwrap().status().as_u16());
    }
    statuses
}

/// One field of an answer; empty if it is not there.
pub(crate) fn field<B>(answer: &Response<B>, name: &str) -> String {
    let values: Vec<_> = answer.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
    values.join(", ")
}

pub(crate) async fn text(answer: Answer) -> String {
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

pub(crate) fn too_many(answer: &Answer) -> bool {
    answer.status() == StatusCode::TOO_MANY_REQUESTS
}
