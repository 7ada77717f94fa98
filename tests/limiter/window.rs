//! The bound of DESIGN: in any window of length W at most `capacity + rate × (W + one unit of the axis)`, and why the unit.

use std::time::Duration;

use num_bigint::BigUint;
use proptest::collection::vec;
use proptest::prelude::*;
use tollgate::Quota;

use crate::model::pair::Pair;
use crate::model::trace::{Amount, Op, Span};
use crate::strategies::{amount, cases, quota, span};

/// Tokens admitted at a time.
#[derive(Clone, Copy, Debug)]
struct Admission {
    nanos: u64,
    tokens: u64,
}

/// What is admitted of checks of one key with waits between them.
fn admissions(quota: Quota, asked: &[(Span, Amount)]) -> (Pair, Vec<Admission>) {
    let mut pair = Pair::new(quota, 10, 0);
    let mut admitted = Vec::new();
    for (wait, amount) in asked {
        pair.apply(&Op::Advance(*wait));
        let before = pair.limiter.peek(&0).remaining();
        pair.apply(&Op::Check { key: 0, cost: *amount });
        let tokens = before - pair.limiter.peek(&0).remaining();
        admitted.push(Admission { nanos: pair.clock(), tokens });
    }
    (pair, admitted)
}

/// By how many units × period the admissions exceed `capacity + rate × elapsed`, in the worst of all windows; `None` when
/// they never do.
///
/// With `total(i)` tokens before the `i`th admission at `time(i)`, a window from `i` to `j` exceeds the bound when
/// `total(j + 1) - rate × time(j)` is more than a capacity above `total(i) - rate × time(i)`: so only the least of the latter counts.
fn worst_excess(pair: &Pair, admitted: &[Admission]) -> Option<BigUint> {
    let axis = pair.rule.axis();
    let period = axis.quota.period().as_nanos();
    let capacity = axis.capacity() * period;
    let refill = |nanos: u64| axis.units(axis.quota.count()) * nanos;
    let (mut total, mut worst) = (BigUint::ZERO, None);
    // Sums are compared crosswise, since differences may be negative: `earliest` is (total(i), refill(time(i))).
    let mut earliest: Option<(BigUint, BigUint)> = None;
    for admission in admitted {
        let refilled = refill(admission.nanos);
        let is_less = |(total_i, refilled_i): &(BigUint, BigUint)| &total + refilled_i < total_i + &refilled;
        if earliest.as_ref().is_none_or(is_less) {
            earliest = Some((total.clone(), refilled.clone()));
        }
        total += axis.units(admission.tokens) * period;
        let (total_i, refilled_i) = earliest.clone().unwrap_or_default();
        let (spent, allowed) = (&total + refilled_i, total_i + refilled + &capacity);
        if spent > allowed {
            worst = worst.max(Some(spent - allowed));
        }
    }
    worst
}

proptest! {
    #![proptest_config(cases(1))]

    /// Exactly: above `capacity + rate × elapsed` by less than one unit, between any two admissions.
    #[test]
    fn no_window_admits_a_unit_more_than_the_capacity_and_the_refill(
        quota in quota(),
        asked in vec((span(), amount()), 1..150),
    ) {
        let (pair, admitted) = admissions(quota, &asked);
        let unit = BigUint::from(quota.period().as_nanos());
        prop_assert!(worst_excess(&pair, &admitted).is_none_or(|excess| excess < unit));
    }

    /// Where every nanosecond counts: the quota is polled one nanosecond after the other around its units.
    #[test]
    fn no_window_of_few_nanoseconds_does_either(
        count in 1..4_000_000_000_u32,
        burst in 1..4_u64,
        waits in vec(0..12_u64, 1..300),
    ) {
        let quota = Quota::per_second(count).burst(burst);
        let asked: Vec<_> = waits.iter().map(|nanos| (Span::Nanos(*nanos), Amount::Exactly(1))).collect();
        let (pair, admitted) = admissions(quota, &asked);
        let unit = BigUint::from(quota.period().as_nanos());
        prop_assert!(worst_excess(&pair, &admitted).is_none_or(|excess| excess < unit));
    }
}

/// The unit in the bound is needed: who spends just before the axis moves on by a unit gets almost all of that unit.
#[test]
fn nearly_a_whole_unit_more_is_really_admitted() {
    let quota = Quota::per_second(333).burst(400);
    let unit = BigUint::from(quota.period().as_nanos());
    // A unit is 5.7 ns: spending at many fractions of it, and tokens that are due at many.
    let cases = (0..100).flat_map(|start| (1..400).map(move |tokens| (start, tokens)));
    let worst = cases.filter_map(|(start, tokens)| {
        let pair = Pair::new(quota, 10, 0);
        pair.hand.set(Duration::from_nanos(start));
        assert!(pair.limiter.check_n(&0, 400).is_ok());
        let wait = pair.limiter.check_n(&0, tokens).unwrap_err().retry_after().unwrap();
        pair.hand.advance(wait);
        assert!(pair.limiter.check_n(&0, tokens).is_ok());
        let nanos = start + u64::try_from(wait.as_nanos()).unwrap();
        worst_excess(&pair, &[Admission { nanos: start, tokens: 400 }, Admission { nanos, tokens }])
    });
    let worst = worst.max().unwrap();
    assert!(&worst * 100_u8 > &unit * 99_u8 && worst < unit, "{worst} of {unit}");
}

/// "One unit is then less than 10 ns of refill (coarser only where a full refill itself takes centuries)."
#[test]
fn a_unit_takes_less_than_10_ns() {
    let nanos_per_unit_of = |quota: Quota| {
        let axis = crate::model::Axis::new(quota, 0);
        quota.period().as_nanos() / (u128::from(quota.count()) << axis.unit_bits)
    };
    for quota in (1..40).flat_map(|n| [Quota::per_day(n), Quota::per_second(n * n * n * n * 1_000)]) {
        assert!(nanos_per_unit_of(quota) < 10, "{quota}");
    }
}
