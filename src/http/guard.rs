//! [`Guard`]: what is held and owed until the answer's body has ended.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, StatusCode, response};

#[cfg(feature = "distributed")]
use super::global::Owed;
use super::limit::Asked;
use super::rules::Rules;
use crate::concurrency::Permit;
use crate::limiter::{AllowedAll, Outcome};
#[cfg(feature = "policy")]
use crate::policy::Verdict;

/// Places that a request holds, and estimates that it was charged. Dropped, places are given back and estimates stay charged.
pub(super) struct Guard {
    all: AllowedAll<'static>,
    /// Places that were queued for.
    permits: Vec<Permit<'static>>,
    rules: Arc<Rules>,
    asked: Vec<Asked>,
    /// What each limit's cost was found to be when the answer began.
    actual: Vec<Option<u64>>,
    /// Of limits that many nodes share.
    #[cfg(feature = "distributed")]
    global: Owed,
    /// What policies said, in a layer that has them.
    #[cfg(feature = "policy")]
    verdict: Option<Verdict>,
}

impl Guard {
    /// `asked` begins with what `all` was asked, in that order; what was charged as one with any of it may follow.
    pub(super) fn new(
        all: AllowedAll<'static>,
        permits: Vec<Permit<'static>>,
        rules: Arc<Rules>,
        asked: Vec<Asked>,
    ) -> Guard {
        Guard {
            all,
            permits,
            rules,
            asked,
            actual: Vec::new(),
            #[cfg(feature = "distributed")]
            global: Owed::default(),
            #[cfg(feature = "policy")]
            verdict: None,
        }
    }

    /// Of nothing yet.
    #[cfg(feature = "distributed")]
    pub(super) fn of_nothing(rules: Arc<Rules>) -> Guard {
        Guard::new(AllowedAll::taken([]), Vec::new(), rules, Vec::new())
    }

    /// Of places that policies count.
    #[cfg(feature = "policy")]
    pub(super) fn of_policies(verdict: Verdict, rules: Arc<Rules>) -> Guard {
        let verdict = Some(verdict);
        Guard { verdict, ..Guard::of_nothing(rules) }
    }

    /// With what is held and owed of limits that many nodes share.
    #[cfg(feature = "distributed")]
    pub(super) fn and_of(self, global: Owed) -> Guard {
        Guard { global, ..self }
    }

    /// The answer has begun.
    pub(super) fn answered(&mut self, answer: &response::Parts) {
        let actual = self.asked.iter().map(|asked| self.rules.limits[asked.limit].cost.at_head(answer));
        self.actual = actual.collect();
        #[cfg(feature = "distributed")]
        self.global.answered(&self.rules, answer);
    }

    /// The answer has ended, or will not go on: so many bytes of its body were sent.
    pub(super) fn end(self, outcome: Outcome, bytes: u64) {
        let Guard { all, permits, rules, asked, actual, .. } = self;
        #[cfg(feature = "policy")]
        if let Some(verdict) = self.verdict {
            verdict.finish(outcome);
        }
        #[cfg(feature = "distributed")]
        self.global.end(&rules, bytes);
        let total = |place: usize| {
            let held = asked.get(place)?;
            let parts = asked.iter().enumerate().filter(|(_, part)| rules.are_one(held, part));
            let actual = parts.map(|(place, part)| {
                let at_head = actual.get(place).copied().flatten();
                rules.limits[part.limit].cost.at_end(at_head, bytes).unwrap_or(part.cost)
            });
            Some(actual.fold(0, u64::saturating_add))
        };
        all.settle_each(outcome, total);
        drop(permits);
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("asked", &self.asked).finish_non_exhaustive()
    }
}

/// What an answer says about the load, for limits that adapt: that the service is overloaded or waited for something that is, that it failed for a
/// reason of its own, or that all is well.
pub(super) fn outcome_of(answer: &response::Parts) -> Outcome {
    if let Some(outcome) = grpc_outcome(&answer.headers) {
        return outcome;
    }
    match answer.status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Outcome::Overload
        }
        status if status.is_server_error() => Outcome::Ignore,
        _ => Outcome::Success,
    }
}

/// The same of a gRPC call, from the fields that have its status.
pub(super) fn grpc_outcome(fields: &HeaderMap) -> Option<Outcome> {
    let status = fields.get("grpc-status")?;
    Some(match status.as_bytes() {
        // DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE.
        b"4" | b"8" | b"14" => Outcome::Overload,
        // CANCELLED, UNKNOWN, INTERNAL, DATA_LOSS.
        b"1" | b"2" | b"13" | b"15" => Outcome::Ignore,
        _ => Outcome::Success,
    })
}
