//! What proptest may throw at a limiter: quotas and windows over the whole legal range, and operations around their edges.

use std::time::Duration;

use proptest::prelude::*;
use tollgate::Quota;

use crate::model::trace::{Amount, Change, Op, Span};

const MAX_PERIOD_NANOS: u64 = 36_525 * 86_400 * 1_000_000_000;

/// `1 / part` of the usual number of cases, which `PROPTEST_CASES` sets. Nothing is written beside the tests.
pub(crate) fn cases(part: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.div_ceil(part), failure_persistence: None, ..usual }
}

/// A number of any magnitude up to 64 bits.
pub(crate) fn magnitude() -> impl Strategy<Value = u64> {
    (0..=64_u32, any::<u64>()).prop_map(|(bits, number)| number.checked_shr(64 - bits).unwrap_or(0))
}

/// Any legal quota: everyday ones, and any count, period and burst.
pub(crate) fn quota() -> impl Strategy<Value = Quota> {
    prop_oneof![everyday_quota(), any_quota()]
}

fn everyday_quota() -> impl Strategy<Value = Quota> {
    let periods = prop::sample::select(vec![1, 60, 3_600, 86_400, 30 * 86_400]);
    (1..2_000_u64, periods, prop::option::of(0..5_000_u64)).prop_map(|(count, seconds, burst)| {
        let quota = Quota::new(count, Duration::from_secs(seconds)).expect("far below the highest rate");
        burst.map_or(quota, |burst| quota.burst(burst))
    })
}

/// Periods from 1 ns to 100 years, rates from 0 to the highest, any burst.
fn any_quota() -> impl Strategy<Value = Quota> {
    let period = magnitude().prop_map(|nanos| nanos.clamp(1, MAX_PERIOD_NANOS));
    let burst = prop_oneof![Just(None), magnitude().prop_map(Some), Just(Some(u64::MAX))];
    (period, count_portion(), burst).prop_map(|(period, portion, burst)| {
        let most = u128::from(u32::MAX) * u128::from(period) / 1_000_000_000;
        let count = u64::try_from((most * u128::from(portion)) >> 64).expect("less than the most");
        let quota = Quota::new(count, Duration::from_nanos(period)).expect("at most the highest rate");
        burst.map_or(quota, |burst| quota.burst(burst))
    })
}

/// Windows of any length, everyday ones and very short ones among them.
pub(crate) fn window() -> impl Strategy<Value = u64> {
    let everyday = prop::sample::select(vec![1_u64, 60, 900, 3_600, 86_400]);
    prop_oneof![
        everyday.prop_map(|seconds| seconds * 1_000_000_000),
        magnitude().prop_map(|nanos| nanos.clamp(1, MAX_PERIOD_NANOS)),
        1..20_u64,
    ]
}

/// A limit of any magnitude, mostly small.
pub(crate) fn limit() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..12_u64, 1 => magnitude()]
}

/// When a limiter is built: mostly at once, sometimes at any other time.
pub(crate) fn start() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), magnitude()]
}

/// How much of the highest count, in 2^-64.
fn count_portion() -> impl Strategy<Value = u64> {
    prop_oneof![magnitude(), Just(u64::MAX)]
}

pub(crate) fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        4 => (0..4_u64).prop_map(Amount::Exactly),
        2 => (-3..4_i8).prop_map(Amount::AroundLimit),
        2 => any::<u8>().prop_map(Amount::OfLimit),
        1 => magnitude().prop_map(Amount::Exactly),
        1 => Just(Amount::Exactly(u64::MAX)),
    ]
}

pub(crate) fn span() -> impl Strategy<Value = Span> {
    prop_oneof![
        3 => (0..4_u8, -2..3_i8).prop_map(|(tokens, more)| Span::Tokens(tokens, more)),
        2 => any::<u8>().prop_map(Span::OfRefill),
        2 => (0..62_u32, any::<u64>()).prop_map(|(bits, nanos)| Span::Nanos(nanos >> (63 - bits))),
        3 => (0..700_u16).prop_map(Span::OfPeriod),
        2 => (-2..3_i8).prop_map(Span::ToTheNext),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => quota().prop_map(Change::To),
        3 => (0..64_u8, 1..12_u8, amount())
            .prop_map(|(sixteenths, quarters, burst)| Change::Scaled { sixteenths, quarters, burst }),
        2 => amount().prop_map(Change::Burst),
    ]
}

/// Operations on keys below `keys`.
pub(crate) fn op(keys: u64) -> impl Strategy<Value = Op> {
    let key = move || 0..keys;
    prop_oneof![
        12 => (key(), amount()).prop_map(|(key, cost)| Op::Check { key, cost }),
        3 => prop::collection::vec(key(), 0..70).prop_map(|keys| Op::CheckMany { keys }),
        3 => (key(), amount()).prop_map(|(key, tokens)| Op::Charge { key, tokens }),
        3 => (key(), amount()).prop_map(|(key, tokens)| Op::Refund { key, tokens }),
        3 => key().prop_map(|key| Op::Peek { key }),
        1 => key().prop_map(|key| Op::Reset { key }),
        1 => Just(Op::Clear),
        2 => change().prop_map(Op::Change),
        8 => span().prop_map(Op::Advance),
        2 => span().prop_map(Op::StepBack),
        1 => prop_oneof![
            2 => magnitude().prop_map(Op::SetClock),
            1 => span().prop_map(Op::NearTheEnd),
        ],
        4 => Just(Op::ComeBack),
        6 => promise(keys),
    ]
}

/// Operations on what is settled or cancelled later.
fn promise(keys: u64) -> impl Strategy<Value = Op> {
    let key = move || 0..keys;
    let which = || prop_oneof![1 => Just(usize::MAX), 1 => any::<usize>()];
    let max_delay = prop_oneof![3 => span(), 1 => Just(Span::Nanos(u64::MAX))];
    prop_oneof![
        3 => (key(), amount()).prop_map(|(key, estimate)| Op::Reserve { key, estimate }),
        2 => (key(), which(), amount()).prop_map(|(key, which, actual)| Op::Settle { key, which, actual }),
        2 => (key(), which()).prop_map(|(key, which)| Op::Cancel { key, which }),
        4 => (key(), amount(), max_delay).prop_map(|(key, cost, max_delay)| Op::Schedule { key, cost, max_delay }),
        2 => (key(), which()).prop_map(|(key, which)| Op::CancelSlot { key, which }),
    ]
}
