//! `/events`, which the dashboard is fed by.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::node::Node;

/// As `Feed::MOST_CLIENTS`.
const MOST_CLIENTS: usize = 32;

/// A connection that has asked for events, and the status of the answer.
fn ask(node: &Node, fields: &str) -> (BufReader<TcpStream>, String) {
    let mut stream = TcpStream::connect(node.http()).unwrap();
    write!(stream, "GET /events HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", node.http()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.read_line(&mut status).unwrap();
    (reader, status)
}

/// The data of the next event of this name.
fn next(reader: &mut BufReader<TcpStream>, name: &str) -> Value {
    let wanted = format!("event: {name}");
    let mut lines = reader.lines().map(Result::unwrap);
    lines.find(|line| *line == wanted).unwrap();
    let data = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).unwrap();
    serde_json::from_str(&data).unwrap()
}

#[test]
fn so_many_are_fed_and_the_next_is_told_to_wait() {
    let node = Node::start(&[]);
    let mut fed: Vec<_> = (0..MOST_CLIENTS).map(|_| ask(&node, "")).collect();
    for (reader, status) in &mut fed {
        assert_eq!(status, "HTTP/1.1 200 OK\r\n");
        next(reader, "sample");
    }
    let answer = node.get("/events");
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("32 dashboards are open"), "{}", answer.body);
    // Whoever leaves makes room, as soon as that is noticed: within a second.
    drop(fed);
    crate::servers::wait_until("there is room again", || ask(&node, "").1.contains("200"));
}

#[test]
fn a_shutdown_ends_them_in_good_order() {
    let mut node = Node::start(&[]);
    let (mut reader, _) = ask(&node, "");
    next(&mut reader, "sample");
    assert!(node.terminate().success());
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the last chunk is there: {rest}");
}

#[test]
fn without_the_token_nothing_is_told() {
    let node = Node::start(&["--token", "correct-horse-battery-staple"]);
    assert_eq!(ask(&node, "").1, "HTTP/1.1 401 Unauthorized\r\n");
    assert_eq!(ask(&node, "Authorization: Bearer wrong\r\n").1, "HTTP/1.1 401 Unauthorized\r\n");
    let (mut reader, _) = ask(&node, "Authorization: Bearer correct-horse-battery-staple\r\n");
    assert!(next(&mut reader, "sample")["service"]["state"].is_string());
}

#[test]
fn more_policies_than_are_shown_are_counted_all_the_same() {
    let policy = |id| format!("[[policy]]\nid = \"p{id}\"\nscope = \"user\"\nlimit = \"1/h\"\n");
    let many = (0..250).map(policy).collect::<Vec<_>>().concat();
    let node = Node::with_policies(&many);
    let (mut reader, _) = ask(&node, "");
    let list = next(&mut reader, "policies");
    assert_eq!(list["total"], 250);
    assert_eq!(list["policies"].as_array().unwrap().len(), 200);
    node.get("/api/rate-limit/check?userID=ada&policyID=p249");
    while next(&mut reader, "sample")["total"] != serde_json::json!([1, 0]) {}
}
