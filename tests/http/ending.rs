//! What is held and owed until an answer has ended, however it ends.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tollgate::concurrency::{AdaptiveConcurrency, Aimd, ConcurrencyLimit};
use tollgate::http::{Cost, Limit, RateLimitLayer};
use tollgate::{Limiter, Quota};
use tower::{Layer, ServiceExt};

use crate::support::{answer, by_user, get, still};

/// A body of pieces of 10 bytes, one for each time it is polled; then an error, or nothing more ever, or the end.
#[derive(Debug)]
struct Pieces {
    left: u32,
    then: Then,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    End,
    Fail,
    Hang,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        if self.left > 0 {
            self.left -= 1;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"0123456789")))));
        }
        match self.then {
            Then::End => Poll::Ready(None),
            Then::Fail => Poll::Ready(Some(Err("torn"))),
            Then::Hang => Poll::Pending,
        }
    }
}

/// The answer of a service whose body goes on like this.
async fn pieces(
    layer: &RateLimitLayer,
    left: u32,
    then: Then,
) -> Response<tollgate::http::RateLimitBody<Pieces>> {
    let service =
        move |_: Request<()>| async move { Ok::<_, Infallible>(Response::new(Pieces { left, then })) };
    layer.layer(tower::service_fn(service)).oneshot(get("/", "ann")).await.unwrap()
}

fn at_once() -> (Arc<ConcurrencyLimit>, RateLimitLayer) {
    let limit = Arc::new(ConcurrencyLimit::new(2));
    let layer = RateLimitLayer::new(Limit::new("at-once", Arc::clone(&limit))).unwrap();
    (limit, layer)
}

/// A limit of 100, a token for each ten bytes of the body, three at first.
fn by_size() -> (Arc<Limiter>, RateLimitLayer) {
    let limiter = still(Quota::per_hour(100));
    let limit = Limit::new("bytes", Arc::clone(&limiter)).by(by_user()).cost(Cost::of_body(3, 10));
    (limiter, RateLimitLayer::new(limit).unwrap())
}

#[tokio::test]
async fn a_place_is_held_until_the_body_has_ended() {
    let (limit, layer) = at_once();
    let mut body = pieces(&layer, 2, Then::End).await.into_body();
    assert_eq!(limit.in_flight(), 1);
    for _ in 0..2 {
        body.frame().await.unwrap().unwrap();
        assert_eq!(limit.in_flight(), 1);
    }
    assert!(body.frame().await.is_none());
    assert_eq!(limit.in_flight(), 0, "before it is dropped");
}

#[tokio::test]
async fn a_place_comes_back_when_the_body_fails_or_its_client_leaves_or_it_never_ends() {
    let (limit, layer) = at_once();
    let mut failing = pieces(&layer, 0, Then::Fail).await.into_body();
    assert_eq!(failing.frame().await.unwrap().unwrap_err(), "torn");
    assert_eq!(limit.in_flight(), 0);

    let mut endless = pieces(&layer, 1, Then::Hang).await.into_body();
    endless.frame().await.unwrap().unwrap();
    assert_eq!(limit.in_flight(), 1);
    drop(endless);
    assert_eq!(limit.in_flight(), 0);
}

#[tokio::test]
async fn a_body_that_says_it_has_ended_is_not_waited_for() {
    let (limit, layer) = at_once();
    let empty = tower::service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(http_body_util::Empty::<Bytes>::new()))
    });
    let _answer = layer.layer(empty).oneshot(get("/", "ann")).await.unwrap();
    assert_eq!(limit.in_flight(), 0);
    let mut full = answer(&layer, get("/", "ann")).await.into_body();
    full.frame().await.unwrap().unwrap();
    assert_eq!(limit.in_flight(), 0, "its last piece is out");
}

/// Servers ask for no more than was announced, and for nothing of an answer to HEAD.
#[tokio::test]
async fn a_body_has_ended_when_all_that_was_announced_is_out() {
    let (limit, layer) = at_once();
    let service = tower::service_fn(async |_: Request<()>| {
        let body = Pieces { left: 2, then: Then::Hang };
        Ok::<_, Infallible>(Response::builder().header("content-length", "20").body(body).unwrap())
    });
    let mut body = layer.layer(service).oneshot(get("/", "ann")).await.unwrap().into_body();
    for in_flight in [1, 0] {
        body.frame().await.unwrap().unwrap();
        assert_eq!(limit.in_flight(), in_flight);
    }
    let head = Request::head("/").body(()).unwrap();
    let _answer = layer.layer(service).oneshot(head).await.unwrap();
    assert_eq!(limit.in_flight(), 0);
}

