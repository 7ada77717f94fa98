//! [`Owed`]: what is owed to limits that many nodes share until the answer's body has ended.

use http::response;

use super::answers::Answers;
use super::{Asked, Global};
use crate::distributed::{Correction, GlobalDecision, GlobalPermit};
use crate::http::rules::Rules;

/// Places that a request holds, and estimates that it was charged. Dropped, places are given back and estimates stay charged.
#[derive(Default)]
pub(in crate::http) struct Owed {
    permits: Vec<GlobalPermit>,
    estimates: Vec<Estimate>,
}

struct Estimate {
    asked: Asked,
    decision: GlobalDecision,
    /// What it was found to cost when the answer began.
    at_head: Option<u64>,
}

impl Owed {
    /// What remains to be done after a check that admitted.
    pub(super) fn of(rules: &Rules, asked: Vec<Asked>, answers: Answers) -> Owed {
        let Answers { decisions, permits } = answers;
        let decided = asked.into_iter().zip(decisions);
        let estimates = decided.filter_map(|(asked, decision)| {
            let is_estimate = rules.global[asked.limit].cost.after.is_some();
            let decision = decision?;
            is_estimate.then_some(Estimate { asked, decision, at_head: None })
        });
        Owed { permits, estimates: estimates.collect() }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.permits.is_empty() && self.estimates.is_empty()
    }

    /// The answer has begun.
    pub(in crate::http) fn answered(&mut self, rules: &Rules, answer: &response::Parts) {
        for estimate in &mut self.estimates {
            estimate.at_head = rules.global[estimate.asked.limit].cost.at_head(answer);
        }
    }

    /// The answer has ended, or will not go on: so many bytes of its body were sent. The rest goes on in the background.
    pub(in crate::http) fn end(self, rules: &Rules, bytes: u64) {
        for Estimate { asked, decision, at_head } in self.estimates {
            let limit = &rules.global[asked.limit];
            let Global::Rate(limiter) = &limit.source else { continue };
            if let Some(actual) = limit.cost.at_end(at_head, bytes) {
                let correction = Correction { spent: asked.cost, actual, unasked: false };
                limiter.correct(&asked.key, &decision, correction);
            }
        }
    }
}
