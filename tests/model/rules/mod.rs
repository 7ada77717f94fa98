//! What each algorithm's documentation says, once more and as plainly as possible: no word, no table, no bounds on numbers.
//!
//! A rule says only whether a cost fits at a time and what spending and giving back do. How much is left, and when what will fit, is found by
//! halving intervals (`pair.rs`).

mod tokens;
mod windows;

pub use tokens::{Times, Tokens};
pub use windows::{Fixed, Log, Sliding, Windows};

use std::fmt::Debug;

use super::trace::Pace;

/// How far an estimate was wrong; one of the two is 0.
#[derive(Clone, Copy, Debug)]
pub struct Settled {
    pub less: u64,
    pub more: u64,
}

impl Settled {
    pub fn new(estimate: u64, actual: u64) -> Settled {
        Settled { less: estimate.saturating_sub(actual), more: actual.saturating_sub(estimate) }
    }

    /// Gives back or charges the difference.
    fn now<R: Rule>(self, rule: &R, state: &mut R::State, now: u64) {
        if self.less > 0 {
            rule.refund(state, now, self.less);
        }
        if self.more > 0 {
            rule.charge(state, now, self.more);
        }
    }
}

/// A rule for one key.
pub trait Rule: Clone + Debug {
    /// What is remembered of a key. The default is a key that was never seen.
    type State: Default + Clone + Debug + PartialEq;

    fn limit(&self) -> u64;

    /// For times that are likely to be interesting.
    fn pace(&self) -> Pace;

    /// When its time ends, from when on nothing more comes back.
    fn end(&self) -> u64 {
        u64::MAX
    }

    /// Whether `cost` fits at `now`. Once it does it goes on to, if nothing is spent.
    fn fits(&self, state: &Self::State, now: u64, cost: u64) -> bool;

    /// Spends `tokens`, there or not.
    fn charge(&self, state: &mut Self::State, now: u64, tokens: u64);

    fn refund(&self, state: &mut Self::State, now: u64, tokens: u64);

    /// Whether nothing of what was spent counts any more.
    fn is_full(&self, state: &Self::State, now: u64) -> bool;

    /// When an admitted cost goes that found the key like this; `None` when its turn does not come before the clock's end.
    fn goes_at(&self, _before: &Self::State, now: u64, _cost: u64) -> Option<u64> {
        Some(now)
    }

    /// The same state without what does not count any more, so that two can be compared.
    fn seen_at(&self, state: &Self::State, _now: u64) -> Self::State {
        state.clone()
    }

    /// Whether a slot for `cost` that is asked for at `asked` may come at `time`. Once it may it goes on to.
    fn may_go(&self, state: &Self::State, _asked: u64, time: u64, cost: u64) -> bool {
        self.fits(state, time, cost)
    }

    /// Spends `cost` at `time`, when the slot comes that is taken `now`.
    fn charge_slot(&self, state: &mut Self::State, _now: u64, time: u64, cost: u64) {
        self.charge(state, time, cost);
    }

    /// What was estimated, and has left the key as it is in `charged`, was really so much.
    fn settle(&self, state: &mut Self::State, now: u64, _charged: &Self::State, settled: Settled) {
        settled.now(self, state, now);
    }

    /// Whether two states may be taken for one another when a slot is given back.
    fn resembles(&self, one: &Self::State, other: &Self::State, now: u64) -> bool {
        self.seen_at(one, now) == self.seen_at(other, now)
    }

    /// Whether a key may count as busy that was refunded all it had spent.
    fn remembers_refunded_keys(&self) -> bool {
        false
    }
}
