//! [`Percent`]: a share of all keys.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// From 0 to 100, in whole hundredths.
///
/// ```
/// use tollgate::policy::Percent;
///
/// let five = Percent::from_hundredths(500);
/// assert!(five < Percent::ALL);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u16);

impl Percent {
    /// All.
    pub const ALL: Percent = Percent(10_000);

    /// So many hundredths of a percent, at most [`ALL`](Percent::ALL) of them.
    #[must_use]
    pub const fn from_hundredths(hundredths: u16) -> Percent {
        Percent(if hundredths > Percent::ALL.0 { Percent::ALL.0 } else { hundredths })
    }

    /// In hundredths of a percent: 0 to 10 000.
    #[must_use]
    pub const fn hundredths(self) -> u16 {
        self.0
    }
}

impl Default for Percent {
    /// All.
    fn default() -> Percent {
        Percent::ALL
    }
}

impl Serialize for Percent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(100) {
            serializer.serialize_u16(self.0 / 100)
        } else {
            serializer.serialize_f64(f64::from(self.0) / 100.0)
        }
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Percent, D::Error> {
        let percent = f64::deserialize(deserializer)?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(D::Error::custom(format_args!("{percent} is not a percentage: use 0 to 100")));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10 000")]
        Ok(Percent((percent * 100.0).round() as u16))
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 100 })
    }
}
