//! Tiers and limits of single customers that the program looks up.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;

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
    /// What is unlimited is so under this policy alone.
    /// Where a backend counts, a quota by which [none can](crate::distributed::Rule::validate) counts as if nothing were special.
    pub fn limit(mut self, policy: impl Into<String>, amount: Amount) -> Customer {
        self.limits.insert(policy.into(), amount);
        self
    }

    pub(super) fn its_tier(&self) -> Option<&str> {
        self.tier.as_deref()
    }

    /// What counts in place of a policy's limits, if anything does.
    pub(super) fn override_in(&self, policy: &PolicyInForce) -> Option<OverrideInForce> {
        match self.limits.get(policy.policy.id.as_str())? {
            Amount::Unlimited => Some(OverrideInForce::Unlimited),
            Amount::Block | Amount::Count(_) => Some(OverrideInForce::Block),
            Amount::Quota(quota) => policy.counted_apart(*quota),
        }
    }
}

/// Says what is special about single customers: a table of a database, a service for accounts. Closures do, too.
///
/// It is asked by a thread of its own, one customer after the other, and may take its time. It has to end, though:
/// until it does, no other customer is looked up. (By [`PolicySet::look_up`](super::PolicySet::look_up) it is asked
/// besides, by whoever calls that.)
///
/// For an example see [`Builder::lookup`](super::Builder::lookup).
pub trait Lookup: Send + Sync {
    /// What is special about the customer with this key; `None` if nothing is.
    ///
    /// # Errors
    ///
    /// Whatever hinders it. What was known of the customer still counts, and it is asked again later. A panic is an
    /// error, too.
    fn find(&self, key: &str) -> Result<Option<Customer>, Box<dyn Error + Send + Sync>>;
}

/// Closures are lookups.
impl<F> Lookup for F
where
    F: Fn(&str) -> Result<Option<Customer>, Box<dyn Error + Send + Sync>> + Send + Sync,
{
    fn find(&self, key: &str) -> Result<Option<Customer>, Box<dyn Error + Send + Sync>> {
        self(key)
    }
}

/// A [`Lookup`] failed.
///
/// [`PolicySet::look_up`](super::PolicySet::look_up) tells one.
#[derive(Debug)]
pub struct LookupError {
    key: String,
    error: Box<dyn Error + Send + Sync>,
}

impl LookupError {
    pub(super) fn new(key: &str, error: Box<dyn Error + Send + Sync>) -> LookupError {
        LookupError { key: key.to_owned(), error }
    }

    /// Whom it was asked for.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for LookupError {
    /// Without the key, which may name a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the lookup of a customer failed: {}", self.error)
    }
}

impl Error for LookupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.error)
    }
}
