//! [`TokenAxis`]: a token clock that many threads read and one may change; what [`Gcra`](super::Gcra),
//! [`TokenBucket`](super::TokenBucket) and [`LeakyBucket`](super::LeakyBucket) have in common.

mod figures;
#[cfg(feature = "serde")]
mod resume;

pub(crate) use figures::TokenFigures;

use super::double_cell::DoubleCell;
use super::token_clock::{Anchor, MAX_VALUE, Refill, Slope};
use super::{Slot, Start};
use crate::decision::Figures;
use crate::quota::{Quota, QuotaError};
#[cfg(feature = "policy")]
use crate::sync::{AtomicU64, Ordering};

/// The axis of one limiter.
#[derive(Debug)]
pub(super) struct TokenAxis {
    /// The axis as built. Most limiters keep their quota, and plain memory is cheaper to read than published words.
    built: Axis,
    /// The axis after the first `set_quota`.
    changed: DoubleCell<WORDS>,
    /// When it was built, for refills that go by Unix time.
    start: Start,
    /// The position at which another axis took over; the highest there is as long as none has.
    #[cfg(feature = "policy")]
    last: AtomicU64,
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

    /// `EVENLY`: it is known that a step is one unit, so that a branch need not be waited for.
    #[inline(always)]
    fn read<const EVENLY: bool>(self, now: u64) -> TokenReading {
        // Said again, so that it need not be read.
        let refill = if EVENLY { Refill::Evenly } else { self.anchor.refill };
        let anchor = Anchor { refill, ..self.anchor };
        let position = match self.slope.steps(now.saturating_sub(anchor.time)) {
            Some(steps) => {
                let units = match anchor.refill {
                    Refill::AtOnce => units_at_once(steps, anchor.quota.count(), anchor.unit_bits),
                    Refill::Evenly => steps,
                };
                // Below 2^60 and 2^63.2.
                (anchor.position + units).min(anchor.end())
            }
            None => position_by_division(anchor, now),
        };
        TokenReading { anchor, position }
    }
}

/// Apart from the usual way, so that its multiplication is not waited for.
#[cold]
fn units_at_once(steps: u64, count: u64, unit_bits: u32) -> u64 {
    let tokens = steps.saturating_mul(count);
    if tokens > MAX_VALUE >> unit_bits { MAX_VALUE } else { tokens << unit_bits }
}

/// For times years after the anchor.
#[cold]
#[inline(never)]
fn position_by_division(anchor: Anchor, now: u64) -> u64 {
    anchor.at(now).0
}

/// An anchor and its slope as words; see `pack`.
const WORDS: usize = 11;

impl TokenAxis {
    pub(super) fn new(quota: Quota, refill: Refill, start: Start) -> TokenAxis {
        let since_refill = start.since_aligned(start.now(), quota.period_nanos());
        TokenAxis::built(Axis::new(Anchor::start(quota, refill, start.now(), since_refill)), start)
    }

    fn built(axis: Axis, start: Start) -> TokenAxis {
        TokenAxis {
            built: axis,
            changed: DoubleCell::new(pack(&axis)),
            start,
            #[cfg(feature = "policy")]
            last: AtomicU64::new(MAX_VALUE),
        }
    }

    /// An axis on which whoever is admitted waits until what stands before it has drained.
    pub(super) fn queue(quota: Quota, start: Start) -> TokenAxis {
        let axis = TokenAxis::new(quota, Refill::Evenly, start);
        TokenAxis::built(Axis { anchor: Anchor { queues: true, ..axis.built.anchor }, ..axis.built }, start)
    }

    /// The same limit, beginning at `start`.
    pub(super) fn restarted(&self, start: Start) -> TokenAxis {
        let Anchor { quota, refill, queues, .. } = self.axis().anchor;
        if queues { TokenAxis::queue(quota, start) } else { TokenAxis::new(quota, refill, start) }
    }

    pub(super) fn quota(&self) -> Quota {
        self.axis().anchor.quota
    }

    #[inline(always)]
    fn axis(&self) -> Axis {
        unpack(self.changed.read())
    }

    #[inline(always)]
    pub(super) fn read<const EVENLY: bool>(&self, now: u64) -> TokenReading {
        let axis = if self.changed.is_replaced() { self.axis() } else { self.built };
        axis.read::<EVENLY>(now)
    }

    #[inline]
    pub(super) fn catch_up(&self, reading: &TokenReading, value: u64) -> TokenReading {
        if value <= reading.position {
            return *reading;
        }
        // The position may have been reached by a cut of the capacity only, so the axis that goes with it is the one in force.
        let anchor = self.axis().anchor;
        #[cfg(feature = "policy")]
        if value > self.last.load(Ordering::Relaxed) {
            return self.beyond_its_end(anchor, value);
        }
        TokenReading { anchor, position: anchor.reaching(value) }
    }

