//! [`Logs`]: keys under [`SlidingLog`], a list each, in the log table.

#[cfg(feature = "serde")]
mod saved;

use std::time::Duration;

use super::Stats;
use super::builder::AtCapacity;
use super::engine::{Engine, Keys, Receipt, Taken};
use crate::algorithm::{Log, SlidingLog, Start};
use crate::build_error::BuildError;
use crate::clock::{Now, Timeline};
use crate::decision::{Allowed, Denied, Figures, Status};
use crate::store::{Bounds, Change, LogTable, NoRoom, Pending};

/// The log table, and what to do when it is full.
#[derive(Debug)]
pub struct Logs {
    table: LogTable,
    at_capacity: AtCapacity,
}

impl Engine for SlidingLog {
    type Keys = Logs;

    fn begin(&mut self, _start: Start, max_keys: usize) -> Result<(), BuildError> {
        SlidingLog::begin(self, max_keys)
    }

    fn refill_time(&self) -> Option<Duration> {
        Some(self.window())
    }
}

impl Keys<SlidingLog> for Logs {
    fn new(algorithm: &SlidingLog, max_keys: usize, at_capacity: AtCapacity) -> Logs {
        let bounds = Bounds {
            window: algorithm.window_nanos(),
            max_keys,
            max_times: algorithm.most_times(),
            forget_at_capacity: at_capacity == AtCapacity::ForgetSmallestDebt,
        };
        let table = LogTable::new(algorithm.shards(), bounds);
        Logs { table, at_capacity }
    }

    fn spend(&self, algorithm: &SlidingLog, now: Now, tag: u64, cost: u64) -> Result<Allowed, Denied> {
        self.spend_and_tell(algorithm, now, tag, cost).map(|(allowed, _)| allowed)
    }

    fn take(&self, algorithm: &SlidingLog, now: Now, tag: u64, cost: u64) -> Result<Receipt, Denied> {
        self.spend_and_tell(algorithm, now, tag, cost).map(|(_, receipt)| receipt)
    }

    fn prepare(&self, algorithm: &SlidingLog, now: Now, tag: u64, cost: u64) -> (bool, Option<Pending<'_>>) {
        (self.look(algorithm, now, tag, cost).is_ok(), None)
    }

    fn look(&self, algorithm: &SlidingLog, now: Now, tag: u64, cost: u64) -> Result<Allowed, Denied> {
        let limit = algorithm.limit();
        let tell = |log: &Log| {
            let figures = algorithm.figures(log, limit, cost).seen_at(now.clock);
            if SlidingLog::fits(log, limit, cost) {
                Ok(Allowed::new(figures))
            } else {
                Err(Denied::new(figures))
            }
        };
        // To look asks for no room.
        self.table
            .apply(tag, algorithm.time(now.time), |_| Change::Keep, tell)
            .unwrap_or_else(|_| tell(&Log::default()))
    }

    fn after(&self, algorithm: &SlidingLog, now: Now, tag: u64, cost: u64, _receipt: Receipt) -> Figures {
        let limit = algorithm.limit();
        let tell = |log: &Log| algorithm.figures(log, limit, cost).seen_at(now.clock);
        self.table
            .apply(tag, algorithm.time(now.time), |_| Change::Keep, tell)
            .unwrap_or_else(|_| tell(&Log::default()))
    }

    fn undo(&self, algorithm: &SlidingLog, now: Now, tag: u64, cost: u64, undone: Receipt) {
        if undone == UNTRACKED {
            return;
        }
        let change = given_back(undone, cost);
        // What is not there cannot be taken back.
        let _ = self.table.apply(tag, algorithm.time(now.time), |_| change, |_| ());
    }

    fn settle(
        &self,
        algorithm: &SlidingLog,
        now: Now,
        tag: u64,
        estimate: u64,
        actual: u64,
        settled: Receipt,
    ) {
        if estimate == 0 {
            // Nothing was charged anywhere yet.
            self.charge(algorithm, now, tag, actual);
        }
        if estimate == 0 || settled == UNTRACKED {
            return;
        }
        let (less, more) = (estimate.saturating_sub(actual), actual.saturating_sub(estimate));
        let passed = algorithm.passes_at(settled.before).is_some_and(|time| time <= now.time);
        let decide = |log: &Log| {
            if passed {
                Change::Keep
            } else if log.has(settled.before) {
                Change::Settle { time: settled.before, less, more }
            } else {
                // Forgotten since.
                Change::Add(more)
            }
        };
        // As a charge: what there is no room for is not charged.
        let _ = self.table.apply(tag, algorithm.time(now.time), decide, |_| ());
    }

