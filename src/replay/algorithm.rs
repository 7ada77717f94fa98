//! [`AlgorithmName`]: the algorithms that a replay knows; nothing else here names their types.

use std::fmt;
use std::str::FromStr;

use super::key_table::KeyId;
use crate::{Algorithm, Allowed, BuildError, Clock, Denied, Gcra, Limiter, Quota};

/// An algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AlgorithmName {
    /// [`Gcra`].
    Gcra,
}

/// Every algorithm with the name it is chosen by.
const NAMES: [(AlgorithmName, &str); 1] = [(AlgorithmName::Gcra, "gcra")];

impl AlgorithmName {
    /// Its name in options and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| *name)
    }

    /// A limiter with this algorithm.
    pub(super) fn build(
        self,
        quota: Quota,
        max_keys: usize,
        clock: Clock,
    ) -> Result<Box<dyn AnyLimiter>, BuildError> {
        fn boxed<A: Algorithm + 'static>(
            algorithm: A,
            max_keys: usize,
            clock: Clock,
        ) -> Result<Box<dyn AnyLimiter>, BuildError> {
            Ok(Box::new(Limiter::builder(algorithm).max_keys(max_keys).clock(clock).build()?))
        }
        match self {
            AlgorithmName::Gcra => boxed(Gcra::new(quota), max_keys, clock),
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

impl<A: Algorithm> AnyLimiter for Limiter<A> {
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
