//! [`TokenFigures`]: what the answers tell of a key on the token axis.

use crate::algorithm::token_clock::Anchor;
use crate::decision::interval;

/// What a caller of an algorithm on the token axis may ask, worked out when it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenFigures {
    pub(super) anchor: Anchor,
    pub(super) position: u64,
    /// Units by which the key's word is ahead of the position.
    pub(super) ahead: u64,
    /// The cost that `retry_at` asks about.
    pub(super) cost: u64,
}

impl TokenFigures {
    pub(crate) fn limit(&self) -> u64 {
        self.anchor.quota.capacity()
    }

    pub(crate) fn remaining(&self) -> u64 {
        self.anchor.capacity_units().saturating_sub(self.ahead) >> self.anchor.unit_bits
    }

    pub(crate) fn reset_at(&self) -> Option<u64> {
        if self.ahead == 0 { Some(0) } else { self.anchor.time_of(self.position + self.ahead) }
    }

    pub(crate) fn interval(&self) -> u64 {
        interval(self.anchor.quota.period_nanos(), self.anchor.quota.count(), self.cost)
    }

    /// When what stood before an admitted cost has drained. A cost of zero takes no place in the queue.
    pub(crate) fn goes_at(&self) -> Option<u64> {
        if !self.anchor.queues || self.cost == 0 {
            return Some(0);
        }
        // An admitted cost is within the capacity, and the word ahead by at least so much.
        let before = self.ahead.saturating_sub(self.cost << self.anchor.unit_bits);
        if before == 0 { Some(0) } else { self.anchor.time_of(self.position + before) }
    }

    /// The least time at which `word + cost <= position + capacity`.
    pub(crate) fn retry_at(&self) -> Option<u64> {
        if self.cost > self.anchor.quota.capacity() {
            return None;
        }
        // Within the capacity, so below 2^60; the sum of three such numbers is below 2^62.
        let cost = self.cost << self.anchor.unit_bits;
        let short = (self.ahead + cost).saturating_sub(self.anchor.capacity_units());
        if short == 0 { Some(0) } else { self.anchor.time_of(self.position + short) }
    }
}
