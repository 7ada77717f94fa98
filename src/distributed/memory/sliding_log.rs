//! The sliding log: `sliding_log.lua` in Rust.

use std::collections::BTreeMap;

use super::count::{Count, standing};
use super::state::State;
use crate::distributed::reply::Standing;

/// A key's tokens by the time at which they were spent.
#[derive(Debug)]
pub(super) struct SlidingLog {
    limit: i64,
    window: i64,
    now: i64,
    /// Only what counts, and nothing more than a window ahead.
    tokens: BTreeMap<i64, i64>,
    count: i64,
    mended: bool,
}

impl SlidingLog {
    pub(super) fn read(limit: i64, window: i64, stored: Option<&State>, now: i64) -> SlidingLog {
        let mut log = SlidingLog { limit, window, now, tokens: BTreeMap::new(), count: 0, mended: false };
        if let Some(State::Tokens(tokens)) = stored {
            for (at, tokens) in tokens.range(now - window + 1..) {
                // After a step back nothing counts as more than a window ahead.
                log.mended |= *at > now + window;
                log.add((*at).min(now + window), *tokens);
            }
        }
        log
    }

    fn add(&mut self, at: i64, tokens: i64) {
        *self.tokens.entry(at).or_default() += tokens;
        self.count += tokens;
    }

    /// The newest first.
    fn take_back(&mut self, mut tokens: i64) {
        while tokens > 0
            && let Some(mut newest) = self.tokens.last_entry()
        {
            let taken = tokens.min(*newest.get());
            *newest.get_mut() -= taken;
            if *newest.get() == 0 {
                newest.remove();
            }
            self.count -= taken;
            tokens -= taken;
        }
    }

    /// Microseconds until the token does not count any more that is so many from the newest, which is 1.
    fn passes(&self, place: i64) -> i64 {
        let mut left = place;
        for (at, tokens) in self.tokens.iter().rev() {
            left -= tokens;
            if left <= 0 {
                return at + self.window - self.now;
            }
        }
        0
    }
}

impl Count for SlidingLog {
    fn mended(&self) -> bool {
        self.mended
    }

    fn spend(&mut self, tokens: i64) {
        let added = tokens.min((2 * self.limit - self.count).max(0));
        if tokens < 0 {
            self.take_back(-tokens);
        } else if added > 0 {
            self.add(self.now, added);
        }
    }

    fn standing(&self, cost: i64) -> Standing {
        let excess = self.count + cost - self.limit;
        let wait = if excess > 0 { self.passes(self.count - excess + 1) } else { 0 };
        let retry = (cost <= self.limit).then_some(wait);
        standing(self.limit - self.count, retry, self.passes(1))
    }

    fn stored(&self) -> Option<(State, i64)> {
        (self.count > 0).then(|| (State::Tokens(self.tokens.clone()), self.passes(1)))
    }
}
