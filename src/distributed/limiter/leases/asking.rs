//! Asking for tokens: in tasks of their own, so that no caller who leaves can lose what is leased.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{Counters, Leases, Question, returning};
use crate::distributed::backend::{Applied, BackendError, BackendErrorKind};
use crate::distributed::key_hash::KeyHash;
use crate::distributed::lease::{LeaseAsk, LeaseRequest};
use crate::distributed::limiter::unfit_reply;
use crate::distributed::operation::Operation;
use crate::distributed::reply::Reply;
use crate::distributed::store::Pending;

/// A question under way. However its task ends, those who wait are told.
struct Asked {
    leases: Arc<Leases>,
    key: Arc<[u8]>,
    hash: KeyHash,
    sent: u64,
    ask: LeaseAsk,
    is_over: bool,
}

impl Leases {
    /// Asks for tokens; whether that was possible.
    pub(super) fn ask(self: &Arc<Self>, question: &Question<'_>, sent: u64, ask: LeaseAsk) -> bool {
        match self.send(question, sent, ask) {
            Ok(()) => true,
            Err(kind) => {
                self.table.unsent(sent, question.key, &ask);
                self.answered(question.hash).notify_waiters();
                self.note_failure(kind);
                false
            }
        }
    }

    fn send(
        self: &Arc<Self>,
        question: &Question<'_>,
        sent: u64,
        ask: LeaseAsk,
    ) -> Result<(), BackendErrorKind> {
        // Before anything is made for the store: this is the way of all checks in an outage.
        if self.store.is_open(self.subjects.domain_of(question.key, &self.store)) {
            return Err(BackendErrorKind::Unavailable);
        }
        let runtime = self.store.runtime();
        let _entered = runtime.as_ref().map(Handle::enter);
        let subject = self.subjects.of(question.key);
        let key = Arc::clone(&subject.key);
        let deadline = (tokio::time::Instant::now() + self.budget).into_std();
        // Fails without a runtime.
        let pending = self
            .store
            .submit(Operation::Lease(LeaseRequest::new(subject, ask)), deadline)
            .map_err(|error| error.kind())?;
        Counters::add(&self.counters.calls, 1);
        let leases = Arc::clone(self);
        tokio::spawn(hear(Asked { leases, key, hash: question.hash, sent, ask, is_over: false }, pending));
        Ok(())
    }
}

async fn hear(mut asked: Asked, mut pending: Pending) {
    let reply = pending.answer().await;
    let leases = Arc::clone(&asked.leases);
    asked.is_answered(reply);
    // Tells those who wait.
    drop(asked);
    returning::ensure(&leases);
    if leases.keeping.is_closed() {
        // The limiter was dropped meanwhile.
        leases.release().await;
    }
}

impl Asked {
    fn is_answered(&mut self, reply: Result<Reply, BackendError>) {
        let Asked { leases, key, sent, ask, .. } = self;
        let error = match reply {
            Ok(Reply::Leased(grant)) => {
                Counters::add(&leases.counters.leased, grant.tokens);
                leases.table.granted(leases.clock.nanos(), *sent, key, grant);
                self.is_over = true;
                return;
            }
            Ok(_) => unfit_reply(),
            Err(error) => error,
        };
        if error.applied() == Applied::No {
            leases.table.unsent(*sent, key, ask);
        }
        leases.note_failure(error.kind());
    }
}

impl Drop for Asked {
    /// Also when the task is dropped with its runtime.
    fn drop(&mut self) {
        if !self.is_over {
            self.leases.table.lost(self.sent, &self.key);
        }
        self.leases.answered(self.hash).notify_waiters();
    }
}
