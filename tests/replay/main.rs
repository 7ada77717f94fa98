//! The command `tollgate`, from the command line to what it prints.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too, to fail is to panic")]

mod against;
mod attributes;
mod check_config;
mod formats;
mod golden;
#[cfg(target_os = "linux")]
mod memory;
mod policies;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

#[path = "../../examples/generate_log.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod generate_log;

/// A line of a client that asks for `/`, so many seconds after a full hour.
fn line(client: &str, second: u32) -> String {
    request(client, second, "GET / HTTP/1.1")
}

fn request(client: &str, second: u32, request: &str) -> String {
    let (minute, second) = (second / 60, second % 60);
    format!("{client} - - [10/Mar/2025:08:{minute:02}:{second:02} +0000] \"{request}\" 200 1\n")
}

/// Client `a` at 0 (three times), 30, 31 and 90 seconds, client `b` once.
///
/// Under `2/min` the third request of `a` at 0 is refused until 30, when the next token is due, and so is the one
/// at 31 until 60. Under `1/min` everything of `a` between 0 and 60 is refused.
fn small_log() -> Vec<String> {
    let mut lines: Vec<String> = [0, 0, 0].map(|second| line("192.0.2.1", second)).into();
    lines.push(line("192.0.2.2", 10));
    lines.extend([30, 31, 90].map(|second| line("192.0.2.1", second)));
    lines
}

