//! Correcting in the background what a decision has spent.

use super::GlobalLimiter;
use crate::distributed::decision::{GlobalDecision, Source};
use crate::distributed::operation::{Operation, Spending};

/// What was spent, and what should have been.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Correction {
    pub(crate) spent: u64,
    pub(crate) actual: u64,
    /// The decision was made without asking the store.
    pub(crate) unasked: bool,
}

impl Correction {
    fn more(self) -> u64 {
        self.actual.saturating_sub(self.spent)
    }

    fn less(self) -> u64 {
        self.spent.saturating_sub(self.actual)
    }
}

impl GlobalLimiter {
    /// Makes what a decision that admitted so many tokens of `key` spend as many as these: in the background, and at most once.
    ///
    /// What nobody counted ([`Source::FailOpen`], when the store was asked) stays uncounted.
    pub(crate) fn correct(&self, key: &[u8], decision: &GlobalDecision, correction: Correction) {
        let (more, less) = (correction.more(), correction.less());
        if !decision.is_allowed() || more == less {
            return;
        }
        let limiter = &self.inner;
        let subject = || limiter.subjects.of(key);
        match decision.source() {
            Source::Lease | Source::Remote if less == 0 => {
                limiter.store.tell(Operation::Charge(Spending::new(subject(), more)));
            }
            Source::Lease | Source::Remote if limiter.leases.is_some() => {
                limiter.put_back(&limiter.question(key, less), decision);
            }
            Source::Lease | Source::Remote => {
                limiter.store.tell(Operation::Refund(Spending::new(subject(), less)));
                limiter.denied.forget(limiter.hasher.hash(key));
            }
            Source::FailOpen if !correction.unasked => {}
            Source::Fallback | Source::FailOpen if less == 0 => {
                let question = limiter.question(key, more);
                limiter.owe(&question, limiter.domain_of(&question));
            }
            Source::Fallback | Source::FailOpen => {
                let question = limiter.question(key, less);
                limiter.put_back(&question, decision);
                let paid = less - limiter.debts.remit(question.hash, less);
                // Of a question that was not answered nobody knows whether it was charged, and then it is not owed either.
                if paid > 0 && correction.unasked {
                    limiter.store.tell(Operation::Refund(Spending::new(subject(), paid)));
                }
            }
            Source::DenyCache | Source::FailClosed => {}
        }
    }
}
