//! Tasks that check without pause for a turn.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::{JoinSet, coop};
use tollgate::Quota;

use crate::common::Outcome;
use crate::contender::{Contender, Kind};

/// What all contenders do.
pub(crate) struct Work {
    keys: Arc<[String]>,
    /// Indices of the keys, in the order of the checks; from the beginning again at the end.
    visits: Arc<[usize]>,
    pub(crate) quota: Quota,
    turn: Duration,
}

/// What came of a turn.
pub(crate) struct Done {
    pub(crate) wall: Duration,
    pub(crate) checks: u64,
    pub(crate) admitted: u64,
}

impl Work {
    pub(crate) fn new(keys: Vec<String>, visits: Vec<usize>, quota: Quota, turn: Duration) -> Work {
        Work { keys: keys.into(), visits: visits.into(), quota, turn }
    }

    /// Lets so many tasks check until the turn is over.
    pub(crate) fn run(&self, contender: &Contender, tasks: usize, runtime: &Runtime) -> Outcome<Done> {
        let stop = Arc::new(AtomicBool::new(false));
        let begun = Instant::now();
        let mut running = JoinSet::new();
        for task in 0..tasks {
            let visitor = Visitor {
                contender: contender.clone(),
                keys: Arc::clone(&self.keys),
                visits: Arc::clone(&self.visits),
                next: task * self.visits.len() / tasks,
                stop: Arc::clone(&stop),
            };
            running.spawn_on(visitor.run(), runtime.handle());
        }
        thread::sleep(self.turn);
        stop.store(true, Ordering::Relaxed);
        let counts = runtime.block_on(running.join_all());
        let wall = begun.elapsed();
        let mut done = Done { wall, checks: 0, admitted: 0 };
        for counts in counts {
            let (checks, admitted) = counts?;
            done.checks += checks;
            done.admitted += admitted;
        }
        Ok(done)
    }

    /// How many fit: a full bucket, and what comes back while they last; where that is more than anybody asked for, all. What may
    /// still be there in the end may be missing, and what this kind may spare.
    pub(crate) fn exact(&self, done: &Done, kind: Kind) -> RangeInclusive<u64> {
        let back = |time: Duration| {
            let tokens = time.as_nanos() * u128::from(self.quota.count()) / self.quota.period().as_nanos();
            u64::try_from(tokens).unwrap_or(u64::MAX)
        };
        let most = self.quota.capacity().saturating_add(back(done.wall));
        let least = most.saturating_sub(back(kind.late(self.quota))).min(done.checks);
        least - least * kind.spared() / 1_000..=most.min(done.checks)
    }
}

/// One task.
struct Visitor {
    contender: Contender,
    keys: Arc<[String]>,
    visits: Arc<[usize]>,
    next: usize,
    stop: Arc<AtomicBool>,
}

impl Visitor {
    /// How many checks, and how many of them were admitted.
    async fn run(mut self) -> Outcome<(u64, u64)> {
        let (mut checks, mut admitted) = (0, 0);
        while !self.stop.load(Ordering::Relaxed) {
            let key = &self.keys[self.visits[self.next]];
            admitted += u64::from(self.contender.check(key).await?);
            checks += 1;
            self.next = (self.next + 1) % self.visits.len();
            // As whatever else a server's task waits for does: or those that are answered at once would let nobody else run.
            coop::consume_budget().await;
        }
        Ok((checks, admitted))
    }
}
