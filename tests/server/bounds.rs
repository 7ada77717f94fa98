//! What clients may take up: bytes, connections, and time.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::curl::{curl, try_curl};
use crate::node::Node;

fn node_with(limits: &str) -> Node {
    let builder = Node::builder().flags(&["--config", "tollgate.toml"]);
    builder.file(
        "tollgate.toml",
        &format!("listen = \"127.0.0.1:0\"\nresp = \"127.0.0.1:0\"\n[limits]\n{limits}"),
    );
    builder.start()
}

/// What comes until the other side closes. It waits as long as it takes.
fn rest(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    drop(connection.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let node = node_with("head_bytes = 8192");
    let field = |bytes| format!("X-Filler: {}", "x".repeat(bytes));
    assert_eq!(curl(["-H", &field(4_000), &node.url("/ping")]).status, 200);
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        // The connection may end before the client has sent all, and then it is not there any more to read why.
        let refused = try_curl([version, "-H", &field(20_000), &node.url("/ping")]);
        assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status == 431), "{version}");
    }
    assert_eq!(node.get("/ping").status, 200);
}

#[test]
fn a_body_that_is_too_large_is_refused_whether_its_length_is_told_or_not() {
    let node = node_with("body_bytes = 1000\nbatch_bytes = 2000");
    let body = json!({ "key": "k".repeat(1_000), "rate": 1, "interval": 1 });
    let refused = node.post("/check", &body);
    assert_eq!(refused.status, 413);
    assert!(refused.problem()["detail"].as_str().unwrap().contains("1000 bytes"), "{refused:?}");
    let chunked =
        ["-H", "Transfer-Encoding: chunked", "-H", "Content-Type: application/json", "--data-binary"];
    let body = body.to_string();
    // A policy had a bound of its own, whatever the settings said.
    for path in ["/check", "/api/config/rate-limits"] {
        let refused = curl(chunked.into_iter().chain([body.as_str(), &node.url(path)]));
        assert_eq!(refused.status, 413, "{path}");
        refused.problem();
    }
    let batch = json!({ "keys": ["k".repeat(1_000)], "rate": 1, "interval": 1 });
    assert_eq!(node.post("/check/batch", &batch).status, 200);
}

/// REST refused more than 4096 bytes, whatever the settings said.
#[test]
fn a_key_may_be_as_long_as_the_settings_say() {
    let node = node_with("[callers]\nmax_key_bytes = 5000");
    let one = |key: &str| node.post("/check", &json!({ "key": key, "rate": 1, "interval": 60 }));
    let many = |key: &str| node.post("/check/batch", &json!({ "keys": [key], "rate": 1, "interval": 60 }));
    let (longest, longer) = ("k".repeat(5_000), "k".repeat(5_001));
    assert_eq!((one(&longest).status, many(&longest).status), (200, 200));
    for (refused, field) in [(one(&longer), "/key"), (many(&longer), "/keys/0")] {
        assert_eq!((refused.status, &refused.problem()["field"]), (422, &json!(field)));
    }
}

#[test]
fn connections_beyond_the_most_are_closed_and_those_that_are_there_go_on() {
    let node = node_with("connections = 2");
    let ping = |connection: &mut TcpStream| {
        write!(connection, "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = [0; 15];
        connection.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    };
    let (mut http, mut other) =
        (TcpStream::connect(node.http()).unwrap(), TcpStream::connect(node.http()).unwrap());
    ping(&mut http);
    ping(&mut other);
    assert_eq!(rest(&mut TcpStream::connect(node.http()).unwrap()), "");
    assert_eq!(
        rest(&mut TcpStream::connect(node.resp()).unwrap()),
        "",
        "all listeners have their places in common"
    );
    drop(other);
    crate::servers::wait_until("the place of a connection that has ended is free", || {
        try_curl([node.url("/ping")]).is_ok()
    });
    assert!(rest_of_head_can_be_read(&mut http));
}

/// Reads what was left of the first answer.
fn rest_of_head_can_be_read(connection: &mut TcpStream) -> bool {
    let mut some = [0; 64];
    connection.read(&mut some).unwrap() > 0
}

#[test]
fn whoever_sends_nothing_or_a_head_byte_by_byte_is_cut_off() {
    let node = node_with("idle = \"300ms\"");
    let mut silent = TcpStream::connect(node.http()).unwrap();
    let mut silent_resp = TcpStream::connect(node.resp()).unwrap();
    let mut idle = TcpStream::connect(node.http()).unwrap();
    write!(idle, "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut slow = TcpStream::connect(node.http()).unwrap();
    write!(slow, "GET /ping HTTP/1.1\r\n").unwrap();
    // It would go on for ever.
    let mut writing = slow.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        while writing.write_all(b"X-Slow: 1\r\n").is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    assert_eq!(rest(&mut slow), "");
    writer.join().unwrap();
    assert_eq!(rest(&mut silent), "");
    assert_eq!(rest(&mut silent_resp), "");
    assert!(rest(&mut idle).ends_with("pong"));
}

#[test]
fn a_body_that_does_not_arrive_in_time_is_given_up() {
    let node = node_with("request_time = \"200ms\"");
    let mut connection = TcpStream::connect(node.http()).unwrap();
    write!(connection, "POST /check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{").unwrap();
    let answer = rest(&mut connection);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
}

#[test]
fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    let node = node_with("");
    let mut connection = TcpStream::connect(node.http()).unwrap();
    write!(connection, "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\nGET /pi").unwrap();
    let mut answer = [0; 15];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[test]
fn many_of_which_some_find_no_room_are_told_one_by_one() {
    let builder = Node::builder().flags(&["--config", "tollgate.toml"]);
    builder.file("tollgate.toml", "listen = \"127.0.0.1:0\"\n[callers]\nmax_limits = 1\nmax_key_bytes = 9");
    let node = builder.start();
    let window = |limit| json!({ "key": "ann", "algorithm": "fixed_window", "limit": limit, "window": 3600 });
    let answer = node.post("/check/batch", &json!({ "checks": [window(1), window(2), window(1)] }));
    assert_eq!(answer.status, 200);
    let results = &answer.json()["results"];
    assert_eq!([&results[0]["allowed"], &results[2]["allowed"]], [true, false]);
    assert!(results[1]["error"].as_str().unwrap().contains("callers.max_limits"), "{results}");

    let batch = json!({ "keys": ["bob", "much too long"], "rate": 1, "interval": 60 });
    assert_eq!(node.post("/check/batch", &batch).problem()["field"], "/keys/1");
    let bob = node.post("/check", &json!({ "key": "bob", "rate": 1, "interval": 60 }));
    assert_eq!(bob.status, 200, "nothing was spent");
}
