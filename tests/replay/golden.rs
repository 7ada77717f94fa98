//! Whole reports, byte for byte, as they are in `tests/golden`.
//!
//! `TOLLGATE_BLESS=1 cargo test --all-features --test replay golden` writes them anew; look at what changed before you commit it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tollgate::replay::LogLine;

use super::formats::gzip;
use super::generate_log;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Compares what was printed with the file of that name, or writes it there.
#[track_caller]
fn assert_golden(name: &str, printed: &[u8]) {
    if env::var_os("TOLLGATE_BLESS").is_some() {
        fs::write(path(name), printed).unwrap();
        return;
    }
    let actual = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&actual, printed).unwrap();
    let same = fs::read(path(name)).is_ok_and(|expected| expected == printed);
    assert!(same, "{} is not what was printed: diff it with {}", path(name).display(), actual.display());
}

/// Replays a log that lies in a file of this name, in text and as JSON.
#[track_caller]
fn assert_reports(name: &str, file: &str, log: &[u8], args: &[&str]) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(file), log).unwrap();
    for (ending, option) in [("txt", None), ("json", Some("--json"))] {
        let output = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .current_dir(&folder)
            .args(["replay", file])
            .args(args)
            .args(option)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_golden(&format!("{name}.{ending}"), &output.stdout);
    }
}

