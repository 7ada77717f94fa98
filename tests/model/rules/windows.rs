//! Rules that count in windows.

use super::Rule;
use crate::model::big;
use crate::model::trace::Pace;

const YEAR: u64 = 31_557_600 * 1_000_000_000;

/// Windows of the clock, counted from the one in which the limiter is built, which is 1.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    pub length: u64,
    pub start: u64,
}

impl Windows {
    /// Bits for the numbers of 30 years of windows, which may begin in the middle of one, and of the two after them, in which the last
    /// still counts.
    fn number_bits(self) -> u32 {
        let windows = 30 * YEAR / self.length + 4;
        (1..=60).find(|bits| windows < 1 << bits).expect("a window takes a nanosecond at least")
    }

    /// The number of the window and how much of it is left. Time stands still at the end of the last one that has a number.
    fn at(self, now: u64) -> (u64, u64) {
        let passed = now / self.length - self.start / self.length;
        let last = (1 << self.number_bits()) - 1;
        if passed >= last { (last, 1) } else { (passed + 1, self.length - now % self.length) }
    }

    /// The end of the last window that has a number.
    fn end(self) -> u64 {
        let last = (1 << self.number_bits()) - 1;
        (self.start / self.length).saturating_add(last).saturating_mul(self.length)
    }

    /// The highest of `counts` counts that share the bits but one beside a number.
    fn most(self, counts: u32) -> u64 {
        (1 << (59_u32.saturating_sub(self.number_bits()) / counts)) - 1
    }

    fn pace(self, limit: u64) -> Pace {
        Pace { tokens: limit, nanos: self.length }
    }
}

/// A count for each window of the clock.
#[derive(Clone, Debug)]
pub struct Fixed {
    pub limit: u64,
    pub windows: Windows,
}

impl Fixed {
    pub fn most(&self) -> u64 {
        self.windows.most(1)
    }

    fn count(&self, (number, count): &(u64, u64), now: u64) -> u64 {
        if *number == self.windows.at(now).0 { *count } else { 0 }
    }
}

impl Rule for Fixed {
    /// The window that it spent in last, and how much.
    type State = (u64, u64);

    fn limit(&self) -> u64 {
        self.limit
    }

    fn pace(&self) -> Pace {
        self.windows.pace(self.limit)
    }

    fn end(&self) -> u64 {
        self.windows.end()
    }

    fn fits(&self, state: &(u64, u64), now: u64, cost: u64) -> bool {
        u128::from(self.count(state, now)) + u128::from(cost) <= u128::from(self.limit)
    }

    fn charge(&self, state: &mut (u64, u64), now: u64, tokens: u64) {
        let count = self.count(state, now).saturating_add(tokens).min(self.most());
        *state = (self.windows.at(now).0, count);
    }

    fn refund(&self, state: &mut (u64, u64), now: u64, tokens: u64) {
        *state = (self.windows.at(now).0, self.count(state, now).saturating_sub(tokens));
    }

    fn is_full(&self, state: &(u64, u64), now: u64) -> bool {
        self.count(state, now) == 0
    }
}

/// This window's count, and the last one's in proportion to what is left of it.
#[derive(Clone, Debug)]
pub struct Sliding {
    pub limit: u64,
    pub windows: Windows,
}

impl Sliding {
    pub fn most(&self) -> u64 {
        self.windows.most(2)
    }

    /// (of the window before, of this one)
    fn counts(&self, (number, previous, current): &(u64, u64, u64), now: u64) -> (u64, u64) {
        match self.windows.at(now).0 - number {
            0 => (*previous, *current),
            1 => (*current, 0),
            _ => (0, 0),
        }
    }
}

impl Rule for Sliding {
    type State = (u64, u64, u64);

    fn limit(&self) -> u64 {
        self.limit
    }

    fn pace(&self) -> Pace {
        self.windows.pace(self.limit)
    }

    fn end(&self) -> u64 {
        self.windows.end()
    }

    fn fits(&self, state: &Self::State, now: u64, cost: u64) -> bool {
        let (previous, current) = self.counts(state, now);
        let (_, left) = self.windows.at(now);
        let counts = big(previous) * left + (big(current) + cost) * self.windows.length;
        counts <= big(self.limit) * self.windows.length
    }

    fn charge(&self, state: &mut Self::State, now: u64, tokens: u64) {
        let (previous, current) = self.counts(state, now);
        *state = (self.windows.at(now).0, previous, current.saturating_add(tokens).min(self.most()));
    }

    fn refund(&self, state: &mut Self::State, now: u64, tokens: u64) {
        let (previous, current) = self.counts(state, now);
        let beyond = tokens.saturating_sub(current);
        let (previous, current) = (previous.saturating_sub(beyond), current.saturating_sub(tokens));
        *state = (self.windows.at(now).0, previous, current);
    }

    fn is_full(&self, state: &Self::State, now: u64) -> bool {
        self.counts(state, now) == (0, 0)
    }

    /// A late caller must not be decided in an earlier window, so the number of the window stays.
    fn remembers_refunded_keys(&self) -> bool {
        true
    }
}

/// What was spent when.
#[derive(Clone, Debug)]
pub struct Log {
    pub limit: u64,
    pub window: u64,
}

impl Log {
    /// Of a limiter with one shard: as many as there is memory for by default.
    pub const MOST: u64 = 8_000_000;

    fn tokens(&self, state: &[(u64, u64)], now: u64) -> u64 {
        let counts = |time: u64| u128::from(time) + u128::from(self.window) > u128::from(now);
        state.iter().filter(|(time, _)| counts(*time)).map(|(_, tokens)| tokens).sum()
    }
}

impl Rule for Log {
    type State = Vec<(u64, u64)>;

    fn limit(&self) -> u64 {
        self.limit
    }

    fn pace(&self) -> Pace {
        Pace { tokens: self.limit, nanos: self.window }
    }

    fn fits(&self, state: &Self::State, now: u64, cost: u64) -> bool {
        u128::from(self.tokens(state, now)) + u128::from(cost) <= u128::from(self.limit)
    }

    fn charge(&self, state: &mut Self::State, now: u64, tokens: u64) {
        // As many count at once as 60 bits hold.
        let room = (1 << 60) - 1 - self.tokens(state, now);
        state.push((now, tokens.min(room)));
    }

    fn refund(&self, state: &mut Self::State, now: u64, mut tokens: u64) {
        state.retain(|(time, _)| u128::from(*time) + u128::from(self.window) > u128::from(now));
        for (_, spent) in state.iter_mut().rev() {
            let back = tokens.min(*spent);
            (*spent, tokens) = (*spent - back, tokens - back);
        }
    }

    fn is_full(&self, state: &Self::State, now: u64) -> bool {
        self.tokens(state, now) == 0
    }
}
