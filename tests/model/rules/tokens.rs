//! Rules by which tokens come back.

use num_bigint::BigUint;
use tollgate::Quota;

use super::Rule;
use crate::model::trace::Pace;
use crate::model::{Axis, Refusal, big, greatest_value};

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

    fn end(&self) -> u64 {
        let has_ended = |now| self.position(now) == self.axis().end();
        // Halving, as for every other time.
        let start = match self.steps {
            Steps::Evenly(_) => 0,
            Steps::AtOnce { from, .. } => from,
        };
        let (mut low, mut high) = (start, u64::MAX);
        while low < high {
            let middle = low + (high - low) / 2;
            if has_ended(middle) { high = middle } else { low = middle + 1 }
        }
        high
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

    /// In a queue: when what stands before has drained.
    fn may_go(&self, word: &BigUint, _asked: u64, time: u64, cost: u64) -> bool {
        if self.queues && cost > 0 {
            cost <= self.limit() && *word <= self.position(time)
        } else {
            self.fits(word, time, cost)
        }
    }

    /// Tokens that come evenly also come within a nanosecond, so that several slots may come in one. Those that come at once are
    /// cut to the capacity when they do.
    fn charge_slot(&self, word: &mut BigUint, now: u64, time: u64, cost: u64) {
        let spent_at = if matches!(self.steps, Steps::Evenly(_)) { now } else { time };
        self.charge(word, spent_at, cost);
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
        let widest = (self.nanos(low + 1) - 1_u8).max(self.nanos(low));
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

    fn end(&self) -> u64 {
        self.start.saturating_add(Times::END)
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
