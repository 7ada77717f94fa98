//! `/api/rate-limit`: policies, asked over HTTP.

use serde_json::{Value, json};

use crate::curl::curl;
use crate::node::Node;

const POLICIES: &str = r#"
[[policy]]
id = "issue-cards"
scope = "user"
match = { api = "cards" }
limits = [{ limit = "2/h" }, { algorithm = "sliding_log", limit = "100/d" }]

[[policy]]
id = "per-client"
scope = "ip"
missing = "pass"
algorithm = "fixed_window"
limit = "1/d"

[[policy]]
id = "gold-only"
match = { tier = "gold", region = "eu" }
limit = "block"
"#;

#[test]
fn a_request_passes_all_policies_that_concern_it_and_is_told_where_it_stands() {
    let node = Node::with_policies(POLICIES);
    let answer = node.get("/api/rate-limit/check?userID=ann&api=cards");
    assert_eq!((answer.status, answer.field("cache-control")), (200, Some("no-store")));
    let body = answer.json();
    assert_eq!(
        (&body["allowed"], &body["remaining"], &body["policyID"]),
        (&json!(true), &json!(1), &json!("issue-cards"))
    );
    assert_eq!(body["retryAfter"], 0.0);
    let time: jiff::Timestamp = body["resetTime"].as_str().unwrap().parse().unwrap();
    let reset = time.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((1_700..=1_800).contains(&reset), "{reset}");
    let names: Vec<_> =
        body["limits"].as_array().unwrap().iter().map(|limit| limit["name"].clone()).collect();
    assert_eq!(names, ["issue-cards/1", "issue-cards/2"]);
    assert!(answer.field("ratelimit-policy").unwrap().contains("issue-cards/2"));

    node.get("/api/rate-limit/check?userID=ann&api=cards");
    let refused = node.get("/api/rate-limit/check?userID=ann&api=cards");
    let body = refused.json();
    assert_eq!(
        (refused.status, &body["allowed"], &body["reason"]),
        (429, &json!(false), &json!("limit_reached"))
    );
    let wait = body["retryAfter"].as_f64().unwrap();
    assert!(wait > 1_700.0 && wait <= 1_800.0, "{wait}");
    assert_eq!(refused.field("retry-after").map(|wait| wait.parse::<f64>().unwrap()), Some(wait.ceil()));
    assert_eq!(node.get("/api/rate-limit/check?userID=bob&api=cards").status, 200);
}

#[test]
fn one_policy_or_one_algorithm_can_be_asked_alone() {
    let node = Node::with_policies(POLICIES);
    let of_client = "/api/rate-limit/check?userID=ann&api=cards&ip=192.0.2.1";
    let policies = |path: &str| -> Vec<Value> {
        let body = node.get(path).json();
        body["limits"].as_array().unwrap().iter().map(|limit| limit["policyID"].clone()).collect()
    };
    assert_eq!(policies(&format!("{of_client}&policyID=per-client")), ["per-client"]);
    assert_eq!(node.get(&format!("{of_client}&algorithm=fixed_window")).status, 429);
    assert_eq!(policies(&format!("{of_client}&policyID=issue-cards&cost=2")), ["issue-cards", "issue-cards"]);
    assert_eq!(node.get("/api/rate-limit/status?userID=ann&api=cards").json()["remaining"], 0);
    let unknown = node.get("/api/rate-limit/check?policyID=nobody");
    assert_eq!((unknown.status, &unknown.problem()["field"]), (404, &json!("policyID")));
}

#[test]
fn any_attribute_can_be_given_and_a_block_is_said_to_be_one() {
    let node = Node::with_policies(POLICIES);
    let blocked = node.get("/api/rate-limit/check?tier=gold&attr.region=eu");
    let body = blocked.json();
    assert_eq!(
        (blocked.status, &body["reason"], &body["policyID"]),
        (429, &json!("blocked"), &json!("gold-only"))
    );
    assert_eq!((&body["retryAfter"], blocked.field("retry-after")), (&Value::Null, None));
    let nothing = node.get("/api/rate-limit/check?tier=gold").json();
    assert_eq!(
        (&nothing["allowed"], &nothing["remaining"], &nothing["policyID"]),
        (&json!(true), &Value::Null, &Value::Null)
    );
}

#[test]
fn status_spends_nothing() {
    let node = Node::with_policies(POLICIES);
    for _ in 0..3 {
        let status = node.get("/api/rate-limit/status?userID=ann&api=cards");
        assert_eq!((status.status, &status.json()["remaining"]), (200, &json!(2)));
    }
    let too_much = node.get("/api/rate-limit/status?userID=ann&api=cards&cost=3");
    assert_eq!((too_much.status, &too_much.json()["allowed"]), (200, &json!(false)));
}

#[test]
fn a_reset_forgets_what_one_key_has_spent() {
    let node = Node::with_policies(POLICIES);
    let (ann, bob) = ("userID=ann&api=cards", "userID=bob&api=cards");
    for who in [ann, bob] {
        node.get(&format!("/api/rate-limit/check?{who}&cost=2"));
    }
    let reset = node.post(&format!("/api/rate-limit/reset?{ann}"), &json!({}));
    assert_eq!((reset.status, reset.json()), (200, json!({ "reset": 2 })));
    assert_eq!(node.get(&format!("/api/rate-limit/status?{ann}")).json()["remaining"], 2);
    assert_eq!(node.get(&format!("/api/rate-limit/status?{bob}")).json()["remaining"], 0);
}

#[test]
fn a_page_of_another_origin_cannot_reset_anything() {
    let node = Node::with_policies(POLICIES);
    let url = node.url("/api/rate-limit/reset?userID=ann");
    let from_page = ["-X", "POST", "-H", "Origin: https://example.com"];
    assert_eq!(curl(from_page.into_iter().chain([url.as_str()])).status, 415);
    assert_eq!(curl(["-X", "POST", &url]).status, 200);
}

#[test]
fn who_asks_and_who_is_refused_is_told() {
    let node = Node::with_policies(POLICIES);
    for _ in 0..5 {
        node.get("/api/rate-limit/check?userID=ann&api=cards");
    }
    node.get("/api/rate-limit/check?userID=ann&api=loans");
    node.get("/api/rate-limit/check?userID=bob");

    let all = node.get("/api/metrics/rate-limits").json();
    assert_eq!((&all["requests"], &all["blocked"], &all["remembered"]), (&json!(7), &json!(3), &json!(3)));
    let cards = all["users"].as_array().unwrap().iter().find(|user| user["api"] == "cards").unwrap();
    assert_eq!(
        (&cards["userID"], &cards["requests"], &cards["blocked"]),
        (&json!("ann"), &json!(5), &json!(3))
    );
    assert!(cards["lastSeen"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());

    let ann = node.get("/api/metrics/rate-limits/ann").json();
    assert_eq!((&ann["requests"], &ann["apis"][0]["api"]), (&json!(6), &json!("loans")));
    assert_eq!(node.get("/api/metrics/rate-limits/carol").problem()["status"], 404);

    let top = node.get("/api/metrics/top?limit=1").json();
    assert_eq!(top["counted"], 3);
    assert_eq!(
        top["top"],
        json!([{ "policyID": "issue-cards", "key": "ann", "refused": 3, "atMostTooManyBy": 0 }])
    );
}
