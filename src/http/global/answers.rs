//! [`Answers`]: what those limits say that many nodes share.

use super::{Asked, Global};
use crate::distributed::{GlobalDecision, GlobalPermit, check_all};
use crate::http::report::LimitReport;
use crate::http::rules::Rules;

/// What those limits say that many nodes share. Places are held as long as this lives.
pub(super) struct Answers {
    /// In the order of the question; none from those that were not asked, because another refuses.
    pub(super) decisions: Vec<Option<GlobalDecision>>,
    pub(super) permits: Vec<GlobalPermit>,
}

impl Answers {
    /// Takes from all or from none. Places first: they are given back as they were, whatever the others say. Dropped, it gives back.
    pub(super) async fn to(rules: &Rules, asked: &[Asked]) -> Answers {
        let mut answers = Answers { decisions: vec![None; asked.len()], permits: Vec::new() };
        if answers.take_places(rules, asked).await {
            answers.ask_rates(rules, asked).await;
        }
        answers
    }

    /// One after the other; whether there was room everywhere.
    async fn take_places(&mut self, rules: &Rules, asked: &[Asked]) -> bool {
        for (place, asked) in asked.iter().enumerate() {
            let Global::Places(limit) = &rules.global[asked.limit].source else { continue };
            match limit.acquire(&asked.key).await {
                Ok(permit) => {
                    self.decisions[place] = Some(permit.decision());
                    self.permits.push(permit);
                }
                Err(refusal) => {
                    self.decisions[place] = Some(refusal);
                    return false;
                }
            }
        }
        true
    }

    /// All together.
    async fn ask_rates(&mut self, rules: &Rules, asked: &[Asked]) {
        let rates = asked.iter().enumerate().filter_map(|(place, asked)| {
            let Global::Rate(limiter) = &rules.global[asked.limit].source else { return None };
            Some((place, limiter.on(&asked.key).cost(asked.cost)))
        });
        let (places, limits): (Vec<_>, Vec<_>) = rates.unzip();
        let checked = check_all(&limits).await;
        for (place, decision) in places.into_iter().zip(checked.decisions()) {
            self.decisions[place] = *decision;
        }
    }

    pub(super) fn all_admit(&self) -> bool {
        self.decisions.iter().all(|decision| decision.is_some_and(|decision| decision.is_allowed()))
    }

    pub(super) fn reports(&self, rules: &Rules, asked: &[Asked]) -> Vec<LimitReport> {
        let decided = asked.iter().zip(&self.decisions);
        let report = |(asked, decision): (&Asked, &Option<_>)| {
            Some(rules.global[asked.limit].report(asked, decision.as_ref()?))
        };
        decided.filter_map(report).collect()
    }
}
