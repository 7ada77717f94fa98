//! Policies compared with others on the same log.

use std::sync::Once;

use serde_json::{Value, json};

use super::{file, json as report_of, request, text};

fn policies(api: &str, web: &str) -> String {
    format!(
        "[[policy]]\nid = \"api\"\nscope = \"ip\"\nmatch = {{ route = \"/api\" }}\nlimit = \"{api}\"\n\
         [[policy]]\nid = \"{web_id}\"\nscope = \"ip\"\nmatch = {{ route = \"/web\" }}\nlimit = \"{web}\"\n",
        web_id = if web == "1/min" { "web-old" } else { "web" }
    )
}

/// Client 1 asks for `/api` three times, client 2 for `/web` four times, and client 3 for each once.
fn log() -> String {
    let api = request("192.0.2.1", 0, "GET /api HTTP/1.1").repeat(3);
    let web = request("192.0.2.2", 10, "GET /web HTTP/1.1").repeat(4);
    let third = ["/api", "/web"].map(|path| request("192.0.2.3", 20, &format!("GET {path} HTTP/1.1")));
    api + &web + &third.concat()
}

/// The lower limit of the next policies refuses the second request of client 1, and both refuse the third; the higher
/// one admits the second and the third of client 2.
fn next_against_now() -> [&'static str; 4] {
    static WRITTEN: Once = Once::new();
    WRITTEN.call_once(|| {
        file("next.toml", policies("1/min", "3/min").as_bytes());
        file("now.toml", policies("2/min", "1/min").as_bytes());
    });
    ["--policy", "next.toml", "--against", "now.toml"]
}

#[test]
fn a_lower_limit_newly_refuses_and_a_higher_one_newly_admits() {
    let report = report_of(&next_against_now(), log().as_bytes());
    let totals = |set: &Value| ["unmatched", "admitted", "refused"].map(|name| set[name].as_u64().unwrap());
    assert_eq!(totals(&report["against"]), [0, 5, 4]);
    assert_eq!(totals(&report["policy"]), [0, 6, 3]);
    assert_eq!(
        report["newly_refused"],
        json!({
            "requests": 1,
            "policies": [{ "policy": "api", "requests": 1 }],
            "keys": [{ "key": "192.0.2.1", "policy": "api", "requests": 1 }],
        })
    );
    assert_eq!(
        report["newly_admitted"],
        json!({
            "requests": 2,
            "policies": [{ "policy": "web-old", "requests": 2 }],
            "keys": [{ "key": "192.0.2.2", "policy": "web-old", "requests": 2 }],
        })
    );
    assert_eq!(report["over_time_rows"], json!(["api", "web", "newly refused", "newly admitted"]));
    let sums: Vec<u64> = report["over_time"]["refused"].as_array().unwrap().iter().map(sum).collect();
    assert_eq!(sums, [2, 1, 1, 2]);
}

fn sum(row: &Value) -> u64 {
    row.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum()
}

#[test]
fn tables_show_both_files_and_who_is_treated_differently() {
    let printed = text(&[&["-"][..], &next_against_now()].concat(), log().as_bytes());
    assert_eq!(
        printed,
        "\
log    standard input
format Common or Combined Log Format
lines  9: 9 requests, 0 malformed, 0 late
time   2025-03-10 08:00:00 to 2025-03-10 08:00:20 UTC (20 s)
reads  ip, route

 policies                now.toml   next.toml
──────────────────────────────────────────────
 matched by no policy   0    0.0%   0    0.0%
 admitted               5   55.6%   6   66.7%
 refused                4   44.4%   3   33.3%

 now.toml   requests   admitted     refused        keys   longest
                                                refused   refusal
──────────────────────────────────────────────────────────────────
 api               4          3   1   25.0%   1   50.0%      30 s
 web-old           5          2   3   60.0%   1   50.0%     1 min

 next.toml   requests   admitted     refused        keys   longest
                                                 refused   refusal
───────────────────────────────────────────────────────────────────
 api                4          2   2   50.0%   1   50.0%     1 min
 web                5          4   1   20.0%   1   50.0%      20 s

 requests, and what was refused, in each 1 s
 requests        ▆         █         ▄         up to 4
 api             █                             up to 2
 web                       █                   up to 1
 newly refused   █                             up to 1
 newly admitted            █                   up to 2
                 08:00:00            08:00:21

 refused by   newly refused
────────────────────────────
 api              1  100.0%

 key         refused by   newly refused
────────────────────────────────────────
 192.0.2.1   api                      1

 refused before by   newly admitted
────────────────────────────────────
 web-old                  2  100.0%

 key         refused before by   newly admitted
────────────────────────────────────────────────
 192.0.2.2   web-old                          2

 most refused by next.toml   policy   requests     refused
───────────────────────────────────────────────────────────
 192.0.2.1                   api             3   2   66.7%
 192.0.2.2                   web             4   1   25.0%
"
    );
}

#[test]
fn a_file_compared_with_itself_differs_in_nothing() {
    let same = file("same.toml", policies("1/min", "3/min").as_bytes());
    let same = same.to_str().unwrap();
    let report = report_of(&["--policy", same, "--against", same], log().as_bytes());
    let none = json!({ "requests": 0, "policies": [], "keys": [] });
    assert_eq!((&report["newly_refused"], &report["newly_admitted"]), (&none, &none));
    assert_eq!(report["policy"], report["against"]);
    let printed = text(&["-", "--policy", same, "--against", same], log().as_bytes());
    assert!(
        printed.contains(" newly refused: none\n") && printed.contains(" newly admitted: none\n"),
        "{printed}"
    );
}

#[test]
fn without_another_file_nothing_is_compared() {
    let file = file("alone.toml", policies("1/min", "3/min").as_bytes());
    let report = report_of(&["--policy", file.to_str().unwrap()], log().as_bytes());
    let keys = report.as_object().unwrap();
    assert!(!["against", "newly_refused", "newly_admitted"].iter().any(|key| keys.contains_key(*key)));
}