/// Every line of the sample log as `write` has it; what is broken stays as it is.
fn sample(write: impl Fn(&LogLine<'_>) -> String) -> String {
    let mut log = String::new();
    for line in generate_log::log().lines() {
        match LogLine::parse(line.as_bytes()) {
            Ok(request) => log.push_str(&write(&request)),
            Err(_) => log.push_str(line),
        }
        log.push('\n');
    }
    log
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

/// As Caddy writes it.
fn sample_json() -> String {
    sample(|line| {
        let (host, method, path) = (text(line.host), text(line.method), text(line.path));
        let millis = line.time / 1_000_000;
        format!(
            r#"{{"level":"info","ts":{}.{:03},"request":{{"client_ip":"{host}","method":"{method}","uri":"{path}"}},"size":{}}}"#,
            millis / 1_000,
            millis % 1_000,
            line.bytes
        )
    })
}

fn sample_csv() -> String {
    let records = sample(|line| {
        let (host, method, path) = (text(line.host), text(line.method), text(line.path));
        format!("{},\"{host}\",{method},\"{path}\",{}", line.time / 1_000_000, line.bytes)
    });
    format!("timestamp,client_ip,method,path,bytes\n{records}")
}

const BYTE_LIMITS: [&str; 4] = ["--limit", "60000/min", "--limit", "500000/h burst 15000"];

const LIMITS: [&str; 4] = ["--limit", "60/min", "--limit", "100/h burst 20"];

#[test]
fn an_access_log_is_reported_like_this() {
    assert_reports("clf", "access.log", generate_log::log().as_bytes(), &LIMITS);
}

#[test]
fn json_lines_are_reported_like_this() {
    assert_reports("json", "access.json", sample_json().as_bytes(), &LIMITS);
}

#[test]
fn csv_is_reported_like_this() {
    assert_reports("csv", "access.csv", sample_csv().as_bytes(), &LIMITS);
}

#[test]
fn compressed_logs_are_reported_like_this() {
    let log = generate_log::log();
    let (first, second) = log.split_at(log.len() / 2);
    // Two members, as when compressed files are put together.
    let members = [gzip(first.as_bytes()), gzip(second.as_bytes())].concat();
    assert_reports("gzip", "access.log.gz", &members, &LIMITS);
}

#[test]
fn all_algorithms_are_reported_like_this() {
    let args = ["--limit", "60/min", "--limit", "100/h", "--algorithm", ALGORITHMS];
    assert_reports("algorithms", "access.log", generate_log::log().as_bytes(), &args);
}

const ALGORITHMS: &str = "gcra,token-bucket,leaky-bucket,fixed-window,sliding-window,sliding-log";

#[test]
fn bytes_as_cost_are_reported_like_this() {
    let args = ["--limit", "100000/min", "--limit", "10000/h", "--cost-field", "bytes", "--key", "path"];
    assert_reports("cost", "access.log", generate_log::log().as_bytes(), &args);
}

/// The log with every tenth line broken, in each of these ways in turn.
fn broken(log: &str, ways: &[fn(&str) -> String]) -> String {
    let mut ways = ways.iter().cycle();
    let mut broken = String::new();
    for (number, line) in log.lines().enumerate() {
        match ways.next() {
            Some(way) if number % 10 == 9 => broken.push_str(&way(line)),
            _ => broken.push_str(line),
        }
        broken.push('\n');
    }
    broken
}

/// Ways that break a line of any format.
const WAYS: [fn(&str) -> String; 4] = [
    |line| line[..line.len() / 3].to_owned(),
    |_| "\u{1b}[2J".to_owned(),
    |_| "kernel: out of memory".to_owned(),
    |_| "x".repeat(100_000),
];

#[test]
fn one_line_in_ten_of_an_access_log_is_broken() {
    let ways: [fn(&str) -> String; 5] = [
        |line| line.replace("Mar", "Mrz"),
        |line| line.replace('"', "'"),
        |line| line.replace("2025", "1925"),
        |line| line.replace("HTTP/1.1\" ", "HTTP/1.1\" x"),
        |line| line.replace("- -", "-"),
    ];
    let log = broken(&generate_log::log(), &[&ways[..], &WAYS].concat());
    assert_reports("broken-clf", "access.log", log.as_bytes(), &LIMITS);
}

#[test]
fn one_line_in_ten_of_json_is_broken() {
    let ways: [fn(&str) -> String; 5] = [
        |line| line.replace("\"ts\":", "\"ts\":9"),
        |line| line.replace("\"ts\":", "\"ts\":-"),
        |line| line.replace("client_ip", "client"),
        |line| line.replace("\"client_ip\":", "\"client_ip\":[],\"client_ip\":"),
        |line| line.replace("\"size\":", "\"size\":-"),
    ];
    let log = broken(&sample_json(), &[&ways[..], &WAYS].concat());
    assert_reports(
        "broken-json",
        "access.json",
        log.as_bytes(),
        &[&BYTE_LIMITS[..], &["--cost-field", "size"]].concat(),
    );
}

#[test]
fn one_line_in_ten_of_csv_is_broken() {
    let ways: [fn(&str) -> String; 5] = [
        |line| line.replacen("\",", ",", 1),
        |line| format!("{line},more"),
        |line| format!("9{line}"),
        |line| format!("{line}.5"),
        |line| line.replacen(',', ";", 1),
    ];
    let log = broken(&sample_csv(), &[&ways[..], &WAYS].concat());
    assert_reports(
        "broken-csv",
        "access.csv",
        log.as_bytes(),
        &[&BYTE_LIMITS[..], &["--cost-field", "bytes"]].concat(),
    );
}

#[test]
fn times_that_go_back_are_reported_like_this() {
    // Blocks in reverse, as when several servers' logs were put together in the wrong order.
    let log = generate_log::log();
    let lines: Vec<&str> = log.lines().collect();
    let reversed: Vec<&str> = lines.chunks(300).rev().flatten().copied().collect();
    assert_reports("backwards", "access.log", (reversed.join("\n") + "\n").as_bytes(), &LIMITS);
}

#[test]
fn an_empty_file_is_reported_like_this() {
    assert_reports("empty", "access.log", b"", &LIMITS);
}

#[test]
fn a_picture_looks_like_this() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("picture");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("access.log"), generate_log::log()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .current_dir(&folder)
        .args(["replay", "access.log", "--svg", "picture.svg", "--algorithm", "gcra,fixed-window"])
        .args(["--limit", "60/min", "--limit", "100/h"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_golden("picture.svg", &fs::read(folder.join("picture.svg")).unwrap());
}

/// A log of 10 000 real requests; it is not ours to give away, so only the report is here.
#[test]
#[ignore = "needs the recorded log: TOLLGATE_APACHE_LOG=path"]
fn the_recorded_apache_log_is_reported_like_this() {
    let log = env::var("TOLLGATE_APACHE_LOG").expect("TOLLGATE_APACHE_LOG names the recorded log");
    let args = ["--limit", "30/min", "--limit", "100/h", "--algorithm", ALGORITHMS];
    assert_reports("apache", "apache-combined.log", &fs::read(log).unwrap(), &args);
}
