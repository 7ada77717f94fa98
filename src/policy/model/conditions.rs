//! [`Conditions`] on a request's attributes, and the [`Pattern`]s in them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What must be true of a request: of each attribute named here, that its value fits one of the patterns. A request without the attribute does not fit.
/// No conditions fit every request.
///
/// ```
/// use tollgate::policy::Conditions;
///
/// let writes = Conditions::new().with("method", ["POST", "PUT"]).with("route", ["/cards/*"]);
/// assert_eq!(writes.to_string(), "method = POST or PUT, route = /cards/*");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Conditions(BTreeMap<String, Patterns>);

impl Conditions {
    /// None: every request fits.
    #[must_use]
    pub fn new() -> Conditions {
        Conditions::default()
    }

    /// And the value of `attribute` must fit one of these patterns.
    #[must_use]
    pub fn with(
        mut self,
        attribute: impl Into<String>,
        patterns: impl IntoIterator<Item = impl Into<String>>,
    ) -> Conditions {
        let patterns = patterns.into_iter().map(|text| Pattern(text.into())).collect();
        self.0.insert(attribute.into(), Patterns(patterns));
        self
    }

    /// The attributes and their patterns, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Pattern])> {
        self.0.iter().map(|(attribute, patterns)| (attribute.as_str(), &*patterns.0))
    }

    /// Whether every request fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |(attribute, patterns): (&str, &[Pattern])| {
            let patterns: Vec<_> = patterns.iter().map(Pattern::as_str).collect();
            format!("{attribute} = {}", patterns.join(" or "))
        };
        f.pad(&self.iter().map(one).collect::<Vec<_>>().join(", "))
    }
}

/// What a value may look like.
///
/// In a pattern for `ip` stands an address or a network as `10.0.0.0/8`. In any other, `*` stands for any run of characters, also of none (in a
/// `route` for one that has no `/`, and `**` for one that may), and `\` takes the meaning from what follows it. Everything else stands for itself.
///
/// For an example see [the module](crate::policy), whose policies match by them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A pattern that only `text` fits.
    pub(crate) fn escaped(text: &str) -> String {
        let mut escaped = String::with_capacity(text.len());
        for character in text.chars() {
            if matches!(character, '*' | '\\') {
                escaped.push('\\');
            }
            escaped.push(character);
        }
        escaped
    }
}

/// One of several. A single one is written without a list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Patterns(Vec<Pattern>);

impl Serialize for Patterns {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &*self.0 {
            [only] => serializer.serialize_str(only.as_str()),
            several => serializer.collect_seq(several.iter().map(Pattern::as_str)),
        }
    }
}

impl<'de> Deserialize<'de> for Patterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Patterns, D::Error> {
        deserializer.deserialize_any(PatternsVisitor)
    }
}

struct PatternsVisitor;

impl<'de> Visitor<'de> for PatternsVisitor {
    type Value = Patterns;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text in quotes, or a list of them")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Patterns, E> {
        Ok(Patterns(vec![Pattern(text.to_owned())]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Patterns, A::Error> {
        let mut patterns = Vec::new();
        while let Some(text) = list.next_element()? {
            patterns.push(Pattern(text));
        }
        Ok(Patterns(patterns))
    }
}

impl JsonSchema for Patterns {
    fn schema_name() -> Cow<'static, str> {
        "Patterns".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A pattern or several, one of which must fit; * stands for any run of characters.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }],
        })
    }
}
