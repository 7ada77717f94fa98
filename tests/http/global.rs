//! Limits that many nodes share, beside those of one, over a store in memory, in tokio's time.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::{sleep, timeout};
use tollgate::distributed::{
    FaultBackend, Faults, GlobalBuilder, GlobalLimiter, MemoryBackend, Rule, SharedStore,
};
use tollgate::http::{Cost, Decision, Key, KeyValue, LayerError, Limit, Missing, RateLimitLayer};
use tollgate::observe::Observer;
use tollgate::{Clock, LeakyBucket, Limiter, Quota};
use tower::{Layer, ServiceExt};

use crate::observing::Notes;
use crate::support::{answer, by_user, echo, field, get, statuses, text};

const MILLISECOND: Duration = Duration::from_millis(1);

/// A store, and its switches.
pub(crate) fn store() -> (SharedStore, Faults) {
    let backend = FaultBackend::new(MemoryBackend::with_clock(Clock::tokio()), 7);
    let faults = backend.faults();
    (SharedStore::new(backend), faults)
}

pub(crate) fn global(store: &SharedStore, name: &str, quota: Quota) -> GlobalBuilder {
    GlobalLimiter::builder(name, Rule::Gcra(quota), store).clock(Clock::tokio())
}

fn per_hour(store: &SharedStore, name: &str, count: u32) -> Arc<GlobalLimiter> {
    Arc::new(global(store, name, Quota::per_hour(count)).build().unwrap())
}

fn local_per_hour(count: u32) -> Arc<Limiter> {
    Arc::new(
        Limiter::builder(tollgate::Gcra::new(Quota::per_hour(count))).clock(Clock::tokio()).build().unwrap(),
    )
}

async fn left(limiter: &GlobalLimiter, key: &str) -> u64 {
    // What is told in the background is told at once, but not before this one.
    sleep(MILLISECOND).await;
    limiter.peek(key).await.unwrap().remaining
}

