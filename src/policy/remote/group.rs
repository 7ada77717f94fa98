//! [`RemoteGroup`]: what is asked of backends together, and what they answered.

use std::sync::Arc;

use super::limit::RemoteLimit;
use super::limits::RemoteLimits;
use super::together;
use crate::distributed::{BoxFuture, Correction, GlobalDecision, On, Source, check_all, check_all_now};

/// What is asked of backends together: all of it is spent, or none.
#[derive(Debug, Default)]
pub(in crate::policy) struct RemoteGroup {
    rates: Vec<Question>,
}

/// A limit that a request is asked to pass, and what became of it there.
#[derive(Debug)]
pub(in crate::policy) struct Question {
    pub(in crate::policy) limit: Arc<RemoteLimit>,
    pub(in crate::policy) policy: u32,
    pub(in crate::policy) cost: u64,
    key: Arc<[u8]>,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    /// It was not asked.
    None,
    /// Nothing is spent.
    Told(GlobalDecision),
    /// It is spent; without the backend being asked.
    Spent { decision: GlobalDecision, unasked: bool },
}

/// By which rates a request is counted.
pub(in crate::policy) enum RemoteRates {
    Own,
    /// By that of somebody in particular.
    Other(Arc<RemoteLimit>),
    None,
}

impl RemoteGroup {
    /// Adds the limits of a policy.
    pub(in crate::policy) fn add(
        &mut self,
        limits: &RemoteLimits,
        policy: u32,
        rates: RemoteRates,
        key: &Arc<[u8]>,
        cost: u64,
    ) {
        let question = |limit| Question { limit, policy, cost, key: Arc::clone(key), answer: Answer::None };
        match rates {
            RemoteRates::Own => self.rates.extend(limits.limits.iter().cloned().map(question)),
            RemoteRates::Other(limit) => self.rates.push(question(limit)),
            RemoteRates::None => {}
        }
    }

    /// All that is to be asked, at the same time. Each says whether it is passed.
    pub(in crate::policy) fn questions(&mut self) -> Vec<BoxFuture<'_, bool>> {
        if self.rates.is_empty() { Vec::new() } else { vec![Box::pin(ask(&mut self.rates))] }
    }

    /// The same without waiting.
    pub(in crate::policy) fn ask_now(&mut self) -> bool {
        let limits: Vec<On<'_>> = self.rates.iter().map(Question::on).collect();
        let checked = check_all_now(&limits);
        hear(&mut self.rates, checked.is_allowed(), checked.decisions(), true);
        checked.is_allowed()
    }

    pub(in crate::policy) fn is_empty(&self) -> bool {
        self.rates.is_empty()
    }

    /// The policy of all of this, if it is one's.
    pub(in crate::policy) fn policy(&self) -> Option<u32> {
        self.rates.first().map(|question| question.policy)
    }

    /// The limits and what became of the request there.
    pub(in crate::policy) fn iter(&self) -> impl Iterator<Item = &Question> {
        self.rates.iter()
    }

    /// Whether one of them refuses.
    pub(in crate::policy) fn refuses(&self) -> bool {
        self.iter().filter_map(Question::told).any(|told| !told.is_allowed())
    }

    /// Whether it is refused, and by nothing but backends that cannot be asked.
    pub(in crate::policy) fn fails(&self) -> bool {
        let mut refusing =
            self.iter().filter_map(Question::told).filter(|told| !told.is_allowed()).peekable();
        refusing.peek().is_some() && refusing.all(|told| told.source() == Source::FailClosed)
    }

    /// Gives back all that was spent, once.
    pub(in crate::policy) fn give_back(&mut self) {
        for question in &mut self.rates {
            question.correct(0);
            if let Answer::Spent { decision, .. } = question.answer {
                question.answer = Answer::Told(decision);
            }
        }
    }

    /// Makes what was spent on these policies so much.
    pub(in crate::policy) fn settle(&self, actual: u64, concerns: impl Fn(u32) -> bool) {
        for question in self.rates.iter().filter(|question| concerns(question.policy)) {
            question.correct(actual);
        }
    }
}

impl Question {
    fn on(&self) -> On<'_> {
        self.limit.limiter.on(&self.key).cost(self.cost)
    }

    /// What was answered; `None` if it was not asked.
    pub(in crate::policy) fn told(&self) -> Option<&GlobalDecision> {
        match &self.answer {
            Answer::None => None,
            Answer::Told(decision) | Answer::Spent { decision, .. } => Some(decision),
        }
    }

    fn correct(&self, actual: u64) {
        if let Answer::Spent { decision, unasked } = self.answer {
            let correction = Correction { spent: self.cost, actual, unasked };
            self.limit.limiter.correct(&self.key, &decision, correction);
        }
    }
}

async fn ask(rates: &mut [Question]) -> bool {
    let limits: Vec<On<'_>> = rates.iter().map(Question::on).collect();
    let checked = check_all(&limits).await;
    hear(rates, checked.is_allowed(), checked.decisions(), false);
    checked.is_allowed()
}

fn hear(rates: &mut [Question], is_spent: bool, decisions: &[Option<GlobalDecision>], unasked: bool) {
    for (question, decision) in rates.iter_mut().zip(decisions) {
        question.answer = match *decision {
            None => Answer::None,
            Some(decision) if is_spent => Answer::Spent { decision, unasked },
            Some(decision) => Answer::Told(decision),
        };
    }
}

/// Asks some groups at the same time: those that refuse, and those that only watch. Says whether all that refuse are passed; once one is not, the
/// others are not waited for.
pub(in crate::policy) async fn ask_all(enforced: &mut RemoteGroup, watched: &mut [RemoteGroup]) -> bool {
    let mut questions = enforced.questions();
    for question in watched.iter_mut().flat_map(RemoteGroup::questions) {
        questions.push(Box::pin(async move {
            question.await;
            true
        }));
    }
    together::all(questions).await
}
