//! [`Moment`]: a key's value at one reading of the clock, and what an algorithm says of it.

use super::history::Told;
use super::record::{Broken, Record};
use super::violation::Law;
use crate::algorithm::{Algorithm, MAX_VALUE, Slot};
use crate::decision::Figures;

pub(super) struct Moment<'a, A: Algorithm> {
    pub(super) algorithm: &'a A,
    pub(super) record: &'a Record<'a>,
    /// Nanoseconds on the clock.
    pub(super) time: u64,
    pub(super) reading: A::Reading,
    pub(super) value: u64,
}

impl<A: Algorithm> Clone for Moment<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: Algorithm> Copy for Moment<'_, A> {}

impl<'a, A: Algorithm> Moment<'a, A> {
    pub(super) fn new(algorithm: &'a A, record: &'a Record<'a>, time: u64, value: u64) -> Moment<'a, A> {
        Moment { algorithm, record, time, reading: algorithm.read(time), value }
    }

    /// The same value at another time.
    pub(super) fn at(self, time: u64) -> Moment<'a, A> {
        Moment { time, reading: self.algorithm.read(time), ..self }
    }

    /// Another value at the same time.
    pub(super) fn with(self, value: u64) -> Moment<'a, A> {
        Moment { value, ..self }
    }

    pub(super) fn position(&self) -> u64 {
        self.algorithm.position(&self.reading)
    }

    pub(super) fn spend(&self, cost: u64) -> Option<u64> {
        self.algorithm.spend(&self.reading, self.value, cost)
    }

    pub(super) fn admits(&self, cost: u64) -> bool {
        self.spend(cost).is_some()
    }

    pub(super) fn charge(&self, tokens: u64) -> u64 {
        self.algorithm.charge(&self.reading, self.value, tokens)
    }

    pub(super) fn refund(&self, tokens: u64) -> u64 {
        self.algorithm.refund(&self.reading, self.value, tokens)
    }

    pub(super) fn schedule(&self, cost: u64) -> Option<Slot> {
        self.algorithm.schedule(&self.reading, self.value, cost)
    }

    pub(super) fn settle(&self, charged: u64, estimate: u64, actual: u64) -> u64 {
        self.algorithm.settle(&self.reading, self.value, charged, estimate, actual)
    }

    pub(super) fn figures(&self, cost: u64) -> Figures {
        self.algorithm.figures(&self.reading, self.value, cost)
    }

    pub(super) fn remaining(&self) -> u64 {
        self.figures(1).remaining()
    }

    pub(super) fn limit(&self) -> u64 {
        self.figures(1).limit()
    }

    pub(super) fn told(&self) -> Told {
        let figures = self.figures(1);
        let wait = |time: Option<u64>| time.map_or(0, |time| time.saturating_sub(self.time));
        Told {
            limit: figures.limit(),
            remaining: figures.remaining(),
            retry_in: wait(figures.retry_at()),
            reset_in: wait(figures.reset_at()),
        }
    }

    /// The value as a new key has it, at the same time.
    pub(super) fn fresh(self) -> Moment<'a, A> {
        self.with(0)
    }

    /// Where this and `other` are decided differently, if they are; when the key is full again does not count.
    pub(super) fn difference(&self, other: &Moment<'_, A>, costs: &[u64]) -> Option<String> {
        let (own, others) = (self.remaining(), other.remaining());
        if own != others {
            return Some(format!("{own} are left of one and {others} of the other"));
        }
        costs.iter().find_map(|cost| {
            let after =
                |moment: &Moment<'_, A>| moment.spend(*cost).map(|value| moment.with(value).remaining());
            let charged = |moment: &Moment<'_, A>| moment.with(moment.charge(*cost)).remaining();
            let refunded = |moment: &Moment<'_, A>| moment.with(moment.refund(*cost)).remaining();
            let told = |name: &str, own: String, others: String| {
                Some(format!("{name} {cost} leaves {own} of one and {others} of the other"))
            };
            if after(self) != after(other) {
                return told("a cost of", format!("{:?}", after(self)), format!("{:?}", after(other)));
            }
            if charged(self) != charged(other) {
                return told("a charge of", charged(self).to_string(), charged(other).to_string());
            }
            if refunded(self) != refunded(other) {
                return told("a refund of", refunded(self).to_string(), refunded(other).to_string());
            }
            None
        })
    }

    pub(super) fn expect(
        &self,
        law: Law,
        holds: bool,
        finding: impl FnOnce() -> String,
    ) -> Result<(), Broken> {
        self.record
            .expect(law, holds, || format!("at {} ns with value {:#x}: {}", self.time, self.value, finding()))
    }

    pub(super) fn expect_in_range(&self, value: u64) -> Result<(), Broken> {
        self.expect(Law::Range, value <= MAX_VALUE, || format!("{value:#x} is above MAX_VALUE"))
    }
}
