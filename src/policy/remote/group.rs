//! [`RemoteGroup`]: what is asked of backends together.

use std::sync::Arc;

use super::super::correct::QueryError;
use super::limit::{Counting, RemoteLimit};
use super::limits::RemoteLimits;
use super::question::{AskedThere, Correcting, PlaceQuestion, RateQuestion, ask_rates, ask_rates_now};
use super::together;
use crate::distributed::{BoxFuture, GlobalDecision, Source};

/// What is asked of backends together: all of it is spent, or none.
#[derive(Debug, Default)]
pub(in crate::policy) struct RemoteGroup {
    rates: Vec<RateQuestion>,
    places: Vec<PlaceQuestion>,
}

/// By which rates a request is counted.
pub(in crate::policy) enum RemoteRates {
    Own,
    /// By that of somebody in particular.
    Other(Arc<RemoteLimit>),
    None,
}

impl RemoteGroup {
    /// Adds the limits of a policy, or those that count in place of its rates. How many are under way at once is a limit of the service, not of
    /// the customer.
    pub(in crate::policy) fn add(
        &mut self,
        limits: &RemoteLimits,
        policy: u32,
        rates: RemoteRates,
        key: &Arc<[u8]>,
        cost: u64,
    ) {
        let own_rates = matches!(rates, RemoteRates::Own);
        let other = if let RemoteRates::Other(limit) = rates { Some(limit) } else { None };
        let own = limits.limits.iter().filter(|limit| own_rates || limit.spec.holds()).cloned();
        for limit in own.chain(other) {
            let asked = |cost| AskedThere { limit: Arc::clone(&limit), policy, cost, key: Arc::clone(key) };
            match &limit.counting {
                Counting::Rate(limiter) => self.rates.push(RateQuestion::new(asked(cost), limiter.clone())),
                Counting::Places(places) => self.places.push(PlaceQuestion::new(asked(1), places.clone())),
            }
        }
    }

    /// All that is to be asked, at the same time. Each says whether it is passed.
    fn questions(&mut self) -> Vec<BoxFuture<'_, bool>> {
        let mut questions: Vec<BoxFuture<'_, bool>> = Vec::new();
        if !self.rates.is_empty() {
            questions.push(Box::pin(ask_rates(&mut self.rates)));
        }
        for place in &mut self.places {
            questions.push(Box::pin(place.ask()));
        }
        questions
    }

    /// Asks without waiting: all is spent, or nothing. Says whether it is passed.
    pub(in crate::policy) fn ask_now(&mut self) -> bool {
        let passes = self.places.iter_mut().all(PlaceQuestion::ask_now) && ask_rates_now(&mut self.rates);
        if !passes {
            self.give_back();
        }
        passes
    }

    pub(in crate::policy) fn is_empty(&self) -> bool {
        self.rates.is_empty() && self.places.is_empty()
    }

    /// Whether places are held.
    pub(in crate::policy) fn holds(&self) -> bool {
        self.places.iter().any(PlaceQuestion::holds)
    }

    /// The policy of all of this, if it is one's.
    pub(in crate::policy) fn policy(&self) -> Option<u32> {
        let rates = self.rates.iter().map(|question| &question.asked);
        rates.chain(self.places.iter().map(|question| &question.asked)).next().map(|asked| asked.policy)
    }

    /// What was answered, by each that was asked.
    pub(in crate::policy) fn answers(&self) -> impl Iterator<Item = (&AskedThere, GlobalDecision)> {
        let rates = self.rates.iter().filter_map(|question| Some((&question.asked, question.told()?)));
        rates.chain(self.places.iter().filter_map(|question| Some((&question.asked, question.told()?))))
    }

    /// What those say that refuse.
    fn refusals(&self) -> impl Iterator<Item = GlobalDecision> {
        self.answers().map(|(_, told)| told).filter(|told| !told.is_allowed())
    }

    /// Whether one of them refuses.
    pub(in crate::policy) fn refuses(&self) -> bool {
        self.refusals().next().is_some()
    }

    /// Whether it is refused, and by nothing but backends that cannot be asked.
    pub(in crate::policy) fn fails(&self) -> bool {
        self.refuses() && self.refusals().all(|told| told.source() == Source::FailClosed)
    }

    /// Gives back all that was spent, once.
    pub(in crate::policy) fn give_back(&mut self) {
        self.rates.iter_mut().for_each(RateQuestion::give_back);
        self.places.iter_mut().for_each(PlaceQuestion::give_back);
    }

    /// Makes what was spent on these policies so much.
    pub(in crate::policy) fn settle(&self, actual: u64, concerns: impl Fn(u32) -> bool) {
        for question in self.rates.iter().filter(|question| concerns(question.asked.policy)) {
            question.correct(actual);
        }
    }
}

/// Asks these at the same time: one group that refuses, and others that only watch, each for itself. Says whether the first is passed; once it is not,
/// nobody is waited for.
pub(in crate::policy) async fn ask_all(enforced: &mut RemoteGroup, watched: &mut [RemoteGroup]) -> bool {
    let mut questions = enforced.questions();
    for group in watched.iter_mut().filter(|group| !group.is_empty()) {
        questions.push(Box::pin(async move {
            if !together::all(group.questions()).await {
                group.give_back();
            }
            true
        }));
    }
    together::all(questions).await
}

/// Asks these where each limit stands, all at the same time.
pub(in crate::policy) async fn look_all(groups: impl Iterator<Item = &mut RemoteGroup>) {
    let mut questions: Vec<BoxFuture<'_, bool>> = Vec::new();
    for group in groups {
        for rate in &mut group.rates {
            questions.push(Box::pin(async move {
                rate.look().await;
                true
            }));
        }
        for place in &mut group.places {
            questions.push(Box::pin(async move {
                place.look().await;
                true
            }));
        }
    }
    together::all(questions).await;
}

/// Gives back or forgets what was spent at all rates, at the same time. Says how many those were.
///
/// # Errors
///
/// The first in order; all are tried.
pub(in crate::policy) async fn correct_all(
    groups: impl Iterator<Item = &RemoteGroup>,
    correcting: Correcting,
) -> Result<usize, QueryError> {
    let rates: Vec<&RateQuestion> = groups.flat_map(|group| &group.rates).collect();
    let mut changed: Vec<Result<(), QueryError>> = rates.iter().map(|_| Ok(())).collect();
    let mut questions: Vec<BoxFuture<'_, bool>> = Vec::new();
    for (rate, changed) in rates.iter().zip(&mut changed) {
        questions.push(Box::pin(async move {
            *changed = rate.change(correcting).await;
            true
        }));
    }
    together::all(questions).await;
    changed.into_iter().collect::<Result<(), QueryError>>().map(|()| rates.len())
}
