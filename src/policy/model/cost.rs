//! [`CostRule`]: what a request costs.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What a request costs, in tokens. (A place in a concurrency limit is always one.)
///
/// ```
/// use tollgate::policy::{AttributeCost, Attributes, CostRule, Format, Policies, PolicySet};
///
/// let file = "[[policy]]\nid = \"tokens\"\nlimit = \"1000/h\"\ncost = { attribute = \"tokens\", otherwise = 10 }";
/// let policies = Policies::parse(file, Format::Toml)?;
/// assert_eq!(policies.policy[0].cost, CostRule::Attribute(AttributeCost::new("tokens", 10)));
///
/// let set = PolicySet::new();
/// set.apply(policies)?;
/// assert_eq!(set.check(&Attributes::new().with("tokens", 300)).remaining(), 700);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum CostRule {
    /// So much: in a file `cost = 5`.
    Fixed(u64),
    /// As much as one of its attributes says: in a file `cost = { attribute = "tokens", otherwise = 1 }`.
    Attribute(AttributeCost),
}

/// A cost that an attribute says.
///
/// For an example see [`CostRule`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AttributeCost {
    /// The attribute, whose value is a whole number.
    pub attribute: String,
    /// The cost if the request has no such attribute, or it is no number; default 1.
    #[serde(default = "one")]
    pub otherwise: u64,
}

impl AttributeCost {
    /// What this attribute says, or else `otherwise`.
    #[must_use]
    pub fn new(attribute: impl Into<String>, otherwise: u64) -> AttributeCost {
        AttributeCost { attribute: attribute.into(), otherwise }
    }
}

fn one() -> u64 {
    1
}

impl Default for CostRule {
    /// 1.
    fn default() -> CostRule {
        CostRule::Fixed(1)
    }
}

impl<'de> Deserialize<'de> for CostRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CostRule, D::Error> {
        deserializer.deserialize_any(CostVisitor)
    }
}

struct CostVisitor;

impl<'de> Visitor<'de> for CostVisitor {
    type Value = CostRule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or a table with attribute and otherwise")
    }

    fn visit_u64<E: de::Error>(self, cost: u64) -> Result<CostRule, E> {
        Ok(CostRule::Fixed(cost))
    }

    fn visit_i64<E: de::Error>(self, cost: i64) -> Result<CostRule, E> {
        let below = |_| E::custom(format_args!("{cost} is below 0: use a whole number of at least 0"));
        u64::try_from(cost).map(CostRule::Fixed).map_err(below)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<CostRule, A::Error> {
        AttributeCost::deserialize(MapAccessDeserializer::new(table)).map(CostRule::Attribute)
    }
}

impl JsonSchema for CostRule {
    fn schema_name() -> Cow<'static, str> {
        "CostRule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let by_attribute = generator.subschema_for::<AttributeCost>();
        schemars::json_schema!({
            "description": "What a request costs, in tokens.",
            "anyOf": [{ "type": "integer", "minimum": 0 }, by_attribute],
        })
    }
}
