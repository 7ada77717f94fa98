//! The keeper of a failure domain: greets the store while all is well, and probes it while the breaker is open.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use super::Core;
use super::stats::Counters;
use crate::distributed::backend::{BackendError, BackendErrorKind};
use crate::distributed::breaker::{Breaker, BreakerState, Outcome};
use crate::distributed::operation::{Hello, Operation};
use crate::distributed::reply::Reply;

/// While all is well. A node that comes or goes is known to the others so soon.
const GREETING_INTERVAL: Duration = Duration::from_secs(5);
/// Two greetings may be lost.
const LIFE: Duration = GREETING_INTERVAL.saturating_mul(3);

/// Sees to it that every domain has a keeper. They are tasks of the runtime in which the store is used first, or, when that is gone, next.
pub(super) fn ensure(core: &Arc<Core>, runtime: &Handle) {
    for (index, domain) in core.domains.iter().enumerate() {
        if !domain.is_kept() && domain.keep() {
            let kept = Kept { core: Arc::downgrade(core), index };
            runtime.spawn(keep(kept));
        }
    }
}

/// The task's hold of its domain.
struct Kept {
    core: Weak<Core>,
    index: usize,
}

impl Drop for Kept {
    /// Also when the task is dropped with its runtime.
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.domains[self.index].leave();
        }
    }
}

/// Ends with the store, of which it holds nothing while it sleeps.
async fn keep(kept: Kept) {
    let mut greet_at = Instant::now();
    while let Some(core) = kept.core.upgrade() {
        let domain = &core.domains[kept.index];
        let probe_at = domain.with_breaker(|breaker| breaker.probe_at());
        let call_at = probe_at.map_or(greet_at, |probe_at| core.beginning + probe_at);
        let woken = domain.keeper();
        drop(core);
        if timeout_at(call_at, woken.notified()).await.is_ok() {
            continue;
        }
        let Some(core) = kept.core.upgrade() else { return };
        if probe_at.is_some() {
            core.probe(kept.index).await;
        } else {
            core.greet(kept.index).await;
        }
        greet_at = Instant::now() + GREETING_INTERVAL;
    }
}

impl Core {
    async fn greet(&self, index: usize) {
        let outcome = match self.hello(index).await {
            Ok(()) => {
                self.domains[index].is_well();
                Outcome::Answered
            }
            Err(error) => Outcome::of_failure(&error, Breaker::PROBE_BUDGET),
        };
        self.record(index, [outcome]);
    }

    async fn probe(&self, index: usize) {
        Counters::add(&self.counters.probes, 1);
        let (domain, begun) = (&self.domains[index], self.now());
        domain.with_breaker(|breaker| breaker.probing(begun));
        let answer = self.hello(index).await;
        // By what is not allowed, too, a store shows that it is there.
        let good = answer.map_or_else(|error| error.kind() == BackendErrorKind::Configuration, |()| true);
        let now = self.now();
        let took = good.then(|| now.saturating_sub(begun));
        let state = domain.with_breaker(|breaker| {
            breaker.probed(now, took);
            breaker.state()
        });
        if state == BreakerState::Closed {
            domain.is_well();
            self.recovered.notify_waiters();
        }
    }

    /// Says that this node is there. Not through the queue: it is closed while the breaker is open.
    async fn hello(&self, index: usize) -> Result<(), BackendError> {
        let domain = &self.domains[index];
        let hello = [Operation::Hello(Hello::new(self.node, LIFE, domain.index()))];
        let deadline = Instant::now() + Breaker::PROBE_BUDGET;
        let answers = timeout_at(deadline, self.backend.execute(&hello, deadline.into_std())).await;
        match answers.unwrap_or_else(|_| vec![Err(super::batch::late())]).pop() {
            Some(Ok(Reply::Hello { nodes })) => {
                domain.set_nodes(nodes);
                Ok(())
            }
            Some(Err(error)) => Err(error),
            _ => Err(super::batch::short()),
        }
    }
}
