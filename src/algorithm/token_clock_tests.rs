//! The token clock against unbounded integers: every number it gives is the exact one.

use num_bigint::BigUint;
use proptest::prelude::*;

use super::token_clock::{Anchor, MAX_VALUE, Refill, Slope};
use crate::quota::{MAX_PERIOD_NANOS, MAX_TOKENS_PER_SECOND, Quota};

const YEAR_NANOS: u64 = 31_557_600 * 1_000_000_000;
const LIFETIME_NANOS: u64 = 150 * YEAR_NANOS;

/// For how long after its anchor a slope is documented to be good.
const SLOPE_NANOS: u64 = 9 * YEAR_NANOS;

fn big(number: impl Into<BigUint>) -> BigUint {
    number.into()
}

/// A number of any magnitude up to 64 bits.
fn magnitude() -> impl Strategy<Value = u64> {
    (0..=64_u32, any::<u64>()).prop_map(|(bits, number)| number.checked_shr(64 - bits).unwrap_or(0))
}

/// So much of `whole`, in 2^-64; less than `whole`.
fn portion(whole: u128, part: u64) -> u64 {
    u64::try_from((big(whole) * part) >> 64_u32).unwrap()
}

/// Any legal quota, also the longest, the fastest and the largest.
fn quota() -> impl Strategy<Value = Quota> {
    let period =
        prop_oneof![magnitude().prop_map(|nanos| nanos.clamp(1, MAX_PERIOD_NANOS)), Just(MAX_PERIOD_NANOS)];
    let part = prop_oneof![magnitude(), any::<u64>(), Just(u64::MAX)];
    let burst = prop_oneof![magnitude(), 0..10_u64, Just(u64::MAX)];
    (period, part, burst).prop_map(|(period, part, burst)| {
        let most = u128::from(MAX_TOKENS_PER_SECOND) * u128::from(period) / 1_000_000_000;
        Quota::from_words(portion(most + 1, part), period, 0).burst(burst)
    })
}

/// Any anchor that a limiter can have: as built, or in the middle of the axis with a fraction left over.
fn anchor() -> impl Strategy<Value = Anchor> {
    let part = || prop_oneof![Just(0), any::<u64>(), Just(u64::MAX)];
    let place = (magnitude(), part(), part());
    (quota(), refill(), proptest::option::of(related_quota()), place).prop_map(
        |(quota, refill, change, (time, position, carry))| {
            let built = Anchor::start(quota, refill, time, 0);
            // The fastest and the slowest slopes come from changes of the quota.
            let start =
                change.and_then(|change| built.requote(change.of(quota), time, |_| 0).ok()).unwrap_or(built);
            let position = portion(u128::from(start.end()) + 1, position);
            Anchor { position, carry: portion(u128::from(start.quota.period_nanos()), carry), ..start }
        },
    )
}

fn refill() -> impl Strategy<Value = Refill> {
    prop_oneof![Just(Refill::Evenly), Just(Refill::AtOnce)]
}

/// Times before, at and after the anchor, near and far.
fn elapsed() -> impl Strategy<Value = u64> {
    prop_oneof![magnitude(), Just(SLOPE_NANOS), Just((1 << 58) - 1), Just(1 << 58), Just(u64::MAX)]
}

fn units_per_period(anchor: &Anchor) -> BigUint {
    big(anchor.quota.count()) << anchor.unit_bits
}

/// Steps a period, and units a step.
fn steps_and_units(anchor: &Anchor) -> (BigUint, BigUint) {
    match anchor.refill {
        Refill::Evenly => (units_per_period(anchor), big(1_u8)),
        Refill::AtOnce => (big(1_u8), units_per_period(anchor)),
    }
}

/// `carry + elapsed × steps a period`, over the period.
fn exact_steps(anchor: &Anchor, elapsed: u64) -> (BigUint, BigUint) {
    let period = big(anchor.quota.period_nanos());
    let numerator = steps_and_units(anchor).0 * elapsed + anchor.carry;
    (&numerator / &period, numerator % period)
}

