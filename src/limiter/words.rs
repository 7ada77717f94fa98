//! [`Words`]: keys under an [`Algorithm`], one word each, in the word table.

#[cfg(feature = "serde")]
mod saved;

use std::hint::black_box;

use super::Stats;
use super::batch::GROUP;
use super::builder::AtCapacity;
use super::engine::Keys;
use super::rules::{AtReading, Spent, write};
use crate::algorithm::Algorithm;
use crate::clock::{Now, Timeline};
use crate::decision::{Allowed, Denied, Status};
use crate::store::{Outcome, Step, WordTable};

/// Busy keys that a page surely holds. Pages split one by one as their windows fill up, so their number varies: in 2500
/// simulated tables, from 20 to 200 000 keys, none had fewer than 111 keys a page beyond the first four pages.
const KEYS_PER_PAGE: usize = 100;
const SPARE_PAGES: u32 = 4;

/// The word table, and what to do when it is full.
#[derive(Debug)]
pub struct Words {
    table: WordTable,
    at_capacity: AtCapacity,
}

impl<A: Algorithm> Keys<A> for Words {
    fn new(_algorithm: &A, max_keys: usize, at_capacity: AtCapacity) -> Words {
        // At most 2^32 / 100 + 4 pages.
        let max_pages =
            u32::try_from(max_keys.div_ceil(KEYS_PER_PAGE)).unwrap_or(u32::MAX - SPARE_PAGES) + SPARE_PAGES;
        let forget = at_capacity == AtCapacity::ForgetSmallestDebt;
        Words { table: WordTable::new(max_pages, forget), at_capacity }
    }

    #[inline(always)]
    fn spend(&self, algorithm: &A, now: Now, tag: u64, cost: u64) -> Result<Allowed, Denied> {
        let reading = algorithm.read(now.time);
        match self.table.home(tag).hit(tag, &spend_rule(algorithm, reading, cost)) {
            Some(spent) => answer(algorithm, now, &reading, cost, spent),
            None => self.spend_anywhere(algorithm, now, tag, cost),
        }
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
                None => self.spend_anywhere(algorithm, now, *tag, 1),
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
        let stats = self.table.stats(position(algorithm, now));
        Stats {
            keys: stats.live,
            pages: stats.pages,
            splits: stats.splits,
            forgotten: stats.forced,
            bytes: size_of::<Words>() - size_of::<WordTable>() + stats.bytes,
        }
    }
}

impl Words {
    /// `spend` for a key that is not in its home line. Nothing but plain numbers is handed over, so that the common
    /// case keeps all it knows in registers.
    #[inline(never)]
    fn spend_anywhere<A: Algorithm>(
        &self,
        algorithm: &A,
        now: Now,
        tag: u64,
        cost: u64,
    ) -> Result<Allowed, Denied> {
        let reading = algorithm.read(now.time);
        let rule = spend_rule(algorithm, reading, cost);
        // What a new key is refused, every key is refused, and nothing will be written: no lock is needed to be sure that it is
        // new. A quota of zero tokens must not make all threads wait for one page. The refusal is right even for a key that is
        // being moved at this moment; its figures are then a new key's.
        if algorithm.spend(&reading, 0, cost).is_none() {
            let unknown = Spent { admitted: false, value: 0 };
            let spent = self.table.apply_if_known(tag, &rule).unwrap_or(unknown);
            return answer(algorithm, now, &reading, cost, spent);
        }
        match self.table.apply_beyond_home(tag, &rule) {
            Outcome::Done(spent, forgotten_below) => {
                answer(algorithm, now, &algorithm.catch_up(&reading, forgotten_below), cost, spent)
            }
            Outcome::NoRoom { soonest } => self.without_room(algorithm, now, &reading, cost, soonest),
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

/// Spends, or refuses and writes nothing.
#[inline]
fn spend_rule<A: Algorithm>(
    algorithm: &A,
    reading: A::Reading,
    cost: u64,
) -> AtReading<'_, A, impl Fn(&A, &A::Reading, u64) -> Step<Spent>> {
    let step = move |algorithm: &A, reading: &A::Reading, value| match algorithm.spend(reading, value, cost) {
        Some(spent) => write(value, spent, Spent { admitted: true, value: spent }),
        None => Step::Keep(Spent { admitted: false, value }),
    };
    AtReading { algorithm, reading, step }
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
