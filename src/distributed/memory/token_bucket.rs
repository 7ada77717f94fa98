//! The token bucket: `token_bucket.lua` in Rust.

use super::count::{Count, ceil, standing};
use super::state::State;
use crate::distributed::reply::Standing;

/// A key's level, in parts of a token.
#[derive(Debug)]
pub(super) struct TokenBucket {
    rate: Rate,
    limit: i64,
    full: i64,
    level: i64,
    /// The number of the unit of time.
    at: i64,
    now: i64,
    mended: bool,
}

/// How tokens come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// Parts that make a token.
    pub(super) token: i64,
    /// Parts that come back every unit.
    pub(super) refill: i64,
    /// Microseconds.
    pub(super) unit: i64,
}

impl TokenBucket {
    pub(super) fn read(limit: i64, rate: Rate, stored: Option<&State>, now: i64) -> TokenBucket {
        let full = limit * rate.token;
        let at = now.div_euclid(rate.unit);
        let since = match stored {
            // What does not fit is beyond the clamp, too.
            Some(State::Level { level, at: then }) => {
                level.saturating_add((at - then).saturating_mul(rate.refill))
            }
            _ => full,
        };
        TokenBucket { rate, limit, full, level: since.clamp(-full, full), at, now, mended: since < -full }
    }

    /// Microseconds until so many parts have come back.
    fn refilled(&self, parts: i64) -> i64 {
        if parts <= 0 {
            return 0;
        }
        (self.at + ceil(parts, self.rate.refill)) * self.rate.unit - self.now
    }
}

impl Count for TokenBucket {
    fn mended(&self) -> bool {
        self.mended
    }

    fn spend(&mut self, tokens: i64) {
        let tokens = tokens.clamp(-2 * self.limit, 2 * self.limit);
        self.level = (self.level - tokens * self.rate.token).clamp(-self.full, self.full);
    }

    fn standing(&self, cost: i64) -> Standing {
        let retry = (cost <= self.limit).then(|| self.refilled(cost * self.rate.token - self.level));
        standing(self.level.div_euclid(self.rate.token), retry, self.refilled(self.full - self.level))
    }

    fn stored(&self) -> Option<(State, i64)> {
        let state = State::Level { level: self.level, at: self.at };
        (self.level < self.full).then(|| (state, self.refilled(self.full - self.level)))
    }
}
