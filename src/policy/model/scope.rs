//! [`Scope`]: by which attributes a policy tells keys apart.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// By which attributes a policy tells keys apart: each combination of their values is a key of its own. With none, the default, all requests are one
/// key: in a file `scope = "global"`.
///
/// ```
/// use tollgate::policy::Scope;
///
/// let scope = Scope::of(["user", "route"]);
/// assert_eq!(scope.attributes().collect::<Vec<_>>(), ["user", "route"]);
/// assert!(Scope::global().is_global());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope(Vec<String>);

impl Scope {
    /// The word for no attribute at all.
    pub(crate) const GLOBAL: &'static str = "global";

    /// All requests are one key.
    #[must_use]
    pub const fn global() -> Scope {
        Scope(Vec::new())
    }

    /// By these attributes. One that is given twice counts once.
    pub fn of(attributes: impl IntoIterator<Item = impl Into<String>>) -> Scope {
        let mut known = HashSet::new();
        let attributes = attributes.into_iter().map(Into::<String>::into);
        Scope(attributes.filter(|attribute| known.insert(attribute.clone())).collect())
    }

    /// The attributes.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether all requests are one key.
    #[must_use]
    pub fn is_global(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_global() { f.pad(Scope::GLOBAL) } else { f.pad(&self.0.join(", ")) }
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_global() { serializer.serialize_str(Scope::GLOBAL) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scope, D::Error> {
        deserializer.deserialize_any(ScopeVisitor)
    }
}

struct ScopeVisitor;

impl<'de> Visitor<'de> for ScopeVisitor {
    type Value = Scope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an attribute as \"user\", a list of them, or \"global\"")
    }

    fn visit_str<E: de::Error>(self, attribute: &str) -> Result<Scope, E> {
        Ok(if attribute == Scope::GLOBAL { Scope::global() } else { Scope::of([attribute]) })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scope, A::Error> {
        let mut attributes: Vec<String> = Vec::new();
        while let Some(attribute) = list.next_element()? {
            attributes.push(attribute);
        }
        if attributes.iter().any(|attribute| attribute == Scope::GLOBAL) {
            if attributes.len() > 1 {
                return Err(de::Error::custom(
                    "\"global\" stands alone: leave it out, or the other attributes",
                ));
            }
            return Ok(Scope::global());
        }
        Ok(Scope::of(attributes))
    }
}

impl JsonSchema for Scope {
    fn schema_name() -> Cow<'static, str> {
        "Scope".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "By which attributes keys are told apart: one, several, or \"global\" for none.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        })
    }
}