/// Runs `tollgate replay` in the folder of [`file`]s, with `input` on standard input.
fn run(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .arg("replay")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A run that fails early closes its end; what it says is checked below.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[track_caller]
fn text(args: &[&str], input: &[u8]) -> String {
    let output = run(args, input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn json(args: &[&str], input: &[u8]) -> Value {
    serde_json::from_str(&text(&[args, &["-", "--json"]].concat(), input)).unwrap()
}

/// What a run that must fail says.
#[track_caller]
fn failure(args: &[&str]) -> String {
    let output = run(args, b"");
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

/// A file for one test.
fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

/// The keys of the first limit that were refused, and how often.
fn refused(report: &Value) -> Vec<(String, u64)> {
    let keys = report["limits"][0]["top_refused"].as_array().unwrap();
    keys.iter()
        .map(|key| (key["key"].as_str().unwrap().to_owned(), key["refused"].as_u64().unwrap()))
        .collect()
}

#[test]
fn a_small_log_gives_what_one_computes_by_hand() {
    let mut report = json(&["--limit", "2/min", "--limit", "1/min"], small_log().concat().as_bytes());
    let over_time = report.as_object_mut().unwrap().remove("over_time").unwrap();
    assert_eq!(
        report,
        json!({
            "file": "-",
            "format": "clf",
            "key": "ip",
            "lines": 7,
            "requests": 7,
            "blank": 0,
            "malformed": 0,
            "malformed_lines": [],
            "late": 0,
            "from": "2025-03-10T08:00:00Z",
            "to": "2025-03-10T08:01:30Z",
            "limits": [
                {
                    "limit": "2/min",
                    "algorithm": "gcra",
                    "requests": 7,
                    "admitted": 5,
                    "refused": 2,
                    "keys": 2,
                    "keys_refused": 1,
                    "longest_refusal_seconds": 30.0,
                    "forgotten": 0,
                    "top_refused": [{ "key": "192.0.2.1", "refused": 2, "requests": 6 }],
                },
                {
                    "limit": "1/min",
                    "algorithm": "gcra",
                    "requests": 7,
                    "admitted": 3,
                    "refused": 4,
                    "keys": 2,
                    "keys_refused": 1,
                    "longest_refusal_seconds": 60.0,
                    "forgotten": 0,
                    "top_refused": [{ "key": "192.0.2.1", "refused": 4, "requests": 6 }],
                },
            ],
        })
    );
    assert_eq!(
        (&over_time["from"], &over_time["bucket_seconds"]),
        (&json!("2025-03-10T08:00:00Z"), &json!(1.0))
    );
    // The counts of the seconds at which there are any.
    let counts = |row: &Value| -> Vec<(usize, u64)> {
        let counts = row.as_array().unwrap().iter().map(|count| count.as_u64().unwrap());
        counts.enumerate().filter(|(_, count)| *count > 0).collect()
    };
    assert_eq!(counts(&over_time["requests"]), [(0, 3), (10, 1), (30, 1), (31, 1), (90, 1)]);
    assert_eq!(counts(&over_time["refused"][0]), [(0, 1), (31, 1)]);
    assert_eq!(counts(&over_time["refused"][1]), [(0, 2), (30, 1), (31, 1)]);
}

#[test]
fn tables_show_the_limits_side_by_side() {
    let path = file("side-by-side.log", small_log().concat().as_bytes());
    let printed = text(&[path.to_str().unwrap(), "--limit", "2/min", "--limit", "1/min"], b"");
    let expected = format!(
        "\
log    {}
format Common or Combined Log Format
lines  7: 7 requests, 0 malformed, 0 late
time   2025-03-10 08:00:00 to 2025-03-10 08:01:30 UTC (1 min 30 s)
key    ip

 limit                   2/min       1/min
───────────────────────────────────────────
 requests            7           7
 admitted            5   71.4%   3   42.9%
 refused             2   28.6%   4   57.1%
 keys seen           2           2
 keys ever refused   1   50.0%   1   50.0%
 longest refusal          30 s       1 min

 requests, and what was refused, in each 2 s
 requests  █    ▃         ▆                             ▃  up to 3
 2/min     █              █                                up to 1
 1/min     █              █                                up to 2
           08:00:00                              08:01:32

 most refused keys   requests       2/min       1/min
──────────────────────────────────────────────────────
 192.0.2.1                  6   2   33.3%   4   66.7%
",
        path.display()
    );
    assert_eq!(printed, expected);
}

#[test]
fn lines_out_of_order_within_the_span_change_nothing() {
    let sorted = small_log();
    let reversed: Vec<String> = sorted.iter().rev().cloned().collect();
    let limits = ["--limit", "2/min", "--limit", "1/min", "--reorder", "90s"];
    assert_eq!(json(&limits, reversed.concat().as_bytes()), json(&limits, sorted.concat().as_bytes()));
}

#[test]
fn lines_beyond_the_span_are_late_but_counted_and_the_hint_places_them() {
    let reversed: String = small_log().into_iter().rev().collect();
    let limits = ["--limit", "2/min"];
    let report = json(&limits, reversed.as_bytes());
    assert_eq!(report["late"], 3);
    assert_eq!(report["limits"][0]["requests"], 7);
    let printed = text(&["-", "--limit", "2/min"], reversed.as_bytes());
    assert!(printed.contains("hint: --reorder 90s "), "{printed}");
}

#[test]
fn malformed_lines_are_counted_and_the_first_are_shown() {
    let mut log = line("192.0.2.1", 0);
    log.push_str("garbage\n\n");
    log.push_str(&line("192.0.2.1", 1).replace("Mar", "Mrz"));
    log.push_str(&line("192.0.2.1", 2).replace("200", "ok"));
    log.push_str(&"\u{1b}[31m\n".repeat(5));
    let report = json(&["--limit", "1/s"], log.as_bytes());
    assert_eq!(
        (&report["lines"], &report["blank"], &report["malformed"]),
        (&json!(10), &json!(1), &json!(8))
    );
    assert_eq!(report["malformed_lines"][1]["line"], 4);
    let printed = text(&["-", "--limit", "1/s"], log.as_bytes());
    for expected in [
        "lines  10: 1 request, 1 blank, 8 malformed, 0 late\n",
        "  line 2: it does not start with: host ident user [time]\n",
        "  line 4: time \"10/Mrz/2025:08:00:01 +0000\" is not like 17/May/2015:10:05:03 +0000\n",
        "  line 5: status \"ok\" after the request is not three digits\n",
        "  and 3 more\n",
    ] {
        assert!(printed.contains(expected), "{printed}");
    }
}

#[test]
fn nothing_in_the_log_steers_the_terminal() {
    let escapes = "\u{1b}]0;owned\u{7}";
    let log = request("h", 0, &format!("GET /{escapes} HTTP/1.1")).repeat(2)
        + &line("h", 0).replace("08:00", escapes)
        + &line("h", 0).replace("200", "\u{202e}");
    let printed = text(&["-", "--limit", "1/h", "--key", "path"], log.as_bytes());
    assert!(printed.contains(r"/\u{1b}]0;owned\u{7}"), "{printed}");
    assert!(printed.chars().all(|character| character == '\n' || !character.is_control()), "{printed}");
    assert!(!printed.contains('\u{202e}'), "{printed}");
}

#[test]
fn ipv6_clients_count_by_network_and_mapped_ones_as_ipv4() {
    let clients =
        ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1", "192.0.2.1", "::ffff:192.0.2.1"];
    let log: String = clients.iter().map(|client| line(client, 0)).collect();
    let report = json(&["--limit", "1/h"], log.as_bytes());
    assert_eq!(report["limits"][0]["keys"], 3);
    assert_eq!(refused(&report), [("2001:db8:1:2::/64".to_owned(), 1), ("192.0.2.1".to_owned(), 1)]);
}

#[test]
fn a_key_may_combine_parts() {
    let log: String =
        [("a", "GET /x?1"), ("a", "GET /x?2"), ("b", "GET /x"), ("a", "POST /x"), ("a", "GET /y")]
            .map(|(client, asked)| request(client, 0, asked))
            .concat();
    let keys = |key: &str| {
        let report = json(&["--limit", "1/h", "--key", key], log.as_bytes());
        (report["limits"][0]["keys"].as_u64().unwrap(), refused(&report))
    };
    assert_eq!(keys("ip,path"), (3, vec![("a /x".to_owned(), 2)]));
    assert_eq!(keys("method,ip,path"), (4, vec![("GET a /x".to_owned(), 1)]));
    assert_eq!(keys("user"), (1, vec![("-".to_owned(), 4)]));
}

#[test]
fn only_the_ten_most_refused_keys_are_listed() {
    let log: String = (1..=12).map(|client: usize| line(&format!("c{client}"), 0).repeat(client)).collect();
    let report = json(&["--limit", "1/h"], log.as_bytes());
    let expected: Vec<(String, u64)> =
        (3..=12).rev().map(|client| (format!("c{client}"), client - 1)).collect();
    assert_eq!(refused(&report), expected);
    assert_eq!(report["limits"][0]["keys_refused"], 11);
}

#[test]
fn a_limit_of_zero_refuses_everything_without_end() {
    let report = json(&["--limit", "0/s"], small_log().concat().as_bytes());
    assert_eq!(report["limits"][0]["admitted"], 0);
    assert_eq!(report["limits"][0]["longest_refusal_seconds"], Value::Null);
    assert!(text(&["-", "--limit", "0/s"], line("a", 0).as_bytes()).contains("endless"));
}

#[test]
fn keys_beyond_the_room_are_forgotten_and_said_so() {
    let log: String = (0..5_000).map(|client| line(&format!("c{client}"), 0)).collect();
    let report = json(&["--limit", "1/d", "--max-keys", "100"], log.as_bytes());
    assert!(report["limits"][0]["forgotten"].as_u64().unwrap() > 0);
    let printed = text(&["-", "--limit", "1/d", "--max-keys", "100"], log.as_bytes());
    assert!(printed.contains("--max-keys"), "{printed}");
    assert_eq!(json(&["--limit", "1/d"], log.as_bytes())["limits"][0]["forgotten"], 0);
}

#[test]
fn an_empty_log_is_no_error() {
    let report = json(&["--limit", "1/s"], b"");
    assert_eq!((&report["lines"], &report["from"]), (&json!(0), &Value::Null));
    assert_eq!(report["limits"][0]["requests"], 0);
    assert!(text(&["-", "--limit", "1/s"], b"").contains("hint: the log is empty"));
}

#[test]
fn a_log_of_no_known_format_is_said_to_be_one() {
    let printed = text(&["-", "--limit", "1/s"], b"word\nword\n");
    assert!(printed.contains("hint: no line is in Common or Combined Log Format"), "{printed}");
}

#[test]
fn bytes_that_are_not_utf_8_and_endless_lines_are_survived() {
    let mut log = request("a", 0, "GET /? HTTP/1.1").replace('?', "x").into_bytes();
    let at = log.iter().position(|byte| *byte == b'x').unwrap();
    log[at] = 0xff;
    let valid = log.clone();
    log.extend(vec![b'x'; 3_000_000]);
    log.push(b'\n');
    log.extend(valid);
    let report = json(&["--limit", "1/h", "--key", "path"], &log);
    assert_eq!((&report["lines"], &report["malformed"]), (&json!(3), &json!(1)));
    assert_eq!(
        report["malformed_lines"][0],
        json!({ "line": 2, "reason": "the line is longer than 65536 bytes" })
    );
    assert_eq!(refused(&report), [("/\u{fffd}".to_owned(), 1)]);
}

#[test]
fn an_unreadable_log_is_an_error_that_says_what_to_do() {
    let missing = failure(&["no-such.log", "--limit", "1/s"]);
    assert_eq!(
        missing,
        "error: cannot read no-such.log: there is no such file; check the path, or give - for standard input\n"
    );
    let directory = failure(&[env!("CARGO_TARGET_TMPDIR"), "--limit", "1/s"]);
    assert!(directory.contains("it is a directory; give one file"), "{directory}");
}

#[test]
fn a_wrong_option_is_an_error_that_names_it() {
    for (option, value, expected) in [
        ("--limit", "60", "quota \"60\" is not understood: there is no '/' between count and period"),
        ("--key", "ip,host", "\"host\" is not a part of a request: use ip, path, method or user"),
        ("--algorithm", "gcra,fastest", "\"fastest\" is not an algorithm: use one of gcra, token-bucket, "),
        ("--format", "xml", "\"xml\" is not a format: use clf, json or csv"),
        ("--reorder", "soon", "write it like 90s, 5min or 1h"),
        ("--max-keys", "many", "--max-keys"),
    ] {
        let said = failure(&["-", "--limit", "1/s", option, value]);
        assert!(said.contains(option) && said.contains(expected), "{said}");
    }
    assert!(failure(&["-"]).contains("--limit <LIMIT>"));
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["replay", "-", "--limit", "1/s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Nothing is printed before the input ends, so the reader is surely gone by then.
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(small_log().concat().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn the_sample_log_is_what_its_generator_prints() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/access.log");
    assert!(fs::read_to_string(sample).unwrap() == generate_log::log(), "see examples/generate_log.rs");
}

#[test]
fn only_the_abuser_in_the_sample_log_is_refused() {
    // Ten requests a second for two minutes: the burst, and one in each of the 119 seconds after the first.
    let report = json(&["--limit", "60/min"], generate_log::log().as_bytes());
    assert_eq!((&report["malformed"], &report["late"]), (&json!(2), &json!(0)));
    assert_eq!(refused(&report), [("203.0.113.66".to_owned(), 1_200 - (60 + 119))]);
}
