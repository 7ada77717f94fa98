//! The token axis from first principles: unbounded integers, no shortcuts.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "in helpers of tests, too, to fail is to panic"
)]

use num_bigint::BigUint;
use tollgate::Quota;

const NANOS_PER_YEAR: u64 = 31_557_600 * 1_000_000_000;

/// A number of any size.
pub fn big(number: impl Into<BigUint>) -> BigUint {
    number.into()
}

/// The greatest value that a key's 60 bits can hold.
pub fn greatest_value() -> BigUint {
    (big(1_u8) << 60) - 1_u8
}

fn period_nanos(quota: &Quota) -> BigUint {
    big(quota.period().as_nanos())
}

/// Why a quota is refused by a running limiter; both may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The axis would last less than a year.
    pub too_fast: bool,
    /// A unit would take more than a microsecond.
    pub too_slow: bool,
}

/// Where the axis stands at one time under one quota.
#[derive(Clone, Debug)]
pub struct Axis {
    pub quota: Quota,
    /// One token is `2^unit_bits` units.
    pub unit_bits: u32,
    time: u64,
    position: BigUint,
    /// The part of a unit beyond `position`, in `1 / period`.
    carry: BigUint,
}

impl Axis {
    /// Laid out for 150 years at `quota`.
    pub fn new(quota: Quota, time: u64) -> Axis {
        let zero = BigUint::ZERO;
        Axis { quota, unit_bits: finest_unit_bits(&quota), time, position: zero.clone(), carry: zero }
    }

    pub fn units(&self, tokens: u64) -> BigUint {
        big(tokens) << self.unit_bits
    }

    pub fn capacity(&self) -> BigUint {
        self.units(self.quota.capacity())
    }

    /// The last position from which a key's word can still hold the whole capacity.
    pub fn end(&self) -> BigUint {
        greatest_value() - self.capacity()
    }

    pub fn position(&self, time: u64) -> BigUint {
        self.position_and_carry(time).0
    }

    fn position_and_carry(&self, time: u64) -> (BigUint, BigUint) {
        let period = period_nanos(&self.quota);
        let elapsed = time.saturating_sub(self.time);
        let numerator = &self.carry + self.units(self.quota.count()) * elapsed;
        (self.end().min(&self.position + &numerator / &period), numerator % period)
    }

    /// The least time at which `reached` holds of the position, if that time ever comes on a clock of 64 bits.
    /// Once reached it must stay reached, so halving the interval finds it.
    pub fn least_time(&self, reached: impl Fn(&BigUint) -> bool) -> Option<u64> {
        if !reached(&self.position(u64::MAX)) {
            return None;
        }
        let (mut low, mut high) = (0, u64::MAX);
        while low < high {
            let middle = low + (high - low) / 2;
            if reached(&self.position(middle)) { high = middle } else { low = middle + 1 }
        }
        Some(high)
    }

    /// The axis as it is when it stands at `position`, with nothing left over.
    pub fn standing_at(&self, position: BigUint, time: u64) -> Axis {
        Axis { position, time, carry: BigUint::ZERO, ..self.clone() }
    }

    /// The axis from `time` on under another quota.
    pub fn requote(&self, quota: Quota, time: u64) -> Result<Axis, Refusal> {
        let (position, carry) = self.position_and_carry(time);
        let lost = self.quota.capacity().saturating_sub(quota.capacity());
        let axis = Axis {
            quota,
            unit_bits: self.unit_bits,
            time,
            position: position + self.units(lost),
            carry: carry * period_nanos(&quota) / period_nanos(&self.quota),
        };
        let refusal = Refusal { too_fast: axis.lasts_less_than_a_year(), too_slow: axis.is_coarse() };
        if refusal.too_fast || refusal.too_slow { Err(refusal) } else { Ok(axis) }
    }

    fn lasts_less_than_a_year(&self) -> bool {
        let period = period_nanos(&self.quota);
        let year = self.units(self.quota.count()) * NANOS_PER_YEAR;
        year + (&self.position + self.capacity()) * &period > greatest_value() * period
    }

    fn is_coarse(&self) -> bool {
        let units = self.units(self.quota.count());
        units > BigUint::ZERO && period_nanos(&self.quota) > units * 1_000_u64
    }

    /// The greatest whole number of tokens in so many units.
    pub fn whole_tokens(&self, units: &BigUint) -> u64 {
        u64::try_from(units >> self.unit_bits).expect("the axis holds fewer")
    }
}

/// The largest power of two with which 150 years of tokens and the capacity fit on the axis, else one unit a token.
/// A quota of no tokens is laid out for one.
fn finest_unit_bits(quota: &Quota) -> u32 {
    let period = period_nanos(quota);
    let tokens = big(quota.count().max(1)) * 150_u8 * NANOS_PER_YEAR + &period * quota.capacity();
    let room = greatest_value() * period;
    let fits = |bits: &u32| &tokens << *bits <= room;
    (0..60).take_while(fits).last().unwrap_or(0)
}
