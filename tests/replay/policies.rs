//! Policies tried on a log.

use serde_json::{Value, json};

use super::{failure, file, json as report_of, line, request, text};

/// What one client may do under `/api`, what nobody may, and a limit that only watches.
pub(super) const POLICIES: &str = r#"
[[policy]]
id = "per-client"
scope = "ip"
match = { route = "/api/**" }
limit = "2/min"

[[policy]]
id = "no-delete"
priority = 1
match = { route = "/api/**" }
deny = [{ method = "DELETE" }]

[[policy]]
id = "watched"
scope = "ip"
match = { route = "/api/**" }
limit = "1/min"
shadow = true

[[policy]]
id = "later"
state = "draft"
limit = "0/s"
"#;

/// Under `2/min` the third request of client 1 is refused until 30, and the one at 31 until 60. Under `1/min` its
/// second would be, and that at 30; about those that are refused it is not asked.
fn api_log() -> Vec<String> {
    let (one, two) = ("192.0.2.1", "192.0.2.2");
    [
        (one, 0, "GET /api/x?q=1 HTTP/1.1"),
        (one, 0, "GET /api/y HTTP/1.1"),
        (one, 0, "GET /api/x HTTP/1.1"),
        (two, 10, "GET / HTTP/1.1"),
        (one, 20, "DELETE /api/x HTTP/1.1"),
        (one, 30, "GET /api/x HTTP/1.1"),
        (one, 31, "GET /api/x HTTP/1.1"),
    ]
    .map(|(client, second, asked)| request(client, second, asked))
    .into()
}

/// A file of policies for one test.
fn policy_file(name: &str, policies: &str) -> String {
    let name = format!("policies-{name}.toml");
    file(&name, policies.as_bytes());
    name
}

/// The report on a log, of policies in a file of that name.
#[track_caller]
pub(super) fn replay(name: &str, policies: &str, log: &str) -> Value {
    let policies = &policy_file(name, policies);
    report_of(&["--policy", policies], log.as_bytes())
}

#[track_caller]
pub(super) fn replay_text(name: &str, policies: &str, log: &str) -> String {
    let policies = &policy_file(name, policies);
    text(&["-", "--policy", policies], log.as_bytes())
}

/// Requests, admitted, refused and would be refused of the policy at this place.
pub(super) fn counts(report: &Value, place: usize) -> [u64; 4] {
    let row = &report["policy"]["policies"][place];
    ["requests", "admitted", "refused", "would_refuse"].map(|name| row[name].as_u64().unwrap())
}

#[test]
fn policies_do_to_a_small_log_what_one_computes_by_hand() {
    let mut report = replay("by-hand", POLICIES, &api_log().concat());
    let over_time = report.as_object_mut().unwrap().remove("over_time").unwrap();
    assert_eq!(
        report,
        json!({
            "file": "-",
            "format": "clf",
            "lines": 7,
            "requests": 7,
            "blank": 0,
            "malformed": 0,
            "malformed_lines": [],
            "late": 0,
            "from": "2025-03-10T08:00:00Z",
            "to": "2025-03-10T08:00:31Z",
            "attributes": [
                { "name": "ip", "requests": 7 },
                { "name": "method", "requests": 7 },
                { "name": "route", "requests": 7 },
            ],
            "notes": [],
            "policy": {
                "file": "policies-by-hand.toml",
                "unmatched": 1,
                "admitted": 4,
                "refused": 3,
                "policies": [
                    {
                        "id": "per-client",
                        "requests": 5,
                        "admitted": 3,
                        "refused": 2,
                        "refused_by_others": 0,
                        "would_refuse": 0,
                        "requests_too_large": 0,
                        "keys": 1,
                        "keys_refused": 1,
                        "longest_refusal_seconds": 30.0,
                    },
                    {
                        "id": "no-delete",
                        "requests": 6,
                        "admitted": 3,
                        "refused": 1,
                        "refused_by_others": 2,
                        "would_refuse": 0,
                        "requests_too_large": 0,
                        "keys": 1,
                        "keys_refused": 1,
                        "longest_refusal_seconds": null,
                    },
                    {
                        "id": "watched",
                        "requests": 5,
                        "admitted": 3,
                        "refused": 0,
                        "refused_by_others": 2,
                        "would_refuse": 2,
                        "requests_too_large": 0,
                        "keys": 1,
                        "keys_refused": 1,
                        "longest_refusal_seconds": 0.0,
                    },
                ],
                "most_refused": [
                    { "key": "192.0.2.1", "policy": "per-client", "requests": 5, "refused": 2, "would_refuse": 0 },
                    { "key": "192.0.2.1", "policy": "watched", "requests": 5, "refused": 0, "would_refuse": 2 },
                    { "key": "global", "policy": "no-delete", "requests": 6, "refused": 1, "would_refuse": 0 },
                ],
            },
            "over_time_rows": ["per-client", "no-delete", "watched"],
        })
    );
    let seconds = |row: &Value| -> Vec<usize> {
        let counts = row.as_array().unwrap().iter().enumerate();
        counts.filter(|(_, count)| **count != json!(0)).map(|(second, _)| second).collect()
    };
    assert_eq!(over_time["bucket_seconds"], 1.0);
    assert_eq!(seconds(&over_time["requests"]), [0, 10, 20, 30, 31]);
    let refused: Vec<_> = over_time["refused"].as_array().unwrap().iter().map(seconds).collect();
    assert_eq!(refused, [vec![0, 31], vec![20], vec![0, 30]]);
}

