//! Layers that ask policies: what passes, what clients are told, what is held.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tollgate::concurrency::ConcurrencyLimit;
use tollgate::http::{Decision, Key, LayerError, Limit, RateLimitLayer, RequestAttributes};
use tollgate::policy::{Format, Policies, PolicySet};
use tollgate::{Clock, ManualClock};
use tower::{Layer, ServiceExt};

use crate::observing::Notes;
use crate::servers::serve;
use crate::support::{answer, echo, field, statuses, text};
use crate::waiting::crowd;

pub(crate) fn policies(file: &str) -> Policies {
    Policies::parse(file, Format::Toml).unwrap()
}

/// Policies whose time stands still until it is moved by hand.
pub(crate) fn still(file: &str) -> (Arc<PolicySet>, ManualClock) {
    let (clock, hand) = Clock::manual();
    let set = PolicySet::builder().clock(clock).build();
    set.apply(policies(file)).unwrap();
    (Arc::new(set), hand)
}

/// With users and tiers by plain headers.
pub(crate) fn attributes() -> RequestAttributes {
    RequestAttributes::new().attribute("user", Key::header("x-user")).attribute("tier", Key::header("x-tier"))
}

fn layer(file: &str) -> RateLimitLayer {
    RateLimitLayer::builder().policies(still(file).0, attributes()).build().unwrap()
}

fn ann() -> Request<()> {
    crate::support::get("/", "ann")
}

