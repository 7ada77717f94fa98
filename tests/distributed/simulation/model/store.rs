//! The store: what it keeps for each key, and what a replica of it does not know yet.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use ahash::RandomState;
use tollgate::distributed::machinery::{LeaseState, LeaseTerms, Unspent};
use tollgate::distributed::{LeaseAsk, LeaseGrant};

/// A store that counts as the scripts do. Times are microseconds of its own clock.
#[derive(Debug)]
pub(crate) struct Store {
    terms: LeaseTerms,
    states: HashMap<u32, LeaseState, RandomState>,
    /// What was overwritten while a journal is kept, in order.
    journal: Option<Vec<(u32, Option<LeaseState>)>>,
}

impl Store {
    pub(crate) fn new(terms: LeaseTerms) -> Store {
        Store { terms, states: HashMap::with_hasher(RandomState::with_seed(1)), journal: None }
    }

    pub(crate) fn lease(&mut self, now: i64, key: u32, ask: &LeaseAsk) -> LeaseGrant {
        let question = self.terms.question(ask);
        self.change(now, key, |terms, state| state.lease(terms, &question).0.to(&question))
    }

    /// Spends a token, or says when there is one.
    pub(crate) fn check(&mut self, now: i64, key: u32) -> Result<(), Duration> {
        self.change(now, key, |terms, state| {
            let wait = state.until(terms, 1);
            if wait > 0 {
                return Err(Duration::from_micros(wait.unsigned_abs()));
            }
            state.spend(terms, 1);
            Ok(())
        })
    }

    pub(crate) fn give_back(&mut self, now: i64, key: u32, unspent: &Unspent) {
        let [generation, tokens, spent] =
            [unspent.report.generation, unspent.tokens, unspent.report.spent].map(u64::cast_signed);
        self.change(now, key, |terms, state| state.give_back(terms, generation, tokens, spent));
    }

    fn change<T>(&mut self, now: i64, key: u32, act: impl FnOnce(&LeaseTerms, &mut LeaseState) -> T) -> T {
        let known = self.states.get(&key).copied();
        if let Some(journal) = &mut self.journal {
            journal.push((key, known));
        }
        let mut state = known.unwrap_or_else(|| LeaseState::new(&self.terms, now));
        state.advance(&self.terms, now);
        let result = act(&self.terms, &mut state);
        assert!(state.counted(&self.terms) <= self.terms.full(), "tokens left and leased fit into the burst");
        self.states.insert(key, state);
        result
    }

    /// From now on a replica gets nothing.
    pub(crate) fn falls_behind(&mut self) {
        self.journal = Some(Vec::new());
    }

    /// The replica takes over.
    pub(crate) fn fails_over(&mut self) {
        for (key, state) in mem::take(&mut self.journal).unwrap_or_default().into_iter().rev() {
            match state {
                Some(state) => self.states.insert(key, state),
                None => self.states.remove(&key),
            };
        }
    }

    pub(crate) fn forgets_all(&mut self) {
        self.states.clear();
    }
}
