//! [`AlgorithmName`]: the algorithms that a replay knows; nothing else here names their types.

use std::fmt;
use std::str::FromStr;

use super::key_table::KeyId;
use crate::{
    Allowed, BuildError, Clock, Denied, Engine, FixedWindow, Gcra, LeakyBucket, Limiter, Quota, SlidingLog,
    SlidingWindow, TokenBucket,
};

/// An algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AlgorithmName {
    /// [`Gcra`].
    Gcra,
    /// [`TokenBucket`], refilled evenly.
    TokenBucket,
    /// [`LeakyBucket`], with room for a burst: one request goes, and the others wait.
    LeakyBucket,
    /// [`FixedWindow`].
    FixedWindow,
    /// [`SlidingWindow`].
    SlidingWindow,
    /// [`SlidingLog`].
    SlidingLog,
}

/// Every algorithm with the name it is chosen by.
const NAMES: [(AlgorithmName, &str); 6] = [
    (AlgorithmName::Gcra, "gcra"),
    (AlgorithmName::TokenBucket, "token-bucket"),
    (AlgorithmName::LeakyBucket, "leaky-bucket"),
    (AlgorithmName::FixedWindow, "fixed-window"),
    (AlgorithmName::SlidingWindow, "sliding-window"),
    (AlgorithmName::SlidingLog, "sliding-log"),
];

impl AlgorithmName {
    /// Its name in options and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| *name)
    }

    /// Whether it knows of a burst beside the count and the period.
    pub(super) fn has_burst(self) -> bool {
        match self {
            AlgorithmName::Gcra | AlgorithmName::TokenBucket | AlgorithmName::LeakyBucket => true,
            AlgorithmName::FixedWindow | AlgorithmName::SlidingWindow | AlgorithmName::SlidingLog => false,
        }
    }

    /// A limiter with this algorithm.
    pub(super) fn build(
        self,
        quota: Quota,
        max_keys: usize,
        clock: Clock,
    ) -> Result<Box<dyn AnyLimiter>, BuildError> {
        fn boxed<A: Engine + 'static>(
            algorithm: A,
            max_keys: usize,
            clock: Clock,
        ) -> Result<Box<dyn AnyLimiter>, BuildError> {
            Ok(Box::new(Limiter::builder(algorithm).max_keys(max_keys).clock(clock).build()?))
        }
        let (count, period, burst) = (quota.count(), quota.period(), quota.capacity());
        match self {
            AlgorithmName::Gcra => boxed(Gcra::new(quota), max_keys, clock),
            AlgorithmName::TokenBucket => {
                boxed(TokenBucket::new(burst).refill(count, period), max_keys, clock)
            }
            AlgorithmName::LeakyBucket => {
                // With a queue of any length one request may go, but a burst of zero admits none.
                let rate = if burst == 0 { Quota::per_second(0) } else { quota };
                boxed(LeakyBucket::new(rate, burst.saturating_sub(1)), max_keys, clock)
            }
            AlgorithmName::FixedWindow => boxed(FixedWindow::new(count, period), max_keys, clock),
            AlgorithmName::SlidingWindow => boxed(SlidingWindow::new(count, period), max_keys, clock),
            AlgorithmName::SlidingLog => boxed(SlidingLog::new(count, period), max_keys, clock),
        }
    }
}

/// A limiter, whatever its algorithm.
pub(super) trait AnyLimiter {
    /// See [`Limiter::check_n`].
    fn check_n(&self, key: KeyId, cost: u64) -> Result<Allowed, Denied>;

    /// How many keys had to be forgotten because more were live than there was room for.
    fn forgotten(&self) -> u64;
}

impl<A: Engine> AnyLimiter for Limiter<A> {
    fn check_n(&self, key: KeyId, cost: u64) -> Result<Allowed, Denied> {
        Limiter::check_n(self, &key, cost)
    }

    fn forgotten(&self) -> u64 {
        self.stats().forgotten
    }
}

impl FromStr for AlgorithmName {
    type Err = AlgorithmError;

    fn from_str(text: &str) -> Result<AlgorithmName, AlgorithmError> {
        let known = NAMES.iter().find(|(_, name)| *name == text.trim());
        known.map(|(algorithm, _)| *algorithm).ok_or_else(|| AlgorithmError { name: text.to_owned() })
    }
}

/// A name that is no algorithm's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlgorithmError {
    name: String,
}

impl fmt::Display for AlgorithmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = NAMES.map(|(_, name)| name).join(", ");
        write!(f, "\"{}\" is not an algorithm: use one of {names}, or several with commas", self.name)
    }
}

impl std::error::Error for AlgorithmError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of ten requests at one moment are admitted.
    fn admitted(algorithm: AlgorithmName, quota: &str) -> usize {
        let (clock, _hand) = Clock::manual();
        let limiter = algorithm.build(quota.parse().unwrap(), 100, clock).unwrap();
        (0..10).filter(|_| limiter.check_n(7, 1).is_ok()).count()
    }

    #[test]
    fn every_algorithm_admits_its_limit_at_once() {
        for (algorithm, name) in NAMES {
            assert_eq!(name.parse(), Ok(algorithm));
            assert_eq!(algorithm.name(), name);
            assert_eq!(admitted(algorithm, "6/min"), 6, "{name}");
            assert_eq!(admitted(algorithm, "0/min"), 0, "{name}");
        }
    }

    #[test]
    fn a_burst_is_admitted_instead_by_those_that_have_one() {
        for (algorithm, name) in NAMES.into_iter().filter(|(algorithm, _)| algorithm.has_burst()) {
            for burst in [0, 1, 3, 9] {
                assert_eq!(admitted(algorithm, &format!("6/min burst {burst}")), burst, "{name}");
            }
        }
    }

    #[test]
    fn what_is_no_algorithm_is_told_their_names() {
        let said = "token_bucket".parse::<AlgorithmName>().unwrap_err().to_string();
        assert!(
            said.starts_with("\"token_bucket\" is not an algorithm: use one of gcra, token-bucket,"),
            "{said}"
        );
    }
}
