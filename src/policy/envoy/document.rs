//! A configuration of Envoy's rate limit service, as its file has it.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};

use crate::policy::{AlgorithmName, Amount, Limit};
use crate::quota::{Excerpt, Quota};

/// A file: the descriptors of one domain.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Document {
    #[serde(deserialize_with = "text")]
    pub(super) domain: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) descriptors: Vec<Rule>,
}

/// What the service calls a descriptor: which entry it is about, how often that may come, and what may follow it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rule {
    #[serde(deserialize_with = "text")]
    pub(super) key: String,
    /// Empty if any value fits.
    #[serde(deserialize_with = "text")]
    pub(super) value: String,
    pub(super) rate_limit: Option<RateLimit>,
    #[serde(deserialize_with = "or_default")]
    pub(super) descriptors: Vec<Rule>,
    #[serde(deserialize_with = "or_default")]
    pub(super) shadow_mode: bool,
    #[serde(deserialize_with = "or_default")]
    pub(super) quota_mode: bool,
    #[serde(deserialize_with = "or_default")]
    pub(super) share_threshold: bool,
    // How it names its statistics and what it tells its caller: nothing that decides.
    #[serde(rename = "detailed_metric")]
    _detailed_metric: Option<bool>,
    #[serde(rename = "value_to_metric")]
    _value_to_metric: Option<bool>,
    #[serde(rename = "metadata")]
    _metadata: Option<IgnoredAny>,
}

/// How often.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RateLimit {
    #[serde(deserialize_with = "text")]
    pub(super) unit: String,
    #[serde(deserialize_with = "or_default")]
    requests_per_unit: u32,
    #[serde(deserialize_with = "or_default")]
    pub(super) unlimited: bool,
    #[serde(deserialize_with = "text")]
    pub(super) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) replaces: Vec<Replaced>,
}

/// The name of a rate limit that another one replaces.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Replaced {
    #[serde(deserialize_with = "text")]
    pub(super) name: String,
}

/// Their lengths in seconds are the service's own: it has no calendar.
const UNITS: [(&str, u64); 7] = [
    ("second", 1),
    ("minute", 60),
    ("hour", 3_600),
    ("day", 86_400),
    ("week", 7 * 86_400),
    ("month", 30 * 86_400),
    ("year", 365 * 86_400),
];

impl RateLimit {
    /// The same as a limit, which counts as the service does: in windows that start at multiples of their length since
    /// 1970.
    ///
    /// # Errors
    ///
    /// The field that is wrong, and what is wrong with it.
    pub(super) fn limit(&self) -> Result<Limit, (&'static str, String)> {
        let unit = UNITS.iter().find(|(name, _)| self.unit.eq_ignore_ascii_case(name));
        match unit {
            Some(_) if self.unlimited => {
                Err(("unit", "what is unlimited has no unit: leave out unit, or unlimited".to_owned()))
            }
            None if self.unlimited => Ok(Limit::new(Amount::Unlimited)),
            None => Err(("unit", self.wrong_unit())),
            Some(_) if self.requests_per_unit == 0 => Ok(Limit::new(Amount::Block)),
            Some((_, seconds)) => {
                let quota = Quota::new(u64::from(self.requests_per_unit), Duration::from_secs(*seconds));
                let quota = quota.map_err(|error| ("requests_per_unit", error.to_string()))?;
                Ok(Limit::of(AlgorithmName::FixedWindow, quota))
            }
        }
    }

    fn wrong_unit(&self) -> String {
        let units = UNITS.map(|(name, _)| name).join(", ");
        if self.unit.is_empty() {
            format!("a rate limit needs a unit: {units}")
        } else {
            format!("{:?} is not a unit: use {units}", Excerpt::of(&self.unit))
        }
    }
}

/// What is given as nothing counts as not given.
fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The service takes a number for the text that it is written as, `0x1F` for itself; here it is not known any more how
/// a number was written.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_any(TextVisitor)
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text in quotes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Ok(String::new())
    }
}
