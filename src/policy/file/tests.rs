//! The promises of the whole way, with a small model.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Format, MAX_BYTES, Problem, Read, read};

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    version: u32,
    #[serde(default)]
    policy: Vec<Policy>,
    #[serde(default)]
    tier: Vec<Tier>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Tier {
    name: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Policy {
    id: String,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    factor: f64,
    #[serde(default)]
    tags: BTreeMap<String, i64>,
    limits: Vec<Rate>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Rate {
    #[serde(default)]
    algorithm: Name,
    limit: u64,
    window: String,
    burst: Option<u8>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Name {
    #[default]
    Gcra,
    TokenBucket,
}

fn file(text: &str, format: Format) -> Read<File> {
    read(text, format)
}

/// The problems as they are shown.
fn problems(text: &str, format: Format) -> Vec<String> {
    file(text, format).problems.iter().map(Problem::to_string).collect()
}

const TOML: &str = r#"
version = 1

[[policy]]
id = "cards"
factor = 2
limit = 5
window = "1m"

[[policy]]
id = "login"
enabled = true
tags = { a = -1 }
[[policy.limits]]
algorithm = "token_bucket"
limit = 10
window = "1h"
burst = 3
"#;

const JSON: &str = r#"{ "version": 1, "policy": [
  { "id": "cards", "factor": 2.0, "limit": 5, "window": "1m", "enabled": null },
  { "id": "login", "enabled": true, "tags": { "a": -1 },
    "limits": [{ "algorithm": "token_bucket", "limit": 10, "window": "1h", "burst": 3 }] }
]}"#;

const YAML: &str = r"
version: 1
policy:
  - id: cards
    factor: 2
    limit: &five 5
    window: 1m
  - id: login
    enabled: true
    tags: { a: -1 }
    limits:
      - algorithm: token_bucket
        limit: 10
        window: '1h'
        burst: 0x3
";

#[test]
fn the_three_formats_say_the_same() {
    let read = file(TOML, Format::Toml);
    assert_eq!(read.problems, []);
    let value = read.value.unwrap();
    assert_eq!(value.version, 1);
    assert_eq!(value.policy[0].limits[0].limit, 5);
    assert_eq!(value.policy[1].limits[0].algorithm, Name::TokenBucket);
    assert_eq!(value.policy[1].tags["a"], -1);
    assert_eq!(file(JSON, Format::Json).value.as_ref(), Some(&value), "{:?}", problems(JSON, Format::Json));
    assert_eq!(file(YAML, Format::Yaml).value, Some(value), "{:?}", problems(YAML, Format::Yaml));
}

#[test]
fn every_beginning_of_a_file_has_a_value_or_a_problem() {
    for (text, format) in [(TOML, Format::Toml), (JSON, Format::Json), (YAML, Format::Yaml)] {
        for end in 0..text.len() {
            let read = file(&text[..end], format);
            assert!(read.value.is_some() || !read.problems.is_empty(), "{format}: {}", &text[..end]);
        }
    }
}

#[test]
fn all_problems_are_found_at_once_with_line_policy_and_field() {
    let text = r#"version = "one"
colour = 1
[[policy]]
id = "cards"
brust = 5
limit = 5
window = 60
[[policy]]
enabled = "yes"
[[policy.limits]]
limit = -5
window = "1m"
[[policy.limits]]
algorithm = "leaky"
window = "1m"
burst = 256
[[policy]]
id = 7
limits = {}
tags = { "a b" = 1.5 }
[[tier]]
[[tier]]
name = false
[[policy]]
id = "sound"
limits = []
"#;
    assert_eq!(
        problems(text, Format::Toml),
        [
            "line 1: version: expected a whole number, found text \"one\"",
            "line 2: colour: unknown field \"colour\": use version, policy, tier",
            "line 5: policy \"cards\", brust: unknown field \"brust\": did you mean \"burst\"?",
            "line 7: policy \"cards\", window: expected text in quotes, found the number 60",
            "line 8: policy number 2: missing field \"id\"",
            "line 9: policy number 2, enabled: expected true or false, found text \"yes\"",
            "line 11: policy number 2, limits[0].limit: expected a whole number of at least 0, found the number -5",
            "line 13: policy number 2, limits[1]: missing field \"limit\"",
            "line 14: policy number 2, limits[1].algorithm: \"leaky\" is not known: use gcra, token_bucket",
            "line 16: policy number 2, limits[1].burst: expected a whole number from 0 to 255, found the number 256",
            "line 18: policy number 3, id: expected text in quotes, found the number 7",
            "line 19: policy number 3, limits: expected a list, found a table: begin it with a dash in YAML, with [[…]] in TOML, or put it in [ ]",
            "line 20: policy number 3, tags.\"a b\": expected a whole number, found the number 1.5",
            "line 21: tier[0]: missing field \"name\"",
            "line 23: tier[1].name: expected text in quotes, found false",
        ]
    );
    let left = file(text, Format::Toml).value.unwrap();
    assert_eq!(left.policy.iter().map(|policy| &policy.id).collect::<Vec<_>>(), ["sound"]);
}

#[test]
fn a_misspelt_field_is_not_missing_as_well() {
    let text = "{\"policy\": [{\"id\": \"a\", \"limits\": [{\"limti\": 1, \"window\": \"1m\"}]}]}";
    let expected = "line 1: policy \"a\", limits[0].limti: unknown field \"limti\": did you mean \"limit\"?";
    assert_eq!(problems(text, Format::Json), [expected]);
    let text = "{\"policy\": [{\"id\": \"a\", \"limti\": 1, \"window\": \"1m\"}]}";
    let expected = "line 1: policy \"a\", limti: unknown field \"limti\": did you mean \"limit\"?";
    assert_eq!(problems(text, Format::Json), [expected]);
}

#[test]
fn a_limit_is_flat_or_under_limits_not_both() {
    let text = "policy:\n- id: a\n  limit: 1\n  window: 1m\n  limits:\n  - limit: x\n    window: 1m\n";
    assert_eq!(
        problems(text, Format::Yaml),
        [
            "line 3: policy \"a\": the limit stands beside id and under limits: put all of them under limits",
            "line 6: policy \"a\", limits[0].limit: expected a whole number, found text \"x\"",
        ]
    );
}

#[test]
fn a_field_that_a_flat_limit_lacks_is_the_policys() {
    assert_eq!(
        problems("[[policy]]\nid = 'a'\nlimit = 1\n", Format::Toml),
        ["line 3: policy \"a\": missing field \"window\""]
    );
}

#[test]
fn later_checks_find_the_place_of_a_value_by_its_path() {
    let tree = file(TOML, Format::Toml).tree;
    let shown = |path| tree.locate(path, "no").to_string();
    assert_eq!(shown("policy[0].limits[0].limit"), "line 7: policy \"cards\", limit: no");
    assert_eq!(shown("policy[0].limits[0].burst"), "line 7: policy \"cards\", burst: no");
    assert_eq!(shown("policy[0].name"), "line 4: policy \"cards\", name: no");
    assert_eq!(shown("policy[1].limits[0].burst"), "line 18: policy \"login\", limits[0].burst: no");
    assert_eq!(shown("policy[1].tags.a"), "line 13: policy \"login\", tags.a: no");
    assert_eq!(shown("policy[1]"), "line 10: policy \"login\": no");
    assert_eq!(shown("version"), "line 2: version: no");
    assert_eq!(shown(""), "line 1: no");
    assert_eq!(tree.locate("policy[1].tags.a", "no").column, 10);
}

#[test]
fn problems_of_later_checks_are_put_in_order_counted_and_bounded() {
    let mut read = file(TOML, Format::Toml);
    for path in ["policy[1].limits[0].burst", "version", "policy[0].limits[0].limit"] {
        read.note(path, "no");
    }
    assert_eq!(read.problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [2, 7, 18]);
    for _ in 0..100 {
        read.note("version", "no");
    }
    assert_eq!((read.problems.len(), read.omitted), (100, 3));
}

#[test]
fn paths_count_what_was_read_not_what_was_wrong() {
    let text = "policy:\n- id: 1\n  limits: []\n- id: a\n  limits: []\n";
    let read = file(text, Format::Yaml);
    assert_eq!(read.value.unwrap().policy[0].id, "a");
    assert_eq!(read.tree.locate("policy[0].id", "no").line, 4);
}

#[test]
fn keys_given_twice_are_problems_with_both_lines() {
    let message = "is given twice, on line 2 and on line 3: leave one out";
    for (text, format) in [
        ("[[policy]]\nid = 'a'\nid = 'b'\nlimits = []", Format::Toml),
        ("{\"policy\": [{\"limits\": [],\n\"id\": \"a\",\n\"id\": \"b\"}]}", Format::Json),
        ("policy:\n- id: a\n  id: b\n  limits: []", Format::Yaml),
    ] {
        let read = file(text, format);
        assert_eq!(problems(text, format), [format!("line 3: policy \"a\": \"id\" {message}")], "{format}");
        assert_eq!(read.value.unwrap().policy[0].id, "a", "{format}");
    }
    assert_eq!(problems("\n[a]\n[a] # again\n", Format::Toml)[..1], [format!("line 3: \"a\" {message}")]);
}

#[test]
fn several_errors_of_toml_syntax_are_shown() {
    let text = "version = \n[[policy]\n[[policy]]\nid = a\nlimits = \"x\n[[tier]]\nname\n";
    assert_eq!(
        problems(text, Format::Toml),
        [
            "line 1: a value is missing here",
            "line 2: the header is not closed: write ]] at its end",
            "line 4: text must stand in quotes",
            "line 5: text begins with \" here and does not end on the line: write \" at its end",
            "line 7: a key stands here without a value: write `key = value`",
        ]
    );
}

#[test]
fn in_a_long_toml_file_the_first_error_of_syntax_ends_the_reading() {
    let read = file(&format!("version = \n{}", "=\n".repeat(1 << 20)), Format::Toml);
    assert!(read.value.is_none());
    assert_eq!(read.problems.len(), 1);
    assert_eq!(read.problems[0].to_string(), "line 1: a value is missing here");
}

#[test]
fn json_is_strict() {
    for text in [
        "",
        "{} {}",
        "{} // no",
        "{\"version\": 1,}",
        "{version: 1}",
        "{'version': 1}",
        "{\"version\": +1}",
        "{\"version\": 0x1}",
        "{\"version\": 01}",
        "{\"version\": 1.}",
        "{\"version\": NaN}",
        "{\"version\": 1e999}",
        "{\"version\": 18446744073709551616}",
        "{\"a\": \"b\nc\"}",
        "{\"a\": \"\\ud800\"}",
        "{\"a\": \"\\x41\"}",
        "\u{a0}{}",
    ] {
        let read = file(text, Format::Json);
        assert!(read.value.is_none() && read.problems.len() == 1, "{text}: {:?}", read.problems);
    }
}

#[test]
fn yaml_has_no_tags_one_document_and_no_zero_bytes() {
    for (text, message) in [
        ("version: !!int 1", "tags"),
        ("!x {}", "tags"),
        ("version: 1\n---\nversion: 2", "a second document"),
        ("version: 1\n\0junk", "a control character"),
        ("? [a]\n: 1", "a key must be text"),
        ("a: &a [*a]", "cannot stand inside"),
        ("a: *b", "anchor"),
        ("version: 99999999999999999999", "too large"),
        ("a: [1", ""),
    ] {
        let read = file(text, Format::Yaml);
        let shown = read.problems.iter().map(Problem::to_string).collect::<String>();
        assert!(
            read.value.is_none() && read.problems.len() == 1 && shown.contains(message),
            "{text}: {shown}"
        );
    }
    assert!(file("", Format::Yaml).value.is_some());
    assert!(file("# nothing\n", Format::Yaml).value.is_some());
}

#[test]
fn aliases_stand_for_their_anchor_within_bounds() {
    let text =
        "policy:\n- id: a\n  limits: &all\n  - &one { limit: 1, window: 1m }\n- id: b\n  limits: *all\n";
    let value = file(text, Format::Yaml).value.unwrap();
    assert_eq!(value.policy[0].limits, value.policy[1].limits);

    let mut laughs = String::from("a0: &a0 ha\n");
    for level in 1..=12 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs.extend([format!("a{level}: &a{level} [{before}]\n")]);
    }
    let found = problems(&laughs, Format::Yaml);
    assert!(found.len() == 1 && found[0].contains("aliases"), "{found:?}");
}

