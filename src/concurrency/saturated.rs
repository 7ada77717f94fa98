//! [`Saturated`]: the answer of a concurrency limit that is full.

use std::fmt;

/// The answer of a concurrency limit that is full: as many are in flight as may be.
///
/// When one of them returns cannot be foreseen, so there is no time to wait for, unlike in
/// [`Denied`](crate::Denied).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saturated {
    in_flight: usize,
    max: usize,
}

impl Saturated {
    pub(crate) fn new(in_flight: usize, max: usize) -> Saturated {
        Saturated { in_flight, max }
    }

    /// How many were in flight when this was decided.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many were allowed in flight when this was decided.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }
}

impl fmt::Display for Saturated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Saturated { in_flight, max } = self;
        write!(
            f,
            "{in_flight} in flight of at most {max}: retry shortly, shed this request, or raise the limit"
        )
    }
}

impl std::error::Error for Saturated {}
