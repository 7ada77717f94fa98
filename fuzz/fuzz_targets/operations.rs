//! Any operations on a limiter and its clock: every decision and figure must be the model's (`tests/model`).
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none operations -- -max_total_time=60`
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tollgate::Quota;

#[path = "../../tests/model/mod.rs"]
mod model;

use model::trace::{Amount, Change, Op, Pair, Span};

#[derive(Arbitrary, Debug)]
struct Input {
    quota: AnyQuota,
    start: Option<u64>,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct AnyQuota {
    count: u64,
    period: u64,
    burst: Option<u64>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Check(u8, Tokens),
    CheckMany(Vec<u8>),
    Charge(u8, Tokens),
    Refund(u8, Tokens),
    Peek(u8),
    Reset(u8),
    Clear,
    SetQuota(AnyQuota),
    Scale(u8, Tokens),
    Burst(Tokens),
    Advance(Time),
    StepBack(Time),
    SetClock(u64),
    ComeBack,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Tokens {
    Few(u8),
    Exactly(u64),
    AroundCapacity(i8),
    OfCapacity(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Time {
    Nanos(u64),
    Tokens(u8, i8),
    OfRefill(u8),
}

impl AnyQuota {
    /// The legal quota with these numbers: what is too fast is slowed down.
    fn quota(self) -> Option<Quota> {
        let period = Duration::from_nanos(self.period);
        let quota = Quota::new(self.count, period).or_else(|_| Quota::new(self.count & 3, period)).ok()?;
        Some(self.burst.map_or(quota, |burst| quota.burst(burst)))
    }
}

impl From<Tokens> for Amount {
    fn from(tokens: Tokens) -> Amount {
        match tokens {
            Tokens::Few(tokens) => Amount::Exactly(tokens.into()),
            Tokens::Exactly(tokens) => Amount::Exactly(tokens),
            Tokens::AroundCapacity(more) => Amount::AroundCapacity(more),
            Tokens::OfCapacity(part) => Amount::OfCapacity(part),
        }
    }
}

impl From<Time> for Span {
    fn from(time: Time) -> Span {
        match time {
            Time::Nanos(nanos) => Span::Nanos(nanos),
            Time::Tokens(tokens, more) => Span::Tokens(tokens, more),
            Time::OfRefill(part) => Span::OfRefill(part),
        }
    }
}

impl Step {
    fn op(self) -> Option<Op> {
        Some(match self {
            Step::Check(key, cost) => Op::Check { key: key.into(), cost: cost.into() },
            Step::CheckMany(keys) => Op::CheckMany { keys: keys.into_iter().map(u64::from).collect() },
            Step::Charge(key, tokens) => Op::Charge { key: key.into(), tokens: tokens.into() },
            Step::Refund(key, tokens) => Op::Refund { key: key.into(), tokens: tokens.into() },
            Step::Peek(key) => Op::Peek { key: key.into() },
            Step::Reset(key) => Op::Reset { key: key.into() },
            Step::Clear => Op::Clear,
            Step::SetQuota(quota) => Op::SetQuota(Change::To(quota.quota()?)),
            Step::Scale(sixteenths, burst) => {
                Op::SetQuota(Change::Scaled { sixteenths, burst: burst.into() })
            }
            Step::Burst(burst) => Op::SetQuota(Change::Burst(burst.into())),
            Step::Advance(time) => Op::Advance(time.into()),
            Step::StepBack(time) => Op::StepBack(time.into()),
            Step::SetClock(clock) => Op::SetClock(clock),
            Step::ComeBack => Op::ComeBack,
        })
    }
}

fuzz_target!(|input: Input| {
    let Some(quota) = input.quota.quota() else { return };
    // 256 keys surely fit, so that nobody is forgotten by force.
    let mut pair = Pair::new(quota, 300, input.start.unwrap_or(0));
    for op in input.steps.into_iter().filter_map(Step::op) {
        pair.apply(&op);
    }
    assert_eq!(pair.limiter.len(), pair.model.len());
});
