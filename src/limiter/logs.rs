//! [`Logs`]: keys under [`SlidingLog`], a list each, in the log table.

#[cfg(feature = "serde")]
mod saved;

use super::Stats;
use super::builder::AtCapacity;
use super::engine::{Engine, Keys};
use crate::algorithm::{Log, SlidingLog, Start};
use crate::build_error::BuildError;
use crate::clock::{Now, Timeline};
use crate::decision::{Allowed, Denied, Status};
use crate::store::{Bounds, Change, LogTable, NoRoom};

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
        // Once, so that the decision and its figures use one limit.
        let limit = algorithm.limit();
        let mut fits = false;
        let decide = |log: &Log| {
            fits = SlidingLog::fits(log, limit, cost);
            if fits { Change::Add(cost) } else { Change::Keep }
        };
        let tell = |log: &Log| algorithm.figures(log, limit, cost).seen_at(now.clock);
        match self.table.apply(tag, algorithm.time(now.time), decide, tell) {
            Ok(figures) if fits => Ok(Allowed::new(figures)),
            Ok(figures) => Err(Denied::new(figures)),
            Err(no_room) => self.without_room(algorithm, now, limit, cost, &no_room),
        }
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

impl Logs {
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
