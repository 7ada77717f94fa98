//! What is asked of a backend about one limit, and what it answered.

use std::sync::Arc;

use super::super::correct::QueryError;
use super::limit::RemoteLimit;
use crate::distributed::{
    CheckedAll, Correction, GlobalConcurrencyLimit, GlobalDecision, GlobalLimiter, GlobalPermit, On,
    check_all, check_all_now,
};

/// A limit that a request is asked to pass.
#[derive(Debug)]
pub(in crate::policy) struct AskedThere {
    pub(in crate::policy) limit: Arc<RemoteLimit>,
    pub(in crate::policy) policy: u32,
    pub(in crate::policy) cost: u64,
    pub(super) key: Arc<[u8]>,
}

/// A question to a limit of a rate.
#[derive(Debug)]
pub(super) struct RateQuestion {
    pub(super) asked: AskedThere,
    pub(super) limiter: GlobalLimiter,
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

/// A question to a limit of how many are under way.
#[derive(Debug)]
pub(super) struct PlaceQuestion {
    pub(super) asked: AskedThere,
    pub(super) limit: GlobalConcurrencyLimit,
    answer: PlaceAnswer,
}

#[derive(Debug)]
enum PlaceAnswer {
    /// It was not asked.
    None,
    /// No place is held.
    Told(GlobalDecision),
    Held(GlobalPermit),
}

/// What becomes of what was spent under a key.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) enum Correcting {
    GiveBack(u64),
    Forget,
}

/// Asks about all of these rates together.
pub(super) async fn ask_rates(rates: &mut [RateQuestion]) -> bool {
    let limits: Vec<On<'_>> = rates.iter().map(RateQuestion::on).collect();
    let checked = check_all(&limits).await;
    hear(rates, &checked, false)
}

/// The same without waiting.
pub(super) fn ask_rates_now(rates: &mut [RateQuestion]) -> bool {
    let limits: Vec<On<'_>> = rates.iter().map(RateQuestion::on).collect();
    let checked = check_all_now(&limits);
    hear(rates, &checked, true)
}

fn hear(rates: &mut [RateQuestion], checked: &CheckedAll, unasked: bool) -> bool {
    let passes = checked.is_allowed();
    for (question, decision) in rates.iter_mut().zip(checked.decisions()) {
        question.answer = match *decision {
            None => Answer::None,
            Some(decision) if passes => Answer::Spent { decision, unasked },
            Some(decision) => Answer::Told(decision),
        };
    }
    passes
}

impl RateQuestion {
    pub(super) fn new(asked: AskedThere, limiter: GlobalLimiter) -> RateQuestion {
        RateQuestion { asked, limiter, answer: Answer::None }
    }

    fn on(&self) -> On<'_> {
        self.limiter.on(&self.asked.key).cost(self.asked.cost)
    }

    pub(super) fn told(&self) -> Option<GlobalDecision> {
        match self.answer {
            Answer::None => None,
            Answer::Told(decision) | Answer::Spent { decision, .. } => Some(decision),
        }
    }

    /// Where it stands. Nothing is spent.
    pub(super) async fn look(&mut self) {
        self.answer = Answer::Told(self.limiter.look(&self.asked.key, self.asked.cost).await);
    }

    /// Gives back or forgets what was spent under the key.
    pub(super) async fn change(&self, correcting: Correcting) -> Result<(), QueryError> {
        let changed = match correcting {
            Correcting::GiveBack(tokens) => self.limiter.refund(&self.asked.key, tokens).await,
            Correcting::Forget => self.limiter.reset(&self.asked.key).await,
        };
        changed.map_err(|error| QueryError { limit: self.asked.limit.name.to_string(), error })
    }

    /// Makes what was spent so much, in the background.
    pub(super) fn correct(&self, actual: u64) {
        if let Answer::Spent { decision, unasked } = self.answer {
            let correction = Correction { spent: self.asked.cost, actual, unasked };
            self.limiter.correct(&self.asked.key, &decision, correction);
        }
    }

    /// Gives back what was spent, once.
    pub(super) fn give_back(&mut self) {
        self.correct(0);
        if let Answer::Spent { decision, .. } = self.answer {
            self.answer = Answer::Told(decision);
        }
    }
}

impl PlaceQuestion {
    pub(super) fn new(asked: AskedThere, limit: GlobalConcurrencyLimit) -> PlaceQuestion {
        PlaceQuestion { asked, limit, answer: PlaceAnswer::None }
    }

    pub(super) async fn ask(&mut self) -> bool {
        let acquired = self.limit.acquire(&self.asked.key).await;
        self.hear(acquired)
    }

    pub(super) fn ask_now(&mut self) -> bool {
        let acquired = self.limit.acquire_now(&self.asked.key);
        self.hear(acquired)
    }

    /// How many are free. None is taken.
    pub(super) async fn look(&mut self) {
        self.answer = PlaceAnswer::Told(self.limit.look(&self.asked.key).await);
    }

    fn hear(&mut self, acquired: Result<GlobalPermit, GlobalDecision>) -> bool {
        self.answer = acquired.map_or_else(PlaceAnswer::Told, PlaceAnswer::Held);
        self.holds()
    }

    pub(super) fn holds(&self) -> bool {
        matches!(self.answer, PlaceAnswer::Held(_))
    }

    pub(super) fn told(&self) -> Option<GlobalDecision> {
        match &self.answer {
            PlaceAnswer::None => None,
            PlaceAnswer::Told(decision) => Some(*decision),
            PlaceAnswer::Held(permit) => Some(permit.decision()),
        }
    }

    /// Gives the place back, once.
    pub(super) fn give_back(&mut self) {
        if let PlaceAnswer::Held(permit) = &self.answer {
            self.answer = PlaceAnswer::Told(permit.decision());
        }
    }
}
