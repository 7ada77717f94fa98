//! From what a limit of a policy says to the rule by which stores count it.

use std::time::Duration;

use super::super::limits::LimitSpec;
use super::super::model::AlgorithmName;
use crate::distributed::Rule;
#[cfg(feature = "server")]
use crate::quota::Quota;

/// How long a place of a concurrency limit is held without a word of its node: a node that has died keeps others out no longer, and one that
/// lives has renewed it several times by then.
const HOLD: Duration = Duration::from_secs(60);

/// The rule by which a store counts by this algorithm.
///
/// # Errors
///
/// Which field is wrong, and what to change.
#[cfg(feature = "server")]
pub(crate) fn shared_rule(algorithm: AlgorithmName, quota: Quota) -> Result<Rule, (&'static str, String)> {
    rule(LimitSpec::new(algorithm, quota))
}

/// The rule by which a store counts a limit.
///
/// # Errors
///
/// Which field is wrong, and what to change.
pub(in crate::policy) fn rule(spec: LimitSpec) -> Result<Rule, (&'static str, String)> {
    let rule = match spec {
        LimitSpec::Places(places) => Rule::Concurrency { places, hold: HOLD },
        LimitSpec::Rate { algorithm, quota } => {
            let (limit, window) = (quota.count(), quota.period());
            match algorithm {
                AlgorithmName::Gcra => Rule::Gcra(quota),
                AlgorithmName::TokenBucket => Rule::TokenBucket(quota),
                AlgorithmName::FixedWindow => Rule::FixedWindow { limit, window },
                AlgorithmName::SlidingWindow => Rule::SlidingWindow { limit, window },
                AlgorithmName::SlidingLog => Rule::SlidingLog { limit, window },
                AlgorithmName::LeakyBucket => {
                    let message = "leaky_bucket makes requests wait, which a backend cannot: use gcra, or leave out backend";
                    return Err(("algorithm", message.to_owned()));
                }
            }
        }
    };
    match rule.validate() {
        Ok(()) => Ok(rule),
        Err(error) => Err(("limit", error.to_string())),
    }
}
