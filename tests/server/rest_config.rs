//! `/api/config`: policies, changed over HTTP.

use std::fs;

use serde_json::{Value, json};

use crate::curl::{Answer, curl};
use crate::node::Node;
use crate::servers::wait_until;

const POLICIES: &str = "[[policy]]\nid = \"a\"\nscope = \"user\"\nlimit = \"2/h\"\n";
const ALL: &str = "/api/config/rate-limits";

fn policy(id: &str, limit: &str) -> Value {
    json!({ "id": id, "scope": "user", "limit": limit })
}

fn one(id: &str) -> String {
    format!("{ALL}/{id}")
}

fn file(node: &Node) -> Vec<Value> {
    let text = fs::read_to_string(node.path("policies.toml")).unwrap();
    let file: toml::Value = toml::from_str(&text).unwrap();
    serde_json::to_value(&file["policy"]).unwrap().as_array().unwrap().clone()
}

#[test]
fn policies_are_added_changed_and_removed_at_once_and_in_the_file() {
    let node = Node::with_policies(POLICIES);
    let added = node.post(ALL, &policy("b", "1/h"));
    assert_eq!((added.status, added.field("location")), (201, Some("/api/config/rate-limits/b")));
    assert_eq!((&added.json()["added"], &added.json()["version"]), (&json!(["b"]), &json!(2)));
    assert_eq!(file(&node).len(), 2);
    let check = || node.get("/api/rate-limit/check?userID=ann&policyID=b").status;
    assert_eq!([check(), check()], [200, 429]);

    let changed = node.send("PUT", &one("b"), &policy("b", "3/h"));
    assert_eq!(
        (changed.status, &changed.json()["changed"], &changed.json()["restarted"]),
        (200, &json!(["b"]), &json!([]))
    );
    assert_eq!([check(), check(), check()], [200, 200, 429], "what was spent counts");
    assert_eq!(file(&node)[1]["limits"][0]["limit"], "3/h");
    assert_eq!(node.get(&one("b")).json()["limits"][0]["limit"], "3/h");

    let removed = node.send("DELETE", &one("b"), &json!({}));
    assert_eq!((removed.status, &removed.json()["removed"]), (200, &json!(["b"])));
    assert_eq!((file(&node).len(), node.get(&one("b")).status), (1, 404));
    assert_eq!(node.get(ALL).json()["policies"][0]["id"], "a");
}

#[test]
fn all_that_is_wrong_with_a_policy_is_told_at_once_and_nothing_changes() {
    let node = Node::with_policies(POLICIES);
    let wrong = json!({ "id": "b", "scope": "user", "limit": "5/fortnight", "brust": 3, "shadow": "maybe" });
    let answer = node.post(ALL, &wrong);
    let problem = answer.problem();
    assert_eq!(answer.status, 422);
    let mut fields: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["/brust", "/limit", "/shadow"]);
    assert!(problem["errors"][0]["line"] == 1 && problem["errors"][0]["column"].as_u64() > Some(0));
    assert!(problem.to_string().contains("did you mean"), "{problem}");

    let unfit =
        node.post(ALL, &json!({ "id": "b", "limit": "1/s", "backend": "redis", "replaces": ["nobody"] }));
    assert_eq!(unfit.status, 422);
    let problem = unfit.problem();
    let fields: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert!(fields.contains(&"/backend") && fields.contains(&"/replaces/0"), "{problem}");
    assert_eq!(
        (
            fs::read_to_string(node.path("policies.toml")).unwrap().as_str(),
            node.get(ALL).json()["version"].as_u64()
        ),
        (POLICIES, Some(1))
    );
}

/// A store counted both under one name: whoever may check could spend under any key of such a policy.
#[test]
fn no_policy_has_the_id_that_stands_for_limits_of_callers() {
    let node = Node::with_policies(POLICIES);
    let answer = node.post(ALL, &policy("caller", "1/h"));
    assert_eq!(answer.status, 422);
    let problem = answer.problem();
    assert!(problem.to_string().contains("limits that come with the request"), "{problem}");
    assert_eq!(file(&node).len(), 1);
}

