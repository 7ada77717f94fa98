//! A pair of any algorithm, as one of several limits that are asked together.

use std::rc::Rc;
use std::time::Duration;

use tollgate::{Engine, Limiter, On};

use super::{Known, Pair};
use crate::model::Figures;
use crate::model::rules::Rule;
use crate::model::trace::{Op, Span};

/// A limiter of any algorithm.
pub trait Limit {
    fn on(&self, key: u64) -> On<'_>;
}

impl<A: Engine> Limit for Limiter<A> {
    fn on(&self, key: u64) -> On<'_> {
        Limiter::on(self, &key)
    }
}

/// The rule beside it. Calls are plain ones, and the clock never steps back.
pub trait Member {
    fn limiter<'l>(&self) -> Rc<dyn Limit + 'l>
    where
        Self: 'l;

    fn set_clock(&mut self, clock: u64);

    fn nanos(&self, span: Span) -> u64;

    fn apply(&mut self, op: &Op);

    fn limit(&mut self) -> u64;

    fn fits(&mut self, key: u64, cost: u64) -> bool;

    fn figures(&mut self, key: u64, cost: u64) -> Figures;

    fn peek(&mut self, key: u64);

    /// What was taken, by its number, and how long it waits.
    fn take(&mut self, key: u64, cost: u64) -> (usize, Duration);

    /// Whether it may be mistaken for what was taken before or since.
    fn may_be_mistaken(&mut self, taken: usize) -> bool;

    fn settle(&mut self, taken: usize, actual: u64);

    fn cancel(&mut self, taken: usize);
}

/// What was taken: tokens, and the key before and after.
pub struct Taken<S> {
    key: u64,
    tokens: u64,
    before: Known<S>,
    after: Known<S>,
}

impl<A: Engine, R: Rule> Member for Pair<A, R> {
    fn limiter<'l>(&self) -> Rc<dyn Limit + 'l>
    where
        Self: 'l,
    {
        Rc::<Limiter<A>>::clone(&self.limiter)
    }

    fn set_clock(&mut self, clock: u64) {
        Pair::set_clock(self, clock);
        self.look();
    }

    fn nanos(&self, span: Span) -> u64 {
        Pair::nanos(self, span)
    }

    fn apply(&mut self, op: &Op) {
        Pair::apply(self, op);
    }

    fn limit(&mut self) -> u64 {
        self.plainly(|pair| pair.rule.limit())
    }

    fn fits(&mut self, key: u64, cost: u64) -> bool {
        self.plainly(|pair| pair.rule.fits(&pair.state(key), pair.time, cost))
    }

    fn figures(&mut self, key: u64, cost: u64) -> Figures {
        self.plainly(|pair| Pair::figures(pair, key, cost))
    }

    fn peek(&mut self, key: u64) {
        self.plainly(|pair| pair.peek_plainly(key));
    }

    fn take(&mut self, key: u64, cost: u64) -> (usize, Duration) {
        self.plainly(|pair| {
            let before = pair.known(key);
            let goes_at = pair.rule.goes_at(&before.state, pair.time, cost);
            if cost > 0 {
                pair.alter(key, |rule, state, now| rule.charge(state, now, cost));
            }
            let taken = Taken { key, tokens: cost, before, after: pair.known(key) };
            pair.taken.push(taken);
            (pair.taken.len() - 1, goes_at.map_or(Duration::MAX, |time| pair.wait_until(time)))
        })
    }

    fn may_be_mistaken(&mut self, taken: usize) -> bool {
        let Taken { key, after, .. } = &self.taken[taken];
        let (key, after) = (*key, after.clone());
        Pair::may_be_mistaken(self, key, &after)
    }

    fn settle(&mut self, taken: usize, actual: u64) {
        let Taken { key, tokens, after, .. } = &self.taken[taken];
        let (key, tokens, charged) = (*key, *tokens, after.state.clone());
        self.plainly(|pair| pair.settle_by(key, &charged, tokens, actual));
    }

    fn cancel(&mut self, taken: usize) {
        let Taken { key, tokens, before, after } = &self.taken[taken];
        let (key, tokens, before, after) = (*key, *tokens, before.clone(), after.clone());
        self.plainly(|pair| pair.undo(key, tokens, before, &after));
    }
}