#[test]
fn nesting_and_length_have_bounds_in_all_formats() {
    let deep = |levels: usize| {
        let list = "[".repeat(levels) + &"]".repeat(levels);
        [
            (format!("a = {list}"), Format::Toml),
            (format!("{{\"a\": {list}}}"), Format::Json),
            (format!("a: {list}"), Format::Yaml),
            (format!("a:\n{}x", "- ".repeat(levels)), Format::Yaml),
        ]
    };
    for (text, format) in deep(60) {
        assert_eq!(read::<serde::de::IgnoredAny>(&text, format).problems, [], "{format}");
    }
    for levels in [64, 300, 2_000, 100_000] {
        for (text, format) in deep(levels) {
            let read = read::<serde::de::IgnoredAny>(&text, format);
            assert!(read.value.is_none() && !read.problems.is_empty(), "{format} {levels}");
        }
    }
    for format in [Format::Toml, Format::Json, Format::Yaml] {
        let read = file(&" ".repeat(MAX_BYTES + 1), format);
        assert_eq!(read.problems[0].line, 0, "{format}");
    }
}

/// Each was compared with all before it: of a file of sixteen megabytes the reading took hours.
#[test]
fn a_scope_of_very_many_attributes_is_read_in_linear_time() {
    let names: Vec<_> = (0..200_000).map(|number| format!("\"{number}\"")).collect();
    let read = read::<crate::policy::Scope>(&format!("[{}]", names.join(",")), Format::Json);
    assert_eq!(read.value.unwrap().attributes().count(), names.len());
}

