//! [`State`]: what is stored for a key, as it is in Redis.

use std::collections::BTreeMap;

use super::lease::LeaseState;

/// What is stored for a key.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Of GCRA: the tick at which it is full again.
    FullAt(i64),
    /// Of a token bucket: the level, and the unit of time in which it was so.
    Level { level: i64, at: i64 },
    /// Of a leased rule.
    Leased(LeaseState),
    /// Of windows: the number of one, the tokens spent in it and, of a sliding one, in the one before.
    Window { number: i64, count: i64, previous: i64 },
    /// Of a sliding log: tokens by the microsecond in which they were spent.
    Tokens(BTreeMap<i64, i64>),
    /// Of places, and of the nodes that are there: until when, by who.
    Holders(BTreeMap<u128, i64>),
}
