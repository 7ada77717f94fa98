//! The way of a check: what this node knows, then the store, then the failure policy.

use std::sync::Arc;

use super::failing::Situation;
use super::{Inner, Question, checked, report};
use crate::distributed::backend::{Applied, BackendErrorKind};
use crate::distributed::decision::{GlobalDecision, Source};
use crate::distributed::fallback::Moment;
use crate::distributed::operation::{Operation, Spending};
use crate::distributed::reply::Standing;

impl Inner {
    /// What this node knows, then the store, then the failure policy.
    pub(super) async fn decide(self: &Arc<Self>, question: &Question<'_>) -> GlobalDecision {
        match self.decide_here(question) {
            Some(decision) => decision,
            None => match &self.leases {
                Some(leases) => self.decide_leased(leases.leases(), question).await,
                None => self.ask(question).await,
            },
        }
    }

    /// What this node knows, then the failure policy; the store is told afterwards.
    pub(super) fn decide_now(self: &Arc<Self>, question: &Question<'_>) -> GlobalDecision {
        self.decide_here(question).unwrap_or_else(|| match &self.leases {
            Some(leases) => self.decide_leased_now(leases.leases(), question),
            None => self.decide_unasked(question),
        })
    }

    /// What can be decided without the store, and without spending what was leased: that also knows what was refused.
    pub(super) fn decide_here(&self, question: &Question<'_>) -> Option<GlobalDecision> {
        let limit = self.subjects.rule.limit();
        if question.cost > limit {
            return Some(GlobalDecision::never(limit));
        }
        if self.leases.is_some() {
            return None;
        }
        let standing = self.denied.find(question.hash, question.cost, question.asked)?;
        Some(GlobalDecision::new(false, Source::DenyCache, limit, standing))
    }

    /// Asks the store; if it does not answer, the failure policy decides.
    async fn ask(self: &Arc<Self>, question: &Question<'_>) -> GlobalDecision {
        let domain = self.domain_of(question);
        // Before anything is made for the store: this is the way of all checks in an outage.
        if self.store.is_open(domain) {
            return self.decide_failed(question, domain, BackendErrorKind::Unavailable, Applied::No);
        }
        let spending = Spending::new(self.subjects.of(question.key), question.cost);
        let mut pending = match self.store.submit(Operation::Check(vec![spending]), self.deadline()) {
            Ok(pending) => pending,
            Err(error) => return self.decide_failed(question, domain, error.kind(), error.applied()),
        };
        match pending.answer().await.and_then(checked) {
            Ok((admitted, standing)) => self.hear(question, admitted, standing),
            Err(error) => {
                let decision = self.decide_failed(question, domain, error.kind(), error.applied());
                if decision.is_allowed() {
                    pending.keep();
                }
                decision
            }
        }
    }

    /// The store has answered.
    pub(super) fn hear(&self, question: &Question<'_>, admitted: bool, standing: Standing) -> GlobalDecision {
        if !admitted {
            self.learn(question, &standing);
        }
        GlobalDecision::new(admitted, Source::Remote, self.subjects.rule.limit(), standing)
    }

    /// The store refused this cost.
    pub(super) fn learn(&self, question: &Question<'_>, standing: &Standing) {
        match &self.leases {
            Some(leases) => leases.leases().learn(question.key, question.cost, question.asked, standing),
            None => self.denied.learn(question.hash, question.cost, question.asked, standing),
        }
    }

    /// The store could not be asked, or did not answer.
    fn decide_failed(
        self: &Arc<Self>,
        question: &Question<'_>,
        domain: usize,
        kind: BackendErrorKind,
        applied: Applied,
    ) -> GlobalDecision {
        self.note_failure(question, domain, kind);
        let decision = self.decide_alone(question, domain);
        if decision.is_allowed() {
            self.owe_after(question, domain, &decision, applied);
        }
        decision
    }

    pub(super) fn note_failure(&self, question: &Question<'_>, domain: usize, kind: BackendErrorKind) {
        if let Some(observer) = &self.observer {
            observer.failed(&self.subjects.name, kind.as_str());
        }
        self.note_outage(question, domain);
    }

    pub(super) fn note_outage(&self, question: &Question<'_>, domain: usize) {
        self.failing.begins(domain, question.asked, self.store.note_outage(domain));
    }

    /// What this node's share admitted is owed, unless it may have been charged: that is never charged again.
    pub(super) fn owe_after(
        self: &Arc<Self>,
        question: &Question<'_>,
        domain: usize,
        decision: &GlobalDecision,
        applied: Applied,
    ) {
        match (decision.source(), applied) {
            (Source::Fallback, Applied::No) => self.owe(question, domain),
            (Source::Fallback, Applied::Maybe) => self.debts.forgive(question.cost),
            _ => {}
        }
    }

    /// Nobody asks the store.
    fn decide_unasked(self: &Arc<Self>, question: &Question<'_>) -> GlobalDecision {
        let decision = self.decide_alone(question, self.domain_of(question));
        self.owe_unasked(question, &decision);
        decision
    }

    /// What was admitted without asking the store is owed, also under `Open`; but what was leased is paid.
    pub(super) fn owe_unasked(self: &Arc<Self>, question: &Question<'_>, decision: &GlobalDecision) {
        if decision.is_allowed() && matches!(decision.source(), Source::Fallback | Source::FailOpen) {
            self.owe(question, self.domain_of(question));
        }
    }

    pub(super) fn domain_of(&self, question: &Question<'_>) -> usize {
        self.subjects.domain_of(question.key, &self.store)
    }

    pub(super) fn decide_alone(&self, question: &Question<'_>, domain: usize) -> GlobalDecision {
        let now = self.clock.nanos().max(question.asked);
        self.failing.decide(question, now, self.situation(question, domain))
    }

    /// By what was leased the store has said what this node's share of the key is; otherwise, how many nodes there are.
    pub(super) fn situation(&self, question: &Question<'_>, domain: usize) -> Situation {
        let share =
            self.leases.as_ref().and_then(|leases| leases.leases().nodes(question.key, question.asked));
        let one_of = || self.store.nodes(domain).map(|nodes| u64::from(nodes) * Moment::NODE);
        Situation { domain, outage: self.store.outage(domain), nodes: share.or_else(one_of) }
    }

    /// What was admitted without the store is charged to it when it can be.
    pub(super) fn owe(self: &Arc<Self>, question: &Question<'_>, domain: usize) {
        self.debts.add(question, domain, self.subjects.rule.limit());
        report::ensure(self);
    }
}
