//! The way of a check through leases: what is held, then what the store leases, then the failure policy.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use super::{Leases, Next};
use crate::distributed::decision::{GlobalDecision, Source};
use crate::distributed::limiter::{Inner, Question};

/// A check of a leased limit that is not decided yet: the question is under way.
pub(in crate::distributed::limiter) struct Waiting {
    asked: u64,
    deadline: Instant,
}

impl Inner {
    /// What is held, then what the store leases, then the failure policy.
    pub(in crate::distributed::limiter) async fn decide_leased(
        self: &Arc<Self>,
        leases: &Arc<Leases>,
        question: &Question<'_>,
    ) -> GlobalDecision {
        let decision = match self.begin_leased(leases, question, self.budget) {
            Ok(decision) => decision,
            Err(waiting) => self.finish_leased(leases, question, waiting).await,
        };
        self.owe_unanswered(question, &decision);
        decision
    }

    /// Decides if that can be done at once. Otherwise the store is asked from here on.
    pub(in crate::distributed::limiter) fn begin_leased(
        self: &Arc<Self>,
        leases: &Arc<Leases>,
        question: &Question<'_>,
        budget: Duration,
    ) -> Result<GlobalDecision, Waiting> {
        match leases.next(question, question.asked, None) {
            Next::Decided(decision) => Ok(decision),
            Next::Wait(asked) => Err(Waiting { asked, deadline: Instant::now() + budget }),
            Next::Failed => Ok(self.decide_unanswered(question)),
        }
    }

    /// Waits for the answer, until the deadline at most.
    pub(in crate::distributed::limiter) async fn finish_leased(
        self: &Arc<Self>,
        leases: &Arc<Leases>,
        question: &Question<'_>,
        Waiting { mut asked, deadline }: Waiting,
    ) -> GlobalDecision {
        // Somebody else has asked, and whoever waits needs a timer, which only a runtime has.
        if Handle::try_current().is_err() {
            return self.decide_unanswered(question);
        }
        loop {
            let mut answered = pin!(leases.answered(question.hash).notified());
            // From here on no answer is missed.
            answered.as_mut().enable();
            match leases.next(question, self.clock.nanos(), Some(asked)) {
                Next::Decided(decision) => return decision,
                Next::Wait(since) => asked = since,
                Next::Failed => return self.decide_unanswered(question),
            }
            if timeout_at(deadline, answered).await.is_err() {
                return self.decide_unanswered(question);
            }
        }
    }

    /// What is held, then the failure policy; the store is asked for whoever comes next.
    pub(in crate::distributed::limiter) fn decide_leased_now(
        self: &Arc<Self>,
        leases: &Arc<Leases>,
        question: &Question<'_>,
    ) -> GlobalDecision {
        match leases.next(question, question.asked, None) {
            Next::Decided(decision) => decision,
            Next::Wait(_) | Next::Failed => self.decide_unasked(question),
        }
    }

    /// No tokens came.
    fn decide_unanswered(&self, question: &Question<'_>) -> GlobalDecision {
        let domain = self.domain_of(question);
        self.note_outage(question, domain);
        self.decide_alone(question, domain)
    }

    /// What this node's share admitted is owed in any case: tokens that the store may have leased for it are lost.
    pub(in crate::distributed::limiter) fn owe_unanswered(
        self: &Arc<Self>,
        question: &Question<'_>,
        decision: &GlobalDecision,
    ) {
        if decision.is_allowed() && decision.source() == Source::Fallback {
            self.owe(question, self.domain_of(question));
        }
    }
}
