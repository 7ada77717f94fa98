//! [`Places`]: how many are in flight, of how many, and whether somebody waits: one word.
//!
//! Every change of the word is a read-modify-write, so each of them continues the release sequences of all that went
//! before: whoever takes a place has seen all that was done by those who gave one back. It also means that there is one
//! order of all changes: either a place is given back before somebody begins to wait, and the waiter finds it, or
//! after, and whoever gives it back finds the waiter.

use std::fmt;

use super::saturated::{Cause, Saturated};
use crate::sync::{AtomicU64, Ordering};

/// In flight in the lower 32 bits, the most that may be in the 31 above, and a bit that says that somebody waits.
pub(super) struct Places {
    pub(super) word: AtomicU64,
}

/// One in flight.
pub(super) const ONE: u64 = 1;

/// Somebody waits; only the queue, under its lock, changes this bit.
pub(super) const WAITING: u64 = 1 << 63;

const MAX_SHIFT: u32 = 32;

/// The word taken apart.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) in_flight: u64,
    pub(super) max: u64,
    pub(super) waiting: bool,
}

impl Seen {
    #[inline]
    pub(super) fn of(word: u64) -> Seen {
        Seen {
            in_flight: word & u64::from(u32::MAX),
            max: (word & !WAITING) >> MAX_SHIFT,
            waiting: word & WAITING != 0,
        }
    }

    #[cfg(any(feature = "tokio", all(test, tollgate_loom)))]
    pub(super) fn has_room(self) -> bool {
        self.in_flight < self.max
    }

    /// Whether so many can be taken, which nobody else waits for.
    #[inline]
    pub(super) fn has_room_for(self, count: u64) -> bool {
        // In flight may be more than the maximum after that was lowered.
        !self.waiting && self.max.checked_sub(self.in_flight).is_some_and(|room| count <= room)
    }

    pub(super) fn refusal(self, cause: Cause) -> Saturated {
        Saturated::new(self.in_flight, self.max, cause)
    }
}

impl Places {
    /// The most that can be counted: 31 bits.
    pub(super) const MOST: usize = (1 << 31) - 1;

    pub(super) fn new(max: usize) -> Places {
        Places { word: AtomicU64::new(max_bits(max)) }
    }

    /// Relaxed: a figure for people, or a first guess for an exchange.
    #[inline]
    pub(super) fn look(&self) -> Seen {
        Seen::of(self.word.load(Ordering::Relaxed))
    }

    /// Takes a place that nobody waits for.
    #[inline]
    pub(super) fn try_take(&self) -> Result<(), Seen> {
        self.try_take_many(ONE)
    }

    /// Takes so many places that nobody waits for, or none.
    #[inline]
    pub(super) fn try_take_many(&self, count: u64) -> Result<(), Seen> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let seen = Seen::of(word);
            if !seen.has_room_for(count) {
                return Err(seen);
            }
            // Acquire: pairs with the Release in `give_back`. Relaxed on failure: nothing follows from what was found but
            // another attempt, or a refusal.
            match self.word.compare_exchange_weak(word, word + count, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(found) => word = found,
            }
        }
    }

    /// Gives back a place that was taken. Whether somebody waits for it.
    #[inline]
    pub(super) fn give_back(&self) -> bool {
        self.give_back_many(ONE)
    }

    /// Gives back so many places that were taken. Whether somebody waits for them.
    #[inline]
    pub(super) fn give_back_many(&self, count: u64) -> bool {
        // Release: pairs with the Acquire in `try_take` and `take_for_waiter`, so that the next holder sees what this one did.
        Seen::of(self.word.fetch_sub(count, Ordering::Release)).waiting
    }

    /// Changes how many may be in flight. Whether somebody waits.
    pub(super) fn set_max(&self, max: usize) -> bool {
        let keep = WAITING | u64::from(u32::MAX);
        let mut word = self.word.load(Ordering::Relaxed);
        // Relaxed: the word carries the maximum itself, so there is nothing else to be seen with it.
        while let Err(found) = self.word.compare_exchange_weak(
            word,
            word & keep | max_bits(max),
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            word = found;
        }
        Seen::of(word).waiting
    }
}

/// A maximum where it belongs in the word; one that cannot be counted is the largest that can.
fn max_bits(max: usize) -> u64 {
    (max.min(Places::MOST) as u64) << MAX_SHIFT
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen { in_flight, max, waiting } = self.look();
        f.debug_struct("Places")
            .field("in_flight", &in_flight)
            .field("max", &max)
            .field("waiting", &waiting)
            .finish()
    }
}
