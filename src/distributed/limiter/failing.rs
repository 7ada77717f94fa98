//! [`Failing`]: a limit's failure policy, and since when it has been needed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Question;
use crate::distributed::decision::{GlobalDecision, Source};
use crate::distributed::failure::{FailurePolicy, RETRY_WHEN_BACK};
use crate::distributed::fallback::{Fallback, Moment};
use crate::distributed::reply::Standing;

/// A limit's failure policy, and since when it has been needed.
pub(super) struct Failing {
    policy: FailurePolicy,
    limit: u64,
    /// There under `Local`.
    fallback: Option<Fallback>,
    expected_nodes: u32,
    /// When the limiter was built: keys that are asked for without an outage begin empty then.
    built: u64,
    /// When the outage of each failure domain began, on the limiter's clock.
    since: Box<[AtomicU64]>,
}

/// There is no outage.
const WELL: u64 = u64::MAX;

impl Failing {
    pub(super) fn new(
        policy: FailurePolicy,
        fallback: Option<Fallback>,
        limit: u64,
        expected_nodes: u32,
        built: u64,
        domains: usize,
    ) -> Failing {
        let since = (0..domains).map(|_| AtomicU64::new(WELL)).collect();
        Failing { policy, limit, fallback, expected_nodes, built, since }
    }

    pub(super) fn policy(&self) -> FailurePolicy {
        self.policy
    }

    /// What was sent at this time failed. An outage begins unless there is one. Relaxed: the time leads to no other memory.
    pub(super) fn begins(&self, domain: usize, sent: u64) {
        // The end of time is taken.
        let sent = sent.min(WELL - 1);
        let _ = self.since[domain].compare_exchange(WELL, sent, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// What was sent at this time was answered: an outage that had begun before is over.
    pub(super) fn is_over(&self, domain: usize, sent: u64) {
        let since = self.since[domain].load(Ordering::Relaxed);
        if since != WELL && since <= sent {
            let _ = self.since[domain].compare_exchange(since, WELL, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// What the policy says.
    pub(super) fn decide(
        &self,
        question: &Question<'_>,
        domain: usize,
        now: u64,
        nodes: Option<u32>,
    ) -> GlobalDecision {
        match (self.policy, &self.fallback) {
            (FailurePolicy::Open, _) => {
                let standing = Standing::new(self.limit, Some(Duration::ZERO), Duration::ZERO);
                GlobalDecision::new(true, Source::FailOpen, self.limit, standing)
            }
            (FailurePolicy::Local, Some(fallback)) => {
                let moment = self.moment(domain, now, nodes);
                let (allowed, standing) = fallback.spend(question.hash, question.cost, moment);
                GlobalDecision::new(allowed, Source::Fallback, self.limit, standing)
            }
            _ => {
                let standing = Standing::new(0, Some(RETRY_WHEN_BACK), RETRY_WHEN_BACK);
                GlobalDecision::new(false, Source::FailClosed, self.limit, standing)
            }
        }
    }

    /// Takes back what a decision spent here.
    pub(super) fn give_back(&self, question: &Question<'_>, domain: usize, nodes: Option<u32>) {
        if let Some(fallback) = &self.fallback {
            fallback.give_back(question.hash, question.cost, self.moment(domain, question.asked, nodes));
        }
    }

    fn moment(&self, domain: usize, now: u64, nodes: Option<u32>) -> Moment {
        let since = self.since[domain].load(Ordering::Relaxed);
        let since = if since == WELL { self.built } else { since };
        Moment { now, since, nodes: nodes.unwrap_or(self.expected_nodes) }
    }
}
