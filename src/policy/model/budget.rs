//! [`Budget`]: how long a request may wait for a backend.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::quota::Excerpt;

/// How long a request may wait for a backend, from 1 ms to 10 s: in a file `"25ms"` or `"1.5s"`.
///
/// ```
/// use std::time::Duration;
/// use tollgate::policy::{Budget, Policy};
///
/// let mut policy = Policy::new("api");
/// policy.budget = Some(Budget::new(Duration::from_millis(40)));
/// assert_eq!(Budget::new(Duration::from_secs(60)), Budget::LONGEST);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Budget(Duration);

impl Budget {
    /// What tokio's timers can tell apart.
    pub const SHORTEST: Budget = Budget(Duration::from_millis(1));
    /// Longer than most callers wait for an answer of a service.
    pub const LONGEST: Budget = Budget(Duration::from_secs(10));

    /// So long; what is shorter than [`SHORTEST`](Budget::SHORTEST) or longer than [`LONGEST`](Budget::LONGEST) is that.
    #[must_use]
    pub fn new(budget: Duration) -> Budget {
        Budget(budget.clamp(Budget::SHORTEST.0, Budget::LONGEST.0))
    }
}

impl Default for Budget {
    /// 25 ms: several round trips within a data centre, and not noticed by whoever waits for a page.
    fn default() -> Budget {
        Budget(Duration::from_millis(25))
    }
}

impl From<Budget> for Duration {
    fn from(budget: Budget) -> Duration {
        budget.0
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:?}", self.0))
    }
}

impl Serialize for Budget {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Budget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Budget, D::Error> {
        deserializer.deserialize_str(BudgetVisitor)
    }
}

struct BudgetVisitor;

impl Visitor<'_> for BudgetVisitor {
    type Value = Budget;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration as \"25ms\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Budget, E> {
        let shown = Excerpt::of(text);
        let duration: SignedDuration = text
            .parse()
            .map_err(|_| E::custom(format_args!("{shown:?} is not a duration: write it as 25ms or 1.5s")))?;
        let range = Budget::SHORTEST.0..=Budget::LONGEST.0;
        match Duration::try_from(duration) {
            Ok(budget) if range.contains(&budget) => Ok(Budget(budget)),
            _ => Err(E::custom(format_args!("{shown:?} is out of range: use 1ms to 10s"))),
        }
    }
}

impl JsonSchema for Budget {
    fn schema_name() -> Cow<'static, str> {
        "Budget".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How long a request may wait for a backend: \"25ms\", from 1ms to 10s.",
            "type": "string",
            "examples": ["25ms", "1.5s"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_read_back_from_what_it_is_written_as() {
        for micros in [1_000, 1_500, 25_000, 999_999, 1_000_000, 1_500_000, 10_000_000] {
            let budget = Budget::new(Duration::from_micros(micros));
            let text = serde_json::to_string(&budget).unwrap();
            assert_eq!(serde_json::from_str::<Budget>(&text).unwrap(), budget, "{text}");
        }
    }

    #[test]
    fn a_budget_out_of_range_is_refused_in_text_and_brought_into_range_in_code() {
        for text in ["0ms", "999us", "10.001s", "1h", "-25ms", "25ms ago"] {
            let wrong = serde_json::from_str::<Budget>(&format!("{text:?}")).unwrap_err().to_string();
            assert!(wrong.contains("is out of range: use 1ms to 10s"), "{wrong}");
        }
        assert_eq!(Budget::new(Duration::ZERO), Budget::SHORTEST);
        assert_eq!(Budget::new(Duration::MAX), Budget::LONGEST);
    }
}
