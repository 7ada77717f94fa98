//! Policies whose limits a backend counts, in the middleware.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::time::{sleep, timeout};
use tollgate::Clock;
use tollgate::distributed::{Fault, Faults};
use tollgate::http::{Decision, RateLimitLayer};
use tollgate::observe::Observer;
use tollgate::policy::PolicySet;

use crate::global::store;
use crate::observing::Notes;
use crate::policies::{attributes, policies};
use crate::support::{answer, field, get, statuses, text};

const MILLISECOND: Duration = Duration::from_millis(1);

/// A limit in memory, one of all nodes, and one that only watches.
const FILE: &str = r#"
    [[policy]]
    id = "here"
    limit = "9/h"
    [[policy]]
    id = "shared"
    scope = "user"
    limit = "2/h"
    backend = "redis"
    on_failure = "closed"
    [[policy]]
    id = "watched"
    shadow = true
    scope = "user"
    limit = "1/h"
    backend = "redis"
    on_failure = "open"
"#;

struct Node {
    set: Arc<PolicySet>,
    layer: RateLimitLayer,
    notes: Arc<Notes>,
    faults: Faults,
}

fn node(file: &str) -> Node {
    let (store, faults) = store();
    let set = PolicySet::builder().clock(Clock::tokio()).backend("redis", &store).build();
    set.apply(policies(file)).unwrap();
    let (set, notes) = (Arc::new(set), Arc::new(Notes::default()));
    let layer = RateLimitLayer::builder()
        .policies(Arc::clone(&set), attributes())
        .observer(Arc::clone(&notes) as Arc<dyn Observer>)
        .decision_in_extensions(true)
        .build()
        .unwrap();
    Node { set, layer, notes, faults }
}

fn ann() -> Request<()> {
    get("/", "ann")
}

impl Node {
    /// What was left of the policy in memory before somebody else takes one.
    async fn left_here(&self) -> u64 {
        let answer = answer(&self.layer, get("/", "zoe")).await;
        let decision = answer.extensions().get::<Decision>().unwrap();
        assert_eq!(decision.limits()[0].name(), "here");
        decision.limits()[0].remaining() + 1
    }
}

#[tokio::test(start_paused = true)]
async fn policies_in_memory_and_in_a_backend_decide_together_and_tell_it_as_any_others() {
    let node = node(FILE);
    let first = answer(&node.layer, ann()).await;
    assert_eq!(field(&first, "ratelimit-policy"), r#""here";q=9;w=3600, "shared";q=2;w=3600"#);
    assert_eq!(first.extensions().get::<Decision>().unwrap().limits().len(), 2);
    let told = node.notes.take();
    assert!(told[0].starts_with("here allowed 1 global") && told[0].ends_with("timed"), "{told:?}");
    assert_eq!(statuses(&node.layer, 1, ann).await, [200]);
    node.notes.take();

    let refused = answer(&node.layer, ann()).await;
    assert_eq!((refused.status().as_u16(), field(&refused, "retry-after")), (429, "1800".to_owned()));
    assert!(text(refused).await.contains(r#""violated-policies":["shared"]"#));
    assert_eq!(node.notes.take(), ["shared denied 1 user ann  timed"]);
    assert_eq!(node.left_here().await, 7, "what the backend refuses is given back in memory");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_only_watches_in_a_backend_refuses_nobody_and_is_told_of() {
    let node = node(FILE);
    answer(&node.layer, ann()).await;
    node.notes.take();
    assert_eq!(statuses(&node.layer, 1, ann).await, [200]);
    let told = node.notes.take();
    assert!(told.iter().any(|line| line.starts_with("watched shadow_denied 1 user ann")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_closed_without_its_backend_answers_503_for_now() {
    let node = node(FILE);
    node.faults.always(Some(Fault::Refuse));
    let refused = answer(&node.layer, ann()).await;
    assert_eq!((refused.status().as_u16(), field(&refused, "retry-after")), (503, "1".to_owned()));
    assert_eq!(field(&refused, "ratelimit-policy"), r#""here";q=9;w=3600"#);
    let problem: serde_json::Value = serde_json::from_str(&text(refused).await).unwrap();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity");
    let told = node.notes.take();
    assert!(told.iter().any(|line| line.starts_with("shared error_denied 1 user")), "{told:?}");
    node.faults.clear();
    assert_eq!(node.left_here().await, 9);
    assert_eq!(statuses(&node.layer, 1, ann).await, [200]);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_open_without_its_backend_lets_pass() {
    let node = node(&FILE.replace("\"closed\"", "\"open\""));
    node.faults.always(Some(Fault::Refuse));
    let passed = answer(&node.layer, ann()).await;
    assert_eq!(
        (passed.status().as_u16(), field(&passed, "ratelimit-policy")),
        (200, r#""here";q=9;w=3600"#.to_owned())
    );
    let told = node.notes.take();
    for policy in ["shared", "watched"] {
        let line = format!("{policy} error_allowed 1 user");
        assert!(told.iter().any(|told| told.starts_with(&line)), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_while_a_backend_is_asked_gets_back_what_was_spent() {
    let node = node(FILE);
    node.faults.delay(10 * MILLISECOND, Duration::ZERO);
    for (leaves_after, left) in [(2, 9), (8, 8)] {
        assert!(timeout(leaves_after * MILLISECOND, answer(&node.layer, ann())).await.is_err());
        assert_eq!(node.left_here().await, left);
        sleep(50 * MILLISECOND).await;
    }
    node.faults.clear();
    assert_eq!(statuses(&node.layer, 3, ann).await, [200, 200, 429]);
}

/// The answer of a service is a future that somebody may keep and never ask for.
#[tokio::test(start_paused = true)]
async fn a_request_whose_answer_nobody_asks_for_spends_nothing() {
    use tower::{Layer, Service};
    let node = node(FILE);
    let mut service = node.layer.layer(tower::service_fn(crate::support::echo));
    drop(service.call(ann()));
    assert_eq!(node.left_here().await, 9);
}

#[tokio::test(start_paused = true)]
async fn places_in_a_backend_are_held_until_the_body_has_ended() {
    let node = node("[[policy]]\nid = \"at-once\"\nscope = \"user\"\nconcurrency = 1\nbackend = \"redis\"");
    let first = answer(&node.layer, ann()).await;
    assert_eq!(statuses(&node.layer, 1, ann).await, [503]);
    text(first).await;
    sleep(MILLISECOND).await;
    assert_eq!(statuses(&node.layer, 1, ann).await, [200]);
}

#[tokio::test(start_paused = true)]
async fn a_change_takes_a_policy_to_a_backend_and_back() {
    let node = node("[[policy]]\nid = \"api\"\nlimit = \"1/h\"");
    assert_eq!(statuses(&node.layer, 2, ann).await, [200, 429]);
    node.set.apply(policies("[[policy]]\nid = \"api\"\nlimit = \"2/h\"\nbackend = \"redis\"")).unwrap();
    assert_eq!(statuses(&node.layer, 3, ann).await, [200, 200, 429]);
    node.set.apply(policies("[[policy]]\nid = \"api\"\nlimit = \"1/h\"")).unwrap();
    assert_eq!(statuses(&node.layer, 2, ann).await, [200, 429]);
}
