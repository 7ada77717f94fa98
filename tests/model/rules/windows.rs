//! Rules that count in windows.

use super::{Rule, Settled};
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

    /// The window in which the key is, which may be one that was opened ahead, and its count.
    fn seen(&self, (number, count): &(u64, u64), now: u64) -> (u64, u64) {
        let (this, _) = self.windows.at(now);
        if *number < this { (this, 0) } else { (*number, *count) }
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
        let (number, count) = self.seen(state, now);
        let is_open = number == self.windows.at(now).0;
        is_open && u128::from(count) + u128::from(cost) <= u128::from(self.limit)
    }

    fn charge(&self, state: &mut (u64, u64), now: u64, tokens: u64) {
        let (number, count) = self.seen(state, now);
        *state = (number, count.saturating_add(tokens).min(self.most()));
    }

    fn refund(&self, state: &mut (u64, u64), now: u64, tokens: u64) {
        let (number, count) = self.seen(state, now);
        *state = (number, count.saturating_sub(tokens));
    }

    fn is_full(&self, state: &(u64, u64), now: u64) -> bool {
        self.seen(state, now) == (self.windows.at(now).0, 0)
    }

    fn seen_at(&self, state: &(u64, u64), now: u64) -> (u64, u64) {
        self.seen(state, now)
    }

    /// Only while the key is in the window that was charged.
    fn settle(&self, state: &mut (u64, u64), now: u64, charged: &(u64, u64), settled: Settled) {
        if self.seen(state, now).0 == charged.0 {
            settled.now(self, state, now);
        }
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

    /// The window in which the key is, which may be one that was opened ahead; the count of the one before, and its own.
    fn seen(&self, (number, previous, current): &(u64, u64, u64), now: u64) -> (u64, u64, u64) {
        let (this, _) = self.windows.at(now);
        match this.saturating_sub(*number) {
            0 => (*number, *previous, *current),
            1 => (this, *current, 0),
            _ => (this, 0, 0),
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
        let (number, previous, current) = self.seen(state, now);
        let (this, left) = self.windows.at(now);
        let counts = big(previous) * left + (big(current) + cost) * self.windows.length;
        number == this && counts <= big(self.limit) * self.windows.length
    }

    fn charge(&self, state: &mut Self::State, now: u64, tokens: u64) {
        let (number, previous, current) = self.seen(state, now);
        *state = (number, previous, current.saturating_add(tokens).min(self.most()));
    }

    fn refund(&self, state: &mut Self::State, now: u64, tokens: u64) {
        let (number, previous, current) = self.seen(state, now);
        let beyond = tokens.saturating_sub(current);
        *state = (number, previous.saturating_sub(beyond), current.saturating_sub(tokens));
    }

    fn is_full(&self, state: &Self::State, now: u64) -> bool {
        self.seen(state, now) == (self.windows.at(now).0, 0, 0)
    }

    fn seen_at(&self, state: &Self::State, now: u64) -> Self::State {
        self.seen(state, now)
    }

    /// Only in the count of the window that was charged, while it is the key's or the one before.
    fn settle(&self, state: &mut Self::State, now: u64, charged: &Self::State, settled: Settled) {
        let settle =
            |count: u64| count.saturating_sub(settled.less).saturating_add(settled.more).min(self.most());
        let was_forgotten = state.0 < charged.0;
        let (number, previous, current) = self.seen(state, now);
        if number == charged.0 {
            *state = (number, previous, settle(current));
        } else if number == charged.0 + 1 && !was_forgotten {
            *state = (number, settle(previous), current);
        }
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

    /// When something was spent last of what is left; that may be still to come.
    fn newest(state: &[(u64, u64)]) -> u64 {
        state.iter().rfind(|(_, tokens)| *tokens > 0).map_or(0, |(time, _)| *time)
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
        self.charge_slot(state, now, now, tokens);
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

    /// What counts, one entry for each time.
    fn seen_at(&self, state: &Self::State, now: u64) -> Self::State {
        let mut seen: Self::State = Vec::new();
        for (time, tokens) in state {
            let counts = u128::from(*time) + u128::from(self.window) > u128::from(now);
            match seen.last_mut() {
                Some((newest, sum)) if newest == time => *sum += tokens,
                _ if counts && *tokens > 0 => seen.push((*time, *tokens)),
                _ => {}
            }
        }
        seen
    }

    /// Behind whoever has a slot already, unless enough was given back since for all of them.
    fn may_go(&self, state: &Self::State, asked: u64, time: u64, cost: u64) -> bool {
        let is_behind = time >= Log::newest(state) || self.fits(state, asked, cost);
        is_behind && self.fits(state, time, cost)
    }

    /// As many count at once as 60 bits hold, those that are still to come among them: behind such a debt a slot is not kept.
    fn charge_slot(&self, state: &mut Self::State, now: u64, time: u64, tokens: u64) {
        let room = (1 << 60) - 1 - self.tokens(state, now);
        state.push((time.max(Log::newest(state)), tokens.min(room)));
    }

    /// The tokens of the time that was charged, while they count. If all of them were given back, what is more is spent now.
    fn settle(&self, state: &mut Self::State, now: u64, charged: &Self::State, settled: Settled) {
        let time = Log::newest(charged);
        if u128::from(time) + u128::from(self.window) <= u128::from(now) {
            return;
        }
        *state = self.seen_at(state, now);
        let room = (1 << 60) - 1 - self.tokens(state, now);
        match state.iter_mut().find(|(spent, _)| *spent == time) {
            Some((_, tokens)) => *tokens = tokens.saturating_sub(settled.less) + settled.more.min(room),
            None if settled.more > 0 => self.charge(state, now, settled.more),
            None => {}
        }
    }

    /// A log knows its newest entry by its time and by how much was ever added.
    fn resembles(&self, one: &Self::State, other: &Self::State, now: u64) -> bool {
        let mark = |state| (Log::newest(state), self.tokens(state, now));
        mark(one) == mark(other)
    }
}
