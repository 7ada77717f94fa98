//! How Envoy's rate limit service looks a limit up: by its own data, keys joined with `_`, and level by level.

use std::collections::HashMap;

use serde_json::{Value, json};

/// The entries of a descriptor.
pub(crate) type Asked = Vec<(String, String)>;

/// A descriptor of a configuration.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) key: String,
    pub(crate) value: String,
    /// Whether it has a limit, of which name.
    pub(crate) limit: Option<String>,
    pub(crate) share: bool,
    pub(crate) rules: Vec<Rule>,
}

/// What is found.
pub(crate) struct Chosen {
    pub(crate) name: String,
    pub(crate) cache_key: String,
}

impl Rule {
    pub(crate) fn new(key: &str, value: &str, limit: bool, share: bool) -> Rule {
        let share = share && value.contains('*');
        let limit = limit.then(String::new);
        Rule { key: key.to_owned(), value: value.to_owned(), limit, share, rules: Vec::new() }
    }

    fn full_key(&self) -> String {
        if self.value.is_empty() { self.key.clone() } else { format!("{}_{}", self.key, self.value) }
    }
}

/// Numbers the limits, and writes the configuration down. JSON is YAML too.
pub(crate) fn yaml(domain: &str, mut rules: Vec<Rule>) -> (Vec<Rule>, String) {
    let mut count = 0;
    let descriptors = written(&mut rules, &mut count);
    (rules, json!({ "domain": domain, "descriptors": descriptors }).to_string())
}

fn written(rules: &mut [Rule], count: &mut usize) -> Vec<Value> {
    let write = |rule: &mut Rule| {
        let rate_limit = rule.limit.as_mut().map(|name| {
            *count += 1;
            *name = format!("limit {count}");
            json!({ "name": name, "unit": "minute", "requests_per_unit": 1 })
        });
        json!({
            "key": rule.key,
            "value": rule.value,
            "rate_limit": rate_limit,
            "share_threshold": rule.share,
            "descriptors": written(&mut rule.rules, count),
        })
    };
    rules.iter_mut().map(write).collect()
}

/// The limit for these entries, if there is one.
pub(crate) fn get_limit(rules: &[Rule], entries: &[(String, String)]) -> Option<Chosen> {
    let mut level = rules;
    let mut cache_key = String::from("d_");
    let mut found = None;
    for (place, (key, value)) in entries.iter().enumerate() {
        let by_key: HashMap<String, &Rule> = level.iter().map(|rule| (rule.full_key(), rule)).collect();
        let full_key = format!("{key}_{value}");
        let exact = by_key.get(&full_key).copied();
        let wildcard = || level.iter().find(|rule| glob(&rule.full_key(), &full_key));
        let wildcard = if exact.is_none() { wildcard() } else { None };
        let next = exact.or(wildcard).or_else(|| by_key.get(key).copied())?;
        let counted = wildcard.filter(|rule| rule.share).map_or(value, |rule| &rule.value);
        for part in [key, "_", counted, "_"] {
            cache_key += part;
        }
        if place + 1 == entries.len() {
            found.clone_from(&next.limit);
        }
        level = &next.rules;
        if level.is_empty() && place + 1 < entries.len() {
            return None;
        }
    }
    found.map(|name| Chosen { name, cache_key })
}

/// Whether a key with `*` fits: by trying each length for the first one.
fn glob(pattern: &str, text: &str) -> bool {
    fn rest(parts: &[&str], text: &str) -> bool {
        match parts {
            [] => true,
            [last] => text.ends_with(last),
            [next, parts @ ..] => (0..=text.len()).any(|start| {
                text.get(start..)
                    .and_then(|text| text.strip_prefix(next))
                    .is_some_and(|text| rest(parts, text))
            }),
        }
    }
    let parts: Vec<_> = pattern.split('*').collect();
    parts.len() > 1 && text.strip_prefix(parts[0]).is_some_and(|text| rest(&parts[1..], text))
}
