//! What a call does to a key's value, as the word table wants it.

use super::engine::Receipt;
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

/// What became of a check, and the key's value before and after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) admitted: bool,
    pub(super) before: u64,
    pub(super) value: u64,
}

impl Spent {
    pub(super) fn receipt(self) -> Receipt {
        Receipt { before: self.before, after: self.value }
    }
}

/// Spends, or refuses and writes nothing.
#[inline]
pub(super) fn spend_rule<A: Algorithm>(
    algorithm: &A,
    reading: A::Reading,
    cost: u64,
) -> AtReading<'_, A, impl Fn(&A, &A::Reading, u64) -> Step<Spent>> {
    let step = move |algorithm: &A, reading: &A::Reading, before| match algorithm.spend(reading, before, cost)
    {
        Some(value) => write(before, value, Spent { admitted: true, before, value }),
        None => Step::Keep(Spent { admitted: false, before, value: before }),
    };
    AtReading { algorithm, reading, step }
}

/// Decides as [`spend_rule`], and writes nothing in any case.
#[inline]
pub(super) fn look_rule<A: Algorithm>(
    algorithm: &A,
    reading: A::Reading,
    cost: u64,
) -> AtReading<'_, A, impl Fn(&A, &A::Reading, u64) -> Step<Spent>> {
    let step = move |algorithm: &A, reading: &A::Reading, before| {
        let admitted = algorithm.spend(reading, before, cost).is_some();
        Step::Keep(Spent { admitted, before, value: before })
    };
    AtReading { algorithm, reading, step }
}
