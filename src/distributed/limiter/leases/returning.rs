//! Bringing back what is not used: tokens that lie here are missing elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::{Counters, Leases};
use crate::distributed::lease::{LeaseReturn, Unspent};
use crate::distributed::limiter::report::AT_A_TIME;
use crate::distributed::operation::Operation;
use crate::distributed::reply::Reply;
use crate::distributed::store::SharedStore;

/// In a life it looks so often for what is idle, which is half a life after the last request.
const LOOKS_IN_A_LIFE: u32 = 4;
/// But no more often: it looks through all keys.
const SHORTEST_REST: Duration = Duration::from_millis(10);

/// The task that brings back what is idle.
#[derive(Default)]
pub(super) struct Keeping {
    /// Whether there is one.
    kept: AtomicBool,
    /// Something was leased since it last looked.
    leased: AtomicBool,
    /// Wakes it if it rests because nothing is leased.
    woken: Notify,
    /// The limiter is gone.
    closed: AtomicBool,
    closing: Notify,
}

impl Keeping {
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.closing.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// Something was leased. Called in a runtime.
pub(super) fn ensure(leases: &Arc<Leases>) {
    let keeping = &leases.keeping;
    if !keeping.leased.swap(true, Ordering::AcqRel) {
        keeping.woken.notify_one();
    }
    if !keeping.kept.load(Ordering::Relaxed) && !keeping.kept.swap(true, Ordering::AcqRel) {
        tokio::spawn(keep(Kept(Arc::clone(leases))));
    }
}

/// The task's hold of the leases.
struct Kept(Arc<Leases>);

impl Drop for Kept {
    /// Also when the task is dropped with its runtime.
    fn drop(&mut self) {
        self.0.keeping.kept.store(false, Ordering::Release);
    }
}

/// Ends with the limiter, whose leases it brings back then.
async fn keep(kept: Kept) {
    let Kept(leases) = &kept;
    let keeping = &leases.keeping;
    let rest = (leases.life / LOOKS_IN_A_LIFE).max(SHORTEST_REST);
    // The last looks of a life found nothing new: all is over.
    let mut quiet = 0;
    while !keeping.is_closed() {
        if quiet <= LOOKS_IN_A_LIFE {
            // Whatever ended it: it looks.
            let _ = timeout(rest, keeping.closing.notified()).await;
        } else {
            tokio::select! {
                () = keeping.woken.notified() => {}
                () = keeping.closing.notified() => {}
            }
        }
        quiet = if keeping.leased.swap(false, Ordering::AcqRel) { 0 } else { quiet + 1 };
        leases.bring_back(false).await;
    }
    leases.release().await;
}

impl Leases {
    /// Brings back all that is held.
    pub(in crate::distributed::limiter) async fn release(&self) {
        self.bring_back(true).await;
    }

    /// What is idle, or all of it.
    async fn bring_back(&self, all: bool) {
        for shard in 0..self.table.shards() {
            let unspent = self.table.sweep(self.clock.nanos(), shard, all);
            for some in unspent.chunks(AT_A_TIME) {
                self.return_some(some).await;
            }
        }
    }

    /// At once; they travel together. None is sent twice: what fails is over with its generation.
    async fn return_some(&self, unspent: &[(Vec<u8>, Unspent)]) {
        let deadline = (Instant::now() + SharedStore::BACKGROUND_BUDGET).into_std();
        let sent: Vec<_> = unspent
            .iter()
            .map(|(key, Unspent { report, tokens })| {
                let returned = LeaseReturn::new(self.subjects.of(key), *report, *tokens);
                (*tokens, self.store.submit(Operation::Return(returned), deadline))
            })
            .collect();
        for (tokens, pending) in sent {
            let reply = match pending {
                Ok(mut pending) => pending.answer().await,
                Err(error) => Err(error),
            };
            let counters = &self.counters;
            let is_done = matches!(reply, Ok(Reply::Done));
            Counters::add(if is_done { &counters.returned } else { &counters.unreturned }, tokens);
        }
    }
}
