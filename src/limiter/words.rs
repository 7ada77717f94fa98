//! [`Words`]: keys under an [`Algorithm`], one word each, in the word table.

#[cfg(feature = "serde")]
mod saved;

use std::hint::black_box;

use super::Stats;
use super::batch::GROUP;
use super::builder::AtCapacity;
use super::engine::{Keys, Receipt, Taken};
use super::rules::{AtReading, Spent, look_rule, spend_rule, write};
use crate::algorithm::Algorithm;
use crate::clock::{Now, Timeline};
use crate::decision::{Allowed, Denied, Figures, Status};
use crate::store::{Outcome, Pending, Step, WordTable};

/// The word table, and what to do when it is full.
#[derive(Debug)]
pub struct Words {
    table: WordTable,
    at_capacity: AtCapacity,
}

impl<A: Algorithm> Keys<A> for Words {
    fn new(_algorithm: &A, max_keys: usize, at_capacity: AtCapacity) -> Words {
        let forget = at_capacity == AtCapacity::ForgetSmallestDebt;
        Words { table: WordTable::for_keys(max_keys, forget), at_capacity }
    }

    #[inline(always)]
    fn spend(&self, algorithm: &A, now: Now, tag: u64, cost: u64) -> Result<Allowed, Denied> {
        let reading = algorithm.read(now.time);
        match self.table.home(tag).hit(tag, &spend_rule(algorithm, reading, cost)) {
            Some(spent) => answer(algorithm, now, &reading, cost, spent),
            None => self.spend_anywhere(algorithm, now, tag, cost).map(|(allowed, _)| allowed),
        }
    }

    #[inline]
    fn take(&self, algorithm: &A, now: Now, tag: u64, cost: u64) -> Result<Receipt, Denied> {
        let reading = algorithm.read(now.time);
        match self.table.home(tag).hit(tag, &spend_rule(algorithm, reading, cost)) {
            Some(spent) if spent.admitted => Ok(spent.receipt()),
            Some(spent) => {
                Err(Denied::new(algorithm.figures(&reading, spent.value, cost).seen_at(now.clock)))
            }
            None => self.spend_anywhere(algorithm, now, tag, cost).map(|(_, receipt)| receipt),
        }
    }

    #[inline(always)]
    fn prepare(&self, algorithm: &A, now: Now, tag: u64, cost: u64) -> (bool, Option<Pending<'_>>) {
        let reading = algorithm.read(now.time);
        match self.table.home(tag).look(tag, &spend_rule(algorithm, reading, cost)) {
            Some((spent, pending)) => (spent.admitted, pending),
            None => (self.look_anywhere(algorithm, now, tag, cost).admitted, None),
        }
    }

    #[inline(always)]
    fn look(&self, algorithm: &A, now: Now, tag: u64, cost: u64) -> Result<Allowed, Denied> {
        let reading = algorithm.read(now.time);
        let known = self.table.home(tag).hit(tag, &look_rule(algorithm, reading, cost));
        let spent = known.unwrap_or_else(|| self.look_anywhere(algorithm, now, tag, cost));
        answer(algorithm, now, &reading, cost, spent)
    }

    fn after(&self, algorithm: &A, now: Now, _tag: u64, cost: u64, receipt: Receipt) -> Figures {
        algorithm.figures(&algorithm.read(now.time), receipt.after, cost).seen_at(now.clock)
    }

    fn undo(&self, algorithm: &A, now: Now, tag: u64, cost: u64, receipt: Receipt) {
        if receipt.before == receipt.after {
            return;
        }
        // It never asks for room: what is not there cannot be taken back.
        let _ = self.apply(algorithm, tag, algorithm.read(now.time), |algorithm, reading, value| {
            let undone = if value == receipt.after {
                receipt.before
            } else {
                algorithm.settle(reading, value, receipt.after, cost, 0)
            };
            write(value, undone, ())
        });
    }

    fn settle(&self, algorithm: &A, now: Now, tag: u64, estimate: u64, actual: u64, receipt: Receipt) {
        if estimate == 0 {
            // Nothing was charged anywhere yet, though an algorithm of somebody's own may have moved the value.
            self.charge(algorithm, now, tag, actual);
        }
        if estimate == 0 || receipt.before == receipt.after {
            return;
        }
        // As a charge: what there is no room for is not charged.
        let _ = self.apply(algorithm, tag, algorithm.read(now.time), |algorithm, reading, value| {
            write(value, algorithm.settle(reading, value, receipt.after, estimate, actual), ())
        });
    }