fn exact_units(anchor: &Anchor, elapsed: u64) -> BigUint {
    exact_steps(anchor, elapsed).0 * steps_and_units(anchor).1
}

/// What a quotient of the axis is in 128 bits.
fn exact_position(anchor: &Anchor, time: u64) -> BigUint {
    (exact_units(anchor, time.saturating_sub(anchor.time)) + anchor.position).min(big(anchor.end()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_position_is_the_exact_floor_and_the_carry_the_rest(anchor in anchor(), elapsed in elapsed()) {
        let time = anchor.time.saturating_add(elapsed);
        let (position, carry) = anchor.at(time);
        prop_assert_eq!(big(position), exact_position(&anchor, time));
        if position < anchor.end() {
            prop_assert_eq!(big(carry), exact_steps(&anchor, time - anchor.time).1);
        }
        prop_assert!(carry < anchor.quota.period_nanos());
    }

    #[test]
    fn a_time_before_the_anchor_counts_as_the_anchor(anchor in anchor(), early in magnitude()) {
        prop_assert_eq!(anchor.at(anchor.time.saturating_sub(early)), (anchor.position, anchor.carry));
    }

    #[test]
    fn a_slope_gives_the_exact_floor_for_as_long_as_it_says(anchor in anchor(), elapsed in elapsed()) {
        let steps = Slope::new(&anchor).steps(elapsed);
        prop_assert!(steps.is_some() || elapsed > SLOPE_NANOS);
        if let Some(steps) = steps {
            prop_assert_eq!(big(steps), exact_steps(&anchor, elapsed).0);
        }
    }

    /// The rounding error is largest where the exact quotient is a whole number: one less would refuse whoever is on
    /// time.
    #[test]
    fn a_slope_is_exact_where_whole_steps_are_due(anchor in anchor(), elapsed in elapsed(), steps in any::<u64>()) {
        let slope = Slope::new(&anchor);
        let per_period = steps_and_units(&anchor).0;
        if per_period == BigUint::ZERO {
            return Ok(());
        }
        // The first nanosecond of some step near `elapsed`, and the last one before it.
        let step = exact_steps(&anchor, elapsed.min(SLOPE_NANOS)).0 % (big(steps) + 1_u8) + 1_u8;
        let first = (step * anchor.quota.period_nanos() - anchor.carry + &per_period - 1_u8) / per_period;
        for nanos in [first.clone(), first - 1_u8] {
            let Ok(nanos) = u64::try_from(nanos) else { continue };
            if let Some(steps) = slope.steps(nanos) {
                prop_assert_eq!(big(steps), exact_steps(&anchor, nanos).0);
            }
        }
    }

    #[test]
    fn the_time_of_a_position_is_the_least_time_at_which_it_is_reached(anchor in anchor(), part in any::<u64>(), near in any::<bool>()) {
        let ahead = if near { part % 4 } else { portion(u128::from(MAX_VALUE - anchor.position) + 1, part) };
        let position = anchor.position.saturating_add(ahead);
        match anchor.time_of(position) {
            None => prop_assert!(exact_position(&anchor, u64::MAX) < big(position)),
            Some(time) => {
                prop_assert!(exact_position(&anchor, time) >= big(position));
                prop_assert!(time == anchor.time || exact_position(&anchor, time - 1) < big(position));
            }
        }
    }

    /// The end of the axis apart, where it stops whatever the step.
    #[test]
    fn the_axis_stands_only_at_whole_steps(anchor in anchor(), elapsed in elapsed(), part in any::<u64>()) {
        let time = anchor.time.saturating_add(elapsed);
        let (position, _) = anchor.at(time);
        prop_assert!(position == anchor.end() || anchor.reaching(position) == position);
        let value = portion(u128::from(anchor.end()) + 1, part);
        let reached = anchor.reaching(value);
        prop_assert!(reached >= value.max(anchor.position) && reached <= anchor.end());
        prop_assert_eq!(anchor.reaching(reached), reached);
        prop_assert!(u128::from(reached) < u128::from(value.max(anchor.position)) + u128::from(anchor.step().max(1)));
    }

    /// Position, fraction and room after a change, or a reason to refuse it that is true.
    #[test]
    fn another_quota_goes_on_where_the_old_one_stood(anchor in anchor(), quota in related_quota(), elapsed in elapsed(), part in any::<u64>()) {
        let time = anchor.time.saturating_add(elapsed);
        let quota = quota.of(anchor.quota);
        let since_refill = portion(u128::from(quota.period_nanos()), part);
        let Ok(new) = anchor.requote(quota, time, |_| since_refill) else { return Ok(()) };
        let (_, carry) = anchor.at(time);
        let forward = big(anchor.quota.capacity().saturating_sub(quota.capacity())) << anchor.unit_bits;
        prop_assert_eq!(big(new.position), exact_position(&anchor, time) + forward);
        match anchor.refill {
            Refill::Evenly => {
                let same_fraction = big(carry) * quota.period_nanos() / anchor.quota.period_nanos();
                prop_assert_eq!(big(new.carry), same_fraction);
            }
            Refill::AtOnce => prop_assert_eq!(new.carry, since_refill),
        }
        prop_assert_eq!((new.quota, new.time, new.unit_bits), (quota, time, anchor.unit_bits));
        prop_assert!(big(new.position) + (big(quota.capacity()) << new.unit_bits) <= big(MAX_VALUE));
        let evenly = Anchor { refill: Refill::Evenly, carry: 0, ..new };
        prop_assert!(exact_units(&evenly, YEAR_NANOS) <= big(new.end() - new.position));
        let in_a_microsecond = exact_units(&evenly, 1_000);
        prop_assert!(quota.count() == 0 || in_a_microsecond >= big(1_u8));
    }

    /// Positions never step back at the moment of a change, whichever side a caller is on.
    #[test]
    fn a_change_never_moves_the_position_back(anchor in anchor(), quota in related_quota(), elapsed in elapsed()) {
        let time = anchor.time.saturating_add(elapsed);
        if let Ok(new) = anchor.requote(quota.of(anchor.quota), time, |_| 0) {
            prop_assert!(new.at(time).0 >= anchor.at(time).0);
        }
    }

    #[test]
    fn the_axis_lasts_150_years_and_one_bit_more_would_not(quota in quota()) {
        let Anchor { unit_bits, .. } = Anchor::start(quota, Refill::Evenly, 0, 0);
        let lasts = |bits: u32| {
            let tokens = big(quota.count().max(1)) * LIFETIME_NANOS + big(quota.capacity()) * quota.period_nanos();
            tokens << bits <= big(MAX_VALUE) * quota.period_nanos()
        };
        prop_assert!(unit_bits == 0 || lasts(unit_bits));
        prop_assert!(!lasts(unit_bits + 1));
    }
}

/// A quota that a running limiter may well accept.
#[derive(Clone, Copy, Debug)]
struct Related {
    sixteenths: u64,
    period_stretch: u64,
    burst: u64,
}

fn related_quota() -> impl Strategy<Value = Related> {
    (0..64_u64, 1..1_000_u64, prop_oneof![0..100_u64, magnitude()])
        .prop_map(|(sixteenths, period_stretch, burst)| Related { sixteenths, period_stretch, burst })
}

impl Related {
    fn of(self, old: Quota) -> Quota {
        let count = (u128::from(old.count()) * u128::from(self.sixteenths) / 16).min(u64::MAX.into());
        let count = u64::try_from(count).unwrap();
        let nanos =
            (old.period_nanos() / 1_000).saturating_mul(self.period_stretch).clamp(1, MAX_PERIOD_NANOS);
        let period = std::time::Duration::from_nanos(nanos);
        Quota::new(count, period).unwrap_or(old).burst(self.burst)
    }
}