#[test]
fn tables_show_every_policy_in_force() {
    let printed = replay_text("tables", POLICIES, &api_log().concat());
    assert_eq!(
        printed,
        "\
log    standard input
format Common or Combined Log Format
lines  7: 7 requests, 0 malformed, 0 late
time   2025-03-10 08:00:00 to 2025-03-10 08:00:31 UTC (31 s)
reads  ip, method, route

 policies               policies-tables.toml
─────────────────────────────────────────────
 matched by no policy              1   14.3%
 admitted                          4   57.1%
 refused                           3   42.9%

 policy       requests   admitted     refused       by       would        keys   longest
                                                others      refuse     refused   refusal
─────────────────────────────────────────────────────────────────────────────────────────
 per-client          5          3   2   40.0%        0   0    0.0%   1  100.0%      30 s
 no-delete           6          3   1   16.7%        2   0    0.0%   1  100.0%   endless
 watched             5          3   0    0.0%        2   2   40.0%   1  100.0%       0 s

 requests, and what was refused, in each 1 s
 requests    █         ▃         ▃         ▃▃  up to 3
 per-client  █                              █  up to 1
 no-delete                       █             up to 1
 watched     █                             █   up to 1
             08:00:00                08:00:32

 most refused keys   policy       requests     refused   would refuse
──────────────────────────────────────────────────────────────────────
 192.0.2.1           per-client          5   2   40.0%      0    0.0%
 192.0.2.1           watched             5   0    0.0%      2   40.0%
 global              no-delete           6   1   16.7%      0    0.0%
"
    );
}

#[test]
fn lines_out_of_order_keep_what_policies_look_at() {
    let sorted = api_log();
    let reversed: String = {
        let mut lines = sorted.clone();
        // Of one second the order in the log counts.
        lines.sort_by_key(|line| std::cmp::Reverse(line.split('[').nth(1).map(|time| time[..20].to_owned())));
        lines.concat()
    };
    assert_ne!(reversed, sorted.concat());
    let report = replay("sorted", POLICIES, &sorted.concat());
    assert_eq!(replay("sorted", POLICIES, &reversed), report);
}

#[test]
fn a_file_without_active_policies_admits_everything() {
    let draft = "[[policy]]\nid = \"later\"\nstate = \"draft\"\n";
    let report = replay("draft", draft, &line("192.0.2.1", 0));
    assert_eq!((&report["policy"]["unmatched"], &report["policy"]["admitted"]), (&json!(1), &json!(1)));
    let printed = replay_text("draft", draft, &line("192.0.2.1", 0));
    assert!(printed.contains("hint: policies-draft.toml has no active policy"), "{printed}");
}

#[test]
fn a_policy_for_a_share_of_the_keys_refuses_some_and_watches_the_others() {
    let policies = "[[policy]]\nid = \"half\"\nscope = \"ip\"\nlimit = \"1/h\"\nenforce_percent = 50\n";
    let log: String = (0..100).map(|client| line(&format!("192.0.2.{client}"), 0).repeat(2)).collect();
    let [requests, admitted, refused, would_refuse] = counts(&replay("share", policies, &log), 0);
    assert_eq!((requests, refused + would_refuse, admitted), (200, 100, 200 - refused));
    assert!((25..75).contains(&refused), "{refused}");
}

#[test]
fn what_a_log_cannot_try_is_noted() {
    let policies = "[[policy]]\nid = \"places\"\nconcurrency = 1\n\
                    [[policy]]\nid = \"far\"\nlimit = \"1/h\"\nbackend = \"redis\"\n\
                    [[policy]]\nid = \"draft\"\nstate = \"draft\"\nconcurrency = 1\n";
    let report = replay("notes", policies, &line("192.0.2.1", 0).repeat(3));
    assert_eq!(counts(&report, 0), [3, 1, 0, 0]);
    assert_eq!(counts(&report, 1), [3, 1, 2, 0]);
    let notes: Vec<_> =
        report["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    assert_eq!(
        notes,
        [
            "a log does not say how long requests took, so a place under a concurrency limit is given back at once \
             (places)",
            "no backend is asked: what it would count is counted in memory (far)",
        ]
    );
    let printed = replay_text("notes", policies, &line("192.0.2.1", 0));
    assert!(printed.contains("note: a log does not say how long requests took"), "{printed}");
}