#[test]
fn states_follow_their_rules() {
    let node = Node::with_policies(POLICIES);
    let go_to = |state: &str| node.post("/api/config/rate-limits/a/state", &json!({ "state": state }));
    let check = || node.get("/api/rate-limit/check?userID=ann&cost=2").status;
    assert_eq!([check(), check()], [200, 429]);
    assert_eq!(go_to("suspended").status, 200);
    assert_eq!((check(), &file(&node)[0]["state"]), (200, &json!("suspended")));
    assert_eq!((go_to("active").status, check()), (200, 429));
    let refused = go_to("draft");
    assert_eq!((refused.status, &refused.problem()["field"]), (409, &json!("/state")));
    assert!(refused.body.contains("from active it can go to suspended or inactive"));
    let unknown = go_to("paused");
    assert_eq!((unknown.status, &unknown.problem()["field"]), (400, &json!("/state")));
    assert_eq!(node.post("/api/config/rate-limits/x/state", &json!({ "state": "active" })).status, 404);
}

#[test]
fn an_earlier_version_can_be_put_in_force_again() {
    let node = Node::with_policies(POLICIES);
    node.post(ALL, &policy("b", "1/h"));
    node.send("DELETE", &one("a"), &json!({}));
    let versions = node.get("/api/config/versions").json();
    assert_eq!(versions["current"], 3);
    assert_eq!(versions["versions"][1], json!({ "version": 2, "policies": ["a", "b"] }));
    let back = node.post("/api/config/rollback", &json!({ "version": 1 }));
    assert_eq!((back.status, &back.json()["version"]), (200, &json!(4)));
    assert_eq!((file(&node).len(), &file(&node)[0]["id"]), (1, &json!("a")));
    let unknown = node.post("/api/config/rollback", &json!({ "version": 99 }));
    assert_eq!((unknown.status, &unknown.problem()["field"]), (404, &json!("/version")));
}

#[test]
fn a_change_of_what_somebody_else_has_changed_is_refused() {
    let node = Node::with_policies(POLICIES);
    let put = |tag: &str, limit: &str| -> Answer {
        let (tag, body) = (format!("If-Match: {tag}"), policy("a", limit).to_string());
        let arguments =
            ["-X", "PUT", "-H", &tag, "-H", "Content-Type: application/json", "--data-binary", &body];
        curl(arguments.into_iter().chain([node.url(&one("a")).as_str()]))
    };
    let seen = node.get(&one("a"));
    let tag = seen.field("etag").unwrap();
    assert_eq!(put(tag, "3/h").status, 200);
    let late = put(tag, "4/h");
    assert_eq!((late.status, &late.problem()["field"]), (412, &json!("If-Match")));
    assert_eq!(put(node.get(&one("a")).field("etag").unwrap(), "5/h").status, 200);
    assert_eq!(put("*", "6/h").status, 200);
    assert_eq!(node.get(ALL).json()["version"], 4);
}

#[test]
fn two_who_add_policies_at_once_both_succeed() {
    let node = Node::with_policies(POLICIES);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let node = &node;
            scope
                .spawn(move || assert_eq!(node.post(ALL, &policy(&format!("p{number}"), "1/s")).status, 201));
        }
    });
    assert_eq!(file(&node).len(), 9);
    assert_eq!(node.get(ALL).json()["version"], 9);
}

#[test]
fn a_change_over_http_and_the_watched_file_do_not_fight() {
    let node = Node::with_policies(POLICIES);
    assert_eq!(node.post(ALL, &policy("b", "1/h")).status, 201);
    // Somebody edits the file that was written.
    let path = node.path("policies.toml");
    let edited = fs::read_to_string(&path).unwrap().replace("1/h", "7/h");
    fs::write(&path, edited).unwrap();
    wait_until("the edit is in force", || node.get(&one("b")).json()["limits"][0]["limit"] == "7/h");
    assert_eq!(node.get(ALL).json()["version"], 3, "the program's own writing was no change");
    assert_eq!(node.send("DELETE", &one("b"), &json!({})).status, 200);
    assert_eq!(file(&node).len(), 1);
}

