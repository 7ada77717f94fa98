//! [`Policy`]: who is limited, how, and whether that is in force.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Amount, Budget, Conditions, CostRule, Limit, Percent, Scope, State, Timestamp};
use crate::distributed::FailurePolicy;

/// Who is limited, how, and whether that is in force.
///
/// It is plain data: [`new`](Policy::new) gives one that limits nothing yet, and the rest is set field by field.
///
/// ```
/// use tollgate::Quota;
/// use tollgate::policy::{AlgorithmName, Conditions, Limit, Policy, Scope};
///
/// let mut policy = Policy::new("issue-cards");
/// policy.scope = Scope::of(["user"]);
/// policy.matches = Conditions::new().with("route", ["/cards/issue"]).with("method", ["POST"]);
/// policy.limits = vec![Limit::of(AlgorithmName::Gcra, Quota::per_minute(5).burst(10))];
/// policy.concurrency = Some(4);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// What it is called in reports, metrics and header fields: 1 to 64 letters, digits and `-_.:/`. No two have the same.
    pub id: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is in force.
    #[serde(default)]
    pub state: State,
    /// Of the policies that a request matches, those of higher priority are asked first. A limit that is `"unlimited"` keeps those below it from
    /// being asked at all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: i32,
    /// What must be true of a request for the policy to concern it.
    #[serde(default, rename = "match", skip_serializing_if = "Conditions::is_empty")]
    pub matches: Conditions,
    /// The policy does not concern requests that fit one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Conditions>,
    /// Requests that the policy concerns and that fit one of these are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Conditions>,
    /// By which attributes keys are told apart.
    #[serde(default)]
    pub scope: Scope,
    /// What to do with a request that has not all attributes of the scope.
    #[serde(default, skip_serializing_if = "is_default")]
    pub missing: Missing,
    /// The limits: a request passes all of them, or none is charged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// How many requests of a key may be under way at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u64>,
    /// What a request costs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cost: CostRule,
    /// Limits of their own for some requests, in place of the policy's. Of several that fit, the first counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// Policies, by their ids, that do not concern a request that this one concerns, unless it only watches. (Also where this one itself gives way to
    /// another.) It must not lead back to this one. Where it only watches, it replaces none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<String>,
    /// Only watch: count what would have been refused, and refuse nothing. (If a backend counts for it, a request waits for that one as for others, within
    /// its budget.)
    #[serde(default, skip_serializing_if = "is_default")]
    pub shadow: bool,
    /// For what share of the keys it is enforced; for the others it only watches. Which they are stays the same over restarts, and a larger share
    /// takes in the smaller one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub enforce_percent: Percent,
    /// The backend that counts, by the name under which it was handed in. Without one it is counted in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// How the backend is asked.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: BackendMode,
    /// How long a request waits for the backend at most, as `"25ms"`; default 25 ms, from 1 ms to 10 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// What to do with requests while the backend cannot be asked. (Limits in memory always can.)
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_failure: OnFailure,
    /// Among how many nodes `on_failure = "local"` divides the limits until the backend has said how many there are; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_nodes: Option<u32>,
    /// How many keys surely fit in memory, for each limit; default 1 000 000. With a backend, of how many keys this node remembers something at
    /// most; default 100 000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_keys: Option<usize>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Timestamp>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Policy {
    /// A policy in force that concerns all requests, and limits none.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Policy {
        Policy {
            id: id.into(),
            name: None,
            state: State::default(),
            priority: 0,
            matches: Conditions::default(),
            allow: Vec::new(),
            deny: Vec::new(),
            scope: Scope::default(),
            missing: Missing::default(),
            limits: Vec::new(),
            concurrency: None,
            cost: CostRule::default(),
            overrides: Vec::new(),
            replaces: Vec::new(),
            shadow: false,
            enforce_percent: Percent::default(),
            backend: None,
            mode: BackendMode::default(),
            budget: None,
            on_failure: OnFailure::default(),
            expected_nodes: None,
            max_keys: None,
            created: None,
            updated: None,
        }
    }
}

/// What to do with a request that has not all attributes of a policy's scope.
///
/// ```
/// use tollgate::policy::{Attributes, Format, Policies, PolicySet, Reason};
///
/// let set = PolicySet::new();
/// let file = "[[policy]]\nid = \"api\"\nscope = \"user\"\nmissing = \"refuse\"\nlimit = \"5/min\"";
/// set.apply(Policies::parse(file, Format::Toml)?)?;
/// assert_eq!(set.check(&Attributes::new()).reason(), Some(Reason::MissingKey));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Missing {
    /// All requests that lack the same attributes, and have the same values for the others, are one key.
    #[default]
    Shared,
    /// It is refused.
    Refuse,
    /// The policy does not concern it.
    Pass,
}

/// How a backend is asked.
///
/// For an example see [the module](crate::policy#backends).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BackendMode {
    /// About every request, unless it is known to refuse.
    #[default]
    Direct,
    /// For tokens in advance, so that most requests are decided without it.
    Leased,
}

/// What to do with requests while a backend cannot be asked.
///
/// For an example see [the module](crate::policy#backends).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OnFailure {
    /// Let them through.
    #[default]
    Open,
    /// Refuse them.
    Closed,
    /// Count them in memory, by this node's share of the limits.
    Local,
}

impl From<OnFailure> for FailurePolicy {
    fn from(on_failure: OnFailure) -> FailurePolicy {
        match on_failure {
            OnFailure::Open => FailurePolicy::Open,
            OnFailure::Closed => FailurePolicy::Closed,
            OnFailure::Local => FailurePolicy::Local,
        }
    }
}

/// A limit of their own for some requests, in place of the policy's limits.
///
/// ```
/// use tollgate::Quota;
/// use tollgate::policy::{Amount, Conditions, Override, Policy};
///
/// let mut policy = Policy::new("api");
/// let gold = Conditions::new().with("tier", ["gold"]);
/// policy.overrides = vec![Override::new(gold, Amount::Quota(Quota::per_minute(5_000)))];
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Override {
    /// Which requests: a customer, a tier.
    #[serde(rename = "match")]
    pub matches: Conditions,
    /// How much is let through. What is unlimited here is so under this policy alone: those of lower priority are asked all the same.
    pub limit: Amount,
    /// How much at once, if that is not the limit itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
}

impl Override {
    /// This amount for whatever fits.
    #[must_use]
    pub fn new(matches: Conditions, amount: Amount) -> Override {
        Override { matches, limit: amount, burst: None }
    }

    /// The same as a limit of a policy.
    pub(crate) fn as_limit(&self) -> Limit {
        Limit { burst: self.burst, ..Limit::new(self.limit) }
    }
}
