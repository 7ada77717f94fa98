//! A key of a leased rule, as other operations see it: `leased.lua` in Rust.

use super::count::{Count, standing};
use super::lease::LeaseState;
use super::state::State;
use crate::distributed::lease::{LeaseAnswer, LeaseQuestion, LeaseReturn, LeaseTerms};
use crate::distributed::reply::Standing;

/// A key's state now.
#[derive(Debug)]
pub(super) struct Leased {
    terms: LeaseTerms,
    state: LeaseState,
    now: i64,
    mended: bool,
}

impl Leased {
    pub(super) fn read(terms: LeaseTerms, stored: Option<&State>, now: i64) -> Leased {
        let mut state = match stored {
            Some(State::Leased(state)) => *state,
            _ => LeaseState::new(&terms, now),
        };
        let mended = state.advance(&terms, now);
        Leased { terms, state, now, mended }
    }

    pub(super) fn lease(&mut self, question: &LeaseQuestion) -> (LeaseAnswer, bool) {
        self.state.lease(&self.terms, question)
    }

    pub(super) fn give_back(&mut self, request: &LeaseReturn) {
        let [generation, unspent, spent] = request.numbers();
        self.state.give_back(&self.terms, generation, unspent, spent);
    }

    /// As full as can be beside what is leased, which nodes still spend.
    pub(super) fn refilled(mut self) -> Option<(State, i64)> {
        self.spend(-2 * self.terms.limit);
        self.stored()
    }
}

impl Count for Leased {
    fn mended(&self) -> bool {
        self.mended
    }

    fn spend(&mut self, tokens: i64) {
        self.state.spend(&self.terms, tokens);
    }

    fn standing(&self, cost: i64) -> Standing {
        let retry = (cost <= self.terms.limit).then(|| self.state.until(&self.terms, cost));
        let reset = if self.state.is_full(&self.terms) { 0 } else { self.state.until_full(&self.terms) };
        standing(self.state.remaining(&self.terms), retry, reset)
    }

    fn stored(&self) -> Option<(State, i64)> {
        let life = self.state.at() - self.now + self.state.until_full(&self.terms);
        Some((State::Leased(self.state), life))
    }
}
