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
    /// The last outage of each failure domain.
    outages: Box<[Outage]>,
}

/// Since when, on the limiter's clock, and the number by which the store tells outages apart.
struct Outage {
    since: AtomicU64,
    number: AtomicU64,
    /// When something last failed.
    last: AtomicU64,
}

const NEVER: u64 = u64::MAX;

/// Nanoseconds. Where some questions fail and others do not, what fails again within a second is still out: otherwise a share would begin anew, and empty,
/// with every good answer to others.
const GOES_ON: u64 = 1_000_000_000;

impl Outage {
    /// When it began, if it is the one of this number.
    fn since(&self, number: u64) -> Option<u64> {
        let since = self.since.load(Ordering::Relaxed);
        let is_this = since != NEVER && self.number.load(Ordering::Relaxed) == number;
        is_this.then_some(since)
    }
}

/// What the store knows about a failure domain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    pub(super) domain: usize,
    /// Of the outage that there is, or would be.
    pub(super) outage: u64,
    /// Among how many nodes the limit is divided, in millionths of one.
    pub(super) nodes: Option<u64>,
}

impl Failing {
    pub(super) fn new(
        policy: FailurePolicy,
        fallback: Option<Fallback>,
        limit: u64,
        expected_nodes: u32,
        built: u64,
        domains: usize,
    ) -> Failing {
        let none =
            || Outage { since: AtomicU64::new(NEVER), number: AtomicU64::new(0), last: AtomicU64::new(0) };
        let outages = (0..domains).map(|_| none()).collect();
        Failing { policy, limit, fallback, expected_nodes, built, outages }
    }

    pub(super) fn policy(&self) -> FailurePolicy {
        self.policy
    }

    /// What was sent at this time failed, in the outage of this number. Relaxed: the time leads to no other memory; two who find a new outage
    /// together began at about the same time.
    pub(super) fn begins(&self, domain: usize, sent: u64, number: u64) {
        let outage = &self.outages[domain];
        let last = outage.last.swap(sent, Ordering::Relaxed);
        if outage.since(number).is_none() {
            let goes_on =
                outage.since.load(Ordering::Relaxed) != NEVER && sent.saturating_sub(last) < GOES_ON;
            if !goes_on {
                outage.since.store(sent.min(NEVER - 1), Ordering::Relaxed);
            }
            outage.number.store(number, Ordering::Relaxed);
        }
    }

    /// What the policy says.
    pub(super) fn decide(&self, question: &Question<'_>, now: u64, situation: Situation) -> GlobalDecision {
        match (self.policy, &self.fallback) {
            (FailurePolicy::Open, _) => {
                let standing = Standing::new(self.limit, Some(Duration::ZERO), Duration::ZERO);
                GlobalDecision::new(true, Source::FailOpen, self.limit, standing)
            }
            (FailurePolicy::Local, Some(fallback)) => {
                let moment = self.moment(now, situation);
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
    pub(super) fn give_back(&self, question: &Question<'_>, situation: Situation) {
        if let Some(fallback) = &self.fallback {
            fallback.give_back(question.hash, question.cost, self.moment(question.asked, situation));
        }
    }

    fn moment(&self, now: u64, situation: Situation) -> Moment {
        let since = self.outages[situation.domain].since(situation.outage).unwrap_or(self.built);
        Moment { now, since, nodes: situation.nodes.unwrap_or(u64::from(self.expected_nodes) * Moment::NODE) }
    }
}
