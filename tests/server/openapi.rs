//! The description at `/openapi.json`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::curl::curl;
use crate::node::Node;

/// All values under this key, wherever.
fn under<'v>(key: &str, value: &'v Value, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get(key));
            object.values().for_each(|value| under(key, value, found));
        }
        Value::Array(array) => array.iter().for_each(|value| under(key, value, found)),
        _ => {}
    }
}

#[test]
fn all_that_it_refers_to_is_in_it() {
    let document = Node::start(&[]).get("/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut references = Vec::new();
    under("$ref", &document, &mut references);
    assert!(references.len() > 30);
    for reference in references {
        let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let mut ids = Vec::new();
    under("operationId", &document, &mut ids);
    let different: BTreeSet<_> = ids.iter().map(|id| id.as_str()).collect();
    assert_eq!(different.len(), ids.len());
}

#[test]
fn every_operation_is_there_and_no_method_is_that_it_does_not_name() {
    let node = Node::start(&[]);
    let document = node.get("/openapi.json").json();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 16, "{paths:?}");
    for (path, operations) in paths {
        let url = node.url(&path.replace("{policyID}", "a").replace("{userID}", "ann"));
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let status = curl(["-X", method, "-H", "Content-Type: application/json", &url]).status;
            let described = operations.get(method.to_lowercase()).is_some();
            assert_eq!(status == 405, !described, "{method} {path}: {status}");
        }
    }
}

#[test]
fn what_reveals_or_changes_something_is_said_to_need_the_token() {
    let document = Node::start(&[]).get("/openapi.json").json();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let guarded =
            path.starts_with("/api/config") || path.starts_with("/api/metrics") || path.ends_with("/reset");
        for operation in operations.as_object().unwrap().values() {
            assert_eq!(operation.get("security").is_some(), guarded, "{path}");
        }
    }
}
