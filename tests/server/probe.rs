//! `tollgate probe`, against a service of ours, and against one that does not keep its limits.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread;

use serde_json::Value;

use crate::node::Node;

fn probe(url: &str, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tollgate")).arg("probe").arg(url).args(options).output().unwrap()
}

fn report(url: &str, options: &[&str]) -> Value {
    let output = probe(url, &[options, &["--json"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_the_service_admits_fits_the_limit_in_every_protocol() {
    let node = Node::start(&["--resp", "127.0.0.1:0"]);
    let urls = [
        format!("http://{}", node.http()),
        format!("grpc://{}", node.http()),
        format!("resp://{}", node.resp()),
    ];
    for url in &urls {
        for batch in ["1", "16"] {
            let options = [
                "--checks",
                "4000",
                "-c",
                "8",
                "--keys",
                "3",
                "--zipf",
                "1",
                "--batch",
                batch,
                "--limit",
                "60/min burst 50",
            ];
            let report = report(url, &options);
            assert_eq!(report["checks"], 4_000, "{report}");
            assert_eq!(report["admitted"].as_u64().unwrap() + report["refused"].as_u64().unwrap(), 4_000);
            assert!(report["refused"].as_u64() > Some(0), "{report}");
            assert_eq!(
                (&report["fit"]["keys_over"], &report["fit"]["keys_under"]),
                (&0.into(), &0.into()),
                "{report}"
            );
            assert!(report["failed"].as_object().unwrap().is_empty(), "{report}");
        }
    }
}

#[test]
fn a_rate_is_kept() {
    let node = Node::start(&[]);
    let options = ["--rate", "500", "--duration", "1s", "-c", "4", "--limit", "100000/s"];
    let report = report(&node.url(""), &options);
    let checks = report["checks"].as_u64().unwrap();
    assert!((1..=501).contains(&checks), "{report}");
    assert_eq!(report["refused"], 0);
}

#[test]
fn a_service_is_asked_whether_it_is_ready() {
    let node = Node::start(&[]);
    let output = probe(&node.url(""), &["--health"]);
    assert!(output.status.success() && output.stdout.starts_with(b"200: "), "{output:?}");
    let url = node.url("");
    drop(node);
    let output = probe(&url, &["--health"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot connect"), "{output:?}");
}

#[test]
fn nobody_there_is_told_and_no_success() {
    let output = probe("resp://127.0.0.1:1", &["--checks", "3"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("nothing was answered") && told.contains("cannot connect"), "{told}");
}

#[test]
fn a_service_that_admits_everything_is_found_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).split(b'}');
            // A request's body ends with the only brace of it.
            while lines.next().is_some_and(|request| request.is_ok()) {
                if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").is_err() {
                    break;
                }
            }
        }
    });
    let output = probe(&url, &["--checks", "100", "-c", "1", "--limit", "1/h burst 20"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("NO: of 1 keys 1 were admitted up to 80 too many"), "{told}");
}