    /// Another quota for every key from now on.
    ///
    /// `now` is asked for as late as possible: where the rate is lowered, what others read of the old axis between then and the
    /// change is ahead of the new one.
    pub(super) fn set_quota(&self, quota: Quota, now: impl FnOnce() -> u64) -> Result<(), QuotaError> {
        self.changed.replace(|words| {
            let (anchor, now) = (unpack(words).anchor, now());
            if anchor.quota == quota {
                return Ok(None);
            }
            let since_refill = |time| self.start.since_aligned(time, quota.period_nanos());
            Ok(Some(pack(&Axis::new(anchor.requote(quota, now, since_refill)?))))
        })
    }
}

#[cfg(feature = "policy")]
impl TokenAxis {
    /// The axis that goes on from here under another quota, for the same keys; and the time from which on it does. This one stands still there:
    /// who still reads it should not do so at a later time.
    pub(super) fn succeed(
        &self,
        quota: Quota,
        now: impl FnOnce() -> u64,
    ) -> Result<(TokenAxis, u64), QuotaError> {
        let (anchor, now) = (self.axis().anchor, now());
        let since_refill = |time| self.start.since_aligned(time, quota.period_nanos());
        let successor = anchor.requote(quota, now, since_refill)?;
        // Relaxed: whoever meets a value beyond it met it under the lock of a page, where it was left by somebody who has seen the successor.
        self.last.store(anchor.at(successor.time).0, Ordering::Relaxed);
        Ok((TokenAxis::built(Axis::new(successor), self.start), successor.time))
    }

    /// For a caller so late that a key was forgotten under the next axis, perhaps because its capacity is smaller: what the key had spent there counts
    /// against the capacity here.
    #[cold]
    fn beyond_its_end(&self, anchor: Anchor, value: u64) -> TokenReading {
        let spent = value - self.last.load(Ordering::Relaxed).min(value);
        let tokens = spent.div_ceil(1 << anchor.unit_bits);
        let capacity = anchor.quota.capacity().saturating_sub(tokens);
        let quota = Quota::from_words(anchor.quota.count(), anchor.quota.period_nanos(), capacity);
        TokenReading { anchor: Anchor { quota, ..anchor }, position: value }
    }
}

fn pack(axis: &Axis) -> [u64; WORDS] {
    let Axis { anchor, slope } = axis;
    let at_once = u64::from(anchor.refill == Refill::AtOnce);
    [
        anchor.quota.count(),
        anchor.quota.period_nanos(),
        anchor.quota.capacity(),
        u64::from(anchor.unit_bits) << 2 | u64::from(anchor.queues) << 1 | at_once,
        anchor.time,
        anchor.position,
        anchor.carry,
        slope.high,
        slope.low,
        slope.carry_high,
        slope.carry_low,
    ]
}

#[inline(always)]
fn unpack(words: [u64; WORDS]) -> Axis {
    let [count, period, capacity, units, time, position, carry, high, low, carry_high, carry_low] = words;
    let quota = Quota::from_words(count, period, capacity);
    // Masked to what a shift can take; the bits are below 60 anyway.
    let unit_bits = (units >> 2 & 63) as u32;
    let refill = if units & 1 == 0 { Refill::Evenly } else { Refill::AtOnce };
    let queues = units & 2 != 0;
    let anchor = Anchor { quota, unit_bits, refill, queues, time, position, carry };
    Axis { anchor, slope: Slope { high, low, carry_high, carry_low } }
}

/// A reading of the token clock of [`Gcra`](crate::Gcra) and the buckets.
#[derive(Clone, Copy, Debug)]
pub struct TokenReading {
    anchor: Anchor,
    position: u64,
}

impl TokenReading {
    #[inline]
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Units by which `value` is ahead.
    #[inline]
    pub(super) fn ahead(&self, value: u64) -> u64 {
        value.saturating_sub(self.position)
    }

    /// Tokens as units, at most the whole axis.
    #[inline]
    fn units(&self, tokens: u64) -> u64 {
        if tokens > MAX_VALUE >> self.anchor.unit_bits { MAX_VALUE } else { tokens << self.anchor.unit_bits }
    }

    #[inline]
    pub(super) fn spend(&self, value: u64, cost: u64) -> Option<u64> {
        let Anchor { quota, unit_bits, .. } = self.anchor;
        // A cost within the capacity is below 2^60 units, and so is `value`: neither shift nor sum wraps.
        if cost > quota.capacity() {
            return None;
        }
        let spent = value.max(self.position) + (cost << unit_bits);
        let fits = spent <= self.position + (quota.capacity() << unit_bits);
        fits.then_some(if cost == 0 { value } else { spent })
    }

