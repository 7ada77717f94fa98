//! The fixed window: `fixed_window.lua` in Rust.

use super::count::{Count, standing};
use super::state::State;
use crate::distributed::reply::Standing;

/// A key's tokens in one window.
#[derive(Debug)]
pub(super) struct FixedWindow {
    limit: i64,
    number: i64,
    /// Microseconds until the window ends.
    wait: i64,
    count: i64,
    mended: bool,
}

impl FixedWindow {
    pub(super) fn read(limit: i64, window: i64, stored: Option<&State>, now: i64) -> FixedWindow {
        let this = now.div_euclid(window);
        let (number, count) = match stored {
            Some(State::Window { number, count, .. }) if *number >= this => {
                (*number, (*count).min(2 * limit))
            }
            _ => (this, 0),
        };
        // A window that has yet to begin, after a step back: at its beginning, but no more than a window ahead.
        let mended = number > this + 1;
        let number = number.min(this + 1);
        FixedWindow { limit, number, wait: (number + 1) * window - now, count, mended }
    }
}

impl Count for FixedWindow {
    fn mended(&self) -> bool {
        self.mended
    }

    fn spend(&mut self, tokens: i64) {
        self.count = (self.count + tokens).clamp(0, 2 * self.limit);
    }

    fn standing(&self, cost: i64) -> Standing {
        let fits = self.count + cost <= self.limit;
        let retry = (cost <= self.limit).then_some(if fits { 0 } else { self.wait });
        let reset = if self.count > 0 { self.wait } else { 0 };
        standing(self.limit - self.count, retry, reset)
    }

    fn stored(&self) -> Option<(State, i64)> {
        let state = State::Window { number: self.number, count: self.count, previous: 0 };
        (self.count > 0).then_some((state, self.wait))
    }
}
