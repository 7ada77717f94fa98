//! Logs in every format, compressed or not, and what goes wrong with them.

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::{failure, file, json as report_of, run, small_log, text};

pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// What a run with `input` on standard input, which must fail, says.
#[track_caller]
fn failure_of(args: &[&str], input: &[u8]) -> String {
    let output = run(args, input);
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

/// The small log with its times in the unit that `time` writes them in.
fn small_json(time: impl Fn(u64) -> String) -> String {
    // 10 March 2025, 08:00:00.
    const START: u64 = 1_741_593_600;
    let line =
        |(client, second): (&str, u64)| format!("{{\"ts\":{},\"ip\":\"{client}\"}}\n", time(START + second));
    let a = "192.0.2.1";
    [(a, 0), (a, 0), (a, 0), ("192.0.2.2", 10), (a, 30), (a, 31), (a, 90)].map(line).concat()
}

#[test]
fn one_log_in_all_formats_and_units_of_time_gives_the_same() {
    let limits = ["--limit", "2/min", "--limit", "1/min"];
    let expected = report_of(&limits, small_log().concat().as_bytes())["limits"].clone();
    let seconds = small_json(|second| second.to_string());
    let csv = seconds.replace("{\"ts\":", "").replace(",\"ip\":\"", ",").replace("\"}", "");
    let logs = [
        small_json(|second| format!("{second}000")),
        small_json(|second| format!("\"{second}.000\"")),
        format!("\u{feff}{seconds}"),
        seconds,
        format!("ts,ip\n{csv}"),
        format!("\r\nTime;IP;x\r\n{}", csv.replace(',', ";").replace('\n', ";\r\n")),
        format!("\u{feff}ts\tip\n{}", csv.replace(',', "\t")),
    ];
    for log in logs {
        assert_eq!(report_of(&limits, log.as_bytes())["limits"], expected, "{log}");
        assert_eq!(report_of(&limits, &gzip(log.as_bytes()))["limits"], expected, "{log}");
    }
}

#[test]
fn fractions_of_a_second_count() {
    // A token comes back after 100 ms: 50 ms is too soon, and 99.999999 as well.
    let log = ["0", "0.05", "0.099999999", "0.1", "0.2"].map(|time| format!("{{\"t\":{time},\"user\":1}}\n"));
    let report = report_of(&["--limit", "10/s burst 1"], log.concat().as_bytes());
    assert_eq!(report["limits"][0]["refused"], 2);
    // The order within a second is that of the times, and not of the lines.
    let reversed: String = log.iter().rev().cloned().collect();
    assert_eq!(report_of(&["--limit", "10/s burst 1"], reversed.as_bytes()), report);
}

#[test]
fn the_report_says_which_fields_were_taken() {
    let log = r#"{"level":"info","ts":1741593600.5,"request":{"remote_ip":"192.0.2.1","uri":"/"},"size":10}"#;
    let printed = text(&["-", "--limit", "1/s", "--cost-field", "size"], log.as_bytes());
    for expected in ["format JSON lines, time from ts, cost from size\n", "key    request.remote_ip\n"] {
        assert!(printed.contains(expected), "{printed}");
    }
    let args = ["--limit", "1/s", "--key-field", "request.remote_ip,request.uri", "--time-field", "ts"];
    let report = report_of(&args, log.as_bytes());
    assert_eq!(
        (&report["time_field"], &report["key"]),
        (&json!("ts"), &json!("request.remote_ip,request.uri"))
    );
}

#[test]
fn costs_are_counted_in_tokens() {
    let log = "ts,user,size\n1,a,60\n1,a,50\n1,a,40\n1,a,101\n1,a,0\n1,a,-5\n1,a,0.5\n1,a,NaN\n";
    let report = report_of(&["--limit", "100/min", "--cost-field", "size"], log.as_bytes());
    let limit = &report["limits"][0];
    let numbers = ["requests", "refused", "tokens_asked", "tokens_admitted", "requests_too_large"];
    assert_eq!(numbers.map(|name| limit[name].as_u64().unwrap()), [5, 2, 251, 100, 1]);
    assert_eq!(report["malformed"], 3);
    let clf = small_log().concat().replace(" 200 1\n", " 200 -\n");
    let report = report_of(&["--limit", "1/d", "--cost-field", "bytes"], clf.as_bytes());
    assert_eq!(
        (&report["limits"][0]["refused"], &report["limits"][0]["tokens_asked"]),
        (&json!(0), &json!(0))
    );
}

#[test]
fn every_limit_is_tried_in_every_algorithm() {
    let args = [
        "-",
        "--limit",
        "2/min",
        "--limit",
        "1/min",
        "-a",
        "gcra,fixed-window",
        "--algorithm",
        "token-bucket",
    ];
    let printed = text(&args, small_log().concat().as_bytes());
    let headings: Vec<Vec<&str>> = printed
        .lines()
        .skip_while(|line| !line.starts_with(" limit"))
        .take(2)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(headings[0], ["limit", "2/min", "2/min", "2/min", "1/min", "1/min", "1/min"]);
    let algorithms = ["gcra", "fixed-window", "token-bucket"];
    assert_eq!(headings[1], [algorithms, algorithms].concat());
}

#[test]
fn windows_lie_as_they_would_in_production() {
    // From 08:00:50 on: the window of the minute ends at 08:01:00, ten seconds after the first request.
    let seconds = [50, 51, 59, 60, 61, 119, 120];
    let log: String = seconds.map(|second| super::line("192.0.2.1", second)).concat();
    let report = report_of(&["--limit", "1/min", "-a", "fixed-window"], log.as_bytes());
    assert_eq!(report["limits"][0]["admitted"], 3);
    assert_eq!(report["limits"][0]["longest_refusal_seconds"], json!(59.0));
}

#[test]
fn options_that_do_not_go_with_the_format_are_errors_that_say_what_to_use() {
    let clf = small_log().concat();
    for option in [["--key-field", "ip"], ["--time-field", "ts"], ["--cost-field", "size"]] {
        let said = failure_of(&["-", "--limit", "1/s", option[0], option[1]], clf.as_bytes());
        assert!(said.contains("use --key ip, path, method or user instead of --key-field"), "{said}");
    }
    for log in ["{\"ts\":1,\"ip\":\"a\"}", "ts,ip\n1,a\n"] {
        let said = failure_of(&["-", "--limit", "1/s", "--key", "ip"], log.as_bytes());
        assert!(said.contains("name a field with --key-field"), "{said}");
    }
    let said = failure_of(&["-", "--limit", "4000000000/s", "-a", "gcra,sliding-window"], b"");
    assert!(said.contains("--limit \"4000000000/s\" is not possible as sliding-window: limit"), "{said}");
    let said = failure_of(&["-", "--limit", "2/s burst 1", "-a", "gcra,fixed-window"], b"");
    assert!(said.contains("--limit \"2/s burst 1\" has a burst, but a fixed-window"), "{said}");
}

#[test]
fn a_csv_header_without_a_needed_column_says_what_it_has() {
    let said = failure_of(&["-", "--limit", "1/s"], b"when,who\n1,a\n");
    assert_eq!(
        said,
        "error: cannot read - as CSV: no field has a name known for the time: give it with --time-field; \
         the header has: when, who; if it is not CSV, give its --format\n"
    );
    let said = failure_of(&["-", "--limit", "1/s", "--time-field", "at"], b"when,who\n1,a\n");
    assert!(said.contains("there is no field \"at\"; the header has: when, who"), "{said}");
    let report =
        report_of(&["--limit", "1/s", "--time-field", "when", "--key-field", "who"], b"when,who\n1,a\n");
    assert_eq!(report["requests"], 1);
}

#[test]
fn an_empty_log_is_an_error_only_where_options_contradict_its_named_format() {
    for args in
        [&["--key-field", "id"][..], &["--time-field", "ts"], &["--cost-field", "bytes"], &["--key", "path"]]
    {
        for format in [&[][..], &["--format", "clf"], &["--format", "json"], &["--format", "csv"]] {
            let args = [&["-", "--limit", "1/s"], args, format].concat();
            let output = run(&args, b"");
            let clf_options = matches!(args[3], "--key");
            let fits = match format.last() {
                None => true,
                Some(&"clf") => clf_options || args[3] == "--cost-field",
                Some(_) => !clf_options,
            };
            assert_eq!(
                output.status.success(),
                fits,
                "{args:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

#[test]
fn a_format_that_is_named_is_not_guessed() {
    let report =
        report_of(&["--limit", "1/s", "--format", "csv", "--time-field", "{\"ts\""], b"{\"ts\",ip\n1,a\n");
    assert_eq!((&report["format"], &report["requests"]), (&json!("csv"), &json!(1)));
    let report = report_of(&["--limit", "1/s", "-f", "json"], small_log().concat().as_bytes());
    assert_eq!((&report["format"], &report["malformed"]), (&json!("json"), &json!(7)));
}

#[test]
fn gzip_that_is_cut_off_or_damaged_says_how_far_it_got() {
    let log = small_log().concat().repeat(2_000);
    let whole = gzip(log.as_bytes());
    let members = [whole.clone(), whole.clone()].concat();
    assert_eq!(report_of(&["--limit", "1/s"], &members)["requests"], 28_000);
    let path = file("cut.log.gz", &members[..whole.len() + whole.len() / 2]);
    let said = failure(&[path.to_str().unwrap(), "--limit", "1/s"]);
    let after: u64 =
        said.split("further than line ").nth(1).unwrap().split(':').next().unwrap().parse().unwrap();
    assert!((14_000..28_000).contains(&after), "{said}");
    assert!(said.contains("the gzip data ends too early"), "{said}");
    let mut damaged = whole;
    // The checksum is in the last eight bytes.
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    let said = failure_of(&["-", "--limit", "1/s"], &damaged);
    assert!(said.contains("the gzip data is damaged"), "{said}");
    let said = failure_of(&["-", "--limit", "1/s"], b"\x1f\x8b\x08\x00");
    assert!(said.starts_with("error: cannot read -: the gzip data ends too early"), "{said}");
}

#[test]
fn a_picture_is_drawn_over_what_was_there() {
    let picture = file("over.svg", "x".repeat(1_000_000).as_bytes());
    text(&["-", "--limit", "1/s", "--svg", picture.to_str().unwrap()], small_log().concat().as_bytes());
    let drawn = fs::read_to_string(&picture).unwrap();
    assert!(drawn.starts_with("<svg ") && drawn.trim_end().ends_with("</svg>"), "{drawn}");
    text(&["-", "--limit", "1/s", "--svg", picture.to_str().unwrap()], b"");
    assert!(fs::read_to_string(&picture).unwrap().trim_end().ends_with("</svg>"));
}

#[test]
fn a_picture_that_cannot_be_written_is_an_error_before_the_log_is_read() {
    // The log would be an error too, but a later one.
    let cut = gzip(b"")[..5].to_vec();
    let said = failure_of(&["-", "--limit", "1/s", "--svg", "/no/such/folder/a.svg"], &cut);
    assert!(said.starts_with("error: cannot write --svg /no/such/folder/a.svg: "), "{said}");
}

#[test]
fn a_picture_never_overwrites_the_log() {
    let log = small_log().concat();
    let path = file("precious.log", log.as_bytes());
    let path = path.to_str().unwrap();
    let said = failure(&[path, "--limit", "1/s", "--svg", path]);
    assert!(said.contains("it is the log itself"), "{said}");
    assert_eq!(fs::read_to_string(path).unwrap(), log);
}

#[test]
fn nothing_in_names_steers_the_terminal() {
    let escape = "\u{1b}[31m";
    let log = format!("{{\"{escape}\":1,\"{escape}.k\":\"{escape}\"}}\n{{\"{escape}\":\"{escape}\"}}\n");
    let args = ["-", "--limit", "1/h", "--time-field", escape, "--key-field", &format!("{escape}.k")];
    let printed = text(&args, log.replace(escape, "\\u001b[31m").as_bytes());
    assert!(printed.chars().all(|character| character == '\n' || !character.is_control()), "{printed}");
}

#[test]
fn there_is_no_progress_bar_in_a_pipe() {
    let output = run(&["-", "--limit", "1/s"], small_log().concat().repeat(5_000).as_bytes());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}