#[tokio::test(start_paused = true)]
async fn two_nodes_admit_together_what_one_limit_allows_and_tell_it_as_of_any_other() {
    let (store, _) = store();
    let node = || {
        let limiter = Arc::new(global(&store, "api", Quota::per_minute(30).burst(2)).build().unwrap());
        RateLimitLayer::new(Limit::new("per-customer", limiter).by(by_user())).unwrap()
    };
    let (one, other) = (node(), node());
    let first = answer(&one, get("/", "ann")).await;
    assert_eq!(field(&first, "ratelimit-policy"), r#""per-customer";q=2;w=4"#);
    assert_eq!(field(&first, "ratelimit"), r#""per-customer";r=1;t=2"#);
    assert_eq!(answer(&other, get("/", "ann")).await.status(), 200);

    let refused = answer(&one, get("/", "ann")).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(field(&refused, "ratelimit"), r#""per-customer";r=0;t=2"#);
    assert_eq!(field(&refused, "retry-after"), "2");
    let problem: serde_json::Value = serde_json::from_str(&text(refused).await).unwrap();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(problem["violated-policies"], serde_json::json!(["per-customer"]));

    assert_eq!(answer(&other, get("/", "bob")).await.status(), 200, "others are not concerned");
    sleep(Duration::from_secs(2) + MILLISECOND).await;
    assert_eq!(answer(&other, get("/", "ann")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn limits_here_and_of_all_nodes_are_one_and_a_refusal_spends_from_none() {
    let (store, _) = store();
    let (here, everyone, per_user) =
        (local_per_hour(9), per_hour(&store, "all", 50), per_hour(&store, "user", 2));
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("per-user", Arc::clone(&per_user)).by(by_user()))
        .limit(Limit::new("here", Arc::clone(&here)))
        .limit(Limit::new("everyone", Arc::clone(&everyone)).cost(Cost::fixed(10)))
        .build()
        .unwrap();
    let first = answer(&layer, get("/", "ann")).await;
    assert_eq!(
        field(&first, "ratelimit-policy"),
        r#""here";q=9;w=3600, "per-user";q=2;w=3600, "everyone";q=50;w=3600"#
    );
    assert_eq!(statuses(&layer, 3, || get("/", "ann")).await, [200, 429, 429]);
    assert_eq!(here.peek(&()).remaining(), 7, "what another node's limit refuses is given back here");
    assert_eq!(left(&everyone, "~all").await, 30);
    let refused = answer(&layer, get("/", "ann")).await;
    assert!(field(&refused, "ratelimit").starts_with(r#""here";r=7, "#), "{:?}", refused.headers());
    assert!(text(refused).await.contains(r#""violated-policies":["per-user"]"#));

    assert!(here.check_n(&(), 7).is_ok());
    let refused = answer(&layer, get("/", "bob")).await;
    assert!(text(refused).await.contains(r#""violated-policies":["here"]"#));
    assert_eq!(
        (left(&per_user, "bob").await, left(&everyone, "~all").await),
        (2, 30),
        "nor were these asked"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_lacks_a_key_spends_nothing() {
    let (store, _) = store();
    let here = local_per_hour(9);
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("here", Arc::clone(&here)))
        .limit(Limit::new("user", per_hour(&store, "user", 9)).by(Key::header("x-user").or(Missing::Refuse)))
        .build()
        .unwrap();
    let refused = answer(&layer, Request::get("/").body(()).unwrap()).await;
    assert_eq!(refused.status(), 400);
    assert!(text(refused).await.contains(r#"limit \"user\" needs the header field x-user"#));
    assert_eq!(here.peek(&()).remaining(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_while_the_store_is_asked_gets_back_what_was_spent() {
    let (store, faults) = store();
    let (here, shared) = (local_per_hour(9), per_hour(&store, "all", 9));
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("here", Arc::clone(&here)))
        .limit(Limit::new("all", Arc::clone(&shared)))
        .build()
        .unwrap();
    faults.delay(10 * MILLISECOND, Duration::ZERO);
    // Before the store counts it, and after, before its answer comes.
    for leaves_after in [2, 8] {
        let leaves = timeout(leaves_after * MILLISECOND, answer(&layer, get("/", "ann"))).await;
        assert!(leaves.is_err());
        assert_eq!(here.peek(&()).remaining(), 9);
        sleep(50 * MILLISECOND).await;
        assert_eq!(left(&shared, "~all").await, 9);
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_a_leaky_bucket_is_counted_by_all_nodes_when_its_turn_comes() {
    let (store, _) = store();
    let bucket = LeakyBucket::new(Quota::per_second(10), 3);
    let here = Arc::new(Limiter::builder(bucket).clock(Clock::tokio()).build().unwrap());
    let shared = per_hour(&store, "all", 2);
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("queue", Arc::clone(&here)))
        .limit(Limit::new("all", Arc::clone(&shared)))
        .build()
        .unwrap();
    assert_eq!(answer(&layer, get("/", "ann")).await.status(), 200);
    let leaves = timeout(50 * MILLISECOND, answer(&layer, get("/", "ann"))).await;
    assert!(leaves.is_err());
    assert_eq!(left(&shared, "~all").await, 1, "its turn had not come");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(crate::waiting::crowd(&layer, 3, "ann").await, [(0, 200), (100, 429), (200, 429)]);
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_turns_out_to_cost_is_charged_or_given_back_in_the_background() {
    let (store, _) = store();
    let (limiter, other) = (per_hour(&store, "cost", 100), per_hour(&store, "bytes", 100));
    let by_field = Cost::of_header(10, HeaderName::from_static("x-cost"));
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("cost", Arc::clone(&limiter)).by(by_user()).cost(by_field))
        .limit(Limit::new("bytes", Arc::clone(&other)).by(by_user()).cost(Cost::of_body(3, 10)))
        .build()
        .unwrap();
    let costing = |cost: &'static str, bytes: usize| {
        let service = move |_: Request<()>| async move {
            let answer = Response::builder().header("x-cost", cost).body(Full::from(vec![0; bytes]));
            Ok::<_, Infallible>(answer.unwrap())
        };
        layer.layer(tower::service_fn(service)).oneshot(get("/", "ann"))
    };
    let mut expected = (100, 100);
    for (cost, bytes) in [("4", 80), ("25", 1), ("10", 30)] {
        let answer = costing(cost, bytes).await.unwrap();
        assert_eq!(left(&limiter, "ann").await, expected.0 - 10, "the estimate");
        answer.into_body().collect().await.unwrap();
        expected = (expected.0 - cost.parse::<u64>().unwrap(), expected.1 - bytes.div_ceil(10) as u64);
        assert_eq!((left(&limiter, "ann").await, left(&other, "ann").await), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shared_limit_met_twice_is_charged_once() {
    let (store, _) = store();
    let limiter = per_hour(&store, "user", 100);
    let limit = Limit::new("per-user", Arc::clone(&limiter)).by(by_user());
    let (outer, inner) = (RateLimitLayer::new(limit.clone()).unwrap(), RateLimitLayer::new(limit).unwrap());
    let service = outer.layer(outer.layer(inner.layer(tower::service_fn(echo))));
    let answer = service.oneshot(get("/", "ann")).await.unwrap();
    assert_eq!(left(&limiter, "ann").await, 99);
    assert_eq!(field(&answer, "ratelimit-policy"), r#""per-user";q=100;w=3600"#, "and told once");
}

#[tokio::test(start_paused = true)]
async fn a_shadow_asks_the_store_but_never_refuses() {
    let (store, _) = store();
    let (here, shared) = (local_per_hour(9), per_hour(&store, "user", 2));
    let notes = Arc::new(Notes::default());
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("here", Arc::clone(&here)))
        .limit(Limit::new("user", shared).by(by_user()))
        .shadow(true)
        .observer(Arc::clone(&notes) as Arc<dyn Observer>)
        .decision_in_extensions(true)
        .build()
        .unwrap();
    assert_eq!(statuses(&layer, 2, || get("/", "ann")).await, [200, 200]);
    notes.take();
    let watched = answer(&layer, get("/", "ann")).await;
    assert_eq!((watched.status().as_u16(), field(&watched, "ratelimit")), (200, String::new()));
    let decision = watched.extensions().get::<Decision>().unwrap();
    assert!(!decision.is_allowed() && decision.is_shadow());
    assert_eq!(notes.take(), ["user shadow_denied 1 header ann  timed"]);
    assert_eq!(here.peek(&()).remaining(), 7);
}

#[tokio::test(start_paused = true)]
async fn handlers_and_observers_are_told_of_limits_here_and_of_all_nodes() {
    let (store, _) = store();
    let notes = Arc::new(Notes::default());
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("here", local_per_hour(9)))
        .limit(Limit::new("user", per_hour(&store, "user", 1)).by(by_user()))
        .observer(Arc::clone(&notes) as Arc<dyn Observer>)
        .decision_in_extensions(true)
        .build()
        .unwrap();
    let told = |extensions: &http::Extensions| {
        let decision = extensions.get::<Decision>().unwrap();
        let limits = decision.limits().iter().map(|limit| (limit.name().to_owned(), limit.remaining()));
        (decision.is_allowed(), limits.collect::<Vec<_>>())
    };
    let expected = [("here".to_owned(), 8), ("user".to_owned(), 0)];
    let seen = (true, expected.to_vec());
    let service = {
        let seen = seen.clone();
        tower::service_fn(move |request: Request<()>| {
            assert_eq!(told(request.extensions()), seen);
            echo(request)
        })
    };
    let answered = layer.layer(service).oneshot(get("/", "ann")).await.unwrap();
    assert_eq!(told(answered.extensions()), seen);
    assert_eq!(notes.take(), ["here allowed 1 global   timed", "user allowed 1 header   timed"]);
    assert_eq!(told(answer(&layer, get("/", "ann")).await.extensions()), (false, expected.to_vec()));
    assert_eq!(notes.take(), ["user denied 1 header ann  timed"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_found_in_the_store_by_its_bytes() {
    let (store, _) = store();
    let limiter = per_hour(&store, "user", 9);
    let by = Key::all([Key::bearer(), Key::method()]).or(Missing::Refuse);
    let layer = RateLimitLayer::new(Limit::new("user", Arc::clone(&limiter)).by(by)).unwrap();
    let request = Request::get("/").header("authorization", "Bearer s3cret").body(()).unwrap();
    assert_eq!(answer(&layer, request).await.status(), 200);
    let key = KeyValue::Several(vec![KeyValue::Secret(b"s3cret"), "GET".into()]);
    assert_eq!(limiter.peek(&key.to_bytes()).await.unwrap().remaining, 8);
}

#[tokio::test(start_paused = true)]
async fn what_the_handler_never_answers_stays_charged() {
    let (store, _) = store();
    let limiter = per_hour(&store, "user", 9);
    let limit = Limit::new("user", Arc::clone(&limiter)).by(by_user()).cost(Cost::by_status(3, |_| 1));
    let never = tower::service_fn(async |_: Request<()>| {
        pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    });
    let call = RateLimitLayer::new(limit).unwrap().layer(never).oneshot(get("/", "ann"));
    assert!(timeout(Duration::from_secs(1), call).await.is_err());
    assert_eq!(left(&limiter, "ann").await, 6);
}

#[test]
fn shared_limits_have_no_turns_to_wait_for_and_a_name_like_others() {
    let (store, _) = store();
    let limit = |name| Limit::new(name, per_hour(&store, "user", 9));
    let builder = || RateLimitLayer::builder().limit(Limit::new("here", local_per_hour(9)));
    let error = builder().limit(limit("user")).wait(MILLISECOND).build().unwrap_err();
    assert_eq!(error, LayerError::GlobalDoesNotWait { limit: "user".to_owned() });
    assert!(error.to_string().contains("leave out `wait`"), "{error}");
    let error = builder().limit(limit("here")).build().unwrap_err();
    assert_eq!(error, LayerError::NameTwice { limit: "here".to_owned() });
    assert!(matches!(builder().limit(limit("")).build().unwrap_err(), LayerError::Name(_)));
}