#[test]
fn an_edit_that_is_wrong_is_not_overwritten() {
    let node = Node::with_policies(POLICIES);
    fs::write(node.path("policies.toml"), "[[policy]]\nid = 7\n").unwrap();
    let answer = node.post(ALL, &policy("b", "1/h"));
    assert_eq!(answer.status, 409);
    assert!(answer.problem()["detail"].as_str().unwrap().contains("line 2"), "{}", answer.body);
    assert_eq!(fs::read_to_string(node.path("policies.toml")).unwrap(), "[[policy]]\nid = 7\n");
    assert_eq!(node.get(ALL).json()["policies"].as_array().unwrap().len(), 1);
}

#[cfg(unix)]
#[test]
fn a_file_as_kubernetes_mounts_it_is_replaced_where_the_links_lead_and_not_if_it_is_read_only() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let builder = Node::builder();
    let mount = builder.directory().to_owned();
    fs::create_dir(mount.join("..2026")).unwrap();
    fs::write(mount.join("..2026/policies.toml"), POLICIES).unwrap();
    symlink("..2026", mount.join("..data")).unwrap();
    symlink("..data/policies.toml", mount.join("policies.toml")).unwrap();
    let node = builder.flags(&["--policies", "policies.toml"]).start();
    assert_eq!(node.post(ALL, &policy("b", "1/h")).status, 201);
    assert!(fs::symlink_metadata(mount.join("policies.toml")).unwrap().is_symlink());
    assert_eq!(file(&node).len(), 2);

    let target = mount.join("..2026/policies.toml");
    fs::set_permissions(&target, fs::Permissions::from_mode(0o444)).unwrap();
    let refused = node.post(ALL, &policy("c", "1/h"));
    assert_eq!(refused.status, 409);
    assert!(refused.problem()["detail"].as_str().unwrap().contains("ConfigMap"), "{}", refused.body);
    assert_eq!((file(&node).len(), node.get(&one("c")).status), (2, 404));
}

#[test]
fn without_a_file_changes_last_as_long_as_the_service() {
    let node = Node::start(&[]);
    assert_eq!(node.post(ALL, &policy("b", "1/h")).status, 201);
    assert_eq!(node.get(ALL).json()["policies"][0]["id"], "b");
}

#[test]
fn changes_must_be_said_to_be_json_so_that_no_foreign_page_can_make_them() {
    let node = Node::with_policies(POLICIES);
    let body = policy("b", "1/h").to_string();
    let answer = curl(["-H", "Content-Type: text/plain", "--data-binary", &body, &node.url(ALL)]);
    assert_eq!((answer.status, &answer.problem()["field"]), (415, &json!("Content-Type")));
}

#[test]
fn configuration_activity_and_resets_ask_for_the_token() {
    let builder = Node::builder();
    let file = builder.file("policies.toml", POLICIES);
    let node = builder
        .flags(&["--policies", file.to_str().unwrap(), "--token", "a-secret-of-sixteen-bytes-or-more"])
        .start();
    for path in [
        ALL,
        "/api/config/versions",
        "/api/metrics/rate-limits",
        "/api/metrics/top",
        "/api/metrics/rate-limits/ann",
    ] {
        assert_eq!(node.get(path).status, 401, "{path}");
    }
    assert_eq!(node.post("/api/rate-limit/reset?userID=ann", &json!({})).status, 401);
    assert_eq!(node.post(ALL, &policy("b", "1/h")).status, 401);
    let with_token = |path: &str| {
        curl(["-H", "Authorization: Bearer a-secret-of-sixteen-bytes-or-more", &node.url(path)]).status
    };
    assert_eq!(with_token(ALL), 200);
    for path in ["/ping", "/health", "/metrics", "/openapi.json", "/api/rate-limit/check?userID=ann"] {
        assert_eq!(node.get(path).status, 200, "{path}");
    }
}
