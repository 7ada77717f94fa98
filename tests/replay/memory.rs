//! Memory does not grow with the length of the log.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::file;

/// As much as a busy server writes in an hour.
const LOG_BYTES: usize = 100_000_000;

/// Clients that come again and again, so that the table of keys stays the same.
const CLIENTS: u64 = 10_000;

/// Five times less than the log. Measured: 11 to 13 MB, half of it the program itself, to which the service belongs too; most of the rest are the keys, the
/// limiter's pages and the lines held back.
const MOST_KILOBYTES: u64 = 20_000;

/// What is held of requests, 67 MB at most, and the rest. Measured: 72 MB, without the service.
const MOST_KILOBYTES_HELD: u64 = 85_000;

/// A hundred requests a second.
fn line(number: u64, log: &mut String) {
    let second = number / 100;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    // A large odd number visits all clients, in no order that one can see.
    let client = number * 7_919 % CLIENTS;
    writeln!(
        log,
        "10.0.{}.{} - - [10/Mar/2025:{hour:02}:{minute:02}:{second:02} +0000] \"GET /a/{number} HTTP/1.1\" 200 512 \"-\" \"test\"",
        client / 100,
        client % 100
    )
    .unwrap();
}

/// The most memory that a process has had so far, in kilobytes.
fn peak_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Replays a log of as many bytes, `some` lines at a time. Gives the most memory that it took, in kilobytes.
fn replay(args: &[&str], some: u64, line: impl Fn(u64, &mut String)) -> u64 {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["replay", "-", "--json"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let (mut written, mut number) = (0, 0);
    while written < LOG_BYTES {
        let mut lines = String::new();
        for _ in 0..some {
            line(number, &mut lines);
            number += 1;
        }
        input.write_all(lines.as_bytes()).unwrap();
        written += lines.len();
    }
    // All but what fits into the pipe has been read by now.
    let peak = peak_memory(child.id());
    drop(input);
    let output = child.wait_with_output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["requests"], number);
    peak
}

#[test]
fn a_log_of_a_hundred_megabytes_is_never_held() {
    let peak = replay(&["--limit", "1/min"], 1_000, line);
    assert!(peak < MOST_KILOBYTES, "{peak} kB");
}

#[test]
fn nor_is_it_when_policies_look_at_all_of_it() {
    let policies =
        file("memory.toml", b"[[policy]]\nid = \"a\"\nmatch = { route = \"/a/**\" }\nlimit = \"1/min\"\n");
    let peak = replay(&["--policy", policies.to_str().unwrap()], 1_000, line);
    assert!(peak < MOST_KILOBYTES, "{peak} kB");
    // All in one second, so that none is let go for its time.
    let long = |number: u64, log: &mut String| {
        let mut short = String::new();
        line(number % 100, &mut short);
        log.push_str(&short.replace("/a/", &format!("/a/{}", "x".repeat(60_000))));
    };
    let peak = replay(&["--policy", policies.to_str().unwrap()], 10, long);
    assert!(peak < MOST_KILOBYTES_HELD, "{peak} kB");
}
