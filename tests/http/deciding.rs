//! What passes, what is refused, and what clients are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::Request;
use tollgate::concurrency::ConcurrencyLimit;
use tollgate::http::{Cost, Decision, HeaderDialect, Key, LayerError, Limit, Missing, RateLimitLayer};
use tollgate::{Clock, Gcra, Limiter, Quota};
use tower::{Layer, Service, ServiceExt};

use crate::support::{answer, by_user, echo, field, get, layer, limiter, statuses, still, text, too_many};

#[tokio::test]
async fn a_client_is_told_where_it_stands_and_when_to_come_back() {
    let (limiter, hand) = limiter(Quota::per_minute(30).burst(2));
    let layer = layer(limiter);
    let first = answer(&layer, get("/", "ann")).await;
    assert_eq!(field(&first, "ratelimit-policy"), r#""per-user";q=2;w=4"#);
    assert_eq!(field(&first, "ratelimit"), r#""per-user";r=1;t=2"#);
    assert_eq!(field(&first, "retry-after"), "");
    assert!(!too_many(&answer(&layer, get("/", "ann")).await));

    let refused = answer(&layer, get("/", "ann")).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(field(&refused, "ratelimit"), r#""per-user";r=0;t=2"#);
    assert_eq!(field(&refused, "retry-after"), "2");
    assert_eq!(field(&refused, "content-type"), "application/problem+json");
    let problem: serde_json::Value = serde_json::from_str(&text(refused).await).unwrap();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(problem["violated-policies"], serde_json::json!(["per-user"]));

    assert!(!too_many(&answer(&layer, get("/", "bob")).await), "others are not concerned");
    hand.advance(Duration::from_millis(1999));
    assert_eq!(field(&answer(&layer, get("/", "ann")).await, "retry-after"), "1", "never 0");
    hand.advance(Duration::from_millis(1));
    assert!(!too_many(&answer(&layer, get("/", "ann")).await));
}

#[tokio::test]
async fn being_ready_spends_nothing() {
    let limiter = still(Quota::per_hour(3));
    let mut service = layer(Arc::clone(&limiter)).layer(tower::service_fn(echo));
    for _ in 0..10 {
        let ready = Service::<Request<()>>::poll_ready(&mut service, &mut Context::from_waker(Waker::noop()));
        assert!(matches!(ready, Poll::Ready(Ok(()))));
    }
    assert!(limiter.is_empty());
}

#[tokio::test]
async fn clones_share_their_limits() {
    let layer = layer(still(Quota::per_hour(2)));
    let service = layer.layer(tower::service_fn(echo));
    let mut passed = 0;
    for _ in 0..5 {
        passed += usize::from(service.clone().oneshot(get("/", "ann")).await.unwrap().status() == 200);
    }
    assert_eq!(passed, 2);
}

#[tokio::test]
async fn several_limits_are_one_and_a_refusal_spends_from_none() {
    let (everyone, per_user) = (still(Quota::per_hour(10)), still(Quota::per_hour(2)));
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("everyone", Arc::clone(&everyone)))
        .limit(Limit::new("per-user", per_user).by(by_user()))
        .build()
        .unwrap();
    let first = answer(&layer, get("/", "noisy")).await;
    assert_eq!(field(&first, "ratelimit-policy"), r#""everyone";q=10;w=3600, "per-user";q=2;w=3600"#);
    assert_eq!(field(&first, "ratelimit"), r#""everyone";r=9;t=3240, "per-user";r=1;t=1800"#);
    assert_eq!(statuses(&layer, 4, || get("/", "noisy")).await, [200, 429, 429, 429]);
    assert_eq!(everyone.peek(&()).remaining(), 8);
    let refused = text(answer(&layer, get("/", "noisy")).await).await;
    assert!(refused.contains(r#""violated-policies":["per-user"]"#), "{refused}");
}

#[tokio::test]
async fn dialects_are_a_choice() {
    let fields = async |dialects: &[HeaderDialect]| {
        let limit = Limit::new("per-user", still(Quota::per_hour(2))).by(by_user());
        let layer = RateLimitLayer::builder().limit(limit).headers(dialects.iter().copied()).build().unwrap();
        let answer = answer(&layer, get("/", "ann")).await;
        let names: Vec<String> = answer.headers().keys().map(ToString::to_string).collect();
        names
    };
    assert_eq!(fields(&[]).await, Vec::<String>::new());
    assert_eq!(fields(&[HeaderDialect::Draft11]).await, ["ratelimit-policy", "ratelimit"]);
    assert_eq!(
        fields(&[HeaderDialect::XDelta]).await,
        ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]
    );
    assert_eq!(
        fields(&[HeaderDialect::Draft11, HeaderDialect::XEpoch, HeaderDialect::Draft11]).await.len(),
        5
    );
}

#[tokio::test]
async fn with_no_fields_a_refusal_still_says_when_to_come_back() {
    let limit = Limit::new("per-user", still(Quota::per_hour(1))).by(by_user());
    let layer = RateLimitLayer::builder().limit(limit).headers([]).build().unwrap();
    assert_eq!(statuses(&layer, 2, || get("/", "ann")).await, [200, 429]);
    assert_eq!(field(&answer(&layer, get("/", "ann")).await, "retry-after"), "3600");
}

#[tokio::test]
async fn waiting_that_cannot_help_is_not_advised() {
    let limit = Limit::new("batch", still(Quota::per_hour(5))).cost(Cost::fixed(6));
    let refused = answer(&RateLimitLayer::new(limit).unwrap(), get("/", "ann")).await;
    assert_eq!((refused.status().as_u16(), field(&refused, "retry-after")), (429, String::new()));
}

#[tokio::test]
async fn redirections_carry_no_fields() {
    let layer = layer(still(Quota::per_hour(5)));
    let moved = tower::service_fn(async |_: Request<()>| {
        let body = http_body_util::Full::<bytes::Bytes>::default();
        let answer = http::Response::builder().status(301).body(body).unwrap();
        Ok::<_, std::convert::Infallible>(answer)
    });
    let answer = layer.layer(moved).oneshot(get("/", "ann")).await.unwrap();
    assert_eq!(field(&answer, "ratelimit"), "");
}

#[tokio::test]
async fn skipped_requests_are_not_counted() {
    let limiter = still(Quota::per_hour(1));
    let limit = Limit::new("per-user", Arc::clone(&limiter)).by(by_user());
    let layer = RateLimitLayer::builder()
        .limit(limit)
        .skip(|head| head.path() == "/health")
        .skip(|head| head.method() == http::Method::OPTIONS)
        .build()
        .unwrap();
    assert_eq!(statuses(&layer, 3, || get("/health", "ann")).await, [200; 3]);
    let options = || Request::options("/").header("x-user", "ann").body(()).unwrap();
    assert_eq!(statuses(&layer, 3, options).await, [200; 3]);
    assert!(limiter.is_empty());
    assert_eq!(statuses(&layer, 2, || get("/", "ann")).await, [200, 429]);
}

#[tokio::test]
async fn a_shadow_decides_and_counts_but_never_refuses() {
    let limiter = still(Quota::per_hour(1));
    let limit = Limit::new("per-user", Arc::clone(&limiter)).by(by_user());
    let layer = RateLimitLayer::builder()
        .limit(limit)
        .shadow(true)
        .wait(Duration::from_secs(9))
        .decision_in_extensions(true)
        .build()
        .unwrap();
    assert_eq!(statuses(&layer, 2, || get("/", "ann")).await, [200; 2]);
    let third = answer(&layer, get("/", "ann")).await;
    assert!(third.headers().is_empty(), "clients are told nothing");
    let decision = third.extensions().get::<Decision>().unwrap();
    assert!(decision.is_shadow() && !decision.is_allowed() && decision.limits()[0].refuses());
    assert_eq!(limiter.peek("ann").remaining(), 0);
}

#[tokio::test]
async fn the_decision_is_in_the_extensions_of_request_and_answer() {
    let limit = Limit::new("per-user", still(Quota::per_hour(2))).by(by_user());
    let layer = RateLimitLayer::builder().limit(limit).decision_in_extensions(true).build().unwrap();
    let left = |extensions: &http::Extensions| {
        let decision = extensions.get::<Decision>().unwrap();
        (decision.is_allowed(), decision.limits()[0].remaining())
    };
    let service = tower::service_fn(move |request: Request<()>| async move {
        assert_eq!(left(request.extensions()), (true, 1));
        echo(request).await
    });
    let answer = layer.layer(service).oneshot(get("/", "ann")).await.unwrap();
    assert_eq!(left(answer.extensions()), (true, 1));
    statuses(&layer, 1, || get("/", "ann")).await;
    assert_eq!(left(crate::support::answer(&layer, get("/", "ann")).await.extensions()), (false, 0));
}

#[tokio::test]
async fn a_limit_met_twice_is_charged_once() {
    let limiter = still(Quota::per_hour(100));
    let limit = Limit::new("per-user", Arc::clone(&limiter)).by(by_user());
    let (outer, inner) =
        (RateLimitLayer::new(limit.clone()).unwrap(), RateLimitLayer::new(limit.clone()).unwrap());
    let service = outer.layer(outer.layer(inner.layer(tower::service_fn(echo))));
    let answer = service.oneshot(get("/", "ann")).await.unwrap();
    assert_eq!(limiter.peek("ann").remaining(), 99);
    assert_eq!(field(&answer, "ratelimit-policy"), r#""per-user";q=100;w=3600"#, "and told once");

    let other = still(Quota::per_hour(7));
    let inner = RateLimitLayer::new(Limit::new("inner", Arc::clone(&other))).unwrap();
    let service = outer.layer(inner.layer(tower::service_fn(echo)));
    let answer = service.oneshot(get("/", "ann")).await.unwrap();
    assert_eq!((limiter.peek("ann").remaining(), other.peek(&()).remaining()), (98, 6));
    assert_eq!(field(&answer, "ratelimit-policy"), r#""inner";q=7;w=3600, "per-user";q=100;w=3600"#);
}

/// A shadow refuses nobody and charges nobody whom it would refuse: the same limit in force inside must still see the request.
#[tokio::test]
async fn what_only_a_shadow_has_refused_or_a_layer_has_passed_by_is_not_paid() {
    let limiter = still(Quota::per_hour(1));
    let limit = Limit::new("per-user", Arc::clone(&limiter)).by(by_user());
    let shadow = RateLimitLayer::builder().limit(limit.clone()).shadow(true).build().unwrap();
    let service = shadow.layer(RateLimitLayer::new(limit).unwrap().layer(tower::service_fn(echo)));
    for status in [200, 429] {
        assert_eq!(service.clone().oneshot(get("/", "ann")).await.unwrap().status(), status);
    }

    let limiter = still(Quota::per_hour(9));
    let limit = Limit::new("user", Arc::clone(&limiter)).by(Key::header("x-late").or(Missing::Pass));
    let (outer, inner) = (RateLimitLayer::new(limit.clone()).unwrap(), RateLimitLayer::new(limit).unwrap());
    let inner = inner.layer(tower::service_fn(echo));
    let logs_in = tower::service_fn(move |mut request: Request<()>| {
        request.headers_mut().insert("x-late", http::HeaderValue::from_static("ann"));
        inner.clone().oneshot(request)
    });
    outer.layer(logs_in).oneshot(get("/", "ann")).await.unwrap();
    assert_eq!(limiter.peek("ann").remaining(), 8);
}

#[tokio::test]
async fn a_clone_with_another_key_is_another_limit() {
    let limiter = still(Quota::per_hour(9));
    let base = Limit::new("base", Arc::clone(&limiter));
    let outer = RateLimitLayer::new(base.clone().by(Key::path())).unwrap();
    let inner = RateLimitLayer::new(base.by(by_user())).unwrap();
    outer.layer(inner.layer(tower::service_fn(echo))).oneshot(get("/", "ann")).await.unwrap();
    assert_eq!((limiter.peek("/").remaining(), limiter.peek("ann").remaining()), (8, 8));
}

#[tokio::test]
async fn what_a_refusal_prints_of_itself_holds_no_secret() {
    let limit = Limit::new("per-user", still(Quota::per_hour(0)));
    let layer = RateLimitLayer::builder()
        .limit(limit)
        .respond_with(|refusal| http::Response::new(format!("{refusal:?}").into()))
        .build()
        .unwrap();
    let request =
        Request::get("/a?token=hunter2").header("authorization", "Bearer hunter2").body(()).unwrap();
    let text = text(answer(&layer, request).await).await;
    assert!(text.contains("/a") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn another_answer_still_gets_the_fields() {
    let limit = Limit::new("per-user", still(Quota::per_hour(1))).by(by_user());
    let layer = RateLimitLayer::builder()
        .limit(limit)
        .respond_with(|refusal| {
            let text = format!("{} {:?}", refusal.head().path(), refusal.retry_after_seconds());
            http::Response::builder().status(420).body(text.into()).unwrap()
        })
        .build()
        .unwrap();
    statuses(&layer, 1, || get("/", "ann")).await;
    let refused = answer(&layer, get("/tea", "ann")).await;
    assert_eq!((refused.status().as_u16(), field(&refused, "retry-after")), (420, "3600".to_owned()));
    assert_eq!(field(&refused, "ratelimit"), r#""per-user";r=0;t=3600"#);
    assert_eq!(text(refused).await, "/tea Some(3600)");
}

#[tokio::test]
async fn too_many_at_once_is_503() {
    let at_once = Arc::new(ConcurrencyLimit::new(1));
    let layer = RateLimitLayer::new(Limit::new("at-once", Arc::clone(&at_once))).unwrap();
    let first = answer(&layer, get("/", "ann")).await;
    let second = answer(&layer, get("/", "bob")).await;
    assert_eq!((second.status().as_u16(), field(&second, "retry-after")), (503, "1".to_owned()));
    assert!(text(second).await.contains("temporary-reduced-capacity"));
    drop(first);
    assert_eq!(answer(&layer, get("/", "bob")).await.status(), 200);
}

#[tokio::test]
async fn errors_of_the_service_are_its_own() {
    let limiter = still(Quota::per_hour(1));
    let failing = tower::service_fn(async |_: Request<()>| {
        Err::<http::Response<http_body_util::Full<bytes::Bytes>>, _>("out of paper")
    });
    let service = layer(limiter).layer(failing);
    assert_eq!(service.clone().oneshot(get("/", "ann")).await.unwrap_err(), "out of paper");
    assert_eq!(service.oneshot(get("/", "ann")).await.unwrap().status(), 429, "a refusal is no error");
}

#[tokio::test(start_paused = true)]
async fn the_ready_service_is_called() {
    /// Counts itself ready, and must not be called without.
    struct Careful(Arc<AtomicUsize>, bool);

    impl Clone for Careful {
        fn clone(&self) -> Careful {
            Careful(Arc::clone(&self.0), false)
        }
    }

    impl Service<Request<()>> for Careful {
        type Response = http::Response<http_body_util::Full<bytes::Bytes>>;
        type Error = std::convert::Infallible;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            self.1 = true;
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            assert!(std::mem::take(&mut self.1), "called before it was ready");
            self.0.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok(http::Response::default()))
        }
    }

    let calls = Arc::new(AtomicUsize::new(0));
    let limiter = Limiter::builder(Gcra::new(Quota::per_second(10).burst(1))).clock(Clock::tokio());
    let limit = Limit::new("held", Arc::new(limiter.build().unwrap()));
    let layer = RateLimitLayer::builder().limit(limit).wait(Duration::from_secs(5)).build().unwrap();
    let mut service = layer.layer(Careful(Arc::clone(&calls), false));
    for _ in 0..50 {
        service.ready().await.unwrap().call(get("/", "ann")).await.unwrap();
    }
    assert_eq!(calls.load(Ordering::Relaxed), 50);
}

#[test]
fn what_cannot_work_is_refused_when_the_layer_is_built() {
    let limiter = still(Quota::per_hour(1));
    let limit = |name: &str| Limit::new(name, Arc::clone(&limiter));
    let error = |limits: &[Limit]| {
        let builder = RateLimitLayer::builder();
        limits.iter().cloned().fold(builder, tollgate::http::Builder::limit).build().unwrap_err()
    };
    assert_eq!(error(&[]), LayerError::NoLimit);
    assert!(matches!(error(&[limit("")]), LayerError::Name(_)));
    assert!(error(&[limit("a\nb")]).to_string().contains("name"), "{}", error(&[limit("a\nb")]));
    assert_eq!(error(&[limit("a"), limit("a")]), LayerError::NameTwice { limit: "a".into() });
    assert_eq!(
        error(&[limit("a").by(Key::header("no such").or(Missing::Pass))]),
        LayerError::Header { limit: "a".into(), header: "no such".into() }
    );
    let undecided = error(&[limit("a").by(Key::all([Key::method(), Key::bearer()]))]);
    assert_eq!(undecided, LayerError::MissingUndecided { limit: "a".into(), key: "combination" });
    assert_eq!(
        undecided.to_string(),
        "limit \"a\": a request may have no combination: say what then, with `Key::or` and `Missing::Shared`, `Refuse` or `Pass`"
    );
}