/// A connection to a server of this application.
async fn connect(app: Router) -> http1::SendRequest<Body> {
    let stream = TcpStream::connect(serve(app).await).await.unwrap();
    let (client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn status(client: &mut http1::SendRequest<Body>, line: &str, user: &str, tier: &str) -> u16 {
    let (method, path) = line.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(path).header("host", "test");
    let request = request.header("x-user", user).header("x-tier", tier).body(Body::empty()).unwrap();
    let answer = client.send_request(request).await.unwrap();
    let status = answer.status().as_u16();
    answer.into_body().collect().await.unwrap();
    status
}

#[tokio::test]
async fn a_server_limits_by_route_method_and_tier_and_a_change_is_in_force_for_the_next_request() {
    let file = r#"
        [[policy]]
        id = "issue"
        match = { route = "/cards/{id}/issue", method = "POST" }
        scope = "user"
        limit = "1/day"
        overrides = [{ match = { tier = "gold" }, limit = "2/day" }]
    "#;
    let (set, _hand) = still(file);
    let layer = RateLimitLayer::builder().policies(Arc::clone(&set), attributes()).build().unwrap();
    let app =
        Router::new().route("/cards/{id}/issue", post(async || "issued").get(async || "how")).layer(layer);
    let mut client = connect(app).await;
    let issue = "POST /cards/7/issue";
    assert_eq!(status(&mut client, issue, "ann", "").await, 200);
    assert_eq!(status(&mut client, "POST /cards/8/issue", "ann", "").await, 429, "one count for the route");
    assert_eq!(status(&mut client, "GET /cards/7/issue", "ann", "").await, 200);
    for expected in [200, 200, 429] {
        assert_eq!(status(&mut client, issue, "gus", "gold").await, expected);
    }
    set.apply(policies(&file.replace("limit = \"1/day\"", "limit = \"3/day\""))).unwrap();
    for expected in [200, 200, 429] {
        assert_eq!(status(&mut client, issue, "ann", "").await, expected, "what was spent stays spent");
    }
    set.remove("issue").unwrap();
    assert_eq!(status(&mut client, issue, "ann", "").await, 200);
}

#[tokio::test]
async fn clients_are_told_of_all_limits_of_all_policies_that_are_enforced() {
    let (set, hand) = still(
        r#"
        [[policy]]
        id = "user"
        scope = "user"
        concurrency = 8
        limits = [{ limit = "2/min" }, { limit = "100/day", name = "daily" }]
        [[policy]]
        id = "all"
        limit = "10/min"
        [[policy]]
        id = "trial"
        shadow = true
        limit = "1/day"
        "#,
    );
    let layer = RateLimitLayer::builder().policies(set, attributes()).build().unwrap();
    let first = answer(&layer, ann()).await;
    let policy = r#""user/1";q=2;w=60, "user/daily";q=100;w=86400, "user/at-once";q=8;qu="concurrent-requests", "all";q=10;w=60"#;
    assert_eq!(field(&first, "ratelimit-policy"), policy);
    let told = r#""user/1";r=1;t=30, "user/daily";r=99;t=85536, "user/at-once";r=7, "all";r=9;t=54"#;
    assert_eq!(field(&first, "ratelimit"), told);
    drop(first);
    assert_eq!(statuses(&layer, 1, ann).await, [200]);
    let refused = answer(&layer, ann()).await;
    assert_eq!((refused.status().as_u16(), field(&refused, "retry-after")), (429, "30".to_owned()));
    assert!(field(&refused, "ratelimit").contains(r#""all";r=8"#), "a refusal spends from none");
    let problem: serde_json::Value = serde_json::from_str(&text(refused).await).unwrap();
    assert_eq!(problem["violated-policies"], serde_json::json!(["user/1"]));
    hand.advance(Duration::from_secs(30));
    assert_eq!(statuses(&layer, 2, ann).await, [200, 429]);
}

#[tokio::test]
async fn what_a_policy_denies_or_blocks_is_429_and_waiting_is_not_advised() {
    let layer = layer(
        r#"
        [[policy]]
        id = "list"
        deny = [{ user = "mallory" }]
        [[policy]]
        id = "closed"
        match = { route = "/closed" }
        limit = "block"
        "#,
    );
    for (path, user, policy) in [("/", "mallory", "list"), ("/closed", "ann", "closed")] {
        let refused = answer(&layer, crate::support::get(path, user)).await;
        assert_eq!((refused.status().as_u16(), field(&refused, "retry-after")), (429, String::new()));
        assert_eq!(field(&refused, "ratelimit"), format!("\"{policy}\";r=0"));
        let problem: serde_json::Value = serde_json::from_str(&text(refused).await).unwrap();
        assert_eq!(problem["violated-policies"], serde_json::json!([policy]));
    }
    let passed = answer(&layer, ann()).await;
    assert_eq!((passed.status().as_u16(), field(&passed, "ratelimit")), (200, String::new()));
}

#[tokio::test]
async fn what_lacks_an_attribute_that_a_policy_demands_is_400_and_told_what_it_lacks() {
    let layer = layer(
        "[[policy]]\nid = \"api\"\nscope = [\"user\", \"method\"]\nmissing = \"refuse\"\nlimit = \"9/day\"",
    );
    let refused = answer(&layer, Request::get("/").body(()).unwrap()).await;
    assert_eq!((refused.status().as_u16(), field(&refused, "retry-after")), (400, String::new()));
    let body = text(refused).await;
    assert!(body.contains(r#"policy \"api\" needs the header field x-user""#), "{body}");
    assert_eq!(statuses(&layer, 1, ann).await, [200]);
}

#[tokio::test]
async fn observers_are_told_of_each_policy_by_its_id_of_those_that_only_watch_too() {
    let notes = Arc::new(Notes::default());
    let (set, _hand) = still(
        r#"
        [[policy]]
        id = "user"
        scope = "user"
        cost = 2
        limits = [{ limit = "4/day" }, { limit = "9/day" }]
        [[policy]]
        id = "trial"
        shadow = true
        scope = ["user", "header:x-none"]
        limit = "1/day"
        [[policy]]
        id = "list"
        deny = [{ user = "mallory" }]
        "#,
    );
    let observer = Arc::clone(&notes) as Arc<dyn tollgate::observe::Observer>;
    let layer = RateLimitLayer::builder().policies(set, attributes()).observer(observer).build().unwrap();
    let answers = statuses(&layer, 3, ann).await;
    assert_eq!(answers, [200, 200, 429], "a trial refuses nobody");
    assert_eq!(
        notes.take(),
        [
            "user allowed 2 user   timed",
            "trial allowed 1 combination   timed",
            "list allowed 1 global   timed",
            "user allowed 2 user   timed",
            "trial shadow_denied 1 combination ann (all)  timed",
            "list allowed 1 global   timed",
            "user denied 2 user ann  timed",
        ]
    );
    statuses(&layer, 1, || crate::support::get("/", "mallory")).await;
    assert_eq!(notes.take(), ["list denied 1 global (all)  timed"]);
}

#[derive(Default)]
struct Tiers(std::sync::Mutex<Vec<Option<String>>>);

impl tollgate::observe::Observer for Tiers {
    fn decided(&self, decision: &tollgate::observe::Decided<'_>) {
        self.0.lock().unwrap().push(decision.tier.map(ToOwned::to_owned));
    }
}

#[tokio::test]
async fn observers_are_told_the_tier_that_a_request_says_or_that_the_policies_say() {
    let (set, _hand) = still(
        r#"
        [[tier]]
        name = "gold"
        members = [{ user = "gus" }]
        [[policy]]
        id = "api"
        limit = "9/day"
        "#,
    );
    let tiers = Arc::new(Tiers::default());
    let observer = Arc::clone(&tiers) as Arc<dyn tollgate::observe::Observer>;
    let layer = RateLimitLayer::builder().policies(set, attributes()).observer(observer).build().unwrap();
    let gus = || crate::support::get("/", "gus");
    statuses(&layer, 1, gus).await;
    statuses(&layer, 1, ann).await;
    let mut says_silver = gus();
    says_silver.headers_mut().insert("x-tier", http::HeaderValue::from_static("silver"));
    answer(&layer, says_silver).await;
    let told = std::mem::take(&mut *tiers.0.lock().unwrap());
    assert_eq!(told, [Some("gold".to_owned()), None, Some("silver".to_owned())]);
}

#[tokio::test]
async fn a_layer_that_only_watches_refuses_nobody_whatever_its_policies_say() {
    let (set, _hand) = still("[[policy]]\nid = \"api\"\nlimit = \"1/day\"");
    let notes = Arc::new(Notes::default());
    let observer = Arc::clone(&notes) as Arc<dyn tollgate::observe::Observer>;
    let builder = RateLimitLayer::builder().policies(set, attributes()).observer(observer);
    let layer = builder.shadow(true).decision_in_extensions(true).build().unwrap();
    statuses(&layer, 1, ann).await;
    let answer = answer(&layer, ann()).await;
    assert!(answer.status() == 200 && answer.headers().is_empty());
    let decision = answer.extensions().get::<Decision>().unwrap();
    assert!(decision.is_shadow() && !decision.is_allowed() && decision.limits()[0].refuses());
    assert_eq!(notes.take(), ["api allowed 1 global   timed", "api shadow_denied 1 global (all)  timed"]);
}

#[tokio::test]
async fn places_are_held_until_the_body_has_ended_and_come_back_when_the_client_leaves() {
    let layer = layer("[[policy]]\nid = \"at-once\"\nscope = \"user\"\nconcurrency = 1");
    let held = answer(&layer, ann()).await;
    let refused = answer(&layer, ann()).await;
    assert_eq!((refused.status().as_u16(), field(&refused, "retry-after")), (503, "1".to_owned()));
    let mut body = held.into_body();
    body.frame().await.unwrap().unwrap();
    let second = answer(&layer, ann()).await;
    assert_eq!(second.status(), 200, "before it is dropped");
    drop(second);
    assert_eq!(answer(&layer, ann()).await.status(), 200);

    let hanging = layer.layer(tower::service_fn(|_: Request<()>| async {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    }));
    let mut call = Box::pin(hanging.oneshot(ann()));
    assert!(timeout(Duration::ZERO, &mut call).await.is_err());
    assert_eq!(answer(&layer, ann()).await.status(), 503);
    drop(call);
    assert_eq!(answer(&layer, ann()).await.status(), 200);
}

/// Ten a second, evenly, up to three of them in the queue.
fn leaky() -> (Arc<PolicySet>, tollgate::http::Builder) {
    let set = PolicySet::builder().clock(Clock::tokio()).build();
    let file = "[[policy]]\nid = \"even\"\nalgorithm = \"leaky_bucket\"\nlimit = \"10/s burst 4\"";
    set.apply(policies(file)).unwrap();
    let set = Arc::new(set);
    (Arc::clone(&set), RateLimitLayer::builder().policies(set, attributes()))
}

#[tokio::test(start_paused = true)]
async fn a_leaky_bucket_holds_requests_and_lets_them_go_evenly() {
    let layer = leaky().1.build().unwrap();
    let answers = crowd(&layer, 5, "ann").await;
    assert_eq!(answers, [(0, 200), (100, 200), (200, 200), (300, 200), (0, 429)]);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_held_than_may_be_and_who_leaves_makes_room() {
    let layer = leaky().1.max_held(1).build().unwrap();
    statuses(&layer, 1, ann).await;
    let mut held = Box::pin(answer(&layer, ann()));
    assert!(timeout(Duration::ZERO, &mut held).await.is_err());
    assert_eq!(statuses(&layer, 1, ann).await, [503]);
    drop(held);
    let begun = Instant::now();
    assert_eq!(statuses(&layer, 1, ann).await, [200]);
    assert_eq!(
        begun.elapsed().as_millis(),
        200,
        "behind the one that was held, which had paid; the one refused had not"
    );
}

#[tokio::test]
async fn a_request_that_meets_a_layer_twice_is_charged_once() {
    let layer = layer("[[policy]]\nid = \"api\"\nlimit = \"100/day\"");
    let service = layer.layer(layer.layer(tower::service_fn(echo)));
    let answer = service.oneshot(ann()).await.unwrap();
    assert_eq!(field(&answer, "ratelimit"), r#""api";r=99;t=85536"#, "and told once");
}

#[tokio::test]
async fn a_layer_of_limits_goes_around_a_layer_of_policies_and_clients_are_told_of_both() {
    let outer = crate::support::layer(crate::support::still(tollgate::Quota::per_hour(2)));
    let inner = layer("[[policy]]\nid = \"api\"\nscope = \"user\"\nlimit = \"100/day\"");
    let service = outer.layer(inner.layer(tower::service_fn(echo)));
    let answer = service.oneshot(ann()).await.unwrap();
    assert_eq!(field(&answer, "ratelimit-policy"), r#""api";q=100;w=86400, "per-user";q=2;w=3600"#);
}

#[tokio::test]
async fn skipped_requests_are_not_asked_about() {
    let (set, _hand) = still("[[policy]]\nid = \"api\"\nlimit = \"block\"");
    let builder = RateLimitLayer::builder().policies(set, attributes());
    let layer = builder.skip(|head| head.path() == "/health").build().unwrap();
    let app =
        Router::new().route("/health", get(async || "well")).route("/", get(async || "hello")).layer(layer);
    let mut client = connect(app).await;
    assert_eq!(status(&mut client, "GET /health", "ann", "").await, 200);
    assert_eq!(status(&mut client, "GET /", "ann", "").await, 429);
}

#[test]
fn what_policies_cannot_do_is_an_error_that_says_what_to_do() {
    let built =
        |attributes: RequestAttributes| RateLimitLayer::builder().policies(Arc::default(), attributes);
    let errors = [
        built(attributes()).limit(Limit::new("own", Arc::new(ConcurrencyLimit::new(1)))).build(),
        built(attributes()).wait(Duration::from_secs(1)).build(),
        built(attributes().attribute("user", Key::header("x user"))).build(),
        built(attributes().attribute("user", Key::bearer().or(tollgate::http::Missing::Refuse))).build(),
    ]
    .map(|built| built.unwrap_err());
    assert_eq!(errors[0], LayerError::PoliciesAndLimits);
    let advice = ["a layer around this one", "leaky_bucket", "\"x user\"", "leave out `Key::or`"];
    for (error, advice) in errors.iter().zip(advice) {
        assert!(error.to_string().contains(advice), "{error}");
    }
    assert!(built(RequestAttributes::new()).build().is_ok(), "policies may come later");
}
