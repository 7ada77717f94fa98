//! A layer whose decision is local and whose header fields are off allocates nothing for a request that it admits.
//!
//! One test, so that nobody else allocates meanwhile.
#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too, to fail is to panic")]

use std::alloc::System;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tollgate::http::{ClientAddress, Key, Limit, Missing, Peer, RateLimitLayer};
use tollgate::{Limiter, Quota};
use tower::{Layer, Service};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[derive(Clone)]
struct Empty;

impl Service<Request<()>> for Empty {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Full<Bytes>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::default()))
    }
}

fn request() -> Request<()> {
    let peer = Peer(([192, 0, 2, 7], 51_234).into());
    let request =
        Request::get("/").extension(peer).header("x-user", "ann").header("authorization", "Bearer s3cret");
    request.body(()).unwrap()
}

/// How often answering a request allocates; the request itself is there before, and falls to the service to drop.
fn allocations(service: &mut impl Service<Request<()>, Response: Send, Error = Infallible>) -> usize {
    let request = request();
    let mut context = Context::from_waker(Waker::noop());
    let region = Region::new(ALLOCATOR);
    assert!(matches!(service.poll_ready(&mut context), Poll::Ready(Ok(()))));
    let answer = pin!(service.call(request)).poll(&mut context);
    let change = region.change();
    assert!(matches!(answer, Poll::Ready(Ok(_))));
    change.allocations + change.reallocations
}

#[test]
fn an_admitted_request_costs_no_allocation_when_nobody_is_told() {
    let keys = [
        Key::global(),
        Key::client(ClientAddress::peer()).or(Missing::Refuse),
        Key::header("x-user").or(Missing::Refuse),
        Key::bearer().or(Missing::Refuse),
        Key::path(),
    ];
    for key in keys {
        let limit = Limit::new("test", Arc::new(Limiter::new(Quota::per_hour(100)))).by(key.clone());
        let layer = RateLimitLayer::builder().limit(limit.clone()).headers([]).build().unwrap();
        let mut service = layer.layer(Empty);
        // The limiter's first page.
        let _ = allocations(&mut service);
        for _ in 0..10 {
            assert_eq!(allocations(&mut service), 0, "{key:?}");
        }
        // The test can see an allocation: fields cost some.
        let telling = RateLimitLayer::new(limit).unwrap();
        assert!(allocations(&mut telling.layer(Empty)) > 0);
    }
}
