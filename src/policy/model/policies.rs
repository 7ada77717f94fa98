//! [`Policies`]: all there is in one file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Conditions, Policy};

/// All policies that are to be in force together, and who belongs to which tier: what one file holds.
///
/// ```
/// use tollgate::policy::{Format, Policies};
///
/// let policies = Policies::parse(
///     r#"
///     [[tier]]
///     name = "gold"
///     members = [{ user = ["acme", "umbrella-*"] }]
///
///     [[policy]]
///     id = "api"
///     scope = "user"
///     limit = "100/min"
///     overrides = [{ match = { tier = "gold" }, limit = "5000/min" }]
///     "#,
///     Format::Toml,
/// )?;
/// assert_eq!(policies.policy[0].id, "api");
/// # Ok::<(), tollgate::policy::FileError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Policies {
    /// The policies.
    #[serde(default)]
    pub policy: Vec<Policy>,
    /// Who belongs to which tier, where a request does not say. Of several that fit, the first counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tier: Vec<Tier>,
}

/// A name for some requests: their attribute `tier`, if they have none.
///
/// For an example see [`Policies`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tier {
    /// What it is called.
    pub name: String,
    /// Who belongs to it: requests that fit one of these.
    pub members: Vec<Conditions>,
}

impl Tier {
    /// A tier of this name, with these members.
    pub fn new(name: impl Into<String>, members: impl IntoIterator<Item = Conditions>) -> Tier {
        Tier { name: name.into(), members: members.into_iter().collect() }
    }
}

impl From<Vec<Policy>> for Policies {
    fn from(policy: Vec<Policy>) -> Policies {
        Policies { policy, tier: Vec::new() }
    }
}
