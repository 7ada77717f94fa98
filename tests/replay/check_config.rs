//! `tollgate check-config`, from the command line to what it prints.

use std::process::{Command, Output};

use serde_json::Value;

use super::file;

fn check(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tollgate")).arg("check-config").args(args).output().unwrap()
}

/// What a run says that must succeed.
#[track_caller]
fn checked(args: &[&str]) -> String {
    let output = check(args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a run says that must fail.
#[track_caller]
fn wrong(args: &[&str]) -> String {
    let output = check(args);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(1), &b""[..]));
    String::from_utf8(output.stderr).unwrap()
}

const POLICIES: &str = r#"
[[tier]]
name = "gold"
members = [{ user = ["acme", "umbrella-*"] }, { ip = "192.0.2.0/24" }]

[[policy]]
id = "cards"
priority = 5
scope = ["user", "route"]
match = { route = "/cards/*", method = "POST" }
limits = [{ limit = "5/min" }, { name = "daily", limit = 100, window = "1d", algorithm = "sliding_log" }]
concurrency = 4
overrides = [{ match = { tier = "gold" }, limit = "unlimited" }]
enforce_percent = 12.5

[[policy]]
id = "bandwidth"
scope = "ip"
cost = { attribute = "bytes", otherwise = 0 }
limit = "1000000/h burst 5000"
shadow = true
backend = "redis"
mode = "leased"
budget = "10ms"
on_failure = "local"
expected_nodes = 3

[[policy]]
id = "robots"
deny = [{ user = "robot" }]
missing = "pass"

[[policy]]
id = "later"
state = "draft"
"#;

#[test]
fn a_file_without_errors_is_shown_as_a_table() {
    let path = file("check.toml", POLICIES.as_bytes());
    let expected = "\
\x20id          state    priority   scope         match              limits            concurrency   notes
────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
 cards       active   5          user, route   method = POST      5/min             4             enforced for 12.5% of
                                               route = /cards/*   daily: 100/d                    keys
                                                                  sliding_log                     overrides: 1
 bandwidth   active   0          ip            everything         1000000/h burst                 shadow
                                                                  5000                            costs bytes, else 0
                                                                                                  backend redis, on
                                                                                                  failure local
                                                                                                  leased
                                                                                                  budget: 10ms
                                                                                                  expected nodes: 3
 robots      active   0          global        everything                                         deny: 1
                                                                                                  missing: pass
 later       draft    0          global        everything

tier gold: user = acme or umbrella-*; ip = 192.0.2.0/24
3 policies in force, 1 draft
";
    assert_eq!(checked(&[path.to_str().unwrap()]), expected);
}

#[test]
fn everything_wrong_in_any_file_is_said_with_its_line() {
    let right = file("right.toml", b"[[policy]]\nid = \"a\"\nlimit = \"1/s\"\n");
    let one = file("one.toml", b"[[policy]]\nid = \"a b\"\nlimit = \"1/s\"\n\n[[policy]]\nid = \"c\"\n");
    let other =
        file("other.json", b"{\"policy\": [\n  {\"id\": \"a\", \"limit\": \"1/s\", \"brust\": 2}\n]}\n");
    let [right, one, other] = [&right, &one, &other].map(|path| path.to_str().unwrap());
    let said = wrong(&[right, one, other, "none.yaml", "notes.txt"]);
    for expected in [
        format!("error: {one}: line 2: policy \"a b\", id: "),
        format!("\n{one}: line 5: policy \"c\", limits: "),
        format!("\n{other}: line 2: policy \"a\", brust: "),
        "\nnone.yaml: cannot be read: ".to_owned(),
        "\nnotes.txt: ".to_owned(),
    ] {
        assert!(said.contains(&expected), "{expected} is not in {said}");
    }
    assert!(!said.contains(right));
}

#[test]
fn several_files_are_shown_one_after_the_other() {
    let one = file("several-1.toml", b"[[policy]]\nid = \"a\"\nlimit = \"1/s\"\n");
    let two = file("several-2.yaml", b"policy:\n  - id: b\n    state: suspended\n    limit: block\n");
    let (one, two) = (one.to_str().unwrap(), two.to_str().unwrap());
    let printed = checked(&[one, two]);
    assert!(printed.starts_with(&format!("{one}\n\n id ")), "{printed}");
    assert!(printed.contains(&format!("\n1 policy in force\n\n{two}\n\n id ")), "{printed}");
    assert!(printed.ends_with("\n0 policies in force, 1 suspended\n"), "{printed}");
}

#[test]
fn a_file_without_policies_puts_none_in_force() {
    let path = file("none.toml", b"");
    assert_eq!(checked(&[path.to_str().unwrap()]), "0 policies in force\n");
}

#[test]
fn the_schema_is_that_of_a_file() {
    let schema: Value = serde_json::from_str(&checked(&["--schema"])).unwrap();
    let fields = schema["$defs"]["Policy"]["properties"].as_object().unwrap();
    for field in ["id", "match", "scope", "limit", "limits", "overrides"] {
        assert!(fields.contains_key(field), "{field}");
    }
}

#[test]
fn a_configuration_of_envoy_is_shown_as_the_policies_that_it_becomes() {
    let path = file(
        "envoy.yaml",
        b"domain: mail\ndescriptors:\n- key: to\n  rate_limit: { unit: day, requests_per_unit: 100 }\n",
    );
    let printed = checked(&["--envoy", path.to_str().unwrap()]);
    assert!(printed.contains(" mail/to ") && printed.contains(" 100/d fixed_window\n"), "{printed}");
    assert!(printed.ends_with("\n1 policy in force\n"), "{printed}");
}

#[test]
fn what_is_wrong_in_a_configuration_of_envoy_is_said_with_its_line() {
    let path = file(
        "envoy-wrong.yaml",
        b"domain: mail\ndescriptors:\n- key: to\n  rate_limit: { unit: eon, requests_per_unit: 100 }\n- kay: to\n",
    );
    let path = path.to_str().unwrap();
    let said = wrong(&["--envoy", path]);
    assert!(said.contains(&format!("error: {path}: line 4: ")), "{said}");
    assert!(said.contains(&format!("\n{path}: line 5: ")), "{said}");
}

#[test]
fn there_must_be_a_file_or_the_wish_for_the_schema() {
    for (args, expected) in [(&[][..], "<FILE>..."), (&["--schema", "a.toml"], "cannot be used with")] {
        let output = check(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(expected), "{said}");
    }
}
