//! A limiter and its model side by side: every operation is done to both, and whatever they tell must agree.

use std::time::Duration;

use tollgate::{Allowed, Clock, Denied, Gcra, Limiter, ManualClock, Quota, QuotaError, Status};

use super::{Figures, Model, Refusal};

/// What can be done to a limiter and its clock. Amounts are relative to the quota in force where that makes the
/// interesting ones likely.
#[derive(Clone, Debug)]
pub enum Op {
    Check { key: u64, cost: Amount },
    CheckMany { keys: Vec<u64> },
    Charge { key: u64, tokens: Amount },
    Refund { key: u64, tokens: Amount },
    Peek { key: u64 },
    Reset { key: u64 },
    Clear,
    SetQuota(Change),
    Advance(Span),
    /// Sets the clock back.
    StepBack(Span),
    /// Sets the clock to any time.
    SetClock(u64),
    /// Waits until the last refused check would pass, if ever: less by a nanosecond it is refused again.
    ComeBack,
}

/// Tokens.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
    Exactly(u64),
    /// So many more, or fewer, than the capacity.
    AroundCapacity(i8),
    /// So many 255ths of the capacity.
    OfCapacity(u8),
}

/// A time.
#[derive(Clone, Copy, Debug)]
pub enum Span {
    Nanos(u64),
    /// In which so many tokens come back, and so many nanoseconds more or less.
    Tokens(u8, i8),
    /// So many 255ths of the time in which an empty key becomes full.
    OfRefill(u8),
}

/// A new quota.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    To(Quota),
    /// The rate times so many 16ths, and another burst.
    Scaled { sixteenths: u8, burst: Amount },
    Burst(Amount),
}

impl Amount {
    fn tokens(self, quota: Quota) -> u64 {
        let capacity = quota.capacity();
        match self {
            Amount::Exactly(tokens) => tokens,
            Amount::AroundCapacity(more) => capacity.saturating_add_signed(more.into()),
            Amount::OfCapacity(part) => portion(capacity, part),
        }
    }
}

impl Span {
    fn nanos(self, quota: Quota) -> u64 {
        match self {
            Span::Nanos(nanos) => nanos,
            Span::Tokens(tokens, more) => nanos_for(quota, tokens.into()).saturating_add_signed(more.into()),
            Span::OfRefill(part) => portion(nanos_for(quota, quota.capacity()), part),
        }
    }
}

impl Change {
    fn quota(self, old: Quota) -> Option<Quota> {
        match self {
            Change::To(quota) => Some(quota),
            Change::Burst(burst) => Some(old.burst(burst.tokens(old))),
            Change::Scaled { sixteenths, burst } => {
                let count = u128::from(old.count()) * u128::from(sixteenths) / 16;
                let quota = Quota::new(u64::try_from(count).ok()?, old.period()).ok()?;
                Some(quota.burst(burst.tokens(old)))
            }
        }
    }
}

fn portion(whole: u64, part: u8) -> u64 {
    u64::try_from(u128::from(whole) * u128::from(part) / 255).expect("at most the whole")
}

