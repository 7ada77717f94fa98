//! What a call does to a key's value, as the word table wants it.

use crate::algorithm::Algorithm;
use crate::store::{Rule, Step};

/// An algorithm at one reading of the clock, and what to do with a value then.
pub(super) struct AtReading<'a, A: Algorithm, F> {
    pub(super) algorithm: &'a A,
    pub(super) reading: A::Reading,
    /// From a reading and a value to a step.
    pub(super) step: F,
}

impl<A, F, T> Rule for AtReading<'_, A, F>
where
    A: Algorithm,
    F: Fn(&A, &A::Reading, u64) -> Step<T>,
{
    type Answer = T;

    #[inline]
    fn decide(&self, value: u64, forgotten_below: u64) -> Step<T> {
        let reading = self.algorithm.catch_up(&self.reading, forgotten_below);
        (self.step)(self.algorithm, &reading, value)
    }

    #[inline]
    fn position(&self) -> u64 {
        self.algorithm.position(&self.reading)
    }

    fn debt(&self, value: u64) -> u64 {
        self.algorithm.debt(&self.reading, value)
    }
}

/// A changed value is written; an unchanged one is left alone.
#[inline]
pub(super) fn write<T>(old: u64, new: u64, answer: T) -> Step<T> {
    if new == old { Step::Keep(answer) } else { Step::Write(new, answer) }
}

/// What became of a check, and the key's value after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) admitted: bool,
    pub(super) value: u64,
}
