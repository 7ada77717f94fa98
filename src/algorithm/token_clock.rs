//! The token clock: time as a position on an axis of tokens, exactly.
//!
//! A limiter turns the time `t` into a position that rises at the quota's rate; a key's word is the position up to
//! which it has spent. One token is `2^unit_bits` units of the axis, a whole number, so spending never rounds.
//! The position is the floor of the exact rational
//!
//! ```text
//! position(t) = anchor.position + step × floor((carry + (t - anchor.time) × steps_per_period) / period)
//! ```
//!
//! where `carry / period` is the fraction of a step that the anchor's own floor left over. A step is one unit; where tokens come
//! back all at once ([`Refill::AtOnce`]) it is a whole period's tokens. This file is arithmetic only: no atomics, no clock.
//! `token_clock_tests.rs` checks it against big integers.

use crate::quota::{Quota, QuotaError};

/// The highest value of a key's 60-bit word. An [`Algorithm`](crate::Algorithm) of your own keeps below it: [`testing`](crate::testing) has a suite that looks.
pub const MAX_VALUE: u64 = (1 << 60) - 1;

const YEAR_NANOS: u64 = 31_557_600 * 1_000_000_000;

/// How long the axis should last at the quota a limiter is built with: longer than the limiter, and still less
/// than 10 ns a unit, since 2^60 units × 8.2 ns are 300 years.
const LIFETIME_NANOS: u64 = 150 * YEAR_NANOS;

/// A live change of quota must leave this much of the axis, so that it cannot run out unnoticed.
const LEAST_LEFT_NANOS: u64 = YEAR_NANOS;

/// A live change must not make a unit longer than this, so that no token comes later than that.
const LONGEST_UNIT_NANOS: u64 = 1_000;

/// Fraction bits of a [`Slope`]. A rate is below 2^6 units/ns (the whole axis in a year is 36.5), which leaves 122
/// of 128 bits.
const FRACTION_BITS: u32 = 122;

/// Up to this much time after its anchor, 9 years, a slope's product has an exact floor and fits 64 bits. Exact: rounding
/// the slope and the carry up by less than 2^-122 each adds less than `(2^58 + 1) / 2^122`, which is less than
/// `1 / period` for every period up to 100 years (2^61.5 ns), and the exact value is a multiple of `1 / period`. Fits:
/// 2^58 ns at 36.5 units/ns are less than 2^63.2 units.
const EXACT_NANOS: u64 = (1 << 58) - 1;

/// How a period's tokens come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refill {
    /// One after the other, evenly.
    Evenly,
    /// All together, where a period begins.
    AtOnce,
}

/// Where the axis stands at one time, and how it goes on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) quota: Quota,
    /// One token is `2^unit_bits` units; fixed when a limiter is built.
    pub(crate) unit_bits: u32,
    pub(crate) refill: Refill,
    /// Whoever is admitted waits until what stands before it has drained.
    pub(crate) queues: bool,
    pub(crate) time: u64,
    pub(crate) position: u64,
    /// The fraction of a step beyond `position`, in `1 / period`.
    pub(crate) carry: u64,
}

impl Anchor {
    /// The axis of a new limiter: it starts at `time` with the finest units that the quota allows. `since_refill` is how long
    /// before that a period began; it matters where tokens come at once.
    pub(crate) fn start(quota: Quota, refill: Refill, time: u64, since_refill: u64) -> Anchor {
        let carry = match refill {
            Refill::Evenly => 0,
            Refill::AtOnce => since_refill,
        };
        Anchor { quota, unit_bits: finest_unit_bits(quota), refill, queues: false, time, position: 0, carry }
    }

    /// The most units a key can be ahead of the position.
    pub(crate) fn capacity_units(&self) -> u64 {
        // A quota's capacity fits by the choice of `unit_bits`, and `requote` checks it again.
        self.quota.capacity() << self.unit_bits
    }

    /// The end of the axis: from here a key's word can still hold the whole capacity, so nothing is free.
    pub(crate) fn end(&self) -> u64 {
        MAX_VALUE - self.capacity_units()
    }

    pub(super) fn units_per_period(&self) -> u128 {
        u128::from(self.quota.count()) << self.unit_bits
    }

    fn steps_per_period(&self) -> u128 {
        match self.refill {
            Refill::Evenly => self.units_per_period(),
            Refill::AtOnce => 1,
        }
    }

    /// Units by which the axis moves at once. More than the whole axis is as good as all of it.
    pub(crate) fn step(&self) -> u64 {
        match self.refill {
            Refill::Evenly => 1,
            Refill::AtOnce => {
                u64::try_from(self.units_per_period()).map_or(MAX_VALUE, |units| units.min(MAX_VALUE))
            }
        }
    }

    /// The first position of the axis, not before its anchor's, that is at least `position`, which is not beyond its end.
    pub(crate) fn reaching(&self, position: u64) -> u64 {
        let (step, ahead) = (self.step(), position.saturating_sub(self.position));
        if step <= 1 {
            return self.position + ahead;
        }
        self.position.saturating_add(ahead.div_ceil(step).saturating_mul(step)).min(self.end())
    }

