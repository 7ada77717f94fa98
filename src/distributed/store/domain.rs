//! [`Domain`]: what fails together, with its queue, its bulkhead and its breaker.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::pending::Caller;
use super::{Core, SharedStore};
use crate::clock::saturating_nanos;
use crate::distributed::backend::{Applied, BackendError, BackendErrorKind};
use crate::distributed::breaker::{Breaker, BreakerState};
use crate::distributed::operation::Operation;
use crate::distributed::store::stats::{Counters, DomainStats};

/// So many batches of a domain are under way at once. With one, what just missed it would wait a whole round trip before its own; with
/// two, half of one on average. More would make batches smaller and calls more, for little.
const LANES: usize = 2;

/// The most operations in a batch: two full ones are the bulkhead, and a script of 16 µs run so often keeps a Redis for 2 ms.
const MOST_IN_BATCH: usize = SharedStore::MOST_IN_FLIGHT / LANES;

/// What fails together. Relaxed throughout: the numbers lead to no other memory.
pub(super) struct Domain {
    index: u16,
    queue: Mutex<Queue>,
    /// Operations under way or waiting.
    occupied: Arc<AtomicUsize>,
    breaker: Mutex<Breaker>,
    /// The breaker's state, for those who come by.
    open: AtomicBool,
    /// Something failed since the last answer.
    ill: AtomicBool,
    /// How often there was an answer after a failure.
    recoveries: AtomicU64,
    /// As the last greeting was answered; 0 is unknown.
    nodes: AtomicU32,
    /// The longest that anybody waits for it, in nanoseconds.
    patience: AtomicU64,
    keeper: Arc<Notify>,
    /// Whether it has a keeper.
    kept: AtomicBool,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Lanes in use.
    running: usize,
}

/// An operation that waits for a batch.
pub(super) struct Waiting {
    pub(super) operation: Operation,
    pub(super) deadline: Instant,
    /// The time from the question to the deadline.
    pub(super) budget: Duration,
    /// Nobody, if it is only told.
    pub(super) caller: Option<Caller>,
    pub(super) occupied: Occupied,
}

/// A place in the bulkhead, left when this is dropped: with the answer, or with whatever became of it instead.
pub(super) struct Occupied(Arc<AtomicUsize>);

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Waiting {
    /// Something that is told, with nobody to hear the answer.
    pub(super) fn detached(
        core: &Core,
        domain: usize,
        operation: Operation,
        budget: Duration,
    ) -> Result<Waiting, BackendError> {
        let occupied = core.domains[domain].admit(&core.counters)?;
        Ok(Waiting { operation, deadline: Instant::now() + budget, budget, caller: None, occupied })
    }
}

impl Domain {
    pub(super) fn new(index: u16, seed: u64) -> Domain {
        Domain {
            index,
            queue: Mutex::default(),
            occupied: Arc::default(),
            breaker: Mutex::new(Breaker::new(seed)),
            open: AtomicBool::new(false),
            ill: AtomicBool::new(false),
            recoveries: AtomicU64::new(0),
            nodes: AtomicU32::new(0),
            patience: AtomicU64::new(0),
            keeper: Arc::default(),
            kept: AtomicBool::new(false),
        }
    }

    pub(super) fn index(&self) -> u16 {
        self.index
    }

    /// A place in the bulkhead, if there is one.
    pub(super) fn admit(&self, counters: &Counters) -> Result<Occupied, BackendError> {
        // Taken first and looked at afterwards, so that it is given back either way.
        let occupied = Occupied(Arc::clone(&self.occupied));
        if self.occupied.fetch_add(1, Ordering::Relaxed) < SharedStore::MOST_IN_FLIGHT {
            return Ok(occupied);
        }
        Counters::add(&counters.bulkhead_refusals, 1);
        let text = "as many operations as may be are under way";
        Err(BackendError::new(BackendErrorKind::Overloaded, Applied::No, text))
    }

    /// Lets it wait; whether a lane is free, which is the caller's from then on.
    pub(super) fn push(&self, waiting: Waiting) -> bool {
        let mut queue = self.queue.lock();
        queue.waiting.push_back(waiting);
        let free = queue.running < LANES;
        queue.running += usize::from(free);
        free
    }

    /// The next batch of a lane; `None` gives the lane back.
    pub(super) fn next_batch(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.queue.lock();
        let size = queue.waiting.len().min(MOST_IN_BATCH);
        if size == 0 {
            queue.running -= 1;
            return None;
        }
        Some(queue.waiting.drain(..size).collect())
    }

    /// A lane's task ended before its time; and what is lost with it. While another lane is left, what waits is for that one. Otherwise
    /// nobody may come who sends it, and what waits for ever would keep places in the bulkhead from all that come later.
    pub(super) fn lose_lane(&self) -> VecDeque<Waiting> {
        let mut queue = self.queue.lock();
        queue.running -= 1;
        if queue.running == 0 { mem::take(&mut queue.waiting) } else { VecDeque::new() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn with_breaker<R>(&self, with: impl FnOnce(&mut Breaker) -> R) -> R {
        let mut breaker = self.breaker.lock();
        let result = with(&mut breaker);
        let open = breaker.state() == BreakerState::Open;
        if open != self.open.swap(open, Ordering::Relaxed) && open {
            self.keeper.notify_one();
        }
        result
    }

    /// The store did what it was asked to: an outage, if there was one, is over.
    pub(super) fn is_well(&self) {
        if self.ill.load(Ordering::Relaxed) && self.ill.swap(false, Ordering::Relaxed) {
            self.recoveries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Something failed; and after how many recoveries.
    pub(super) fn is_ill(&self) -> u64 {
        self.ill.store(true, Ordering::Relaxed);
        self.recoveries()
    }

    pub(super) fn recoveries(&self) -> u64 {
        self.recoveries.load(Ordering::Relaxed)
    }

    /// Somebody waits for an answer so long.
    pub(super) fn waits(&self, budget: Duration) {
        let budget = saturating_nanos(budget);
        if budget > self.patience.load(Ordering::Relaxed) {
            self.patience.fetch_max(budget, Ordering::Relaxed);
            self.with_breaker(|breaker| breaker.waits(Duration::from_nanos(budget)));
        }
    }

    pub(super) fn nodes(&self) -> Option<u32> {
        Some(self.nodes.load(Ordering::Relaxed)).filter(|nodes| *nodes > 0)
    }

    pub(super) fn set_nodes(&self, nodes: u32) {
        self.nodes.store(nodes.max(1), Ordering::Relaxed);
    }

    pub(super) fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    /// Whether it was not kept before.
    pub(super) fn keep(&self) -> bool {
        !self.kept.swap(true, Ordering::AcqRel)
    }

    pub(super) fn leave(&self) {
        self.kept.store(false, Ordering::Release);
    }

    pub(super) fn wake_keeper(&self) {
        self.keeper.notify_one();
    }

    pub(super) fn keeper(&self) -> Arc<Notify> {
        Arc::clone(&self.keeper)
    }

    pub(super) fn stats(&self) -> DomainStats {
        let breaker = self.breaker.lock();
        DomainStats {
            domain: self.index,
            breaker: breaker.state(),
            opened: breaker.opened(),
            in_flight: self.occupied.load(Ordering::Relaxed),
            nodes: self.nodes(),
        }
    }
}
