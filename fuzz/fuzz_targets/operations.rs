//! Any operations on a limiter of any algorithm and its clock: every decision and figure must be the model's (`tests/model`).
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none operations -- -max_total_time=60`
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tollgate::{Engine, Quota};

#[path = "../../tests/model/mod.rs"]
mod model;

use model::pair::Pair;
use model::pairs;
use model::rules::Rule;
use model::trace::{Amount, Change, Op, Span};

#[derive(Arbitrary, Debug)]
struct Input {
    algorithm: Algorithm,
    quota: AnyQuota,
    start: Option<u64>,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Algorithm {
    Gcra,
    TokenBucket,
    TokenBucketAtOnce,
    LeakyBucket,
    FixedWindow,
    SlidingWindow,
    SlidingLog,
    PerCall,
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
    ChangeTo(AnyQuota),
    Scale(u8, u8, Tokens),
    Burst(Tokens),
    Advance(Time),
    StepBack(Time),
    SetClock(u64),
    NearTheEnd(Time),
    Reserve(u8, Tokens),
    Settle(u8, u8, Tokens),
    Cancel(u8, u8),
    Schedule(u8, Tokens, Time),
    CancelSlot(u8, u8),
    ComeBack,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Tokens {
    Few(u8),
    Exactly(u64),
    AroundLimit(i8),
    OfLimit(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Time {
    Nanos(u64),
    Tokens(u8, i8),
    OfRefill(u8),
    OfPeriod(u16),
    ToTheNext(i8),
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
            Tokens::AroundLimit(more) => Amount::AroundLimit(more),
            Tokens::OfLimit(part) => Amount::OfLimit(part),
        }
    }
}

impl From<Time> for Span {
    fn from(time: Time) -> Span {
        match time {
            Time::Nanos(nanos) => Span::Nanos(nanos),
            Time::Tokens(tokens, more) => Span::Tokens(tokens, more),
            Time::OfRefill(part) => Span::OfRefill(part),
            Time::OfPeriod(part) => Span::OfPeriod(part),
            Time::ToTheNext(more) => Span::ToTheNext(more),
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
            Step::ChangeTo(quota) => Op::Change(Change::To(quota.quota()?)),
            Step::Scale(sixteenths, quarters, burst) => {
                Op::Change(Change::Scaled { sixteenths, quarters, burst: burst.into() })
            }
            Step::Burst(burst) => Op::Change(Change::Burst(burst.into())),
            Step::Advance(time) => Op::Advance(time.into()),
            Step::StepBack(time) => Op::StepBack(time.into()),
            Step::SetClock(clock) => Op::SetClock(clock),
            Step::NearTheEnd(time) => Op::NearTheEnd(time.into()),
            Step::Reserve(key, estimate) => Op::Reserve { key: key.into(), estimate: estimate.into() },
            Step::Settle(key, which, actual) => {
                Op::Settle { key: key.into(), which: which.into(), actual: actual.into() }
            }
            Step::Cancel(key, which) => Op::Cancel { key: key.into(), which: which.into() },
            Step::Schedule(key, cost, max_delay) => {
                Op::Schedule { key: key.into(), cost: cost.into(), max_delay: max_delay.into() }
            }
            Step::CancelSlot(key, which) => Op::CancelSlot { key: key.into(), which: which.into() },
            Step::ComeBack => Op::ComeBack,
        })
    }
}

fn run<A: Engine, R: Rule>(mut pair: Pair<A, R>, steps: Vec<Step>) {
    let ops: Vec<Op> = steps.into_iter().filter_map(Step::op).collect();
    pair.run(&ops);
    pair.compare_len();
}

fuzz_target!(|input: Input| {
    let Input { algorithm, quota, start, steps } = input;
    let Some(quota) = quota.quota() else { return };
    let start = start.unwrap_or(0);
    // For algorithms that count in windows: the burst is the limit, the period the window.
    let (limit, window) = (quota.capacity(), u64::try_from(quota.period().as_nanos()).unwrap());
    match algorithm {
        // 256 keys surely fit, so that nobody is forgotten by force.
        Algorithm::Gcra => run(Pair::new(quota, 300, start), steps),
        Algorithm::TokenBucket => run(pairs::token_bucket(quota, start), steps),
        Algorithm::TokenBucketAtOnce => run(pairs::staircase(quota, start), steps),
        Algorithm::LeakyBucket => run(pairs::leaky_bucket(quota, start), steps),
        Algorithm::FixedWindow => run(pairs::fixed_window(limit, window, start), steps),
        Algorithm::SlidingWindow => run(pairs::sliding_window(limit, window, start), steps),
        Algorithm::SlidingLog => run(pairs::sliding_log(limit, window, start), steps),
        Algorithm::PerCall => run(pairs::per_call(quota, start), steps),
    }
});
