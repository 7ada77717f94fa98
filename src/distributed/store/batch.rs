//! Batches on their way: what waits in a domain's queue is sent together, and each caller gets its own answer.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Core;
use super::domain::{Domain, Occupied, Waiting};
use super::pending::Caller;
use super::stats::Counters;
use crate::distributed::backend::{Applied, BackendError, BackendErrorKind};
use crate::distributed::breaker::Outcome;
use crate::distributed::operation::Operation;
use crate::distributed::reply::Reply;

/// Sends batches until nothing waits. It is a task of its own, so that no caller who leaves can stop what others wait for.
pub(super) async fn run(mut lane: Lane) {
    while let Some(batch) = lane.next() {
        let (operations, sent) = depart(batch);
        if !operations.is_empty() {
            carry(&lane.core, lane.domain, operations, sent).await;
        }
    }
}

/// A lane in use. It is given back also when the task is dropped with its runtime, be it before it has begun, or by a panic of the backend.
pub(super) struct Lane {
    core: Arc<Core>,
    domain: usize,
    held: bool,
}

impl Lane {
    /// A lane that is the caller's.
    pub(super) fn new(core: Arc<Core>, domain: usize) -> Lane {
        Lane { core, domain, held: true }
    }

    fn next(&mut self) -> Option<Vec<Waiting>> {
        let batch = self.domain().next_batch();
        self.held = batch.is_some();
        batch
    }

    fn domain(&self) -> &Domain {
        &self.core.domains[self.domain]
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if self.held {
            let untold = self.domain().lose_lane().iter().filter(|waiting| waiting.caller.is_none()).count();
            Counters::add(&self.core.counters.untold, untold);
        }
    }
}

/// What is known of an operation that was sent, other than itself.
struct Sent {
    caller: Option<Caller>,
    deadline: Instant,
    budget: Duration,
    occupied: Occupied,
}

impl Sent {
    /// Whether the caller has noticed by itself that there was no answer.
    fn has_timed_out(&self) -> bool {
        self.caller.as_ref().is_some_and(Caller::has_timed_out)
    }
}

/// Leaves behind those whose callers have left.
fn depart(batch: Vec<Waiting>) -> (Vec<Operation>, Vec<Sent>) {
    let is_wanted = |waiting: &Waiting| waiting.caller.as_ref().is_none_or(Caller::send);
    let apart = |Waiting { operation, deadline, budget, caller, occupied }| {
        (operation, Sent { caller, deadline, budget, occupied })
    };
    batch.into_iter().filter(is_wanted).map(apart).unzip()
}

async fn carry(core: &Arc<Core>, domain: usize, operations: Vec<Operation>, sent: Vec<Sent>) {
    Counters::add(&core.counters.batches, 1);
    Counters::add(&core.counters.operations, operations.len());
    let deadline = sent.iter().map(|sent| sent.deadline).max().unwrap_or_else(Instant::now);
    let answers = timeout_at(deadline, core.backend.execute(&operations, deadline.into_std())).await;
    let missing = if answers.is_ok() { short() } else { late() };
    let rest = iter::repeat_with(|| Err(missing.clone()));
    let results: Vec<_> = answers.unwrap_or_default().into_iter().chain(rest).take(sent.len()).collect();

    let news = sent.iter().zip(&results).filter(|(sent, _)| !sent.has_timed_out());
    let outcomes = news.map(|(sent, result)| {
        core.counters.note(result);
        result.as_ref().map_or_else(|error| Outcome::of_failure(error, sent.budget), |_| Outcome::Answered)
    });
    core.record(domain, outcomes);
    if results.iter().any(Result::is_ok) {
        core.domains[domain].is_well();
    }
    for ((operation, sent), result) in operations.into_iter().zip(sent).zip(results) {
        answer(core, operation, sent, result);
    }
}

fn answer(core: &Arc<Core>, operation: Operation, sent: Sent, result: Result<Reply, BackendError>) {
    // First: whoever has the answer finds the place free.
    drop(sent.occupied);
    if let Some(caller) = sent.caller {
        caller.hear(core, operation, result);
    }
}

pub(super) fn late() -> BackendError {
    BackendError::new(BackendErrorKind::Timeout, Applied::Maybe, "no answer within the time that was left")
}

pub(super) fn short() -> BackendError {
    let text = "the backend gave fewer answers than it was asked for: each operation needs one";
    BackendError::new(BackendErrorKind::Protocol, Applied::Maybe, text)
}
