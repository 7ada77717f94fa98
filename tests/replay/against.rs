//! Policies compared with others on the same log.

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

/// The lower limit of the next policies refuses the second request of client 1, and both refuse the third; the higher one
/// admits the second and the third of client 2.
fn options(name: &str) -> Vec<String> {
    let next = file(&format!("{name}-next.toml"), policies("1/min", "3/min").as_bytes());
    let now = file(&format!("{name}-now.toml"), policies("2/min", "1/min").as_bytes());
    ["--policy", next.to_str().unwrap(), "--against", now.to_str().unwrap()].map(str::to_owned).into()
}

#[test]
fn a_lower_limit_newly_refuses_and_a_higher_one_newly_admits() {
    let options = options("compare");
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let report = report_of(&options, log().as_bytes());
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
    let options = options("tables");
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let printed = text(&[&["-"], &options[..]].concat(), log().as_bytes());
    assert_eq!(printed, "");
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