    fn schedule(
        &self,
        algorithm: &A,
        now: Now,
        tag: u64,
        cost: u64,
        max_delay: u64,
    ) -> Result<Taken, Denied> {
        let reading = algorithm.read(now.time);
        let latest = now.clock.saturating_add(max_delay);
        let outcome = self.apply(algorithm, tag, reading, |algorithm, reading, before| {
            match algorithm.schedule(reading, before, cost) {
                Some(slot) if slot.time() <= latest => {
                    let receipt = Receipt { before, after: slot.value() };
                    write(before, slot.value(), Ok(Taken { time: slot.time(), receipt }))
                }
                slot => Step::Keep(Err((before, slot.map(|slot| slot.time())))),
            }
        });
        let (value, slot_at, forgotten_below) = match outcome {
            Outcome::Done(Ok(taken), _) => return Ok(taken),
            Outcome::Done(Err((value, slot_at)), forgotten_below) => (value, slot_at, forgotten_below),
            Outcome::NoRoom { soonest } => {
                let taken = Taken { time: now.clock, receipt: untracked(algorithm, &reading, cost) };
                return self.without_room(algorithm, now, &reading, cost, soonest).map(|_| taken);
            }
        };
        let figures = algorithm.figures(&algorithm.catch_up(&reading, forgotten_below), value, cost);
        Err(Denied::beyond(&figures, slot_at, max_delay, now.clock))
    }

    fn unschedule(&self, algorithm: &A, now: Now, tag: u64, _cost: u64, receipt: Receipt) {
        if receipt.before == receipt.after {
            return;
        }
        let _ = self.apply(algorithm, tag, algorithm.read(now.time), |_, _, value| {
            if value == receipt.after { write(value, receipt.before, ()) } else { Step::Keep(()) }
        });
    }

    fn spend_group(
        &self,
        algorithm: &A,
        timeline: &Timeline,
        tags: &[u64],
        answers: &mut Vec<Result<Allowed, Denied>>,
    ) {
        let Some(first) = tags.first() else { return };
        let mut homes = [self.table.home(*first); GROUP];
        for (home, tag) in homes.iter_mut().zip(tags) {
            *home = self.table.home(*tag);
        }
        // Safe Rust has no prefetch; loads that do not depend on each other are one.
        for (home, _) in homes.iter().zip(tags) {
            black_box(home.touch());
        }
        let now = timeline.now();
        let reading = algorithm.read(now.time);
        let rule = spend_rule(algorithm, reading, 1);
        for (home, tag) in homes.iter().zip(tags) {
            answers.push(match home.hit(*tag, &rule) {
                Some(spent) => answer(algorithm, now, &reading, 1, spent),
                None => self.spend_anywhere(algorithm, now, *tag, 1).map(|(allowed, _)| allowed),
            });
        }
    }

    fn charge(&self, algorithm: &A, now: Now, tag: u64, tokens: u64) -> Status {
        let reading = algorithm.read(now.time);
        let outcome = self.apply(algorithm, tag, reading, |algorithm, reading, value| {
            let charged = algorithm.charge(reading, value, tokens);
            write(value, charged, charged)
        });
        let (value, forgotten_below) = match outcome {
            Outcome::Done(value, forgotten_below) => (value, forgotten_below),
            Outcome::NoRoom { .. } => (0, 0),
        };
        let reading = algorithm.catch_up(&reading, forgotten_below);
        Status::new(algorithm.figures(&reading, value, 1).seen_at(now.clock))
    }

    fn refund(&self, algorithm: &A, now: Now, tag: u64, tokens: u64) {
        // A refund never asks for room: a key without a word is full.
        let _ = self.apply(algorithm, tag, algorithm.read(now.time), |algorithm, reading, value| {
            write(value, algorithm.refund(reading, value, tokens), ())
        });
    }

    fn reset(&self, algorithm: &A, now: Now, tag: u64) {
        // Nor does a reset.
        let _ = self.apply(algorithm, tag, algorithm.read(now.time), |_, _, value| write(value, 0, ()));
    }

    fn clear(&self) {
        self.table.clear();
    }

    fn live(&self, algorithm: &A, now: Now) -> usize {
        self.table.live(position(algorithm, now))
    }

    fn is_idle(&self, algorithm: &A, now: Now) -> bool {
        self.table.is_idle(position(algorithm, now))
    }

