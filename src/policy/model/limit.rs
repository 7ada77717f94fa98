//! [`Limit`]: one of the limits of a policy.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::quota::{Excerpt, Quota, QuotaError};

/// The rule by which a limit counts.
///
/// For an example see [`Limit`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlgorithmName {
    /// [`Gcra`](crate::Gcra): tokens come back one by one, evenly.
    #[default]
    Gcra,
    /// [`TokenBucket`](crate::TokenBucket), refilled evenly.
    TokenBucket,
    /// [`LeakyBucket`](crate::LeakyBucket), with room for a burst: one request goes, and the others wait.
    LeakyBucket,
    /// [`FixedWindow`](crate::FixedWindow): so many in every minute, hour or day of the clock.
    FixedWindow,
    /// [`SlidingWindow`](crate::SlidingWindow): so many in any window, if they come evenly.
    SlidingWindow,
    /// [`SlidingLog`](crate::SlidingLog): so many in any window, exactly.
    SlidingLog,
}

impl AlgorithmName {
    /// Its name, as in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AlgorithmName::Gcra => "gcra",
            AlgorithmName::TokenBucket => "token_bucket",
            AlgorithmName::LeakyBucket => "leaky_bucket",
            AlgorithmName::FixedWindow => "fixed_window",
            AlgorithmName::SlidingWindow => "sliding_window",
            AlgorithmName::SlidingLog => "sliding_log",
        }
    }

    /// Whether it knows of a burst beside the count and the period.
    #[must_use]
    pub fn has_burst(self) -> bool {
        matches!(self, AlgorithmName::Gcra | AlgorithmName::TokenBucket | AlgorithmName::LeakyBucket)
    }
}

impl fmt::Display for AlgorithmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much a limit lets through.
///
/// For an example see [`Limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Amount {
    /// So many in so much time: in a file `"5/min"`, or `"1000/h burst 50"`.
    Quota(Quota),
    /// So many in the limit's window: in a file `100`, with a `window` beside it.
    Count(u64),
    /// Everything: in a file `"unlimited"`.
    Unlimited,
    /// Nothing: in a file `"block"`.
    Block,
}

/// One of the limits of a policy.
///
/// ```
/// use tollgate::Quota;
/// use tollgate::policy::{AlgorithmName, Amount, Limit};
///
/// let per_minute = Limit::new(Amount::Quota(Quota::per_minute(60).burst(10)));
/// let per_day = Limit::of(AlgorithmName::SlidingLog, Quota::per_day(100));
/// assert_eq!((per_minute.algorithm, per_day.algorithm), (AlgorithmName::Gcra, AlgorithmName::SlidingLog));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Limit {
    /// What it is called in header fields and reports, after the policy's id. Without one it is numbered if it is one of several. No two of a policy
    /// have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The rule by which it counts.
    #[serde(default)]
    pub algorithm: AlgorithmName,
    /// How much it lets through.
    pub limit: Amount,
    /// The time that a limit without one of its own is about, as `"1min"` or `"7d"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// How much it lets through at once, if that is not the limit itself. Windows have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
}

impl Limit {
    /// A limit of this amount, by [`Gcra`](crate::Gcra).
    #[must_use]
    pub fn new(amount: Amount) -> Limit {
        Limit { name: None, algorithm: AlgorithmName::default(), limit: amount, window: None, burst: None }
    }

    /// By `quota`, in this way.
    #[must_use]
    pub fn of(algorithm: AlgorithmName, quota: Quota) -> Limit {
        Limit { algorithm, ..Limit::new(Amount::Quota(quota)) }
    }

    /// How many, in what time, and how many at once; `None` if everything or nothing.
    ///
    /// # Errors
    ///
    /// The field that is wrong, and what is wrong with it.
    pub(crate) fn quota(&self) -> Result<Option<Quota>, (&'static str, String)> {
        let quota = match self.limit {
            Amount::Unlimited | Amount::Block => return self.without_quota().map(|()| None),
            Amount::Quota(quota) => {
                if self.window.is_some() {
                    return Err(("window", format!("the limit says already in what time: {quota}")));
                }
                quota
            }
            Amount::Count(count) => {
                let window = self.window()?;
                Quota::new(count, window).map_err(|error| ("limit", error.to_string()))?
            }
        };
        let plain = quota.burst(quota.count());
        match self.burst {
            None if quota == plain || self.algorithm.has_burst() => Ok(Some(quota)),
            Some(burst) if self.algorithm.has_burst() && quota == plain => Ok(Some(quota.burst(burst))),
            Some(_) if self.algorithm.has_burst() => {
                Err(("burst", format!("the limit says already how many at once: {quota}")))
            }
            _ => {
                let field = if self.burst.is_some() { "burst" } else { "limit" };
                Err((field, format!("{} has no burst: leave it out, or use gcra", self.algorithm)))
            }
        }
    }

    fn window(&self) -> Result<Duration, (&'static str, String)> {
        let Some(window) = &self.window else {
            return Err((
                "limit",
                format!("in what time? Write \"{}/min\", or a window beside it", self.limit),
            ));
        };
        match format!("1/{window}").parse::<Quota>() {
            Ok(quota) if !window.contains("burst") => Ok(quota.period()),
            Err(error @ QuotaError::Period { .. }) => Err(("window", error.to_string())),
            _ => {
                let window = Excerpt::of(window);
                Err(("window", format!("{window:?} is not a time: write it as 30s, 1min, 2h or 7d")))
            }
        }
    }

    /// Whether it is nothing but a word.
    fn without_quota(&self) -> Result<(), (&'static str, String)> {
        let beside = [("window", self.window.is_some()), ("burst", self.burst.is_some())];
        match beside.iter().find(|(_, given)| *given) {
            Some((field, _)) => Err((field, format!("{} takes no {field}: leave it out", self.limit))),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Quota(quota) => quota.fmt(f),
            Amount::Count(count) => count.fmt(f),
            Amount::Unlimited => f.pad("unlimited"),
            Amount::Block => f.pad("block"),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Amount::Count(count) => serializer.serialize_u64(*count),
            text => serializer.collect_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a limit as \"5/min\", \"unlimited\", \"block\", or a whole number with a window beside it",
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
        match text {
            "unlimited" => Ok(Amount::Unlimited),
            "block" => Ok(Amount::Block),
            _ => text.parse().map(Amount::Quota).map_err(|error: QuotaError| E::custom(error)),
        }
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<Amount, E> {
        Ok(Amount::Count(count))
    }

    fn visit_i64<E: de::Error>(self, count: i64) -> Result<Amount, E> {
        let below = |_| E::custom(format_args!("{count} is below 0: use a whole number of at least 0"));
        u64::try_from(count).map(Amount::Count).map_err(below)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How much is let through: \"5/min\", \"1000/h burst 50\", \"unlimited\", \"block\"; or a number, with a window beside it.",
            "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0 }],
            "examples": ["5/min", "1000/h burst 50", "unlimited", "block"],
        })
    }
}
