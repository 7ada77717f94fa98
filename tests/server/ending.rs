//! How the service ends, and begins again.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tollgate::server::{Server, Settings};

use crate::node::Node;

const CHECK: &str = r#"{"key":"ann","rate":1,"interval":86400}"#;

#[test]
fn what_is_under_way_is_finished_when_it_is_told_to_end() {
    let mut node = Node::start(&[]);
    let mut connection = TcpStream::connect(node.http()).unwrap();
    let (begun, rest) = CHECK.split_at(10);
    write!(connection, "POST /check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        .unwrap();
    write!(connection, "Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", CHECK.len()).unwrap();
    // The handler reads the body, so the request is under way.
    let mut told = [0; 25];
    connection.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.write_all(begun.as_bytes()).unwrap();
    node.signal("TERM");
    node.wait_for_log("shutting down");
    connection.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\"allowed\":true"), "{answer}");
    assert!(node.wait().success());
}

#[test]
fn an_idle_connection_does_not_hold_it_up() {
    let mut node = Node::start(&[]);
    let mut connection = TcpStream::connect(node.http()).unwrap();
    write!(connection, "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut some = [0; 16];
    connection.read_exact(&mut some).unwrap();
    assert!(node.terminate().success());
}

#[test]
fn half_of_a_first_request_does_not_hold_it_up() {
    let builder = Node::builder().flags(&["--config", "tollgate.toml"]);
    builder.file("tollgate.toml", "listen = \"127.0.0.1:0\"\n[shutdown]\ngrace = \"1h\"");
    let mut node = builder.start();
    let mut connection = TcpStream::connect(node.http()).unwrap();
    write!(connection, "GET /ping HTTP/1.1\r\nHost").unwrap();
    // It was taken after the other one.
    assert_eq!(node.get("/ping").status, 200);
    assert!(node.terminate().success());
}

#[test]
fn what_takes_longer_than_its_grace_is_cut_off() {
    let builder = Node::builder().flags(&["--config", "tollgate.toml"]);
    builder.file("tollgate.toml", "listen = \"127.0.0.1:0\"\n[shutdown]\ngrace = \"100ms\"");
    let mut node = builder.start();
    let mut connection = TcpStream::connect(node.http()).unwrap();
    write!(connection, "POST /check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{{").unwrap();
    assert!(node.terminate().success());
}

/// They went on where the process did: as part of another program, which has nothing else to end them.
#[tokio::test]
async fn what_is_cut_off_ends_though_the_process_goes_on() {
    let mut settings = Settings::default();
    settings.listen = ([127, 0, 0, 1], 0).into();
    settings.shutdown.grace = Duration::ZERO;
    let running = Server::start(settings).await.unwrap();
    let mut connection = tokio::net::TcpStream::connect(running.http_address()).await.unwrap();
    let head = "POST /check HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    // The handler waits for the body, for as long as limits.request_time.
    let mut told = [0; 25];
    connection.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    running.shut_down().await.unwrap();
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(10), connection.read_to_end(&mut rest)).await;
    // A reset is an end, too.
    drop(ended.expect("the connection was closed"));
    assert!(rest.is_empty(), "{}", rest.escape_ascii());
}

#[test]
fn who_asks_twice_does_not_wait_for_what_is_under_way() {
    let builder = Node::builder().flags(&["--config", "tollgate.toml"]);
    builder.file("tollgate.toml", "listen = \"127.0.0.1:0\"\n[shutdown]\ngrace = \"1h\"");
    let mut node = builder.start();
    let mut connection = TcpStream::connect(node.http()).unwrap();
    write!(connection, "POST /check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{{").unwrap();
    node.signal("TERM");
    node.wait_for_log("shutting down");
    node.signal("TERM");
    assert_eq!(node.wait().code(), Some(1));
    node.wait_for_log("ended by a second signal");
}

#[test]
fn while_it_drains_it_says_that_it_is_not_ready() {
    let builder = Node::builder().flags(&["--config", "tollgate.toml"]);
    // It is killed before that.
    builder.file("tollgate.toml", "listen = \"127.0.0.1:0\"\n[shutdown]\ndelay = \"1h\"");
    let node = builder.start();
    assert_eq!(node.get("/health/ready").status, 200);
    node.signal("TERM");
    node.wait_for_log("shutting down");
    let answer = node.get("/health/ready");
    assert_eq!((answer.status, &answer.json()["state"]), (503, &json!("draining")));
    assert_eq!(node.get("/health/live").status, 200);
    assert_eq!(node.post("/check", &serde_json::from_str(CHECK).unwrap()).status, 200);
}

#[test]
fn what_is_spent_stays_spent_over_a_restart() {
    let policies = "[[policy]]\nid = \"api\"\nscope = \"user\"\nlimit = \"1/day\"\n";
    let builder = Node::builder();
    builder.file("policies.toml", policies);
    let flags = ["--policies", "policies.toml", "--snapshot", "saved"];
    let mut first = builder.flags(&flags).start();
    let by_policy = "/api/rate-limit/check?userID=ann&api=x";
    let check = json!({ "key": "ann", "rate": 1, "interval": 86_400 });
    let window = json!({ "key": "ann", "algorithm": "sliding_window", "limit": 1, "window": 86_400 });
    assert_eq!((first.get(by_policy).status, first.post("/check", &check).status), (200, 200));
    assert_eq!(first.post("/check", &window).status, 200);
    assert!(first.terminate().success());

    let second = Node::builder().in_directory_of(&first).flags(&flags).start();
    assert_eq!((second.get(by_policy).status, second.post("/check", &check).status), (429, 429));
    assert_eq!(second.post("/check", &window).status, 429);
    assert_eq!(second.get("/api/rate-limit/check?userID=bob&api=x").status, 200);
}

#[test]
fn a_crash_loses_no_more_than_was_spent_since_the_last_snapshot() {
    let settings = "listen = \"127.0.0.1:0\"\n[snapshot]\nfile = \"saved\"\nevery = \"10ms\"";
    let builder = Node::builder();
    builder.file("tollgate.toml", settings);
    let first = builder.flags(&["--config", "tollgate.toml", "--log", "tollgate=debug"]).start();
    let check = json!({ "key": "ann", "rate": 1, "interval": 86_400 });
    assert_eq!(first.post("/check", &check).status, 200);
    // The first of these two may have begun before the check.
    let written = || first.log().iter().filter(|line| line.contains("snapshot written")).count();
    let before = written();
    crate::servers::wait_until("two more snapshots are written", || written() >= before + 2);
    first.signal("KILL");
    let second = Node::builder().in_directory_of(&first).flags(&["--config", "tollgate.toml"]).start();
    assert_eq!(second.post("/check", &check).status, 429);
}

#[test]
fn a_broken_snapshot_is_an_error_that_says_what_to_do() {
    let flags = ["--snapshot", "saved"];
    let mut node = Node::builder().flags(&flags).start();
    assert!(node.terminate().success());
    let saved = fs::read(node.path("saved")).unwrap();
    fs::write(node.path("saved"), &saved[..saved.len() / 2]).unwrap();
    let (status, told) = Node::builder().in_directory_of(&node).flags(&flags).fails();
    assert_eq!(status, Some(1));
    assert!(
        told.contains("saved: the snapshot cannot be used") && told.contains("move the file away"),
        "{told}"
    );
}
