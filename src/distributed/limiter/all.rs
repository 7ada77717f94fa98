//! [`check_all`]: several shared limits as one, all or nothing.

use std::sync::Arc;
use std::time::Duration;

use super::group::{self, Group};
use super::leases::Leased;
use super::{Inner, Question};
use crate::distributed::decision::GlobalDecision;

/// A shared limit and the key it is asked about: what [`check_all`] takes. It comes from [`GlobalLimiter::on`](super::GlobalLimiter::on), and
/// costs 1 unless it is told otherwise.
#[derive(Clone, Copy)]
#[must_use = "ask `check_all`"]
pub struct On<'a> {
    limit: &'a Arc<Inner>,
    key: &'a [u8],
    cost: u64,
}

impl<'a> On<'a> {
    pub(super) fn new(limit: &'a Arc<Inner>, key: &'a [u8]) -> On<'a> {
        On { limit, key, cost: 1 }
    }

    /// How many tokens to ask for; default 1.
    pub fn cost(self, cost: u64) -> On<'a> {
        On { cost, ..self }
    }
}

impl std::fmt::Debug for On<'_> {
    /// Without the key, which may name a person.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("On")
            .field("limit", &self.limit.subjects.name)
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}

/// What [`check_all`] answers, which has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct CheckedAll {
    decisions: Vec<Option<GlobalDecision>>,
}

impl CheckedAll {
    /// Whether all admit.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.decisions.iter().all(|decision| decision.is_some_and(|decision| decision.is_allowed()))
    }

    /// What each limit said, in the order of the question; `None` from those that were not asked, because another was already known to refuse.
    /// If any refuses nothing was spent, also where others would have admitted.
    #[must_use]
    pub fn decisions(&self) -> &[Option<GlobalDecision>] {
        &self.decisions
    }

    /// Which limit is to be waited for: of those that refuse, the one with the longest wait; `None` if all admit.
    #[must_use]
    pub fn binding(&self) -> Option<usize> {
        let asked =
            self.decisions.iter().enumerate().filter_map(|(index, decision)| Some((index, (*decision)?)));
        let refusing = asked.filter(|(_, decision)| !decision.is_allowed());
        let longest = refusing.max_by_key(|(_, decision)| decision.retry_after().unwrap_or(Duration::MAX));
        longest.map(|(index, _)| index)
    }

    /// How long to wait until all may fit, as far as is known: zero if all admit, `None` if one never can.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.binding() {
            Some(index) => self.decisions[index]?.retry_after(),
            None => Some(Duration::ZERO),
        }
    }
}

/// Spends from all of these limits, or from none. One round trip, within the shortest of their budgets.
///
/// What is in one [place](crate::distributed::Backend::place) of a store is one operation: exact, whoever else asks. Limits in several places are
/// asked at the same time, and if one refuses, those that admitted get back what they spent, in the background and at most once. Meanwhile
/// a check of one of the same keys may be refused that would just have fitted, and this node remembers refusals for up to two seconds. Nobody is
/// admitted too much, but by what comes back by itself, too, [in that moment](crate::docs::limitations).
///
/// Tokens of a [leased](super::Mode::Leased) limit come from what this node holds, or are leased for it, and go back to what it holds.
///
/// A limit whose store cannot be asked decides by its own failure policy. The same limit and key given twice costs both.
///
/// ```
/// use tollgate::Quota;
/// use tollgate::distributed::{GlobalLimiter, MemoryBackend, Rule, SharedStore, check_all};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let store = SharedStore::new(MemoryBackend::new());
/// let limit = |name: &str, quota| GlobalLimiter::builder(name, Rule::Gcra(quota), &store).build();
/// let per_user = limit("per-user", Quota::per_minute(1))?;
/// let per_address = limit("per-address", Quota::per_minute(100))?;
///
/// assert!(check_all(&[per_user.on("ann"), per_address.on("192.0.2.7").cost(3)]).await.is_allowed());
/// let refused = check_all(&[per_user.on("ann"), per_address.on("192.0.2.7").cost(3)]).await;
/// assert_eq!(refused.binding(), Some(0));
/// assert_eq!(per_address.peek("192.0.2.7").await?.remaining, 97); // what was refused took nothing
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn check_all(limits: &[On<'_>]) -> CheckedAll {
    let (parts, part_of) = distinct(limits);
    answer(limits, &decide(&parts).await, part_of)
}

/// What was decided about the distinct parts, for each of the limits; and each limit counts it.
pub(super) fn answer(
    limits: &[On<'_>],
    decisions: &[Option<GlobalDecision>],
    part_of: Vec<usize>,
) -> CheckedAll {
    let decisions: Vec<_> = part_of.into_iter().map(|part| decisions[part]).collect();
    for (on, decision) in limits.iter().zip(&decisions) {
        if let Some(decision) = decision {
            on.limit.counters.count(decision);
        }
    }
    CheckedAll { decisions }
}

/// A limit and key, with all that is asked of it.
pub(super) struct Part<'a> {
    pub(super) limit: &'a Arc<Inner>,
    pub(super) question: Question<'a>,
}

impl Part<'_> {
    fn is_about_the_same_as(&self, other: &Part<'_>) -> bool {
        Arc::ptr_eq(self.limit, other.limit) && self.question.key == other.question.key
    }
}

/// Each limit and key once, and which of these each of the given ones is.
pub(super) fn distinct<'a>(limits: &[On<'a>]) -> (Vec<Part<'a>>, Vec<usize>) {
    let mut parts: Vec<Part<'a>> = Vec::with_capacity(limits.len());
    let part_of = limits.iter().map(|on| {
        let part = Part { limit: on.limit, question: on.limit.question(on.key, on.cost) };
        if let Some(place) = parts.iter().position(|known| known.is_about_the_same_as(&part)) {
            let question = &mut parts[place].question;
            question.cost = question.cost.saturating_add(on.cost);
            return place;
        }
        parts.push(part);
        parts.len() - 1
    });
    let part_of = part_of.collect();
    (parts, part_of)
}

async fn decide(parts: &[Part<'_>]) -> Vec<Option<GlobalDecision>> {
    let mut decisions: Vec<_> = parts.iter().map(|part| part.limit.decide_here(&part.question)).collect();
    // Where there is one that refuses the others are not asked: they would only have to give back.
    if decisions.iter().any(Option::is_some) {
        return decisions;
    }
    let mut leased = Leased::begin(parts, &mut decisions);
    if !is_refused(&decisions) {
        let mut groups = group::of(parts);
        for group in &mut groups {
            group.hear(&mut decisions).await;
        }
        leased.finish(&mut decisions).await;
        if !is_refused(&decisions) {
            groups.into_iter().for_each(Group::keep);
            leased.keep();
        }
    }
    decisions
}

fn is_refused(decisions: &[Option<GlobalDecision>]) -> bool {
    decisions.iter().flatten().any(|decision| !decision.is_allowed())
}
