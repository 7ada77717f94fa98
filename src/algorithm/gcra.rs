//! [`Gcra`], the default algorithm.

use super::Algorithm;
use super::double_cell::DoubleCell;
use super::token_clock::{Anchor, MAX_VALUE, Slope};
use crate::decision::{Figures, TokenFigures};
use crate::quota::{Quota, QuotaError};

/// The generic cell rate algorithm: a key's tokens come back one by one, evenly, at the quota's rate.
///
/// **State**: one word per key, the position on the token axis up to which it has spent. Admitted iff
/// `max(word, position) + cost <= position + capacity`.
///
/// **Worst case** in any half-open window of length W: `capacity + rate × W` tokens, with W measured to one unit of the axis
/// (below 10 ns, see Exactness). With a burst equal to the count L that is 2L − 1 in one period (a full burst, then the
/// refill); with `burst(1)` it is L.
///
/// **Cost**: O(1), a few nanoseconds.
///
/// **Exactness**: decisions are those of exact integer arithmetic on whole units of the axis. A unit is 4 to 10 ns of refill
/// (longer only where a full refill takes centuries, or after [`set_quota`](crate::Limiter::set_quota), which allows
/// up to 1 µs). A token is never late, so a request that comes exactly when its token is due is admitted; it may come
/// early by less than one unit, which does not add up over time. The axis lasts at least 150 years at the
/// quota it was built with; above 2 × 10⁸ tokens/s less, down to 4 years at 2³² − 1 tokens/s with the largest burst. At its
/// end nothing more is admitted once a key's tokens are spent.
///
/// **Source**: ITU-T I.371 (virtual scheduling form), with tokens in place of time as the unit. The proof that nothing
/// is over-admitted is in `src/docs/design.md`.
///
/// ```
/// use tollgate::{Gcra, Limiter, Quota};
///
/// let limiter = Limiter::with(Gcra::new(Quota::per_minute(60)))?;
/// assert!(limiter.check("alice").is_ok());
/// # Ok::<(), tollgate::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Gcra {
    /// The axis as built. Most limiters keep their quota, and plain memory is cheaper to read than published words.
    built: Axis,
    /// The axis after the first `set_quota`.
    changed: DoubleCell<WORDS>,
}

/// An anchor with what is worked out from it once.
#[derive(Clone, Copy, Debug)]
struct Axis {
    anchor: Anchor,
    slope: Slope,
}

impl Axis {
    fn new(anchor: Anchor) -> Axis {
        Axis { anchor, slope: Slope::new(&anchor) }
    }

    #[inline]
    fn read(self, now: u64) -> TokenReading {
        let anchor = self.anchor;
        let position = match self.slope.units(now.saturating_sub(anchor.time)) {
            // Below 2^60 and 2^63.2.
            Some(units) => (anchor.position + units).min(anchor.end()),
            None => position_by_division(anchor, now),
        };
        TokenReading { anchor, position }
    }
}

/// For times years after the anchor.
#[cold]
#[inline(never)]
fn position_by_division(anchor: Anchor, now: u64) -> u64 {
    anchor.at(now).0
}

/// An anchor and its slope as words; see `pack`.
const WORDS: usize = 11;

impl Gcra {
    /// Limits every key by `quota`.
    #[must_use]
    pub fn new(quota: Quota) -> Gcra {
        Gcra::on(Axis::new(Anchor::start(quota, 0)))
    }

    /// The quota in force.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.axis().anchor.quota
    }

    fn on(axis: Axis) -> Gcra {
        Gcra { built: axis, changed: DoubleCell::new(pack(&axis)) }
    }

    #[inline]
    fn axis(&self) -> Axis {
        unpack(self.changed.read())
    }

    /// Another quota for every key from now on.
    ///
    /// `now` is asked for as late as possible: where the rate is lowered, what others read of the old axis between then and the
    /// change is ahead of the new one.
    pub(crate) fn set_quota(&self, quota: Quota, now: impl FnOnce() -> u64) -> Result<(), QuotaError> {
        self.changed.replace(|words| {
            let (anchor, now) = (unpack(words).anchor, now());
            if anchor.quota == quota {
                return Ok(None);
            }
            Ok(Some(pack(&Axis::new(anchor.requote(quota, now)?))))
        })
    }
}

fn pack(axis: &Axis) -> [u64; WORDS] {
    let Axis { anchor, slope } = axis;
    [
        anchor.quota.count(),
        anchor.quota.period_nanos(),
        anchor.quota.capacity(),
        u64::from(anchor.unit_bits),
        anchor.time,
        anchor.position,
        anchor.carry,
        slope.high,
        slope.low,
        slope.carry_high,
        slope.carry_low,
    ]
}