#[test]
fn dotted_keys_cannot_make_a_tower() {
    let level = "a.".repeat(78) + "a = {";
    let text = level.repeat(70) + &"}".repeat(70);
    for text in [&text, &format!("{text} error")] {
        assert!(read::<serde::de::IgnoredAny>(text, Format::Toml).value.is_none());
    }
}

#[test]
fn a_policy_with_too_many_problems_says_that_there_may_be_more() {
    let tags = (0..200).map(|tag| format!("    t{tag}: x\n")).collect::<Vec<_>>().concat();
    let read = file(
        &format!("policy:\n- id: a\n  limits: []\n  tags:\n{tags}- id: b\n  limits: []\n"),
        Format::Yaml,
    );
    assert_eq!((read.problems.len(), read.omitted), (100, 1));
    assert_eq!(read.value.unwrap().policy[0].id, "b");
}

#[test]
fn of_many_wrong_policies_the_first_problems_are_kept_and_the_rest_counted() {
    let text =
        (0..20_000).map(|id| format!("- id: p{id}\n  limit: x\n  window: 1m\n")).collect::<Vec<_>>().concat();
    let read = file(&format!("policy:\n{text}"), Format::Yaml);
    assert_eq!((read.problems.len(), read.omitted), (100, 19_900));
    assert_eq!(read.problems[99].line, 3 * 99 + 3);
}
