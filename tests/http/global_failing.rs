//! What clients and observers are told when the store of a limit cannot be asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tollgate::Quota;
use tollgate::distributed::{FailurePolicy, Fault, Faults, GlobalLimiter, SharedStore};
use tollgate::http::{Cost, Decision, Limit, RateLimitLayer};
use tollgate::observe::Observer;

use crate::global::{global, store};
use crate::observing::Notes;
use crate::support::{answer, by_user, field, get, limiter, statuses, text};

/// A limit of ten an hour under this policy, which tells the layer's observer of failures.
fn failing(policy: FailurePolicy) -> (Faults, SharedStore, Arc<GlobalLimiter>, Arc<Notes>) {
    let (store, faults) = store();
    let notes = Arc::new(Notes::default());
    let builder = global(&store, "api", Quota::per_hour(10)).on_failure(policy);
    let limiter = builder.observer(Arc::clone(&notes) as Arc<dyn Observer>).build().unwrap();
    (faults, store, Arc::new(limiter), notes)
}

fn layer(limiter: Arc<GlobalLimiter>, notes: &Arc<Notes>, shadow: bool) -> RateLimitLayer {
    RateLimitLayer::builder()
        .limit(Limit::new("here", limiter_here()))
        .limit(Limit::new("user", limiter).by(by_user()))
        .observer(Arc::clone(notes) as Arc<dyn Observer>)
        .decision_in_extensions(true)
        .shadow(shadow)
        .build()
        .unwrap()
}

fn limiter_here() -> Arc<tollgate::Limiter> {
    limiter(Quota::per_hour(9)).0
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_closed_without_its_store_answers_503_for_now() {
    let (faults, _, limiter, notes) = failing(FailurePolicy::Closed);
    let layer = layer(limiter, &notes, false);
    faults.always(Some(Fault::Refuse));
    let refused = answer(&layer, get("/", "ann")).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(field(&refused, "retry-after"), "1");
    assert_eq!(field(&refused, "ratelimit-policy"), r#""here";q=9;w=3600"#, "of the other nobody knows");
    let decision = refused.extensions().get::<Decision>().unwrap();
    let told: Vec<_> = decision.limits().iter().map(|limit| (limit.refuses(), limit.failed())).collect();
    assert_eq!(told, [(false, false), (true, true)]);
    let problem: serde_json::Value = serde_json::from_str(&text(refused).await).unwrap();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity");
    assert_eq!(problem["violated-policies"], serde_json::json!([]));
    assert_eq!(notes.take(), ["api failed unavailable", "user error_denied 1 header   timed"]);

    faults.clear();
    assert_eq!(statuses(&layer, 1, || get("/", "ann")).await, [200]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_open_without_its_store_lets_all_pass_and_tells_clients_nothing_of_it() {
    let (faults, _, limiter, notes) = failing(FailurePolicy::Open);
    let layer = layer(Arc::clone(&limiter), &notes, false);
    faults.always(Some(Fault::Refuse));
    let passed = answer(&layer, get("/", "ann")).await;
    assert_eq!(passed.status(), 200);
    assert_eq!(field(&passed, "ratelimit-policy"), r#""here";q=9;w=3600"#);
    assert!(passed.extensions().get::<Decision>().unwrap().limits()[1].failed());
    let told =
        ["api failed unavailable", "here allowed 1 global   timed", "user error_allowed 1 header   timed"];
    assert_eq!(notes.take(), told);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_goes_on_with_this_nodes_share_refuses_as_ever() {
    let (faults, _, limiter, notes) = failing(FailurePolicy::Local);
    let layer = layer(limiter, &notes, false);
    faults.always(Some(Fault::Refuse));
    let refused = answer(&layer, get("/", "ann")).await;
    assert_eq!(refused.status(), 429, "a share begins empty");
    assert!(text(refused).await.contains(r#""violated-policies":["user"]"#));
    sleep(Duration::from_secs(720) + Duration::from_millis(1)).await;
    assert_eq!(statuses(&layer, 3, || get("/", "ann")).await, [200, 200, 429]);
}

#[tokio::test(start_paused = true)]
async fn on_trial_a_closed_limit_lets_pass_what_it_cannot_check() {
    let (faults, _, limiter, notes) = failing(FailurePolicy::Closed);
    faults.always(Some(Fault::Refuse));
    assert_eq!(answer(&layer(limiter, &notes, true), get("/", "ann")).await.status(), 200);
    assert_eq!(notes.take(), ["api failed unavailable", "user error_allowed 1 header   timed"]);
}

/// Nothing was counted, so nothing is settled.
#[tokio::test(start_paused = true)]
async fn what_an_open_limit_let_pass_unchecked_is_neither_charged_nor_given_back_later() {
    let (faults, _, limiter, _) = failing(FailurePolicy::Open);
    assert!(limiter.check_n("ann", 5).await.is_allowed());
    faults.always(Some(Fault::Refuse));
    for actual in [0, 5] {
        let cost = Cost::by_status(2, move |_| actual);
        let limit = Limit::new("user", Arc::clone(&limiter)).by(by_user()).cost(cost);
        let answer = answer(&RateLimitLayer::new(limit).unwrap(), get("/", "ann")).await;
        assert_eq!(answer.status(), 200);
        text(answer).await;
    }
    faults.clear();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(limiter.peek("ann").await.unwrap().remaining, 5);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_answered_within_the_budget_when_the_store_is_silent() {
    let (faults, _, limiter, notes) = failing(FailurePolicy::Closed);
    let layer = layer(limiter, &notes, false);
    faults.always(Some(Fault::Lose));
    let begun = tokio::time::Instant::now();
    assert_eq!(answer(&layer, get("/", "ann")).await.status(), 503);
    assert!(begun.elapsed() <= Duration::from_millis(26), "in virtual time");
}