#[tokio::test]
async fn a_failed_call_gives_its_place_back_though_its_future_is_kept() {
    let (limit, layer) = at_once();
    let failing = tower::service_fn(async |_: Request<()>| Err::<Response<Full<Bytes>>, _>("broken"));
    let mut call = Box::pin(layer.layer(failing).oneshot(get("/", "ann")));
    assert!(call.as_mut().await.is_err());
    assert_eq!(limit.in_flight(), 0);
}

#[tokio::test]
async fn a_handler_that_panics_or_is_dropped_gives_its_place_back() {
    let (limit, layer) = at_once();
    let panicking =
        tower::service_fn(async |request: Request<()>| -> Result<Response<Full<Bytes>>, Infallible> {
            panic!("no answer to {}", request.uri())
        });
    let call = layer.layer(panicking).oneshot(get("/", "ann"));
    assert!(tokio::spawn(AssertUnwindSafe(call)).await.unwrap_err().is_panic());
    assert_eq!(limit.in_flight(), 0);

    let never = tower::service_fn(async |_: Request<()>| {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    });
    let mut call = Box::pin(layer.layer(never).oneshot(get("/", "ann")));
    assert!(futures_poll(call.as_mut()).is_pending());
    assert_eq!(limit.in_flight(), 1);
    drop(call);
    assert_eq!(limit.in_flight(), 0);
}

fn futures_poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test]
async fn bytes_are_counted_and_settled_when_the_body_ends() {
    let (limiter, layer) = by_size();
    let answer = pieces(&layer, 8, Then::End).await;
    assert_eq!(limiter.peek("ann").remaining(), 97, "the estimate");
    answer.into_body().collect().await.unwrap();
    assert_eq!(limiter.peek("ann").remaining(), 92);
    let short = pieces(&layer, 0, Then::End).await;
    short.into_body().collect().await.unwrap();
    assert_eq!(limiter.peek("ann").remaining(), 92, "nothing was sent");
}

#[tokio::test]
async fn a_body_that_ends_early_costs_what_was_sent() {
    let (limiter, layer) = by_size();
    let mut body = pieces(&layer, 8, Then::End).await.into_body();
    for _ in 0..5 {
        body.frame().await.unwrap().unwrap();
    }
    drop(body);
    assert_eq!(limiter.peek("ann").remaining(), 95);
    let mut body = pieces(&layer, 1, Then::Fail).await.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    assert_eq!(limiter.peek("ann").remaining(), 94);
}

#[tokio::test]
async fn without_an_answer_the_estimate_stays() {
    let (limiter, layer) = by_size();
    let failing = tower::service_fn(async |_: Request<()>| Err::<Response<Full<Bytes>>, _>("broken"));
    layer.layer(failing).oneshot(get("/", "ann")).await.unwrap_err();
    assert_eq!(limiter.peek("ann").remaining(), 97);
}

#[tokio::test]
async fn costs_are_settled_from_status_and_header() {
    let by_status = Cost::by_status(2, |status| u64::from(status.is_client_error()) * 10);
    let by_header = Cost::of_header(2, HeaderName::from_static("x-cost"));
    for (cost, status, header, left) in [
        (&by_status, 200, None, 100),
        (&by_status, 404, None, 90),
        (&by_header, 200, Some("7"), 93),
        (&by_header, 200, Some("much"), 98),
        (&by_header, 200, None, 98),
        (&Cost::settled(1, |answer| Some(answer.headers.len() as u64)), 200, Some("7"), 99),
    ] {
        let limiter = still(Quota::per_hour(100));
        let limit = Limit::new("cost", Arc::clone(&limiter)).by(by_user()).cost(cost.clone());
        let layer = RateLimitLayer::new(limit).unwrap();
        let service = tower::service_fn(move |_: Request<()>| async move {
            let answer = Response::builder().status(status);
            let answer = header.iter().fold(answer, |answer, cost| answer.header("x-cost", *cost));
            Ok::<_, Infallible>(answer.body(Full::<Bytes>::default()).unwrap())
        });
        drop(layer.layer(service).oneshot(get("/", "ann")).await.unwrap());
        assert_eq!(limiter.peek("ann").remaining(), left, "{cost:?} {status} {header:?}");
    }
}

