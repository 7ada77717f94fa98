//! Limiters by the name of their algorithm; nothing else in a replay names their types.

use std::fmt;
use std::str::FromStr;

use super::key_table::KeyId;
use crate::policy::{AlgorithmName, InPolicies, WithAlgorithm};
use crate::{Allowed, BuildError, Clock, Denied, Engine, Limiter, Quota};

const ALL: [AlgorithmName; 6] = [
    AlgorithmName::Gcra,
    AlgorithmName::TokenBucket,
    AlgorithmName::LeakyBucket,
    AlgorithmName::FixedWindow,
    AlgorithmName::SlidingWindow,
    AlgorithmName::SlidingLog,
];

impl AlgorithmName {
    /// Its name in options and reports, where words are parted by a hyphen.
    pub(super) fn option(self) -> String {
        self.as_str().replace('_', "-")
    }

    /// A limiter with this algorithm.
    pub(super) fn limiter(
        self,
        quota: Quota,
        max_keys: usize,
        clock: Clock,
    ) -> Result<Box<dyn AnyLimiter>, BuildError> {
        self.build(quota, Boxed { max_keys, clock })
    }
}

/// Makes a limiter of an algorithm.
struct Boxed {
    max_keys: usize,
    clock: Clock,
}

impl WithAlgorithm for Boxed {
    type Output = Result<Box<dyn AnyLimiter>, BuildError>;

    fn with<A: InPolicies>(self, algorithm: A) -> Self::Output {
        Ok(Box::new(Limiter::builder(algorithm).max_keys(self.max_keys).clock(self.clock).build()?))
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

/// By its name, with hyphens as in options, or as in files of policies.
impl FromStr for AlgorithmName {
    type Err = AlgorithmError;

    fn from_str(text: &str) -> Result<AlgorithmName, AlgorithmError> {
        let name = text.trim().replace('-', "_");
        let known = ALL.into_iter().find(|algorithm| algorithm.as_str() == name);
        known.ok_or_else(|| AlgorithmError { name: text.to_owned() })
    }
}

/// A name that is no algorithm's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlgorithmError {
    name: String,
}

impl fmt::Display for AlgorithmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ALL.map(AlgorithmName::option).join(", ");
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
        let limiter = algorithm.limiter(quota.parse().unwrap(), 100, clock).unwrap();
        (0..10).filter(|_| limiter.check_n(7, 1).is_ok()).count()
    }

    #[test]
    fn every_algorithm_admits_its_limit_at_once() {
        for algorithm in ALL {
            let name = algorithm.option();
            assert_eq!(admitted(algorithm, "6/min"), 6, "{name}");
            assert_eq!(admitted(algorithm, "0/min"), 0, "{name}");
        }
    }

    #[test]
    fn names_are_written_with_hyphens_and_may_be_as_in_files() {
        for algorithm in ALL {
            assert_eq!(algorithm.option().parse(), Ok(algorithm));
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
        assert_eq!(AlgorithmName::SlidingLog.option(), "sliding-log");
    }

    #[test]
    fn a_burst_is_admitted_instead_by_those_that_have_one() {
        for algorithm in ALL.into_iter().filter(|algorithm| algorithm.has_burst()) {
            for burst in [0, 1, 3, 9] {
                assert_eq!(admitted(algorithm, &format!("6/min burst {burst}")), burst, "{algorithm}");
            }
        }
    }

    #[test]
    fn what_is_no_algorithm_is_told_their_names() {
        let said = "bucket".parse::<AlgorithmName>().unwrap_err().to_string();
        assert!(said.starts_with("\"bucket\" is not an algorithm: use one of gcra, token-bucket,"), "{said}");
    }
}
