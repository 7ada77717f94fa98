//! GCRA: `gcra.lua` in Rust.

use super::count::{Count, ceil, standing};
use super::state::State;
use crate::distributed::parameters::{EPOCH, TICKS};
use crate::distributed::reply::Standing;

/// A key's ticks until it is full again.
#[derive(Debug)]
pub(super) struct Gcra {
    tick: i64,
    limit: i64,
    interval: i64,
    /// The ticks of a whole limit.
    full: i64,
    ahead: i64,
    mended: bool,
}

impl Gcra {
    pub(super) fn read(limit: i64, interval: i64, stored: Option<&State>, now: i64) -> Gcra {
        let tick = (now - EPOCH) * TICKS;
        let full = limit * interval;
        let ahead = match stored {
            Some(State::FullAt(full_at)) => (full_at - tick).max(0),
            _ => 0,
        };
        // A whole limit spent, and a whole limit of debt.
        let most = 2 * full;
        Gcra { tick, limit, interval, full, ahead: ahead.min(most), mended: ahead > most }
    }
}

impl Count for Gcra {
    fn mended(&self) -> bool {
        self.mended
    }

    fn spend(&mut self, tokens: i64) {
        let tokens = tokens.clamp(-2 * self.limit, 2 * self.limit);
        self.ahead = (self.ahead + tokens * self.interval).clamp(0, 2 * self.full);
    }

    fn standing(&self, cost: i64) -> Standing {
        let room = self.full - self.ahead;
        let retry = (cost <= self.limit).then(|| ceil((cost * self.interval - room).max(0), TICKS));
        standing(room.div_euclid(self.interval), retry, ceil(self.ahead, TICKS))
    }

    fn stored(&self) -> Option<(State, i64)> {
        (self.ahead > 0).then(|| (State::FullAt(self.tick + self.ahead), ceil(self.ahead, TICKS)))
    }
}
