//! The suite for backends: whether a store of your own keeps what every [`Backend`] must keep.

mod counting;
mod leases;
mod places;
mod together;
mod trial;
mod violation;

pub use violation::{BackendPromise, BackendViolation};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::distributed::{Backend, LeaseSettings, Rule};
use crate::quota::Quota;
use trial::{Outcome, Trial};

/// Hardly anything comes back while the suite runs.
const WINDOW: Duration = Rule::LONGEST;

/// The suite for one backend. It knows nothing of the store's clock, so it asks only for what is so at any time.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::distributed::MemoryBackend;
/// use tollgate::testing::{BackendConformance, BackendViolation};
///
/// // In a project of your own: #[tokio::test]
/// # #[tokio::main(flavor = "current_thread")]
/// async fn my_store_keeps_the_promises() -> Result<(), BackendViolation> {
///     BackendConformance::new(|| Arc::new(MemoryBackend::new())).run().await
/// }
/// # my_store_keeps_the_promises()?;
/// # Ok::<(), BackendViolation>(())
/// ```
#[derive(Clone)]
#[must_use = "a suite does nothing until `run`"]
pub struct BackendConformance<F> {
    make: F,
    rules: Vec<Rule>,
}

impl<F: Fn() -> Arc<dyn Backend>> BackendConformance<F> {
    /// A suite for what `make` makes, by all rules. The store may hold other keys, but no other node may say hello meanwhile.
    pub fn new(make: F) -> BackendConformance<F> {
        // Any number will do that is not too small for parts of it to be told apart.
        let limit = 10;
        let quota = Quota::from_words(limit, u64::try_from(WINDOW.as_nanos()).unwrap_or(u64::MAX), limit);
        let rules = vec![
            Rule::Gcra(quota),
            Rule::TokenBucket(quota),
            Rule::Leased { quota, life: LeaseSettings::LONGEST_LIFE },
            Rule::FixedWindow { limit, window: WINDOW },
            Rule::SlidingWindow { limit, window: WINDOW },
            Rule::SlidingLog { limit, window: WINDOW },
            Rule::Concurrency { places: limit, hold: WINDOW },
        ];
        BackendConformance { make, rules }
    }

    /// By these rules alone, for a store that has no others: of limits of at least 4, and so slow that nothing comes back, and no
    /// window ends, while the suite runs.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tollgate::Quota;
    /// use tollgate::distributed::{MemoryBackend, Rule};
    /// use tollgate::testing::BackendConformance;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let suite = BackendConformance::new(|| Arc::new(MemoryBackend::new()));
    /// suite.rules([Rule::Gcra(Quota::per_day(5))]).run().await.unwrap();
    /// # }
    /// ```
    pub fn rules(mut self, rules: impl IntoIterator<Item = Rule>) -> BackendConformance<F> {
        self.rules = rules.into_iter().collect();
        self
    }

    /// Asks for everything, on a runtime of tokio. It takes some thousands of operations.
    ///
    /// # Errors
    ///
    /// The first [`BackendViolation`] that is found.
    pub async fn run(&self) -> Result<(), BackendViolation> {
        let trial = Arc::new(Trial::new((self.make)()));
        let mut counting = Vec::new();
        for rule in &self.rules {
            if let Rule::Concurrency { hold, .. } = *rule {
                let outcome = places::places(&trial, *rule, hold).await;
                kept(BackendPromise::Places, Some(*rule), outcome)?;
            } else {
                counts(&trial, *rule).await?;
                counting.push(*rule);
            }
            if let Rule::Leased { .. } = rule {
                kept(BackendPromise::Leases, Some(*rule), leases::leases(&trial, *rule).await)?;
            }
        }
        // Of one rule, and of two.
        for (rule, other) in
            counting.iter().zip(&counting).chain(counting.iter().zip(counting.iter().skip(1)))
        {
            kept(BackendPromise::AllOrNone, Some(*rule), together::all_or_none(&trial, *rule, *other).await)?;
        }
        kept(BackendPromise::Independence, None, together::independence(&trial, &counting).await)?;
        kept(BackendPromise::Hello, None, together::hello(&trial).await)
    }
}

/// All promises about a rule.
async fn counts(trial: &Arc<Trial>, rule: Rule) -> Result<(), BackendViolation> {
    let kept = |promise, outcome| kept(promise, Some(rule), outcome);
    kept(BackendPromise::Full, counting::full(trial, rule).await)?;
    kept(BackendPromise::Standing, counting::standing(trial, rule).await)?;
    kept(BackendPromise::Refusal, counting::refusal(trial, rule).await)?;
    kept(BackendPromise::Capacity, counting::capacity(trial, rule).await)?;
    kept(BackendPromise::CostZero, counting::cost_zero(trial, rule).await)?;
    kept(BackendPromise::AboveLimit, counting::above_limit(trial, rule).await)?;
    kept(BackendPromise::Peek, counting::peek(trial, rule).await)?;
    kept(BackendPromise::Refund, counting::refund(trial, rule).await)?;
    kept(BackendPromise::Charge, counting::charge(trial, rule).await)?;
    kept(BackendPromise::Reset, counting::reset(trial, rule).await)?;
    kept(BackendPromise::Batch, together::batch(trial, rule).await)
}

fn kept(promise: BackendPromise, rule: Option<Rule>, outcome: Outcome) -> Result<(), BackendViolation> {
    outcome.map_err(|finding| BackendViolation { promise, rule, finding })
}

impl<F> fmt::Debug for BackendConformance<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendConformance").field("rules", &self.rules).finish_non_exhaustive()
    }
}
