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

/// A rule for one key.
pub trait Rule: Debug {
    /// What is remembered of a key. The default is a key that was never seen.
    type State: Default + Clone + Debug;

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

    /// Whether a key may count as busy that was refunded all it had spent.
    fn remembers_refunded_keys(&self) -> bool {
        false
    }
}
