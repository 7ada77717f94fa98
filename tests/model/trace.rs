//! What can be done to a limiter and its clock. Amounts and times are relative to the rule in force where that makes the interesting ones
//! likely.

use std::time::Duration;

use tollgate::Quota;

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
    /// Another quota or limit; for an algorithm that has none to change, nothing.
    Change(Change),
    Advance(Span),
    /// Sets the clock back.
    StepBack(Span),
    /// Sets the clock to any time.
    SetClock(u64),
    /// Sets the clock to so long before the rule's time ends, if that is still to come.
    NearTheEnd(Span),
    Reserve {
        key: u64,
        estimate: Amount,
    },
    /// One of the key's reservations that are open, with so much of its estimate.
    Settle {
        key: u64,
        which: usize,
        actual: Amount,
    },
    Cancel {
        key: u64,
        which: usize,
    },
    Schedule {
        key: u64,
        cost: Amount,
        max_delay: Span,
    },
    /// One of the key's slots that were taken and not given back.
    CancelSlot {
        key: u64,
        which: usize,
    },
    /// After a refused check: waits as long as it was told to.
    ComeBack,
}

/// Tokens.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
    Exactly(u64),
    /// So many more, or fewer, than the limit.
    AroundLimit(i8),
    /// So many 255ths of the limit.
    OfLimit(u8),
}

/// A time.
#[derive(Clone, Copy, Debug)]
pub enum Span {
    Nanos(u64),
    /// In which so many tokens come back, and so many nanoseconds more or less.
    Tokens(u8, i8),
    /// So many 255ths of the time in which an empty key becomes full.
    OfRefill(u8),
    /// So many 256ths of a window or period.
    OfPeriod(u16),
    /// Until the clock is at a multiple of a window or period, and so many nanoseconds more or less.
    ToTheNext(i8),
}

/// A new quota or limit.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    To(Quota),
    /// The rate times so many 16ths, the period times so many quarters, and another burst.
    Scaled {
        sixteenths: u8,
        quarters: u8,
        burst: Amount,
    },
    Burst(Amount),
}

/// So many tokens in so much time: what a rule gives back, or admits.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub tokens: u64,
    pub nanos: u64,
}

impl From<Quota> for Pace {
    fn from(quota: Quota) -> Pace {
        let nanos = u64::try_from(quota.period().as_nanos()).expect("at most 100 years");
        Pace { tokens: quota.count(), nanos }
    }
}

impl Pace {
    /// The time in which so many tokens come back, rounded up; where none do, as if one did.
    fn nanos_for(self, tokens: u64) -> u64 {
        let nanos = (u128::from(tokens) * u128::from(self.nanos)).div_ceil(u128::from(self.tokens.max(1)));
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

impl Amount {
    pub fn tokens(self, limit: u64) -> u64 {
        match self {
            Amount::Exactly(tokens) => tokens,
            Amount::AroundLimit(more) => limit.saturating_add_signed(more.into()),
            Amount::OfLimit(part) => portion(limit, part),
        }
    }
}

impl Span {
    /// The time that begins at `clock`.
    pub fn nanos(self, clock: u64, pace: Pace, limit: u64) -> u64 {
        match self {
            Span::Nanos(nanos) => nanos,
            Span::Tokens(tokens, more) => pace.nanos_for(tokens.into()).saturating_add_signed(more.into()),
            Span::OfRefill(part) => portion(pace.nanos_for(limit), part),
            Span::OfPeriod(part) => {
                u64::try_from((u128::from(pace.nanos) * u128::from(part)) >> 8).unwrap_or(u64::MAX)
            }
            Span::ToTheNext(more) => (pace.nanos - clock % pace.nanos).saturating_add_signed(more.into()),
        }
    }
}

impl Change {
    /// `None` when there is no such quota.
    pub fn quota(self, old: Quota) -> Option<Quota> {
        let burst = |burst: Amount| burst.tokens(old.capacity());
        match self {
            Change::To(quota) => Some(quota),
            Change::Burst(amount) => Some(old.burst(burst(amount))),
            Change::Scaled { sixteenths, quarters, burst: amount } => {
                let count = u128::from(old.count()) * u128::from(sixteenths) / 16;
                let nanos = old.period().as_nanos() * u128::from(quarters) / 4;
                let period = Duration::from_nanos(u64::try_from(nanos).ok()?);
                let quota = Quota::new(u64::try_from(count).ok()?, period).ok()?;
                Some(quota.burst(burst(amount)))
            }
        }
    }

    pub fn limit(self, old: u64) -> u64 {
        match self {
            Change::To(quota) => quota.capacity(),
            Change::Burst(amount) | Change::Scaled { burst: amount, .. } => amount.tokens(old),
        }
    }
}

fn portion(whole: u64, part: u8) -> u64 {
    u64::try_from(u128::from(whole) * u128::from(part) / 255).expect("at most the whole")
}
