//! The JSON Schema of a file of policies.

use serde_json::Value;
use tollgate::policy::{Format, Policies};

fn schema() -> Value {
    serde_json::to_value(Policies::json_schema()).unwrap()
}

/// The words that a field may have.
fn words(definition: &str) -> Vec<String> {
    let found = schema()["$defs"][definition].clone();
    let of_variants =
        |variants: &Vec<Value>| variants.iter().map(|variant| variant["const"].clone()).collect();
    let words: Vec<Value> = found["oneOf"].as_array().map_or_else(Vec::new, of_variants);
    words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_policy_has_its_fields_and_those_of_a_flat_limit_and_no_others() {
    let schema = schema();
    let policy = &schema["$defs"]["Policy"];
    for field in [
        "id",
        "match",
        "scope",
        "limits",
        "algorithm",
        "limit",
        "window",
        "burst",
        "enforce_percent",
        "backend",
        "mode",
        "budget",
        "on_failure",
        "expected_nodes",
    ] {
        assert!(policy["properties"][field].is_object(), "{field}");
    }
    assert_eq!(policy["additionalProperties"], false);
    assert_eq!(policy["required"], serde_json::json!(["id"]));
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["$defs"]["Limit"]["required"], serde_json::json!(["limit"]));
}

#[test]
fn every_reference_leads_to_a_definition() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let schema = schema();
    let mut found = Vec::new();
    references(&schema, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        assert!(schema.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn the_words_of_the_schema_are_those_that_files_may_have() {
    assert_eq!(
        words("AlgorithmName"),
        ["gcra", "token_bucket", "leaky_bucket", "fixed_window", "sliding_window", "sliding_log"]
    );
    for (definition, field) in [
        ("AlgorithmName", "algorithm"),
        ("State", "state"),
        ("Missing", "missing"),
        ("OnFailure", "on_failure"),
    ] {
        let words = words(definition);
        assert!(words.len() > 2, "{definition}");
        for word in words {
            let text = format!("[[policy]]\nid = 'a'\nlimit = '5/min'\n{field} = '{word}'");
            assert!(Policies::parse(&text, Format::Toml).is_ok(), "{text}");
        }
    }
}

#[test]
fn descriptions_are_for_readers_of_files() {
    fn descriptions(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("description").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| descriptions(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| descriptions(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    descriptions(&schema(), &mut found);
    assert!(found.len() > 30, "{}", found.len());
    for description in found {
        for mark in ["[`", "`]", "](", "```", "::", "\n"] {
            assert!(!description.contains(mark), "{description}");
        }
    }
}
