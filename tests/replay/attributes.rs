//! What policies see of the requests in a log.

use serde_json::{Value, json};

use super::line;
use super::policies::{POLICIES, counts, replay, replay_text};

#[test]
fn one_log_in_all_formats_gives_the_same() {
    let by = "[[policy]]\nid = \"api\"\nscope = [\"ip\", \"user\"]\nmatch = { route = \"/api/*\", method = \"GET\", status = \"2*\" }\n\
              limit = \"50/h\"\ncost = { attribute = \"bytes\" }\n";
    // The one of 40 and one of 30 do not fit into 50.
    let requests = [
        ("192.0.2.1", "ann", "GET", "/api/x", 200, 40),
        ("192.0.2.1", "ann", "GET", "/api/x", 204, 30),
        ("192.0.2.1", "bob", "GET", "/api/y", 200, 30),
        ("192.0.2.1", "ann", "GET", "/api/x/y", 200, 30),
        ("192.0.2.1", "ann", "GET", "/api/x", 500, 30),
        ("192.0.2.1", "ann", "PUT", "/api/x", 200, 30),
        ("192.0.2.1", "", "GET", "/api/x", 200, 30),
        ("192.0.2.1", "", "GET", "/api/x", 200, 10),
        ("192.0.2.1", "", "GET", "/api/x", 200, 20),
    ];
    let clf = requests.map(|(ip, user, method, path, status, bytes)| {
        let user = if user.is_empty() { "-" } else { user };
        format!(
            "{ip} - {user} [10/Mar/2025:08:00:00 +0000] \"{method} {path}?q HTTP/1.1\" {status} {bytes}\n"
        )
    });
    let json = requests.map(|(ip, user, method, path, status, bytes)| {
        let user = if user.is_empty() { "null".to_owned() } else { format!("\"{user}\"") };
        format!(
            "{{\"ts\":1741593600,\"request\":{{\"client_ip\":\"{ip}\",\"method\":\"{method}\",\"uri\":\"{path}?q\"}},\
             \"user_id\":{user},\"status\":{status},\"size\":{bytes}}}\n"
        )
    });
    let csv = requests.map(|(ip, user, method, path, status, bytes)| {
        format!(
            "2025-03-10T08:00:00Z,{ip}:1234,{user},{method},https://example.com{path}?q,{status},{bytes}\n"
        )
    });
    let header = "time,remote_addr,remote_user,request_method,url,status,bytes_sent\n".to_owned();
    let logs = [clf.concat(), json.concat(), header + &csv.concat()];
    let reports = logs.map(|log| replay("formats", by, &log));
    for report in &reports {
        assert_eq!(counts(report, 0), [6, 4, 2, 0], "{report}");
        assert_eq!(report["policy"], reports[0]["policy"]);
        let refused = report["policy"]["most_refused"].as_array().unwrap();
        let keys: Vec<_> = refused.iter().map(|key| key["key"].as_str().unwrap()).collect();
        assert_eq!(keys, ["192.0.2.1 ann", "192.0.2.1 -"]);
    }
    let fields = |report: &Value| -> Vec<String> {
        let attributes = report["attributes"].as_array().unwrap().iter();
        attributes.map(|attribute| attribute["field"].as_str().unwrap_or("").to_owned()).collect()
    };
    assert_eq!(fields(&reports[0]), [""; 6]);
    assert_eq!(
        fields(&reports[1]),
        ["size", "request.client_ip", "request.method", "request.uri", "status", "user_id"]
    );
    assert_eq!(
        fields(&reports[2]),
        ["bytes_sent", "remote_addr", "request_method", "url", "status", "remote_user"]
    );
}

#[test]
fn any_other_attribute_is_the_field_of_its_name() {
    let policies = "[[policy]]\nid = \"plans\"\nscope = [\"account.plan\", \"region\"]\nlimit = \"1/h\"\n";
    let log = "{\"ts\":1,\"account\":{\"plan\":\"free\"}}\n\
               {\"ts\":1,\"account\":{\"plan\":\"free\"},\"region\":\"eu west\"}\n\
               {\"ts\":1,\"account\":{\"plan\":\"free\"},\"region\":\"eu west\"}\n\
               {\"ts\":1,\"account\":[1],\"region\":{}}\n";
    let report = replay("fields", policies, log);
    assert_eq!((&report["malformed"], counts(&report, 0)), (&json!(0), [4, 3, 1, 0]));
    assert_eq!(report["policy"]["policies"][0]["keys"], 3);
    assert_eq!(report["policy"]["most_refused"][0]["key"], r"free eu\x20west");
    assert_eq!(
        report["attributes"][0],
        json!({ "name": "account.plan", "field": "account.plan", "requests": 3 })
    );
}

#[test]
fn a_hint_names_no_option_that_policies_do_not_take() {
    let printed = replay_text("hint", POLICIES, "{\"at\":1}\n");
    assert!(
        printed.contains("name the field with --time-field") && !printed.contains("--key-field"),
        "{printed}"
    );
}

#[test]
fn an_attribute_that_no_request_has_is_said() {
    let policies = "[[policy]]\nid = \"tenants\"\nscope = \"tenant\"\nlimit = \"1/h\"\n";
    let printed = replay_text("absent", policies, &line("192.0.2.1", 0));
    assert!(printed.contains("hint: no request has tenant: "), "{printed}");
}

#[test]
fn tiers_of_the_file_have_their_own_limits() {
    let policies = "[[tier]]\nname = \"gold\"\nmembers = [{ ip = \"192.0.2.0/24\" }]\n\
                    [[policy]]\nid = \"api\"\nscope = \"ip\"\nlimit = \"1/h\"\n\
                    overrides = [{ match = { tier = \"gold\" }, limit = \"3/h\" }]\n";
    let log = line("192.0.2.1", 0).repeat(5) + &line("198.51.100.1", 0).repeat(5);
    let report = replay("tiers", policies, &log);
    assert_eq!(counts(&report, 0), [10, 4, 6, 0]);
    assert!(!replay_text("tiers", policies, &log).contains("hint"));
}

#[test]
fn a_request_that_costs_more_than_there_is_is_told_from_one_that_must_wait() {
    let policies = "[[policy]]\nid = \"bytes\"\ncost = { attribute = \"bytes\" }\nlimit = \"10/h\"\n";
    let log = line("192.0.2.1", 0).replace("200 1", "200 11") + &line("192.0.2.1", 0);
    let report = replay("cost", policies, &log);
    let row = &report["policy"]["policies"][0];
    assert_eq!(
        (&row["refused"], &row["requests_too_large"], &row["longest_refusal_seconds"]),
        (&json!(1), &json!(1), &json!(0.0))
    );
    assert!(replay_text("cost", policies, &log).contains("hint: what costs more than a limit gives at once"));
}

#[test]
fn ipv6_clients_are_one_key_by_network() {
    let policies = "[[policy]]\nid = \"api\"\nscope = \"ip\"\nlimit = \"1/h\"\n";
    let clients =
        ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1", "::ffff:192.0.2.1", "192.0.2.1"];
    let log: String = clients.iter().map(|client| line(client, 0)).collect();
    let report = replay("ipv6", policies, &log);
    assert_eq!(report["policy"]["policies"][0]["keys"], 3);
    let refused = report["policy"]["most_refused"].as_array().unwrap();
    let keys: Vec<_> = refused.iter().map(|key| key["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["192.0.2.1", "2001:db8:1:2::/64"]);
}
