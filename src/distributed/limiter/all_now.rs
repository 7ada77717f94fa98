//! [`check_all_now`]: several shared limits as one, without a wait.

use super::all::{CheckedAll, On, Part, answer};
use crate::distributed::decision::{GlobalDecision, Source};

/// Spends from all of these limits, or from none, by what this node knows: as [`check_all`](super::check_all), but it never waits, and needs no
/// runtime.
///
/// What a store has refused is refused. Otherwise each limit's failure policy decides, as in [`check_now`](super::GlobalLimiter::check_now), and
/// what is admitted is charged in the background.
///
/// ```
/// use tollgate::Quota;
/// use tollgate::distributed::{FailurePolicy, GlobalLimiter, MemoryBackend, Rule, SharedStore, check_all_now};
///
/// let store = SharedStore::new(MemoryBackend::new());
/// let quota = Rule::Gcra(Quota::per_minute(10));
/// let open = GlobalLimiter::builder("open", quota, &store).on_failure(FailurePolicy::Open).build()?;
/// let closed = GlobalLimiter::builder("closed", quota, &store).on_failure(FailurePolicy::Closed).build()?;
/// assert!(check_all_now(&[open.on("ann")]).is_allowed());
/// assert_eq!(check_all_now(&[open.on("ann"), closed.on("ann")]).binding(), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check_all_now(limits: &[On<'_>]) -> CheckedAll {
    let (parts, part_of) = super::all::distinct(limits);
    answer(limits, &decide(&parts), part_of)
}

fn decide(parts: &[Part<'_>]) -> Vec<Option<GlobalDecision>> {
    let mut decisions: Vec<_> = parts.iter().map(|part| part.limit.decide_here(&part.question)).collect();
    if decisions.iter().any(Option::is_some) {
        return decisions;
    }
    for (Part { limit, question }, decision) in parts.iter().zip(&mut decisions) {
        *decision = Some(limit.decide_alone(question, limit.domain_of(question)));
    }
    let all = decisions.iter().flatten().all(GlobalDecision::is_allowed);
    for (Part { limit, question }, decision) in parts.iter().zip(&decisions) {
        let domain = limit.domain_of(question);
        if all {
            limit.owe(question, domain);
        } else if decision
            .is_some_and(|decision| decision.is_allowed() && decision.source() == Source::Fallback)
        {
            limit.failing.give_back(question, limit.situation(question, domain));
        }
    }
    decisions
}
