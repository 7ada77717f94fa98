//! The key of a request in a store.

use std::sync::Arc;

use super::super::matching::{Column, Seen, Value};
use super::super::model::Scope;
use crate::digest::digest;

/// Strangers choose values, and a store is not to be filled by them; as in front of services.
const LONGEST: usize = 255;

/// By which attributes a store's keys are told apart.
pub(super) struct StoreScope(Box<[(Box<str>, Column)]>);

impl StoreScope {
    pub(super) fn new(scope: &Scope) -> StoreScope {
        StoreScope(scope.attributes().map(|name| (escaped(name), Column::of(name))).collect())
    }

    /// What a request is counted under: `user=alice&ip@192.0.2.1`, or `global`.
    ///
    /// Different values never make the same key: after a name comes what kind of value it has, and none if it has no value; and what stands
    /// between two attributes stands in no value. Of a secret there is a digest: `user!ba7816bf`, and so on; and of a key that would be longer than
    /// [`LONGEST`] bytes.
    pub(super) fn key(&self, seen: &Seen<'_, '_>) -> Arc<[u8]> {
        if self.0.is_empty() {
            return Scope::GLOBAL.as_bytes().into();
        }
        let mut key = String::new();
        for (place, (name, column)) in self.0.iter().enumerate() {
            let between = if place == 0 { "" } else { "&" };
            key.extend([between, name]);
            match seen.get(column).map(Value::in_scope) {
                None => {}
                Some(Value::Text(text)) => key.extend(["=", &escaped(text)]),
                Some(Value::Secret(text)) => key.extend(["!", &digest(text.as_bytes())]),
                Some(Value::Address(address)) => key.extend(["@", &address.to_string()]),
                Some(Value::Number(number)) => key.extend(["#", &number.to_string()]),
            }
        }
        if key.len() > LONGEST {
            // Where a `%` stands for something, two capitals or digits follow.
            key = format!("%digest:{}", digest(key.as_bytes()));
        }
        key.into_bytes().into()
    }
}

/// Without what stands between values, and what a terminal would not show: those are written as in addresses of the web.
fn escaped(text: &str) -> Box<str> {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '%' | '&' | '=' | '@' | '#' | '!') || character.is_ascii_control() {
            escaped.extend(["%", &format!("{:02X}", u32::from(character))]);
        } else {
            escaped.push(character);
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::super::matching::Attributes;
    use super::*;

    fn key(scope: &[&str], attributes: &Attributes<'_>) -> String {
        let key = StoreScope::new(&Scope::of(scope.iter().copied())).key(&Seen { attributes, tier: None });
        String::from_utf8(key.to_vec()).unwrap()
    }

    #[test]
    fn keys_are_read_as_they_were_asked() {
        let request = Attributes::new().user("alice").ip([192, 0, 2, 1].into()).with("plan", 5);
        assert_eq!(key(&["user", "ip", "plan", "api"], &request), "user=alice&ip@192.0.2.1&plan#5&api");
        assert_eq!(key(&[], &request), "global");
        let network = Attributes::new().ip("2001:db8:1:2:3::4".parse().unwrap());
        assert_eq!(key(&["ip"], &network), "ip@2001:db8:1:2::");
    }

    #[test]
    fn secrets_are_not_shown_and_long_keys_not_stored() {
        let request = Attributes::new().with("user", Value::Secret("s3cret"));
        assert!(
            key(&["user"], &request).starts_with("user!") && !key(&["user"], &request).contains("s3cret")
        );
        assert!(!format!("{request:?}").contains("s3cret"));
        let (long, other) = ("x".repeat(100_000), "x".repeat(100_001));
        let digests = [&long, &other].map(|text| key(&["user"], &Attributes::new().user(text)));
        assert!(digests[0] != digests[1] && digests.iter().all(|digest| digest.len() == 72), "{digests:?}");
    }

    #[test]
    fn different_requests_have_different_keys() {
        let texts = ["", "a", "a&b", "a%26b", "a&b=", "=", "@", "#5", "5", "%", "%25", "a\n", "a%0A", "ä"];
        let mut values: Vec<Option<Value<'_>>> = texts.iter().map(|text| Some(Value::Text(text))).collect();
        values.extend(["a", "5"].map(|text| Some(Value::Secret(text))));
        values.extend([None, Some(Value::Number(5)), Some(Value::Address([0, 0, 0, 5].into()))]);
        let mut keys = HashSet::new();
        for a in &values {
            for b in &values {
                let mut request = Attributes::new();
                for (name, value) in [("a", a), ("b", b)] {
                    if let Some(value) = value {
                        request = request.with(name, *value);
                    }
                }
                assert!(keys.insert(key(&["a", "b"], &request)), "{request:?}");
            }
        }
    }
}
