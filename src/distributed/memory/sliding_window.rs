//! The sliding window: `sliding_window.lua` in Rust.

use super::count::{Count, ceil, standing};
use super::state::State;
use crate::distributed::reply::Standing;

/// A key's tokens in one window and the one before.
#[derive(Debug)]
pub(super) struct SlidingWindow {
    limit: i64,
    window: i64,
    unit: i64,
    /// The units of a window, and how many of this one have passed.
    units: i64,
    elapsed: i64,
    number: i64,
    count: i64,
    previous: i64,
    now: i64,
    mended: bool,
}

impl SlidingWindow {
    pub(super) fn read(
        limit: i64,
        (window, unit): (i64, i64),
        stored: Option<&State>,
        now: i64,
    ) -> SlidingWindow {
        let number = now.div_euclid(window);
        let elapsed = now.rem_euclid(window) / unit;
        let fresh = SlidingWindow {
            limit,
            window,
            unit,
            units: window / unit,
            elapsed,
            number,
            count: 0,
            previous: 0,
            now,
            mended: false,
        };
        let Some(&State::Window { number: then, count, previous }) = stored else { return fresh };
        // The limit may have been higher.
        let (count, previous) = (count.min(2 * limit), previous.min(2 * limit));
        if then > number {
            // A window that has yet to begin, after a step back: at its beginning, but no more than a window ahead.
            let mended = then > number + 1;
            SlidingWindow { number: number + 1, elapsed: 0, count, previous, mended, ..fresh }
        } else if then == number {
            SlidingWindow { count, previous, ..fresh }
        } else if then == number - 1 {
            SlidingWindow { previous: count, ..fresh }
        } else {
            fresh
        }
    }

    /// Microseconds until so many units of the window have passed.
    fn passed(&self, units: i64) -> i64 {
        self.number * self.window + units * self.unit - self.now
    }

    /// Microseconds until nothing counts any more.
    fn over(&self) -> i64 {
        match (self.count, self.previous) {
            (0, 0) => 0,
            (0, _) => self.passed(self.units),
            _ => self.passed(2 * self.units),
        }
    }

    /// Microseconds until a cost fits that is not above the limit.
    fn fits(&self, cost: i64, room: i64) -> i64 {
        let excess = cost * self.units - room;
        let beside = self.count + cost - self.limit;
        if excess <= 0 {
            0
        } else if beside <= 0 {
            // In this window, as the weight of the previous one falls.
            self.passed(self.elapsed + ceil(excess, self.previous))
        } else {
            // In the next one, as the weight of this one falls.
            self.passed(self.units + ceil(beside * self.units, self.count))
        }
    }
}

impl Count for SlidingWindow {
    fn mended(&self) -> bool {
        self.mended
    }

    fn spend(&mut self, tokens: i64) {
        let count = self.count + tokens;
        self.previous = (self.previous + count.min(0)).max(0);
        self.count = count.clamp(0, 2 * self.limit);
    }

    fn standing(&self, cost: i64) -> Standing {
        let weight = self.previous * (self.units - self.elapsed) + self.count * self.units;
        let room = self.limit * self.units - weight;
        let retry = (cost <= self.limit).then(|| self.fits(cost, room));
        standing(room.div_euclid(self.units), retry, self.over())
    }

    fn stored(&self) -> Option<(State, i64)> {
        let state = State::Window { number: self.number, count: self.count, previous: self.previous };
        (self.count > 0 || self.previous > 0).then(|| (state, self.over()))
    }
}
