//! Tiers and limits of single customers that the program looks up.

use std::collections::HashMap;

use super::in_force::{OverrideInForce, PolicyInForce};
use super::model::Amount;

/// What is special about one customer.
///
/// ```
/// use tollgate::Quota;
/// use tollgate::policy::{Amount, Customer};
///
/// let customer = Customer::new().tier("gold").limit("api", Amount::Quota(Quota::per_minute(5_000)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "give it back from a lookup"]
pub struct Customer {
    tier: Option<String>,
    limits: HashMap<String, Amount>,
}

impl Customer {
    /// Nothing is.
    pub fn new() -> Customer {
        Customer::default()
    }

    /// The tier that its requests belong to, if they do not say so themselves. It goes before the tiers of the file.
    pub fn tier(self, tier: impl Into<String>) -> Customer {
        Customer { tier: Some(tier.into()), ..self }
    }

    /// Its limit under the policy with this id, in place of the policy's limits and of its overrides. (A count without a period is none, and blocks.)
    pub fn limit(mut self, policy: impl Into<String>, amount: Amount) -> Customer {
        self.limits.insert(policy.into(), amount);
        self
    }

    pub(super) fn its_tier(&self) -> Option<&str> {
        self.tier.as_deref()
    }

    /// What counts in place of a policy's limits, if anything does.
    pub(super) fn override_in(&self, policy: &PolicyInForce) -> Option<OverrideInForce> {
        let amount = self.limits.get(policy.policy.id.as_str())?;
        Some(match amount {
            Amount::Unlimited => OverrideInForce::Unlimited,
            Amount::Block | Amount::Count(_) => OverrideInForce::Block,
            Amount::Quota(quota) => OverrideInForce::Limit(policy.per_call.limit(&policy.policy.id, *quota)),
        })
    }
}