#[test]
fn only_the_ten_most_refused_keys_are_named() {
    let policies = "[[policy]]\nid = \"api\"\nscope = \"ip\"\nlimit = \"1/h\"\n";
    let log: String = (1..=12).map(|client: usize| line(&format!("c{client}"), 0).repeat(client)).collect();
    let report = replay("ten", policies, &log);
    let keys = report["policy"]["most_refused"].as_array().unwrap();
    let refused: Vec<_> = keys.iter().map(|key| key["refused"].as_u64().unwrap()).collect();
    assert_eq!(refused, (2..=11).rev().collect::<Vec<u64>>());
    assert_eq!(report["policy"]["policies"][0]["keys_refused"], 11);
}

#[test]
fn windows_lie_as_they_would_in_production() {
    let policies = "[[policy]]\nid = \"api\"\nlimit = \"1/h\"\nalgorithm = \"fixed_window\"\n";
    let at = |time: &str| line("192.0.2.1", 0).replace("08:00:00", time);
    let log = at("08:30:00") + &at("08:59:59") + &at("09:00:00");
    assert_eq!(counts(&replay("windows", policies, &log), 0), [3, 2, 1, 0]);
}

#[test]
fn a_log_without_requests_is_no_error() {
    let report = replay("empty", POLICIES, "");
    assert_eq!((counts(&report, 0), &report["over_time"]), ([0; 4], &Value::Null));
    assert!(replay_text("empty", POLICIES, "").contains("hint: the log is empty"));
}

#[test]
fn nothing_in_the_log_steers_the_terminal() {
    let policies = "[[policy]]\nid = \"routes\"\nscope = \"route\"\nlimit = \"1/h\"\n";
    let escapes = "\u{1b}]0;owned\u{7}";
    let log = request("h", 0, &format!("GET /{escapes} HTTP/1.1")).repeat(2);
    let printed = replay_text("escapes", policies, &log);
    assert!(printed.contains(r"/\u{1b}]0;owned\u{7}"), "{printed}");
    assert!(printed.chars().all(|character| character == '\n' || !character.is_control()), "{printed}");
}

#[test]
fn a_picture_has_a_panel_for_each_policy() {
    let policies = &policy_file("picture", POLICIES);
    let picture = file("policies.svg", b"");
    let svg = picture.to_str().unwrap();
    text(&["-", "--policy", policies, "--svg", svg], api_log().concat().as_bytes());
    let drawn = std::fs::read_to_string(&picture).unwrap();
    for title in [
        "What policies would have done to standard input",
        "refused by per-client: 2, 40.0%",
        "refused by no-delete: 1, 16.7%",
        "refused, or would be, by watched: 2, 40.0%",
    ] {
        assert!(drawn.contains(title), "{title}");
    }
}

#[test]
fn options_that_make_no_sense_together_are_errors() {
    let policies = &policy_file("options", POLICIES);
    let policy = ["-", "--policy", policies];
    for (option, value) in [
        ("--limit", "1/s"),
        ("--algorithm", "gcra"),
        ("--key", "ip"),
        ("--key-field", "id"),
        ("--cost-field", "bytes"),
        ("--max-keys", "5"),
    ] {
        let said = failure(&[&policy[..], &[option, value]].concat());
        assert!(said.contains("cannot be used with") && said.contains(option), "{said}");
    }
    let said = failure(&["-", "--limit", "1/s", "--against", policies]);
    assert!(said.contains("--against") && said.contains("cannot be used with"), "{said}");
    let said = failure(&["-", "--against", policies]);
    assert!(said.contains("--policy <FILE>"), "{said}");
    assert!(failure(&["-"]).contains("--limit <LIMIT>|--policy <FILE>"));
}

#[test]
fn all_that_is_wrong_with_both_files_is_said_before_the_log_is_read() {
    let wrong = &policy_file("wrong", "[[policy]]\nid = \"api\"\nlimit = \"5/fortnight\"\nbrust = 3\n");
    let said = failure(&["no-such.log", "--policy", wrong, "--against", "no-such.toml"]);
    for expected in [
        format!("{wrong}: line 3: policy \"api\""),
        format!("{wrong}: line 4:"),
        "no-such.toml: cannot be read".to_owned(),
    ] {
        assert!(said.contains(&expected), "{said}");
    }
}