#[inline]
fn unpack(words: [u64; WORDS]) -> Axis {
    let [count, period, capacity, unit_bits, time, position, carry, high, low, carry_high, carry_low] = words;
    let quota = Quota::from_words(count, period, capacity);
    // Masked to what a shift can take; the bits are below 60 anyway.
    let unit_bits = (unit_bits & 63) as u32;
    let anchor = Anchor { quota, unit_bits, time, position, carry };
    Axis { anchor, slope: Slope { high, low, carry_high, carry_low } }
}

/// A reading of the token clock.
#[derive(Clone, Copy, Debug)]
pub struct TokenReading {
    anchor: Anchor,
    position: u64,
}

impl TokenReading {
    #[inline]
    fn ahead(&self, value: u64) -> u64 {
        value.saturating_sub(self.position)
    }

    /// Tokens as units, at most the whole axis.
    #[inline]
    fn units(&self, tokens: u64) -> u64 {
        if tokens > MAX_VALUE >> self.anchor.unit_bits { MAX_VALUE } else { tokens << self.anchor.unit_bits }
    }
}

impl Algorithm for Gcra {
    type Reading = TokenReading;

    fn name(&self) -> &'static str {
        "gcra"
    }

    fn start(&mut self, now: u64) {
        *self = Gcra::on(Axis::new(Anchor::start(self.quota(), now)));
    }

    #[inline]
    fn read(&self, now: u64) -> TokenReading {
        let axis = if self.changed.is_replaced() { self.axis() } else { self.built };
        axis.read(now)
    }

    #[inline]
    fn position(&self, reading: &TokenReading) -> u64 {
        reading.position
    }

    #[inline]
    fn catch_up(&self, reading: &TokenReading, value: u64) -> TokenReading {
        if value <= reading.position {
            return *reading;
        }
        // The position may have been reached by a cut of the capacity only, so the axis that goes with it is the one in force.
        let anchor = self.axis().anchor;
        TokenReading { anchor, position: value.max(anchor.position) }
    }

    #[inline]
    fn spend(&self, reading: &TokenReading, value: u64, cost: u64) -> Option<u64> {
        let Anchor { quota, unit_bits, .. } = reading.anchor;
        // A cost within the capacity is below 2^60 units, and so is `value`: neither shift nor sum wraps.
        if cost > quota.capacity() {
            return None;
        }
        let spent = value.max(reading.position) + (cost << unit_bits);
        let fits = spent <= reading.position + (quota.capacity() << unit_bits);
        fits.then_some(if cost == 0 { value } else { spent })
    }

    #[inline]
    fn figures(&self, reading: &TokenReading, value: u64, cost: u64) -> Figures {
        let TokenReading { anchor, position } = *reading;
        Figures::tokens(TokenFigures { anchor, position, ahead: reading.ahead(value), cost })
    }

    #[inline]
    fn charge(&self, reading: &TokenReading, value: u64, tokens: u64) -> u64 {
        if tokens == 0 {
            return value;
        }
        value.max(reading.position).saturating_add(reading.units(tokens)).min(MAX_VALUE)
    }

    #[inline]
    fn refund(&self, reading: &TokenReading, value: u64, tokens: u64) -> u64 {
        value.min(value.saturating_sub(reading.units(tokens)).max(reading.position))
    }

    #[inline]
    fn debt(&self, reading: &TokenReading, value: u64) -> u64 {
        reading.ahead(value)
    }
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use super::{Algorithm, Gcra};
    use crate::quota::Quota;

    /// A thread reads the clock and is held up. The capacity is cut from 1000 to 10, which makes a key idle that had spent
    /// 500; it is forgotten. The late thread must not spend 1000 from the forgotten key's position: the old capacity with a
    /// position that only the cut has reached.
    #[test]
    fn a_late_caller_across_a_cut_spends_no_more_than_the_quota_in_force() {
        let gcra = Gcra::new(Quota::per_hour(1).burst(1000));
        let late = gcra.read(0);
        let forgotten = gcra.spend(&late, 0, 500).unwrap();
        gcra.set_quota(Quota::per_hour(1).burst(10), || 0).unwrap();
        let now = gcra.read(0);
        assert!(forgotten <= gcra.position(&now), "idle");

        let caught_up = gcra.catch_up(&late, forgotten);
        assert_eq!(gcra.spend(&caught_up, 0, 11), None);
        let value = gcra.spend(&caught_up, 0, 10).unwrap();
        assert_eq!(gcra.spend(&now, value, 1), None, "and what it has spent counts now");
    }
}
