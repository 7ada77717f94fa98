//! [`Pending`]: somebody waits for an answer; and what becomes of one that nobody waits for any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Core;
use super::domain::Waiting;
use super::stats::Counters;
use crate::distributed::backend::{Applied, BackendError, BackendErrorKind};
use crate::distributed::breaker::Outcome;
use crate::distributed::lease::{LeaseGrant, LeaseReport, LeaseReturn};
use crate::distributed::operation::{Operation, Spending};
use crate::distributed::reply::Reply;

/// It was not sent yet.
const WAITING: u8 = 0;
/// It was sent: it may have been carried out.
const SENT: u8 = 1;
/// Its caller left before it was sent: it never is.
const ABANDONED: u8 = 2;
/// Its deadline passed after it was sent, and the breaker knows.
const TIMED_OUT: u8 = 3;
/// As [`TIMED_OUT`], and its caller went on: what it charged, if it did, is due.
const KEPT: u8 = 4;

/// An answer, with the question: whoever finds that nobody hears it must know what to give back.
pub(super) struct Answered {
    operation: Operation,
    result: Result<Reply, BackendError>,
}

/// The batch's end of a question.
pub(super) struct Caller {
    phase: Arc<AtomicU8>,
    answer: oneshot::Sender<Answered>,
}

/// The caller's end of a question. Dropped without an answer it takes the question back if it was not sent, and otherwise has given back what
/// it spent.
pub(in crate::distributed) struct Pending {
    core: Arc<Core>,
    domain: usize,
    budget: Duration,
    deadline: Instant,
    phase: Arc<AtomicU8>,
    answer: Option<oneshot::Receiver<Answered>>,
}

/// Both ends of a question, if the domain takes one.
pub(super) fn of(
    core: &Arc<Core>,
    domain: usize,
    operation: Operation,
    deadline: Instant,
) -> Result<(Waiting, Pending), BackendError> {
    let occupied = core.domains[domain].admit(&core.counters)?;
    let phase = Arc::new(AtomicU8::new(WAITING));
    let (sender, receiver) = oneshot::channel();
    let caller = Caller { phase: Arc::clone(&phase), answer: sender };
    let budget = deadline.saturating_duration_since(Instant::now());
    let waiting = Waiting { operation, deadline, budget, caller: Some(caller), occupied };
    core.domains[domain].waits(budget);
    let core = Arc::clone(core);
    Ok((waiting, Pending { core, domain, budget, deadline, phase, answer: Some(receiver) }))
}

impl Pending {
    /// The answer, at the deadline at the latest. To be asked for once.
    pub(in crate::distributed) async fn answer(&mut self) -> Result<Reply, BackendError> {
        let Some(receiver) = &mut self.answer else { return Err(self.lost()) };
        match tokio::time::timeout_at(self.deadline, receiver).await {
            Ok(answered) => {
                self.answer = None;
                answered.map_or_else(|_| Err(self.lost()), |answered| answered.result)
            }
            Err(_) => Err(self.timed_out()),
        }
    }

    /// The task that had it, or would have sent it, is gone: its runtime was shut down, or the backend panicked.
    fn lost(&self) -> BackendError {
        let applied = if self.change(WAITING, ABANDONED) { Applied::No } else { Applied::Maybe };
        BackendError::new(BackendErrorKind::Unavailable, applied, "the task that had it is gone")
    }

    fn timed_out(&self) -> BackendError {
        Counters::add(&self.core.counters.timeouts, 1);
        self.core.record(self.domain, [Outcome::TimedOut(self.budget)]);
        let applied = if self.change(WAITING, ABANDONED) { Applied::No } else { Applied::Maybe };
        if applied == Applied::Maybe {
            self.change(SENT, TIMED_OUT);
            Counters::add(&self.core.counters.maybe_applied, 1);
        }
        let text = format!("no answer within {:?}", self.budget);
        BackendError::new(BackendErrorKind::Timeout, applied, text)
    }

    /// The caller goes on without the answer: if it was charged, that was right.
    pub(in crate::distributed) fn keep(self) {
        self.change(TIMED_OUT, KEPT);
    }

    fn change(&self, from: u8, to: u8) -> bool {
        // The channel orders what else there is to see.
        self.phase.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(mut receiver) = self.answer.take() else { return };
        if self.change(WAITING, ABANDONED) {
            return;
        }
        // From here on the sender finds nobody. What it sent just before is heard here.
        receiver.close();
        if let Ok(answered) = receiver.try_recv()
            && self.phase.load(Ordering::Acquire) != KEPT
        {
            answered.give_back(&self.core);
        }
    }
}

impl Caller {
    /// It is sent; `false` if its caller has left.
    pub(super) fn send(&self) -> bool {
        self.phase.compare_exchange(WAITING, SENT, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether the caller has told the breaker of a timeout.
    pub(super) fn has_timed_out(&self) -> bool {
        matches!(self.phase.load(Ordering::Acquire), TIMED_OUT | KEPT)
    }

    /// Hands over the answer, or gives back what it spent.
    pub(super) fn hear(self, core: &Arc<Core>, operation: Operation, result: Result<Reply, BackendError>) {
        let phase = self.phase;
        if let Err(unheard) = self.answer.send(Answered { operation, result })
            && phase.load(Ordering::Acquire) != KEPT
        {
            unheard.give_back(core);
        }
    }
}

impl Answered {
    /// Nobody will use what was admitted.
    fn give_back(self, core: &Arc<Core>) {
        let operations = match self.result {
            Ok(Reply::Checked { admitted: true, .. }) => opposite(self.operation),
            Ok(Reply::Leased(grant)) if grant.tokens > 0 => unspent(self.operation, grant),
            _ => return,
        };
        Counters::add(&core.counters.given_back, 1);
        for operation in operations {
            Core::tell(core, operation);
        }
    }
}

/// What undoes an operation that was admitted.
fn opposite(operation: Operation) -> Vec<Operation> {
    match operation {
        Operation::Check(spendings) => {
            spendings.into_iter().filter(|spending| spending.tokens > 0).map(refund).collect()
        }
        Operation::Acquire(place) => vec![Operation::Release(place)],
        _ => Vec::new(),
    }
}

/// What brings back a lease that nobody holds.
fn unspent(operation: Operation, grant: LeaseGrant) -> Vec<Operation> {
    let Operation::Lease(request) = operation else { return Vec::new() };
    let report = LeaseReport::new(grant.generation, 0);
    vec![Operation::Return(LeaseReturn::new(request.subject, report, grant.tokens))]
}

fn refund(spending: Spending) -> Operation {
    Operation::Refund(spending)
}
