//! What is wrong with a request is said in problem+json, and names the field.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::curl::{Answer, curl};
use crate::node::Node;

fn post(node: &Node, path: &str, body: &str) -> Answer {
    let file = node.path("body");
    fs::write(&file, body).unwrap();
    let data = format!("@{}", file.display());
    curl(["-H", "Content-Type: application/json", "--data-binary", &data, &node.url(path)])
}

#[test]
fn a_body_that_is_wrong_is_refused_with_its_field_and_its_place() {
    let node = Node::start(&[]);
    let huge = format!(r#"{{"key":"{}","rate":1,"interval":1}}"#, "k".repeat(1 << 20));
    let long = format!(r#"{{"key":"{}","rate":1,"interval":1}}"#, "k".repeat(5_000));
    let deep = format!(r#"{{"key":{}1{},"rate":1,"interval":1}}"#, "[".repeat(20_000), "]".repeat(20_000));
    for (body, status, field, says) in [
        ("", 400, None, "empty"),
        ("{", 400, None, "line 1"),
        ("nonsense", 400, None, "line 1"),
        ("[1, 2]", 400, None, "table"),
        ("{\"key\": \"a\",\n \"rate\": 1,\n \"interval\": }", 400, Some("/interval"), "line 3"),
        (r#"{"key":"a","rate":1,"interval":1} {}"#, 400, None, "line 1"),
        (r#"{"key":"a","rate":1,"interval":1,"colour":2}"#, 400, Some("/colour"), "unknown field"),
        (r#"{"key":"a","rate":1,"intervall":1}"#, 400, Some("/intervall"), "did you mean \"interval\""),
        (r#"{"key":"a","key":"b","rate":1,"interval":1}"#, 400, Some("/key"), "key"),
        (r#"{"rate":1,"interval":1}"#, 400, Some("/key"), "missing"),
        (r#"{"key":7,"rate":1,"interval":1}"#, 400, Some("/key"), "text"),
        (r#"{"key":"","rate":1,"interval":1}"#, 422, Some("/key"), "empty"),
        (r#"{"key":"a","rate":-5,"interval":1}"#, 400, Some("/rate"), "-5"),
        (r#"{"key":"a","rate":1.5,"interval":1}"#, 400, Some("/rate"), "1.5"),
        (r#"{"key":"a","rate":18446744073709551615,"interval":1}"#, 422, Some("/rate"), "4294967295"),
        (r#"{"key":"a","rate":18446744073709551616,"interval":1}"#, 400, Some("/rate"), "number"),
        (r#"{"key":"a","rate":1,"interval":-1}"#, 422, Some("/interval"), "-1"),
        (r#"{"key":"a","rate":1,"interval":0}"#, 422, Some("/interval"), "0"),
        (r#"{"key":"a","rate":1,"interval":1e300}"#, 422, Some("/interval"), "seconds"),
        (r#"{"key":"a","rate":1,"interval":1e999}"#, 400, Some("/interval"), "out of range"),
        (r#"{"key":"a","rate":1,"interval":"1s"}"#, 400, Some("/interval"), "\"1s\""),
        (r#"{"key":"a","rate":1,"interval":1,"burst":-1}"#, 400, Some("/burst"), "-1"),
        (r#"{"key":"a","rate":1,"interval":1,"cost":-1}"#, 400, Some("/cost"), "-1"),
        (r#"{"key":"a","rate":1}"#, 422, Some("/interval"), "missing"),
        (r#"{"key":"a"}"#, 422, Some("/rate"), "no limit"),
        (r#"{"key":"a","rate":1,"interval":1,"capacity":5}"#, 422, Some("/capacity"), "one limit"),
        (
            r#"{"key":"a","algorithm":"leaky","capacity":5,"refill_rate":1}"#,
            400,
            Some("/algorithm"),
            "leaky_bucket",
        ),
        (r#"{"key":"a","capacity":5,"refill_rate":-1}"#, 422, Some("/refill_rate"), "-1"),
        (r#"{"key":"a","limit":5,"window":60}"#, 422, Some("/algorithm"), "fixed_window"),
        (&long, 422, Some("/key"), "5000"),
        (&huge, 413, None, "bytes"),
        (&deep, 400, None, ""),
    ] {
        let answer = post(&node, "/check", body);
        let (problem, shown) = (answer.problem(), &body[..body.len().min(80)]);
        assert_eq!((answer.status, problem["field"].as_str()), (status, field), "{shown}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{shown}: {problem}");
        assert!(answer.body.len() < 3_000, "{shown}: {} bytes", answer.body.len());
    }
    assert_eq!(node.get("/ping").status, 200);
}

#[test]
fn what_is_wrong_with_a_long_body_is_told_before_anybody_else_has_to_wait() {
    let node = Node::start(&[]);
    // Each would keep a processor busy for a minute, if all that is wrong was told.
    let numbers = format!(r#"{{"keys":[{}7],"rate":1,"interval":1}}"#, "7,".repeat(1_000_000));
    let fields = (0..300_000).map(|field| format!("\"k{field}\":1,")).collect::<Vec<_>>().concat();
    for (body, says) in [
        (numbers, "string"),
        (format!("{{{fields}\"rate\":1}}"), "k0"),
        (format!("{{\"{}\":1}}", "k".repeat(4_000_000)), "unknown field"),
        (format!("{{\"keys\":{}", " ".repeat(4_000_000)), "line 1"),
    ] {
        let answer = post(&node, "/check/batch", &body);
        assert_eq!(answer.status, 400);
        assert!(answer.problem()["detail"].as_str().unwrap().contains(says), "{answer:?}");
        assert!(answer.body.len() < 3_000, "{} bytes", answer.body.len());
    }
}

#[test]
fn bytes_that_are_no_utf_8_are_refused() {
    let node = Node::start(&[]);
    fs::write(node.path("body"), b"{\"key\":\"\xff\xfe\",\"rate\":1,\"interval\":1}").unwrap();
    let data = format!("@{}", node.path("body").display());
    let answer = curl(["--data-binary", &data, &node.url("/check")]);
    assert_eq!(answer.status, 400);
    assert!(answer.problem()["detail"].as_str().unwrap().contains("byte 8"));
    let answer = node.get("/api/rate-limit/check?userID=%ff%fe");
    assert_eq!((answer.status, &answer.problem()["field"]), (400, &Value::from("userID")));
    let answer = node.get("/api/metrics/rate-limits/%ff%fe");
    assert_eq!((answer.status, answer.problem()["status"].as_u64()), (400, Some(400)));
}

#[test]
fn parameters_that_are_wrong_are_named() {
    let node = Node::start(&[]);
    for (query, field) in [
        ("user=ann", "user"),
        ("userID=ann&cost=-1", "cost"),
        ("userID=ann&cost=99999999999999999999", "cost"),
        ("userID=ann&userID=bob", "userID"),
        ("ip=localhost", "ip"),
        ("algorithm=leaky", "algorithm"),
    ] {
        for path in ["/api/rate-limit/check", "/api/rate-limit/status"] {
            let answer = node.get(&format!("{path}?{query}"));
            assert_eq!((answer.status, answer.problem()["field"].as_str()), (400, Some(field)), "{query}");
        }
    }
    assert_eq!(node.get("/api/metrics/top?limit=0").problem()["field"], "limit");
    assert_eq!(node.get("/api/metrics/top?n=1").problem()["field"], "n");
    let long = "u".repeat(5_000);
    assert_eq!(node.get(&format!("/api/rate-limit/check?userID={long}")).problem()["field"], "userID");
}

#[test]
fn a_wrong_method_is_405_and_says_which_are_right() {
    let node = Node::start(&[]);
    for (method, path, allowed) in [
        ("GET", "/check", &["POST"][..]),
        ("PUT", "/check/batch", &["POST"]),
        ("DELETE", "/api/rate-limit/check", &["GET"]),
        ("PATCH", "/api/config/rate-limits", &["GET", "POST"]),
        ("POST", "/api/config/rate-limits/a", &["GET", "PUT", "DELETE"]),
        ("BREW", "/ping", &["GET"]),
        ("POST", "/", &["GET"]),
        ("DELETE", "/events", &["GET"]),
    ] {
        let answer = curl(["-X", method, &node.url(path)]);
        assert_eq!(answer.status, 405, "{method} {path}");
        answer.problem();
        let allow = answer.field("allow").unwrap_or_else(|| panic!("{method} {path}: {answer:?}"));
        for method in allowed {
            assert!(allow.split(',').any(|allowed| allowed.trim() == *method), "{path}: {allow}");
        }
    }
    let nowhere = node.get("/chek");
    assert_eq!((nowhere.status, nowhere.problem()["status"].as_u64()), (404, Some(404)));
}

#[test]
fn too_many_keys_and_bodies_without_end_are_refused() {
    let node = Node::start(&[]);
    let keys: Vec<String> = (0..10_001).map(|key| format!("\"{key}\"")).collect();
    let answer =
        post(&node, "/check/batch", &format!(r#"{{"keys":[{}],"rate":1,"interval":1}}"#, keys.join(",")));
    assert_eq!((answer.status, &answer.problem()["field"]), (422, &Value::from("/keys")));
    for (body, field) in [
        (r#"{"keys":["a",""],"rate":1,"interval":1}"#, Some("/keys/1")),
        (r#"{"checks":[],"keys":[]}"#, Some("/keys")),
        (r#"{"checks":[],"rate":1}"#, Some("/checks")),
        ("{}", Some("/keys")),
    ] {
        let answer = post(&node, "/check/batch", body);
        assert_eq!((answer.status, answer.problem()["field"].as_str()), (422, field), "{body}");
    }
    let endless = format!(r#"{{"keys":["{}"#, "k".repeat(17 << 20));
    assert_eq!(post(&node, "/check/batch", &endless).status, 413);
}

#[test]
fn requests_of_any_bytes_get_an_answer_or_an_end_and_the_service_goes_on() {
    let node = Node::start(&[]);
    for bytes in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"POST /check HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"POST /check HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        b"POST /check HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /api/rate-limit/check?userID=\xff HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense and more nonsense",
    ] {
        let mut stream = TcpStream::connect(node.http()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer);
        assert!(
            ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
        );
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.starts_with("HTTP/1.1 2") && !answer.starts_with("HTTP/1.1 5"), "{answer}");
        assert_eq!(node.get("/ping").status, 200);
    }
}
