//! The token axis goes on where that of another limiter stopped.
//!
//! It is as if `set_quota` had been called at the time of the snapshot and the new quota had been in force since. While
//! units stay the same, not even a fraction of one is lost.

use super::{Axis, DoubleCell, Refill, TokenAxis, pack};
use crate::algorithm::resume::{Origin, Pause, Shift, TokenOrigin, damaged};
use crate::algorithm::token_clock::Anchor;
use crate::build_error::BuildError;
use crate::quota::{MAX_CAPACITY, MAX_PERIOD_NANOS};

impl TokenAxis {
    /// The position at `now`, and the axis there.
    pub(in crate::algorithm) fn origin(&self, now: u64) -> (u64, Origin) {
        let anchor = self.axis().anchor;
        let (position, carry) = anchor.at(now);
        let origin = TokenOrigin {
            unit_bits: anchor.unit_bits,
            capacity: anchor.quota.capacity(),
            period: anchor.quota.period_nanos(),
            carry,
            at_once: anchor.refill == Refill::AtOnce,
        };
        (position, Origin::Tokens(origin))
    }

    /// For an axis that begins where the pause ends: it begins with the fraction of a step that would have been
    /// reached.
    pub(in crate::algorithm) fn resume(
        &mut self,
        pause: Pause,
        origin: &Origin,
    ) -> Result<Shift, BuildError> {
        let Origin::Tokens(then) = origin else { return Err(damaged()) };
        if !then.is_possible() {
            return Err(damaged());
        }
        let anchor = self.built.anchor;
        let (forward, carry) = match anchor.refill {
            Refill::Evenly => evenly(&anchor, pause, then),
            Refill::AtOnce => (at_once(&anchor, pause, then), anchor.carry),
        };
        let axis = Axis::new(Anchor { carry, ..anchor });
        (self.built, self.changed) = (axis, DoubleCell::new(pack(&axis)));
        // A smaller capacity caps what keys have left, as `Anchor::requote` does.
        let cut = then.capacity.saturating_sub(anchor.quota.capacity());
        let forward = forward.saturating_add(i128::from(cut) << anchor.unit_bits);
        Ok(Shift::new(anchor.unit_bits.cast_signed() - then.unit_bits.cast_signed(), forward))
    }
}

impl TokenOrigin {
    /// Whether there can be such an axis.
    fn is_possible(&self) -> bool {
        self.unit_bits < 60
            && self.capacity <= MAX_CAPACITY
            && (1..=MAX_PERIOD_NANOS).contains(&self.period)
            && self.carry < self.period
    }
}

/// Units that come back in a pause, and the fraction beyond them. A fraction of a unit of another size is left out,
/// which is never too much.
fn evenly(anchor: &Anchor, pause: Pause, then: &TokenOrigin) -> (i128, u64) {
    let period = u128::from(anchor.quota.period_nanos());
    let same_units = then.unit_bits == anchor.unit_bits && !then.at_once;
    let carry = if same_units { u128::from(then.carry) * period / u128::from(then.period) } else { 0 };
    let numerator = u128::from(pause.nanos()).saturating_mul(anchor.units_per_period()).saturating_add(carry);
    #[expect(clippy::cast_possible_truncation, reason = "less than the period")]
    let rest = (numerator % period) as u64;
    (i128::try_from(numerator / period).unwrap_or(i128::MAX), rest)
}

/// Units that come back in a pause, a whole period's at a time.
fn at_once(anchor: &Anchor, pause: Pause, then: &TokenOrigin) -> i128 {
    let period = anchor.quota.period_nanos();
    let same_periods = then.at_once && then.period == period;
    let passed_then = if same_periods { then.carry } else { pause.began().since_aligned(0, period) };
    let units = i128::try_from(anchor.units_per_period()).unwrap_or(i128::MAX);
    pause.periods(period, passed_then, anchor.carry).saturating_mul(units)
}
