//! Limits on how many at once, on all nodes together.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::{sleep, timeout};
use tollgate::Quota;
use tollgate::distributed::{FailurePolicy, Fault, GlobalConcurrencyLimit, SharedStore};
use tollgate::http::{Cost, LayerError, Limit, RateLimitLayer};
use tower::{Layer, ServiceExt};

use crate::global::{global, store};
use crate::support::{answer, by_user, field, get, statuses, text};

/// Some time for what is told in the background.
const A_MOMENT: Duration = Duration::from_millis(1);

fn places(store: &SharedStore, places: u64, policy: FailurePolicy) -> Limit {
    let hold = Duration::from_secs(30);
    let limit = GlobalConcurrencyLimit::builder("exports", places, hold, store).on_failure(policy);
    Limit::new("at-once", Arc::new(limit.build().unwrap())).by(by_user())
}

#[tokio::test(start_paused = true)]
async fn a_place_is_held_on_all_nodes_until_the_body_has_ended() {
    let (store, _) = store();
    let node = || RateLimitLayer::new(places(&store, 1, FailurePolicy::Closed)).unwrap();
    let (one, other) = (node(), node());
    let first = answer(&one, get("/", "ann")).await;
    assert_eq!(field(&first, "ratelimit-policy"), r#""at-once";q=1;qu="concurrent-requests""#);

    let refused = answer(&other, get("/", "ann")).await;
    assert_eq!((refused.status().as_u16(), field(&refused, "retry-after")), (503, "1".to_owned()));
    let problem: serde_json::Value = serde_json::from_str(&text(refused).await).unwrap();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity");
    assert_eq!(problem["violated-policies"], serde_json::json!(["at-once"]));
    assert_eq!(statuses(&other, 1, || get("/", "bob")).await, [200]);

    first.into_body().collect().await.unwrap();
    sleep(A_MOMENT).await;
    assert_eq!(statuses(&other, 1, || get("/", "ann")).await, [200]);
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_refuses_and_a_client_that_leaves_give_the_place_back() {
    let (store, _) = store();
    let rate = Arc::new(global(&store, "rate", Quota::per_hour(1)).build().unwrap());
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("rate", Arc::clone(&rate)).by(by_user()))
        .limit(places(&store, 1, FailurePolicy::Closed))
        .build()
        .unwrap();
    let never = tower::service_fn(async |_: Request<()>| {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    });
    let call = layer.layer(never).oneshot(get("/", "ann"));
    assert!(timeout(Duration::from_secs(1), call).await.is_err());
    sleep(A_MOMENT).await;
    for _ in 0..2 {
        let refused = answer(&layer, get("/", "ann")).await;
        assert_eq!(refused.status(), 429, "the rate refuses, there was a place");
        assert!(text(refused).await.contains(r#""violated-policies":["rate"]"#));
        sleep(A_MOMENT).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_store_a_closed_limit_has_no_place_and_an_open_one_has_for_all() {
    let (store, faults) = store();
    faults.always(Some(Fault::Refuse));
    let layer = |policy| RateLimitLayer::new(places(&store, 1, policy)).unwrap();
    let refused = answer(&layer(FailurePolicy::Closed), get("/", "ann")).await;
    assert_eq!((refused.status().as_u16(), field(&refused, "ratelimit")), (503, String::new()));
    assert!(text(refused).await.contains(r#""violated-policies":[]"#));
    let open = layer(FailurePolicy::Open);
    let all = [answer(&open, get("/", "ann")).await, answer(&open, get("/", "ann")).await];
    assert!(all.iter().all(|answer| answer.status() == 200));
}

#[test]
fn a_request_takes_one_place() {
    let (store, _) = store();
    for cost in [Cost::fixed(2), Cost::by_status(1, |_| 2), Cost::of_request(|_| 1)] {
        let limit = places(&store, 3, FailurePolicy::Closed).cost(cost);
        let error = RateLimitLayer::new(limit).unwrap_err();
        assert_eq!(error, LayerError::GlobalPlaceCost { limit: "at-once".to_owned() });
        assert!(error.to_string().contains("leave out `cost`"), "{error}");
    }
}
