//! What each algorithm's documentation says, once more and as plainly as possible: no word, no table, no bounds on numbers.
//!
//! A rule says only whether a cost fits at a time and what spending and giving back do. How much is left, and when what will fit, is found by
//! halving intervals (`pair.rs`).

use num_bigint::BigUint;
use tollgate::Quota;

use crate::model::{Axis, big, greatest_value};

/// A rule for one key.
pub trait Rule {
    /// What is remembered of a key. The default is a key that was never seen.
    type State: Default + Clone;

    fn limit(&self) -> u64;

    /// Whether `cost` fits at `now`. Once it does it goes on to, if nothing is spent.
    fn fits(&self, state: &Self::State, now: u64, cost: u64) -> bool;

    /// Spends `tokens`, there or not.
    fn charge(&self, state: &mut Self::State, now: u64, tokens: u64);

    fn refund(&self, state: &mut Self::State, now: u64, tokens: u64);

    /// Whether nothing of what was spent counts any more.
    fn is_full(&self, state: &Self::State, now: u64) -> bool;

    /// When an admitted cost goes that found the key like this.
    fn goes_at(&self, _before: &Self::State, now: u64, _cost: u64) -> u64 {
        now
    }
}

const YEAR: u64 = 31_557_600 * 1_000_000_000;

/// Bits that are left of 60 beside the numbers of 30 years of windows, which count from 1 and may begin in the middle of one, and of the
/// two after them, in which the last still counts.
fn bits_beside_windows(window: u64) -> u32 {
    let windows = 30 * YEAR / window + 4;
    (0..=60).rev().find(|bits| windows < 1 << (60 - bits)).unwrap_or(0)
}

/// A count for each window of the clock.
#[derive(Clone, Debug)]
pub struct Fixed {
    pub limit: u64,
    pub window: u64,
}

impl Fixed {
    pub fn most(&self) -> u64 {
        (1 << bits_beside_windows(self.window)) - 1
    }
}

impl Rule for Fixed {
    /// The window that it spent in last, and how much.
    type State = (u64, u64);

    fn limit(&self) -> u64 {
        self.limit
    }

    fn fits(&self, (window, count): &(u64, u64), now: u64, cost: u64) -> bool {
        let count = if *window == now / self.window { *count } else { 0 };
        u128::from(count) + u128::from(cost) <= u128::from(self.limit)
    }

    fn charge(&self, state: &mut (u64, u64), now: u64, tokens: u64) {
        let current = now / self.window;
        let count = if state.0 == current { state.1 } else { 0 };
        *state = (current, count.saturating_add(tokens).min(self.most()));
    }

    fn refund(&self, (window, count): &mut (u64, u64), now: u64, tokens: u64) {
        if *window == now / self.window {
            *count = count.saturating_sub(tokens);
        }
    }

    fn is_full(&self, (window, count): &(u64, u64), now: u64) -> bool {
        *window != now / self.window || *count == 0
    }
}

/// This window's count, and the last one's in proportion to what is left of it.
#[derive(Clone, Debug)]
pub struct Sliding {
    pub limit: u64,
    pub window: u64,
}

impl Sliding {
    pub fn most(&self) -> u64 {
        (1 << (bits_beside_windows(self.window) / 2)) - 1
    }

    /// (of the window before, of this one)
    fn counts(&self, state: &(u64, u64, u64), now: u64) -> (u64, u64) {
        let (window, previous, current) = *state;
        match now / self.window - window {
            0 => (previous, current),
            1 => (current, 0),
            _ => (0, 0),
        }
    }
}

impl Rule for Sliding {
    type State = (u64, u64, u64);

    fn limit(&self) -> u64 {
        self.limit
    }

    fn fits(&self, state: &Self::State, now: u64, cost: u64) -> bool {
        let (previous, current) = self.counts(state, now);
        let left = self.window - now % self.window;
        let counts = big(previous) * left + (big(current) + cost) * self.window;
        counts <= big(self.limit) * self.window
    }

    fn charge(&self, state: &mut Self::State, now: u64, tokens: u64) {
        let (previous, current) = self.counts(state, now);
        *state = (now / self.window, previous, current.saturating_add(tokens).min(self.most()));
    }

    fn refund(&self, state: &mut Self::State, now: u64, tokens: u64) {
        let (previous, current) = self.counts(state, now);
        let beyond = tokens.saturating_sub(current);
        *state = (now / self.window, previous.saturating_sub(beyond), current.saturating_sub(tokens));
    }

    fn is_full(&self, state: &Self::State, now: u64) -> bool {
        self.counts(state, now) == (0, 0)
    }
}

/// What was spent when.
#[derive(Clone, Debug)]
pub struct Log {
    pub limit: u64,
    pub window: u64,
}

impl Log {
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

    fn axis(&self) -> &Axis {
        let (Steps::Evenly(axis) | Steps::AtOnce { axis, .. }) = &self.steps;
        axis
    }

    pub fn quota(&self) -> Quota {
        self.axis().quota
    }

    fn position(&self, now: u64) -> BigUint {
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
    pub fn requote(&mut self, quota: Quota, now: u64) -> bool {
        if quota == self.quota() {
            return true;
        }
        let at = self.position(now);
        let lost = self.quota().capacity().saturating_sub(quota.capacity());
        match &mut self.steps {
            Steps::Evenly(axis) => match axis.requote(quota, now) {
                Ok(new) => *axis = new,
                Err(_) => return false,
            },
            Steps::AtOnce { axis, from, position } => {
                match axis.standing_at(at.clone(), now).requote(quota, now) {
                    Ok(new) => {
                        (*from, *position) = (now, at + axis.units(lost));
                        *axis = new;
                    }
                    Err(_) => return false,
                }
            }
        }
        true
    }
}

impl Rule for Tokens {
    type State = BigUint;

    fn limit(&self) -> u64 {
        self.quota().capacity()
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

    fn goes_at(&self, before: &BigUint, now: u64, cost: u64) -> u64 {
        if !self.queues || cost == 0 {
            return now;
        }
        self.axis().least_time(|position| before <= position).unwrap_or(u64::MAX).max(now)
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