    fn schedule(
        &self,
        algorithm: &SlidingLog,
        now: Now,
        tag: u64,
        cost: u64,
        max_delay: u64,
    ) -> Result<Taken, Denied> {
        let limit = algorithm.limit();
        let latest = now.clock.saturating_add(max_delay);
        let mut slot_at = None;
        let decide = |log: &Log| {
            slot_at = algorithm.slot_at(log, limit, cost);
            match slot_at {
                Some(0) => Change::Add(cost),
                Some(time) if time <= latest => Change::AddAhead { time: algorithm.time(time), tokens: cost },
                _ => Change::Keep,
            }
        };
        let tell = |log: &Log| (algorithm.figures(log, limit, cost), receipt(log));
        match (self.table.apply(tag, algorithm.time(now.time), decide, tell), slot_at) {
            (Ok((_, receipt)), Some(time)) if time <= latest => Ok(Taken { time, receipt }),
            (Ok((figures, _)), _) => Err(Denied::beyond(&figures, slot_at, max_delay, now.clock)),
            (Err(no_room), _) => {
                let taken = Taken { time: now.clock, receipt: UNTRACKED };
                self.without_room(algorithm, now, limit, cost, &no_room).map(|_| taken)
            }
        }
    }

    fn unschedule(&self, algorithm: &SlidingLog, now: Now, tag: u64, cost: u64, slot: Receipt) {
        let is_last = |log: &Log| receipt(log) == slot && slot != UNTRACKED;
        let decide = |log: &Log| if is_last(log) { given_back(slot, cost) } else { Change::Keep };
        let _ = self.table.apply(tag, algorithm.time(now.time), decide, |_| ());
    }

    fn spend_group(
        &self,
        algorithm: &SlidingLog,
        timeline: &Timeline,
        tags: &[u64],
        answers: &mut Vec<Result<Allowed, Denied>>,
    ) {
        let now = timeline.now();
        answers.extend(tags.iter().map(|tag| self.spend(algorithm, now, *tag, 1)));
    }

    fn charge(&self, algorithm: &SlidingLog, now: Now, tag: u64, tokens: u64) -> Status {
        let limit = algorithm.limit();
        let tell = |log: &Log| algorithm.figures(log, limit, 1);
        let figures = self.table.apply(tag, algorithm.time(now.time), |_| Change::Add(tokens), tell);
        Status::new(figures.unwrap_or_else(|_| tell(&Log::default())).seen_at(now.clock))
    }

    fn refund(&self, algorithm: &SlidingLog, now: Now, tag: u64, tokens: u64) {
        // A refund never asks for room: a key without a list is full.
        let _ = self.table.apply(tag, algorithm.time(now.time), |_| Change::TakeBack(tokens), |_| ());
    }

    fn reset(&self, _algorithm: &SlidingLog, _now: Now, tag: u64) {
        self.table.forget(tag);
    }

    fn clear(&self) {
        self.table.clear();
    }

    fn live(&self, algorithm: &SlidingLog, now: Now) -> usize {
        self.table.stats(algorithm.time(now.time)).live
    }

    fn is_idle(&self, algorithm: &SlidingLog, now: Now) -> bool {
        self.table.is_idle(algorithm.time(now.time))
    }

    fn stats(&self, algorithm: &SlidingLog, now: Now) -> Stats {
        let stats = self.table.stats(algorithm.time(now.time));
        Stats {
            keys: stats.live,
            pages: 0,
            splits: 0,
            forgotten: stats.forced,
            bytes: size_of::<Logs>() + stats.bytes,
        }
    }
}

/// What was just added to a list.
fn receipt(log: &Log) -> Receipt {
    let (time, after) = log.newest_mark().unwrap_or_default();
    Receipt { before: time, after }
}

/// All of a charge that still counts; nothing of what was spent at another time.
fn given_back(receipt: Receipt, cost: u64) -> Change {
    Change::Settle { time: receipt.before, less: cost, more: 0 }
}

/// There is no list; one that was ever added to has a larger sum.
const UNTRACKED: Receipt = Receipt { before: 0, after: 0 };

impl Logs {
    fn spend_and_tell(
        &self,
        algorithm: &SlidingLog,
        now: Now,
        tag: u64,
        cost: u64,
    ) -> Result<(Allowed, Receipt), Denied> {
        // Once, so that the decision and its figures use one limit.
        let limit = algorithm.limit();
        let mut fits = false;
        let decide = |log: &Log| {
            fits = SlidingLog::fits(log, limit, cost);
            if fits { Change::Add(cost) } else { Change::Keep }
        };
        let tell = |log: &Log| (algorithm.figures(log, limit, cost).seen_at(now.clock), receipt(log));
        match self.table.apply(tag, algorithm.time(now.time), decide, tell) {
            Ok((figures, receipt)) if fits => Ok((Allowed::new(figures), receipt)),
            Ok((figures, _)) => Err(Denied::new(figures)),
            Err(no_room) => {
                self.without_room(algorithm, now, limit, cost, &no_room).map(|allowed| (allowed, UNTRACKED))
            }
        }
    }

    /// The answer for a new key that cannot be kept.
    #[cold]
    fn without_room(
        &self,
        algorithm: &SlidingLog,
        now: Now,
        limit: u64,
        cost: u64,
        no_room: &NoRoom,
    ) -> Result<Allowed, Denied> {
        if self.at_capacity == AtCapacity::AllowUntracked {
            // It holds what it would hold if it were kept.
            let mut log = Log::default();
            log.add(algorithm.time(now.time), cost);
            return Ok(Allowed::new(algorithm.figures(&log, limit, cost).seen_at(now.clock)));
        }
        let room_at = no_room.oldest.and_then(|oldest| algorithm.passes_at(oldest));
        Err(Denied::no_room(limit, room_at, now.clock))
    }
}
