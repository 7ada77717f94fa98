//! A limiter and its model side by side: every operation is done to both, and whatever they tell must agree.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "in helpers of tests, too, to fail is to panic"
)]

use std::time::Duration;

use tollgate::{Allowed, Clock, Denied, Gcra, Limiter, ManualClock, Quota, QuotaError, Status};

use super::{Figures, Model, Refusal};

/// What can be done to a limiter and its clock. Amounts are relative to the quota in force where that makes the
/// interesting ones likely.
#[derive(Clone, Debug)]
pub enum Op {
    Check {
        key: u64,
        cost: Amount,
    },
    CheckMany {
        keys: Vec<u64>,
    },
    Charge {
        key: u64,
        tokens: Amount,
    },
    Refund {
        key: u64,
        tokens: Amount,
    },
    Peek {
        key: u64,
    },
    Reset {
        key: u64,
    },
    Clear,
    SetQuota(Change),
    Advance(Span),
    /// Sets the clock back.
    StepBack(Span),
    /// Sets the clock to any time.
    SetClock(u64),
    /// After a refused check: waits as long as it was told to.
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
    Scaled {
        sixteenths: u8,
        burst: Amount,
    },
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
    pub hand: ManualClock,
    pub model: Model,
    /// The last operation, if it was a check that may come back.
    refused: Option<Refused>,
}

struct Refused {
    key: u64,
    cost: u64,
    wait: Duration,
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
        let refused = self.refused.take();
        match op {
            Op::Check { key, cost } => self.check(*key, cost.tokens(quota)),
            Op::CheckMany { keys } => self.check_many(keys),
            Op::Charge { key, tokens } => self.charge(*key, tokens.tokens(quota)),
            Op::Refund { key, tokens } => self.refund(*key, tokens.tokens(quota)),
            Op::Peek { key } => self.peek(*key),
            Op::Reset { key } => self.reset(*key),
            Op::Clear => self.clear(),
            Op::SetQuota(change) => self.change_quota(*change),
            Op::Advance(span) => self.set_clock(self.model.clock().saturating_add(span.nanos(quota))),
            Op::StepBack(span) => self.set_clock(self.model.clock().saturating_sub(span.nanos(quota))),
            Op::SetClock(clock) => self.set_clock(*clock),
            Op::ComeBack => self.come_back(refused.as_ref()),
        }
    }

    pub fn check(&mut self, key: u64, cost: u64) {
        let told = of_check(self.limiter.check_n(&key, cost));
        if let Err(Figures { retry_after: Some(wait), .. }) = &told {
            self.refused = Some(Refused { key, cost, wait: *wait });
        }
        assert_eq!(told, self.model.check_n(key, cost), "key {key}, cost {cost}, {:?}", self.model);
    }

    pub fn peek(&mut self, key: u64) {
        assert_eq!(of_status(self.limiter.peek(&key)), self.model.peek(key), "key {key}, {:?}", self.model);
    }

    fn check_many(&mut self, keys: &[u64]) {
        let mut answers = Vec::new();
        self.limiter.check_many(keys, &mut answers);
        let told: Vec<_> = answers.into_iter().map(of_check).collect();
        let expected: Vec<_> = keys.iter().map(|key| self.model.check_n(*key, 1)).collect();
        assert_eq!(told, expected, "keys {keys:?}, {:?}", self.model);
    }

    pub fn charge(&mut self, key: u64, tokens: u64) {
        let told = of_status(self.limiter.charge(&key, tokens));
        assert_eq!(told, self.model.charge(key, tokens), "key {key}, {tokens} tokens, {:?}", self.model);
    }

    pub fn refund(&mut self, key: u64, tokens: u64) {
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

    fn change_quota(&mut self, change: Change) {
        if let Some(quota) = change.quota(self.model.quota()) {
            self.set_quota(quota);
        }
    }

    pub fn set_quota(&mut self, quota: Quota) {
        let told = self.limiter.set_quota(quota);
        match self.model.set_quota(quota) {
            Ok(()) => assert_eq!(told, Ok(())),
            Err(refusal) => assert_refused_for(&told, quota, refusal),
        }
        assert_eq!(self.limiter.algorithm().quota(), self.model.quota());
    }

    pub fn set_clock(&mut self, clock: u64) {
        self.hand.set(Duration::from_nanos(clock));
        self.model.set_clock(clock);
    }

    /// "After that long the same check is allowed, and one nanosecond earlier it is not."
    fn come_back(&mut self, refused: Option<&Refused>) {
        let Some(&Refused { key, cost, wait }) = refused else { return };
        let wait = u64::try_from(wait.as_nanos()).expect("the clock reaches it");
        self.set_clock(self.model.clock() + wait - 1);
        self.check(key, cost);
        let again = self.refused.take().expect("it is too early by a nanosecond");
        assert_eq!(again.wait, Duration::from_nanos(1), "{:?}", self.model);
        self.set_clock(self.model.clock() + 1);
        self.check(key, cost);
        assert!(self.refused.is_none(), "refused after waiting, {:?}", self.model);
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