    /// Where there is a queue, the slot is the turn in it, however long that is.
    pub(super) fn schedule(&self, value: u64, cost: u64) -> Option<Slot> {
        let Anchor { quota, unit_bits, queues, .. } = self.anchor;
        if cost > quota.capacity() {
            return None;
        }
        if cost == 0 {
            return self.slot(value, value.saturating_sub(self.anchor.capacity_units()));
        }
        // As in `spend`; beyond the axis there is no slot.
        let before = value.max(self.position);
        let due = if queues {
            before
        } else {
            (before + (cost << unit_bits)).saturating_sub(self.anchor.capacity_units())
        };
        // A refill at once may bring more than the capacity, and what is beyond it is lost.
        let spent = before.max(self.anchor.reaching(due)) + (cost << unit_bits);
        if spent > MAX_VALUE { None } else { self.slot(spent, due) }
    }

    /// The slot that comes when the axis reaches `due`.
    fn slot(&self, value: u64, due: u64) -> Option<Slot> {
        if due <= self.position {
            return Some(Slot::at_once(value));
        }
        Some(Slot::at(self.anchor.time_of(due)?, value))
    }

    #[inline]
    pub(super) fn figures(&self, value: u64, cost: u64) -> Figures {
        let TokenReading { anchor, position } = *self;
        Figures::tokens(TokenFigures { anchor, position, ahead: self.ahead(value), cost })
    }

    #[inline]
    pub(super) fn charge(&self, value: u64, tokens: u64) -> u64 {
        if tokens == 0 {
            return value;
        }
        value.max(self.position).saturating_add(self.units(tokens)).min(MAX_VALUE)
    }

    #[inline]
    pub(super) fn refund(&self, value: u64, tokens: u64) -> u64 {
        value.min(value.saturating_sub(self.units(tokens)).max(self.position))
    }
}

/// Implements [`Algorithm`](super::Algorithm) for a type with a [`TokenAxis`] named `axis` and a method `begin`.
macro_rules! algorithm_on_token_axis {
    ($algorithm:ty, name: $name:literal, evenly: $evenly:literal) => {
        impl $crate::Algorithm for $algorithm {
            type Reading = $crate::TokenReading;

            fn name(&self) -> &'static str {
                $name
            }

            fn start(&mut self, start: $crate::Start) -> Result<(), $crate::BuildError> {
                self.begin(start)
            }

            #[inline(always)]
            fn read(&self, now: u64) -> $crate::TokenReading {
                self.axis.read::<$evenly>(now)
            }

            #[inline]
            fn position(&self, reading: &$crate::TokenReading) -> u64 {
                reading.position()
            }

            #[inline]
            fn catch_up(&self, reading: &$crate::TokenReading, value: u64) -> $crate::TokenReading {
                self.axis.catch_up(reading, value)
            }

            #[inline]
            fn spend(&self, reading: &$crate::TokenReading, value: u64, cost: u64) -> Option<u64> {
                reading.spend(value, cost)
            }

            #[inline]
            fn figures(&self, reading: &$crate::TokenReading, value: u64, cost: u64) -> $crate::Figures {
                reading.figures(value, cost)
            }

            #[inline]
            fn charge(&self, reading: &$crate::TokenReading, value: u64, tokens: u64) -> u64 {
                reading.charge(value, tokens)
            }

            #[inline]
            fn refund(&self, reading: &$crate::TokenReading, value: u64, tokens: u64) -> u64 {
                reading.refund(value, tokens)
            }

            fn schedule(
                &self,
                reading: &$crate::TokenReading,
                value: u64,
                cost: u64,
            ) -> Option<$crate::Slot> {
                reading.schedule(value, cost)
            }

            fn refill_time(&self) -> Option<std::time::Duration> {
                self.quota().refill_time()
            }

            #[inline]
            fn debt(&self, reading: &$crate::TokenReading, value: u64) -> u64 {
                reading.ahead(value)
            }
        }

        #[cfg(feature = "serde")]
        impl $crate::algorithm::Resume for $algorithm {
            fn origin(&self, now: u64) -> (u64, $crate::algorithm::Origin) {
                self.axis.origin(now)
            }

            fn resume(
                &mut self,
                pause: $crate::algorithm::Pause,
                origin: &$crate::algorithm::Origin,
            ) -> Result<$crate::algorithm::Shift, $crate::BuildError> {
                self.begin(pause.until())?;
                self.axis.resume(pause, origin)
            }
        }
    };
}

pub(super) use algorithm_on_token_axis;
