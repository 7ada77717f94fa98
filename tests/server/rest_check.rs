//! `POST /check` and `/check/batch`.

use serde_json::{Value, json};

use crate::node::Node;

#[test]
fn a_limit_in_the_body_admits_its_burst_and_then_says_when() {
    let node = Node::start(&[]);
    let check = json!({ "key": "ann", "rate": 2, "interval": 3600 });
    for left in [1, 0] {
        let answer = node.post("/check", &check);
        assert_eq!((answer.status, answer.field("content-type")), (200, Some("application/json")));
        let body = answer.json();
        assert_eq!(
            (&body["allowed"], &body["limit"], &body["remaining"]),
            (&json!(true), &json!(2), &json!(left))
        );
        assert_eq!(body["retry_after"], json!(0.0));
    }
    let refused = node.post("/check", &check);
    assert_eq!((refused.status, &refused.json()["allowed"]), (429, &json!(false)));
    let wait = refused.json()["retry_after"].as_f64().unwrap();
    assert!(wait > 1700.0 && wait <= 1800.0, "{wait}");
    let reset = refused.json()["reset"].as_f64().unwrap();
    assert!(reset > 3500.0 && reset <= 3600.0, "{reset}");
    assert_eq!(node.post("/check", &json!({ "key": "bob", "rate": 2, "interval": 3600 })).status, 200);
}

#[test]
fn header_fields_are_those_of_the_middleware() {
    let node = Node::start(&[]);
    let check = json!({ "key": "ann", "rate": 1, "interval": 60, "burst": 2 });
    let allowed = node.post("/check", &check);
    assert_eq!(allowed.field("ratelimit-policy"), Some(r#""caller";q=2;w=120"#));
    assert_eq!(allowed.field("ratelimit"), Some(r#""caller";r=1;t=60"#));
    assert_eq!(
        (allowed.field("x-ratelimit-limit"), allowed.field("x-ratelimit-remaining")),
        (Some("2"), Some("1"))
    );
    assert_eq!((allowed.field("x-ratelimit-reset"), allowed.field("retry-after")), (Some("60"), None));
    assert_eq!(allowed.field("cache-control"), Some("no-store"));
    node.post("/check", &check);
    let refused = node.post("/check", &check);
    assert_eq!(refused.status, 429);
    assert_eq!(
        (refused.field("retry-after"), refused.field("ratelimit")),
        (Some("60"), Some(r#""caller";r=0;t=60"#))
    );
}

#[test]
fn all_shapes_and_algorithms_admit_the_same_burst() {
    let node = Node::start(&[]);
    let shapes = [
        json!({ "rate": 1, "interval": 3600, "burst": 3 }),
        json!({ "algorithm": "gcra", "capacity": 3, "refill_rate": 0.001 }),
        json!({ "algorithm": "token_bucket", "capacity": 3, "refill_rate": 0.001 }),
        json!({ "algorithm": "leaky_bucket", "capacity": 3, "refill_rate": 0.001 }),
        json!({ "algorithm": "fixed_window", "limit": 3, "window": 86_400 }),
        json!({ "algorithm": "sliding_window", "limit": 3, "window": 86_400 }),
        json!({ "algorithm": "sliding_log", "limit": 3, "window": 86_400 }),
    ];
    for (place, mut shape) in shapes.into_iter().enumerate() {
        shape["key"] = json!(format!("key {place}"));
        let admitted = (0..5).filter(|_| node.post("/check", &shape).status == 200).count();
        assert_eq!(admitted, 3, "{shape}");
    }
}

#[test]
fn a_cost_is_spent_at_once_zero_only_looks_and_one_above_the_limit_never_fits() {
    let node = Node::start(&[]);
    let check =
        |cost: u64| node.post("/check", &json!({ "key": "ann", "rate": 10, "interval": 3600, "cost": cost }));
    assert_eq!(check(7).json()["remaining"], 3);
    assert_eq!((check(0).status, &check(0).json()["remaining"]), (200, &json!(3)));
    assert_eq!(check(4).status, 429);
    let never = check(11);
    assert_eq!(
        (never.status, &never.json()["retry_after"], never.field("retry-after")),
        (429, &Value::Null, None)
    );
    assert_eq!(check(u64::MAX).status, 429);
    assert_eq!(check(3).status, 200);
}

#[test]
fn many_keys_are_checked_at_once_in_their_order() {
    let node = Node::start(&[]);
    let compact = json!({ "keys": ["a", "b", "a", "a"], "rate": 2, "interval": 3600 });
    let answer = node.post("/check/batch", &compact);
    assert_eq!(answer.status, 200);
    let allowed = |body: &Value| -> Vec<bool> {
        body["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| result["allowed"].as_bool().unwrap())
            .collect()
    };
    let body = answer.json();
    assert_eq!(allowed(&body), [true, true, true, false]);
    assert_eq!((&body["allowed"], &body["refused"]), (&json!(3), &json!(1)));

    let each = json!({ "checks": [
        { "key": "c", "rate": 1, "interval": 3600 },
        { "key": "c", "algorithm": "sliding_log", "limit": 5, "window": 60, "cost": 6 },
        { "key": "a", "rate": 2, "interval": 3600 },
    ] });
    assert_eq!(allowed(&node.post("/check/batch", &each).json()), [true, false, false]);
    assert_eq!(node.post("/check/batch", &json!({ "checks": [] })).json()["results"], json!([]));
}

#[test]
fn a_batch_that_is_wrong_somewhere_spends_nothing() {
    let node = Node::start(&[]);
    let one = json!({ "key": "a", "rate": 1, "interval": 3600 });
    let wrong = json!({ "key": "a", "rate": 1, "interval": -1 });
    let problem = node.post("/check/batch", &json!({ "checks": [one, wrong] }));
    assert_eq!((problem.status, &problem.problem()["field"]), (422, &json!("/checks/1/interval")));
    let beyond = json!({ "key": "a", "rate": 1, "interval": 1, "burst": 1_000_000_000_000_u64 });
    let problem = node.post("/check/batch", &json!({ "checks": [one, beyond] }));
    assert_eq!((problem.status, &problem.problem()["field"]), (422, &json!("/checks/1/burst")));
    let problem = node.post("/check/batch", &json!({ "keys": ["a"], "rate": 1 }));
    assert_eq!((problem.status, &problem.problem()["field"]), (422, &json!("/interval")));
    assert_eq!(node.post("/check", &one).status, 200);
}

#[test]
fn a_batch_in_which_a_key_cannot_be_asked_about_spends_nothing() {
    let builder = Node::builder();
    let settings = builder.file("tollgate.toml", "listen = \"127.0.0.1:0\"\n[callers]\nmax_key_bytes = 5");
    let node = builder.flags(&["--config", settings.to_str().unwrap()]).start();
    for limit in [
        json!({ "rate": 1, "interval": 3600 }),
        json!({ "algorithm": "sliding_log", "limit": 1, "window": 3600 }),
    ] {
        let with = |field: &str, value: Value| {
            let mut body = limit.clone();
            body[field] = value;
            body
        };
        let problem = node.post("/check/batch", &with("keys", json!(["ann", "longer"])));
        assert_eq!((problem.status, &problem.problem()["field"]), (422, &json!("/keys/1")));
        assert_eq!(node.post("/check", &with("key", json!("ann"))).status, 200);
    }
}