    /// The position at `time` and its carry, by division. A time before the anchor counts as the anchor.
    pub(crate) fn at(&self, time: u64) -> (u64, u64) {
        let period = u128::from(self.quota.period_nanos());
        let elapsed = u128::from(time.saturating_sub(self.time));
        // A product beyond 128 bits is far beyond the axis.
        let numerator =
            elapsed.saturating_mul(self.steps_per_period()).saturating_add(u128::from(self.carry));
        let room = u128::from(self.end() - self.position);
        let units = (numerator / period).saturating_mul(u128::from(self.step()));
        if units > room {
            return (self.end(), 0);
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most `room`, and a remainder below `period`")]
        let (units, carry) = (units as u64, (numerator % period) as u64);
        (self.position + units, carry)
    }

    /// The least time at which the axis stands at `position` or beyond, or `None` when it never does (before the
    /// clock's end).
    pub(crate) fn time_of(&self, position: u64) -> Option<u64> {
        if position <= self.position {
            return Some(self.time);
        }
        if position > self.end() || self.units_per_period() == 0 {
            return None;
        }
        let steps = u128::from((position - self.position).div_ceil(self.step()));
        let numerator = steps * u128::from(self.quota.period_nanos()) - u128::from(self.carry);
        let elapsed = numerator.div_ceil(self.steps_per_period());
        u64::try_from(elapsed).ok()?.checked_add(self.time)
    }

    /// The same axis from `time` on under another quota.
    ///
    /// Raising the capacity gives every key the difference. Lowering it by D also moves the axis forward by D
    /// tokens: every key's level becomes `min(level, new capacity)`, without a look at any key. `since_refill` as in
    /// [`start`](Anchor::start), for the new period.
    pub(crate) fn requote(
        &self,
        quota: Quota,
        time: u64,
        since_refill: impl FnOnce(u64) -> u64,
    ) -> Result<Anchor, QuotaError> {
        let time = time.max(self.time);
        let (position, carry) = self.at(time);
        let forward = self.quota.capacity().saturating_sub(quota.capacity()) << self.unit_bits;
        let (period, old_period) = (u128::from(quota.period_nanos()), u128::from(self.quota.period_nanos()));
        #[expect(
            clippy::cast_possible_truncation,
            reason = "carry < old_period, so the quotient is below period"
        )]
        let carry = match self.refill {
            Refill::Evenly => (u128::from(carry) * period / old_period) as u64,
            Refill::AtOnce => since_refill(time),
        };
        let new = Anchor { quota, time, position: position + forward, carry, ..*self };

        let rate = new.units_per_period();
        if rate > 0 && period > rate.saturating_mul(u128::from(LONGEST_UNIT_NANOS)) {
            return Err(QuotaError::TooSlowForLimiter { quota });
        }
        let year = rate.saturating_mul(u128::from(LEAST_LEFT_NANOS)).div_ceil(period);
        let capacity = u128::from(quota.capacity()) << self.unit_bits;
        if year.saturating_add(u128::from(new.position) + capacity) > u128::from(MAX_VALUE) {
            return Err(QuotaError::TooFastForLimiter { quota });
        }
        Ok(new)
    }
}

/// The largest number of bits with which the axis lasts [`LIFETIME_NANOS`] at this quota and holds its capacity. Where
/// not even whole tokens do (above 2 × 10^8 tokens/s) it is 0, and the axis is shorter.
fn finest_unit_bits(quota: Quota) -> u32 {
    let period = u128::from(quota.period_nanos());
    // A quota of zero tokens is laid out for one, so that a live change has room both ways.
    let tokens =
        u128::from(quota.count().max(1)) * u128::from(LIFETIME_NANOS) + u128::from(quota.capacity()) * period;
    // `tokens / period` tokens, of which there is more than one, must fit in MAX_VALUE.
    (0..60).rev().find(|bits| tokens <= (u128::from(MAX_VALUE) * period) >> bits).unwrap_or(0)
}

/// An anchor's rate as a fixed-point number: the same positions for two multiplications instead of a division.
///
/// The fields are the words that [`super::token_axis`] publishes to its readers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slope {
    pub(crate) high: u64,
    pub(crate) low: u64,
    pub(crate) carry_high: u64,
    pub(crate) carry_low: u64,
}

impl Slope {
    pub(crate) fn new(anchor: &Anchor) -> Slope {
        let period = anchor.quota.period_nanos();
        let (high, low) = halves(fixed_point(anchor.steps_per_period(), period));
        let (carry_high, carry_low) = halves(fixed_point(u128::from(anchor.carry), period));
        Slope { high, low, carry_high, carry_low }
    }

    /// Steps after `elapsed` nanoseconds, exactly; `None` beyond [`EXACT_NANOS`].
    #[inline]
    pub(crate) fn steps(&self, elapsed: u64) -> Option<u64> {
        if elapsed > EXACT_NANOS {
            return None;
        }
        // elapsed < 2^58, high < 2^64, low < 2^64, carry < 2^122: no sum below reaches 2^128.
        let carry = u128::from(self.carry_high) << 64 | u128::from(self.carry_low);
        let low = u128::from(elapsed) * u128::from(self.low) + carry;
        let high = u128::from(elapsed) * u128::from(self.high) + (low >> 64);
        #[expect(clippy::cast_possible_truncation, reason = "less than 2^63.2, see EXACT_NANOS")]
        Some((high >> (FRACTION_BITS - 64)) as u64)
    }
}

/// `numerator / period` with [`FRACTION_BITS`] fraction bits, rounded up. The quotient is below 2^6.
fn fixed_point(numerator: u128, period: u64) -> u128 {
    const LOW_BITS: u32 = FRACTION_BITS - 64;
    let period = u128::from(period);
    let (whole, rest) = (numerator / period, numerator % period);
    let (first, rest) = ((rest << 64) / period, (rest << 64) % period);
    let second = (rest << LOW_BITS).div_ceil(period);
    (whole << FRACTION_BITS) + (first << LOW_BITS) + second
}

#[expect(clippy::cast_possible_truncation, reason = "splitting is the purpose")]
fn halves(wide: u128) -> (u64, u64) {
    ((wide >> 64) as u64, wide as u64)
}