    fn stats(&self, algorithm: &A, now: Now) -> Stats {
        let stats = Stats::of_table(&self.table, position(algorithm, now));
        Stats { bytes: size_of::<Words>() - size_of::<WordTable>() + stats.bytes, ..stats }
    }
}

impl Words {
    /// What would become of a check of a key that is not in its home line.
    #[inline(never)]
    fn look_anywhere<A: Algorithm>(&self, algorithm: &A, now: Now, tag: u64, cost: u64) -> Spent {
        let reading = algorithm.read(now.time);
        let known = self.table.apply_if_known(tag, &look_rule(algorithm, reading, cost));
        known.unwrap_or_else(|| {
            let admitted = algorithm.spend(&reading, 0, cost).is_some();
            Spent { admitted, before: 0, value: 0 }
        })
    }

    /// `spend` for a key that is not in its home line. Nothing but plain numbers is handed over, so that the common
    /// case keeps all it knows in registers.
    #[inline(never)]
    fn spend_anywhere<A: Algorithm>(
        &self,
        algorithm: &A,
        now: Now,
        tag: u64,
        cost: u64,
    ) -> Result<(Allowed, Receipt), Denied> {
        let reading = algorithm.read(now.time);
        let rule = spend_rule(algorithm, reading, cost);
        // What a new key is refused, every key is refused, and nothing will be written: no lock is needed to be sure that it is
        // new. A quota of zero tokens must not make all threads wait for one page. The refusal is right even for a key that is
        // being moved at this moment; its figures are then a new key's.
        if algorithm.spend(&reading, 0, cost).is_none() {
            let unknown = Spent { admitted: false, before: 0, value: 0 };
            let spent = self.table.apply_if_known(tag, &rule).unwrap_or(unknown);
            let answer = answer(algorithm, now, &reading, cost, spent);
            return answer.map(|allowed| (allowed, spent.receipt()));
        }
        match self.table.apply_beyond_home(tag, &rule) {
            Outcome::Done(spent, forgotten_below) => {
                let reading = algorithm.catch_up(&reading, forgotten_below);
                let answer = answer(algorithm, now, &reading, cost, spent);
                answer.map(|allowed| (allowed, spent.receipt()))
            }
            Outcome::NoRoom { soonest } => {
                let answer = self.without_room(algorithm, now, &reading, cost, soonest);
                answer.map(|allowed| (allowed, untracked(algorithm, &reading, cost)))
            }
        }
    }

    /// The answer for a new key that cannot be kept.
    #[cold]
    fn without_room<A: Algorithm>(
        &self,
        algorithm: &A,
        now: Now,
        reading: &A::Reading,
        cost: u64,
        soonest: u64,
    ) -> Result<Allowed, Denied> {
        let value = algorithm.spend(reading, 0, cost).unwrap_or(0);
        let figures = algorithm.figures(reading, value, cost);
        if self.at_capacity == AtCapacity::AllowUntracked {
            return Ok(Allowed::new(figures.seen_at(now.clock)));
        }
        let room_at = algorithm.idle_at(reading, soonest);
        Err(Denied::no_room(figures.limit(), room_at, now.clock))
    }

    /// Lets `step` decide what becomes of a key's value.
    fn apply<A, T, F>(&self, algorithm: &A, tag: u64, reading: A::Reading, step: F) -> Outcome<T>
    where
        A: Algorithm,
        F: Fn(&A, &A::Reading, u64) -> Step<T>,
    {
        self.table.apply(tag, &AtReading { algorithm, reading, step })
    }
}

/// What a key that is not kept would have been charged, as if it had been before.
#[cold]
fn untracked<A: Algorithm>(algorithm: &A, reading: &A::Reading, cost: u64) -> Receipt {
    let value = algorithm.spend(reading, 0, cost).unwrap_or(0);
    Receipt { before: value, after: value }
}

/// The answer to a check. Its figures are put together here, after the decision, so that a caller who does not look
/// at them does not pay for them.
#[inline(always)]
fn answer<A: Algorithm>(
    algorithm: &A,
    now: Now,
    reading: &A::Reading,
    cost: u64,
    spent: Spent,
) -> Result<Allowed, Denied> {
    let figures = algorithm.figures(reading, spent.value, cost).seen_at(now.clock);
    if spent.admitted { Ok(Allowed::new(figures)) } else { Err(Denied::new(figures)) }
}

fn position<A: Algorithm>(algorithm: &A, now: Now) -> u64 {
    algorithm.position(&algorithm.read(now.time))
}