/// The time in which so many tokens come back, rounded up; a quota without tokens counts as having one.
fn nanos_for(quota: Quota, tokens: u64) -> u64 {
    let nanos = (u128::from(tokens) * quota.period().as_nanos()).div_ceil(u128::from(quota.count().max(1)));
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// The two that must agree.
pub struct Pair {
    pub limiter: Limiter,
    hand: ManualClock,
    pub model: Model,
    refused: Option<(u64, u64, Duration)>,
}

impl Pair {
    /// Both start at `start` nanoseconds on their clock.
    pub fn new(quota: Quota, max_keys: usize, start: u64) -> Pair {
        let (clock, hand) = Clock::manual();
        hand.set(Duration::from_nanos(start));
        let limiter =
            Limiter::builder(Gcra::new(quota)).clock(clock).max_keys(max_keys).build().expect("a legal size");
        Pair { limiter, hand, model: Model::new(quota, start), refused: None }
    }

    pub fn run(&mut self, ops: &[Op]) {
        for op in ops {
            self.apply(op);
        }
    }

    pub fn apply(&mut self, op: &Op) {
        let quota = self.model.quota();
        match op {
            Op::Check { key, cost } => self.check(*key, cost.tokens(quota)),
            Op::CheckMany { keys } => self.check_many(keys),
            Op::Charge { key, tokens } => self.charge(*key, tokens.tokens(quota)),
            Op::Refund { key, tokens } => self.refund(*key, tokens.tokens(quota)),
            Op::Peek { key } => assert_eq!(of_status(self.limiter.peek(key)), self.model.peek(*key)),
            Op::Reset { key } => self.reset(*key),
            Op::Clear => self.clear(),
            Op::SetQuota(change) => self.set_quota(*change),
            Op::Advance(span) => self.set_clock(self.model.clock().saturating_add(span.nanos(quota))),
            Op::StepBack(span) => self.set_clock(self.model.clock().saturating_sub(span.nanos(quota))),
            Op::SetClock(clock) => self.set_clock(*clock),
            Op::ComeBack => self.come_back(),
        }
    }

    pub fn check(&mut self, key: u64, cost: u64) {
        let told = of_check(self.limiter.check_n(&key, cost));
        if let Err(Figures { retry_after: Some(wait), .. }) = &told {
            self.refused = Some((key, cost, *wait));
        }
        assert_eq!(told, self.model.check_n(key, cost), "key {key}, cost {cost}, {:?}", self.model);
    }

    fn check_many(&mut self, keys: &[u64]) {
        let mut answers = Vec::new();
        self.limiter.check_many(keys, &mut answers);
        let told: Vec<_> = answers.into_iter().map(of_check).collect();
        let expected: Vec<_> = keys.iter().map(|key| self.model.check_n(*key, 1)).collect();
        assert_eq!(told, expected, "keys {keys:?}, {:?}", self.model);
    }

    fn charge(&mut self, key: u64, tokens: u64) {
        let told = of_status(self.limiter.charge(&key, tokens));
        assert_eq!(told, self.model.charge(key, tokens), "key {key}, {tokens} tokens, {:?}", self.model);
    }

    fn refund(&mut self, key: u64, tokens: u64) {
        self.limiter.refund(&key, tokens);
        self.model.refund(key, tokens);
    }

    fn reset(&mut self, key: u64) {
        self.limiter.reset(&key);
        self.model.reset(key);
    }

    fn clear(&mut self) {
        self.limiter.clear();
        self.model.clear();
    }

    fn set_quota(&mut self, change: Change) {
        let Some(quota) = change.quota(self.model.quota()) else { return };
        let told = self.limiter.set_quota(quota);
        match self.model.set_quota(quota) {
            Ok(()) => assert_eq!(told, Ok(())),
            Err(refusal) => assert_refused_for(&told, quota, refusal),
        }
        assert_eq!(self.limiter.algorithm().quota(), self.model.quota());
    }

    fn set_clock(&mut self, clock: u64) {
        self.hand.set(Duration::from_nanos(clock));
        self.model.set_clock(clock);
        // A wait counts from the clock of its answer.
        self.refused = None;
    }

    /// "After that long the same check is allowed, and one nanosecond earlier it is not."
    fn come_back(&mut self) {
        let Some((key, cost, wait)) = self.refused.take() else { return };
        self.set_clock(self.model.clock() + u64::try_from(wait.as_nanos()).expect("the clock reaches it") - 1);
        self.check(key, cost);
        assert_eq!(self.refused.map(|(_, _, wait)| wait), Some(Duration::from_nanos(1)));
        self.set_clock(self.model.clock() + 1);
        assert!(self.limiter.check_n(&key, cost).is_ok(), "refused after waiting, {:?}", self.model);
        assert!(self.model.check_n(key, cost).is_ok());
    }
}

/// One of the refusals that the model gives must be named, with the quota.
fn assert_refused_for(told: &Result<(), QuotaError>, quota: Quota, refusal: Refusal) {
    match told {
        Err(QuotaError::TooFastForLimiter { quota: named }) => assert!(refusal.too_fast && *named == quota),
        Err(QuotaError::TooSlowForLimiter { quota: named }) => assert!(refusal.too_slow && *named == quota),
        other => panic!("{other:?}, though {refusal:?} for {quota}"),
    }
}

pub fn of_check(answer: Result<Allowed, Denied>) -> Result<Figures, Figures> {
    match answer {
        Ok(allowed) => Ok(Figures {
            limit: allowed.limit(),
            remaining: allowed.remaining(),
            reset_after: allowed.reset_after(),
            retry_after: None,
        }),
        Err(denied) => Err(Figures {
            limit: denied.limit(),
            remaining: denied.remaining(),
            reset_after: denied.reset_after(),
            retry_after: denied.retry_after(),
        }),
    }
}

pub fn of_status(status: Status) -> Figures {
    Figures {
        limit: status.limit(),
        remaining: status.remaining(),
        reset_after: status.reset_after(),
        retry_after: status.retry_after(),
    }
}
