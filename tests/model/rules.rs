//! What each algorithm's documentation says, once more and as plainly as possible: no word, no table, no bounds on numbers.
//!
//! A rule says only whether a cost fits at a time and what spending and giving back do. How much is left, and when what will fit, is found by
//! halving intervals (`pair.rs`).

use std::fmt::Debug;

use num_bigint::BigUint;
use tollgate::Quota;

use super::trace::Pace;
use super::{Axis, Refusal, big, greatest_value};

/// A rule for one key.
pub trait Rule: Debug {
    /// What is remembered of a key. The default is a key that was never seen.
    type State: Default + Clone + Debug;

    fn limit(&self) -> u64;

    /// For times that are likely to be interesting.
    fn pace(&self) -> Pace;

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

    /// The highest of `counts` counts that share the bits beside a number.
    fn most(self, counts: u32) -> u64 {
        (1 << ((60 - self.number_bits()) / counts)) - 1
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
    #[expect(clippy::unused_self, reason = "the other rules must look")]
    pub fn most(&self) -> u64 {
        8_000_000
    }

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

/// How a token axis moves.
#[derive(Clone, Debug)]
pub enum Steps {
    Evenly(Axis),
    /// A period's tokens where Unix time is a multiple of it. The axis tells units and capacity; `from` is when it stood at `position`.
    AtOnce {
        axis: Axis,
        from: u64,
        position: BigUint,
    },
}

/// A position up to which a key has spent, on an axis of tokens.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub steps: Steps,
    /// A leaky bucket: who is admitted waits for those before.
    pub queues: bool,
}

impl Tokens {
    pub fn evenly(quota: Quota, now: u64) -> Tokens {
        Tokens { steps: Steps::Evenly(Axis::new(quota, now)), queues: false }
    }

    pub fn at_once(quota: Quota, now: u64) -> Tokens {
        let steps = Steps::AtOnce { axis: Axis::new(quota, now), from: now, position: BigUint::ZERO };
        Tokens { steps, queues: false }
    }

    pub fn queue(quota: Quota, now: u64) -> Tokens {
        Tokens { queues: true, ..Tokens::evenly(quota, now) }
    }

    pub fn axis(&self) -> &Axis {
        let (Steps::Evenly(axis) | Steps::AtOnce { axis, .. }) = &self.steps;
        axis
    }

    pub fn quota(&self) -> Quota {
        self.axis().quota
    }

    pub fn position(&self, now: u64) -> BigUint {
        match &self.steps {
            Steps::Evenly(axis) => axis.position(now),
            Steps::AtOnce { axis, from, position } => {
                let period = axis.quota.period().as_nanos();
                let refills = u128::from(now) / period - u128::from(*from) / period;
                axis.end().min(position + axis.units(axis.quota.count()) * refills)
            }
        }
    }

    /// Another quota, if a running limiter takes it.
    pub fn requote(&mut self, quota: Quota, now: u64) -> Result<(), Refusal> {
        if quota == self.quota() {
            return Ok(());
        }
        let at = self.position(now);
        let lost = self.quota().capacity().saturating_sub(quota.capacity());
        match &mut self.steps {
            Steps::Evenly(axis) => *axis = axis.requote(quota, now)?,
            Steps::AtOnce { axis, from, position } => {
                *axis = axis.standing_at(at.clone(), now).requote(quota, now)?;
                (*from, *position) = (now, at + axis.units(lost));
            }
        }
        Ok(())
    }
}

impl Rule for Tokens {
    type State = BigUint;

    fn limit(&self) -> u64 {
        self.quota().capacity()
    }

    fn pace(&self) -> Pace {
        self.quota().into()
    }

    fn fits(&self, word: &BigUint, now: u64, cost: u64) -> bool {
        let position = self.position(now);
        let spent = word.max(&position) + self.axis().units(cost);
        cost <= self.limit() && spent <= position + self.axis().capacity()
    }

    fn charge(&self, word: &mut BigUint, now: u64, tokens: u64) {
        let spent = self.position(now).max(word.clone()) + self.axis().units(tokens);
        *word = spent.min(greatest_value());
    }

    fn refund(&self, word: &mut BigUint, now: u64, tokens: u64) {
        let (position, back) = (self.position(now), self.axis().units(tokens));
        if *word > position {
            *word = if *word > &position + &back { &*word - back } else { position };
        }
    }

    fn is_full(&self, word: &BigUint, now: u64) -> bool {
        *word <= self.position(now)
    }

    fn goes_at(&self, before: &BigUint, now: u64, cost: u64) -> Option<u64> {
        if !self.queues || cost == 0 {
            return Some(now);
        }
        self.axis().least_time(|position| before <= position).map(|time| time.max(now))
    }
}

/// A time at which a key is full again; the quota is that of the call.
#[derive(Clone, Debug)]
pub struct Times {
    pub quota: Quota,
    pub start: u64,
}

impl Times {
    /// The last time that counts, 18 years after the start.
    const END: u64 = (1 << 60) - 1 - (1 << 59);

    fn time(&self, now: u64) -> BigUint {
        big((now - self.start).min(Times::END))
    }

    fn nanos(&self, tokens: u64) -> BigUint {
        if self.quota.count() == 0 {
            return BigUint::ZERO;
        }
        let (count, period) = (big(self.quota.count()), big(self.quota.period().as_nanos()));
        (big(tokens) * period + &count - 1_u8) / count
    }

    /// What takes 9 years to come back, at most, and what single tokens are rounded up by, but less than one takes.
    fn capacity(&self) -> (u64, BigUint) {
        let longest = big(1_u64 << 58);
        let comes_back =
            |tokens: &u64| big(*tokens) * self.quota.period().as_nanos() <= &longest * self.quota.count();
        let (mut low, mut high) = (0, self.quota.capacity());
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if comes_back(&middle) { low = middle } else { high = middle - 1 }
        }
        if low == 0 || self.quota.count() == 0 {
            return (0, BigUint::ZERO);
        }
        let one_by_one = self.nanos(1) * low;
        let widest = self.nanos(low) + self.nanos(1) - 1_u8;
        (low, one_by_one.min(widest))
    }
}

impl Rule for Times {
    type State = BigUint;

    fn limit(&self) -> u64 {
        self.capacity().0
    }

    fn pace(&self) -> Pace {
        self.quota.into()
    }

    fn fits(&self, full_at: &BigUint, now: u64, cost: u64) -> bool {
        let (tokens, nanos) = self.capacity();
        let now = self.time(now);
        let cost_nanos = if cost == 0 { BigUint::ZERO } else { self.nanos(cost) };
        cost <= tokens && full_at.max(&now) + cost_nanos <= &now + nanos
    }

    fn charge(&self, full_at: &mut BigUint, now: u64, tokens: u64) {
        *full_at = (self.time(now).max(full_at.clone()) + self.nanos(tokens)).min(greatest_value());
    }

    fn refund(&self, full_at: &mut BigUint, now: u64, tokens: u64) {
        let (now, back) = (self.time(now), self.nanos(tokens));
        if tokens > 0 && *full_at > now {
            *full_at = if *full_at > &now + &back { &*full_at - back } else { now };
        }
    }

    fn is_full(&self, full_at: &BigUint, now: u64) -> bool {
        *full_at <= self.time(now)
    }
}