#[tokio::test]
async fn each_of_several_limits_is_settled_by_its_own_cost() {
    let (bytes, calls, failures) =
        (still(Quota::per_hour(100)), still(Quota::per_hour(100)), still(Quota::per_hour(100)));
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("calls", Arc::clone(&calls)))
        .limit(Limit::new("bytes", Arc::clone(&bytes)).cost(Cost::of_body(50, 1)))
        .limit(Limit::new("failures", Arc::clone(&failures)).cost(Cost::by_status(1, |_| 0)))
        .build()
        .unwrap();
    pieces(&layer, 2, Then::End).await.into_body().collect().await.unwrap();
    let left = [calls, bytes, failures].map(|limiter| limiter.peek(&()).remaining());
    assert_eq!(left, [99, 80, 100]);
}

#[tokio::test]
async fn limits_that_share_a_limiter_and_a_key_are_settled_together() {
    let limiter = still(Quota::per_hour(1_000));
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("requests", Arc::clone(&limiter)))
        .limit(Limit::new("units", Arc::clone(&limiter)).cost(Cost::by_status(50, |_| 2)))
        .limit(Limit::new("bytes", Arc::clone(&limiter)).cost(Cost::of_body(100, 1)))
        .build()
        .unwrap();
    let answer = pieces(&layer, 3, Then::End).await;
    assert_eq!(limiter.peek(&()).remaining(), 1_000 - 151);
    answer.into_body().collect().await.unwrap();
    assert_eq!(limiter.peek(&()).remaining(), 1_000 - 1 - 2 - 30);
}

/// Whether a limit falls at a gRPC call that ends with this status.
async fn grpc_limit(status: u32) -> bool {
    let backend = Arc::new(AdaptiveConcurrency::builder(Aimd::new()).min(1).build().unwrap());
    let layer = RateLimitLayer::new(Limit::new("backend", Arc::clone(&backend))).unwrap();
    let service = tower::service_fn(move |_: Request<()>| async move {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", status.into());
        let body = Full::from("x").with_trailers(std::future::ready(Some(Ok(trailers))));
        Ok::<_, Infallible>(Response::new(body))
    });
    let answer = layer.layer(service).oneshot(get("/", "ann")).await.unwrap();
    answer.into_body().collect().await.unwrap();
    backend.limit() < 20
}

#[tokio::test]
async fn an_adaptive_limit_learns_from_statuses_and_only_from_answers_that_ended() {
    let backend = || Arc::new(AdaptiveConcurrency::builder(Aimd::new()).min(1).build().unwrap());
    let limit_after = async |status: u16, reads: bool| {
        let backend = backend();
        let layer = RateLimitLayer::new(Limit::new("backend", Arc::clone(&backend))).unwrap();
        let service = tower::service_fn(move |_: Request<()>| async move {
            let body = Pieces { left: 1, then: Then::End };
            Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
        });
        let answer = layer.layer(service).oneshot(get("/", "ann")).await.unwrap();
        if reads {
            answer.into_body().collect().await.unwrap();
        } else {
            drop(answer);
        }
        backend.limit() < 20
    };
    assert!(limit_after(503, true).await, "it falls at overload");
    assert!(grpc_limit(8).await && grpc_limit(14).await, "gRPC tells it in the trailers");
    assert!(!grpc_limit(0).await && !grpc_limit(13).await && !grpc_limit(5).await);
    assert!(!limit_after(200, true).await);
    assert!(!limit_after(500, true).await);
    assert!(!limit_after(503, false).await, "the client left");
}

/// A body of ten bytes that says how many they are, but not when it has ended. Servers of HTTP/1.1 ask for the ten bytes and drop it.
#[derive(Debug)]
struct TenBytes(Option<Bytes>);

impl Body for TenBytes {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, Bytes::len) as u64)
    }
}

/// It counted as cut short, so that no answer with such a body ever taught an adaptive limit anything.
#[tokio::test]
async fn a_body_of_known_length_has_ended_when_that_was_sent() {
    for (frames, falls) in [(0, false), (1, true)] {
        let backend = Arc::new(AdaptiveConcurrency::builder(Aimd::new()).min(1).build().unwrap());
        let layer = RateLimitLayer::new(Limit::new("backend", Arc::clone(&backend))).unwrap();
        let service = tower::service_fn(async |_: Request<()>| {
            let body = TenBytes(Some(Bytes::from_static(b"0123456789")));
            Ok::<_, Infallible>(Response::builder().status(503).body(body).unwrap())
        });
        let mut body = layer.layer(service).oneshot(get("/", "ann")).await.unwrap().into_body();
        for _ in 0..frames {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        assert_eq!((backend.limit() < 20, backend.in_flight()), (falls, 0), "after {frames} frames");
    }
}
