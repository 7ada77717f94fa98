//! `/ping`, `/health` and `/metrics`.

use std::collections::HashMap;

use serde_json::json;

use crate::node::Node;

#[test]
fn a_service_says_that_it_is_there_and_how_it_is() {
    let node = Node::with_policies("[[policy]]\nid = \"a\"\nlimit = \"1/d\"\n");
    assert_eq!((node.get("/ping").status, node.get("/ping").body.as_str()), (200, "pong"));
    assert_eq!(node.get("/health/live").status, 200);
    for path in ["/health", "/health/ready"] {
        let health = node.get(path);
        let body = health.json();
        assert_eq!((health.status, &body["state"], &body["ready"]), (200, &json!("active"), &json!(true)));
        assert_eq!(body["policies"], json!({ "version": 1, "count": 1, "file_is_wrong": false }));
        assert_eq!((&body["backends"], &body["version"]), (&json!([]), &json!(env!("CARGO_PKG_VERSION"))));
    }
}

#[test]
fn what_is_wrong_with_the_policies_file_shows_in_the_health() {
    let node = Node::with_policies("[[policy]]\nid = \"a\"\nlimit = \"1/d\"\n");
    std::fs::write(node.path("policies.toml"), "[[policy]]\nid = 7\n").unwrap();
    crate::servers::wait_until("it shows", || {
        node.get("/health").json()["policies"]["file_is_wrong"] == true
    });
    assert_eq!(node.get("/health").status, 200, "the old policies are in force");
}

/// The number of its keys was told for as long as the process ran.
#[test]
fn a_policy_that_was_removed_has_no_keys() {
    let node = Node::with_policies("[[policy]]\nid = \"a\"\nscope = \"user\"\nlimit = \"1/d\"\n");
    node.get("/api/rate-limit/check?userID=ann");
    let keys = || {
        let metrics = node.get("/metrics").body;
        let sample =
            metrics.lines().find_map(|line| line.strip_prefix("tollgate_tracked_keys{policy=\"a\"} "));
        sample.unwrap().to_owned()
    };
    assert_eq!(keys(), "1");
    assert_eq!(node.send("DELETE", "/api/config/rate-limits/a", &json!({})).status, 200);
    assert_eq!(keys(), "0");
}

#[test]
fn a_parser_that_we_did_not_write_reads_the_metrics() {
    let node = Node::with_policies("[[policy]]\nid = \"a\"\nlimit = \"1/d\"\n");
    for _ in 0..3 {
        node.get("/api/rate-limit/check");
    }
    for _ in 0..2 {
        node.post("/check", &json!({ "key": "ann", "rate": 1, "interval": 3600 }));
    }
    let answer = node.get("/metrics");
    assert!(answer.field("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let lines = answer.body.lines().map(|line| Ok(line.to_owned()));
    let scrape = prometheus_parse::Scrape::parse(lines).unwrap();
    let mut decisions = HashMap::new();
    for sample in &scrape.samples {
        if sample.metric == "tollgate_decisions_total" {
            let prometheus_parse::Value::Counter(count) = sample.value else { panic!("{sample:?}") };
            let label = |name| sample.labels.get(name).unwrap_or_default().to_owned();
            *decisions.entry((label("policy"), label("outcome"))).or_insert(0.0) += count;
        }
    }
    let count =
        |policy: &str, outcome: &str| decisions.get(&(policy.to_owned(), outcome.to_owned())).copied();
    assert_eq!((count("a", "allowed"), count("a", "denied")), (Some(1.0), Some(2.0)), "{}", answer.body);
    assert_eq!(
        (count("caller", "allowed"), count("caller", "denied")),
        (Some(1.0), Some(1.0)),
        "{}",
        answer.body
    );
}
