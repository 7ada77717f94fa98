//! [`Counts`]: how many of each key are in flight, in the word table.
//!
//! A key's value is its count, and the position is always 0: a key with none in flight is the same as a key that was
//! never seen, and its place goes to whoever needs it. A key with one in flight is never forgotten.

use crate::store::{Outcome, Rule, Step, WordTable};
use crate::sync::{Ordering, fence};

/// Why a place was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// So many are in flight, as many as may be or more.
    Busy(u64),
    /// The key is new, and there is no room for it.
    NoRoom,
}

/// Counts by tag. The parameters are the table's.
#[derive(Debug)]
pub(super) struct Counts<const LINES: usize = 64, const SLOTS: usize = 4, const WINDOW: usize = 8> {
    table: WordTable<LINES, SLOTS, WINDOW>,
}

impl<const LINES: usize, const SLOTS: usize, const WINDOW: usize> Counts<LINES, SLOTS, WINDOW> {
    /// Counts in this table, which must not forget at capacity.
    pub(super) fn new(table: WordTable<LINES, SLOTS, WINDOW>) -> Self {
        Counts { table }
    }

    /// Takes a place of the key, of `max`. O(1).
    #[inline]
    pub(super) fn take(&self, tag: u64, max: u64) -> Result<(), NotTaken> {
        self.take_many(tag, 1, max)
    }

    /// Takes so many places of the key, of `max`, or none. O(1).
    #[inline]
    pub(super) fn take_many(&self, tag: u64, places: u64, max: u64) -> Result<(), NotTaken> {
        if places > max {
            // Refused whether the key is known or not, so no lock is needed to be sure that it is new.
            let in_flight = self.table.apply_if_known(tag, &LOOK).unwrap_or(0);
            return Err(NotTaken::Busy(in_flight));
        }
        let take = Change(|count| {
            // More may be in flight than the maximum, after that was lowered.
            let fits = max.checked_sub(count).is_some_and(|room| places <= room);
            if fits { Step::Write(count + places, Ok(())) } else { Step::Keep(Err(NotTaken::Busy(count))) }
        });
        match self.table.apply(tag, &take) {
            Outcome::Done(answer, _) => answer?,
            Outcome::NoRoom { .. } => return Err(NotTaken::NoRoom),
        }
        // Acquire: pairs with the Release fence in `give_back`. The table's words are exchanged without an order of their own;
        // the count just written, or the vacant word in whose stead it was, was read from the one that `give_back` wrote.
        fence(Ordering::Acquire);
        Ok(())
    }

    /// Gives a place back that was taken. O(1).
    #[inline]
    pub(super) fn give_back(&self, tag: u64) {
        self.give_back_many(tag, 1);
    }

    /// Gives back so many places that were taken. O(1).
    #[inline]
    pub(super) fn give_back_many(&self, tag: u64, places: u64) {
        // Release: pairs with the Acquire fence in `take`, so that the next holder sees what this one did; and with the
        // Acquire load of the word under the page's lock, if the slot has another owner by then.
        fence(Ordering::Release);
        // The key is there, or a split is moving it and the table waits for that: it never asks for room.
        let _ = self.table.apply(tag, &Change(|count: u64| Step::Write(count.saturating_sub(places), ())));
    }

    /// How many of the key are in flight. O(1).
    pub(super) fn of(&self, tag: u64) -> u64 {
        match self.table.apply(tag, &LOOK) {
            Outcome::Done(count, _) => count,
            // A look asks for no room.
            Outcome::NoRoom { .. } => 0,
        }
    }

    pub(super) fn table(&self) -> &WordTable<LINES, SLOTS, WINDOW> {
        &self.table
    }
}

/// What a count becomes.
struct Change<F>(F);

const LOOK: Change<fn(u64) -> Step<u64>> = Change(Step::Keep);

impl<F: Fn(u64) -> Step<T>, T> Rule for Change<F> {
    type Answer = T;

    #[inline]
    fn decide(&self, value: u64, _forgotten_below: u64) -> Step<T> {
        (self.0)(value)
    }

    #[inline]
    fn position(&self) -> u64 {
        0
    }

    fn debt(&self, value: u64) -> u64 {
        value
    }
}
