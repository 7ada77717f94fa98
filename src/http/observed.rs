//! Telling an [`Observer`] what was decided.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Head;
use super::key::{Found, Key, KeyValue};
use super::refusal::Why;
use super::report::LimitReport;
use super::rules::{Decided, Passed, Refused, Rules};
use crate::observe::{self, DecisionOutcome, Observer};

/// Decides about a request; in shadow mode it passes, whatever was decided.
pub(super) fn decide(rules: &Arc<Rules>, head: &Head<'_>) -> Decided {
    #[cfg(feature = "policy")]
    if let Some(policies) = &rules.policies {
        return policies.decide(rules, head);
    }
    let begun = begun(rules);
    let decided = rules.decide(head);
    let took = begun.map(|begun| begun.elapsed());
    match decided {
        Decided::Pass(passed) => {
            settled(rules, head, Ok(passed), took).map_or_else(Decided::Refuse, Decided::Pass)
        }
        Decided::Refuse(refused) => {
            settled(rules, head, Err(refused), took).map_or_else(Decided::Refuse, Decided::Pass)
        }
        waits @ Decided::Wait(..) => waits,
        #[cfg(feature = "distributed")]
        asks @ Decided::Ask(_) => asks,
        #[cfg(feature = "policy")]
        told @ (Decided::AskBackends(_) | Decided::Delay(_)) => told,
    }
}

/// Now, if anybody wants to know how long it takes to decide.
pub(super) fn begun(rules: &Rules) -> Option<Instant> {
    let wants = rules.observer.as_ref().is_some_and(|observer| Observer::wants_duration(&**observer));
    wants.then(Instant::now)
}

/// A request passes or not; in shadow mode it does.
pub(super) fn settled(
    rules: &Rules,
    head: &Head<'_>,
    decided: Result<Passed, Refused>,
    took: Option<Duration>,
) -> Result<Passed, Refused> {
    match decided {
        Ok(passed) => {
            for report in &passed.reports {
                tell(rules, head, report, DecisionOutcome::Allowed, took);
            }
            Ok(passed)
        }
        Err(refused) => {
            refusal(rules, head, &refused, took);
            if rules.shadow {
                Ok(Passed { reports: refused.reports, refused: true, ..Passed::default() })
            } else {
                Err(refused)
            }
        }
    }
}

/// The limits that refused are told of; the others have spent nothing and decided nothing.
pub(super) fn refusal(rules: &Rules, head: &Head<'_>, refused: &Refused, took: Option<Duration>) {
    let Some(observer) = &rules.observer else { return };
    let outcome = if rules.shadow { DecisionOutcome::ShadowDenied } else { DecisionOutcome::Denied };
    if let Why::NoKey { limit } = &refused.why {
        observer.failed(limit, "no_key");
        let kind = rules.key_of(limit).map(Key::kind).unwrap_or_default();
        let decided = observe::Decided::new(limit, outcome).with_took(took);
        observer.decided(&decided.with_key_kind(kind).with_route(head.route()));
    }
    let by_limit = refused.reports.iter().any(LimitReport::refuses);
    for report in refused.reports.iter().filter(|report| report.refuses == by_limit) {
        if refused.why == Why::TooManyWait {
            observer.failed(&report.name, "too_many_held");
        }
        tell(rules, head, report, outcome, took);
    }
}

fn tell(
    rules: &Rules,
    head: &Head<'_>,
    report: &LimitReport,
    outcome: DecisionOutcome,
    took: Option<Duration>,
) {
    let Some(observer) = &rules.observer else { return };
    let Some(key) = rules.key_of(&report.name) else { return };
    let outcome = match outcome {
        DecisionOutcome::Denied if report.failed => DecisionOutcome::ErrorDenied,
        _ if report.failed => DecisionOutcome::ErrorAllowed,
        _ => outcome,
    };
    let decided = observe::Decided::new(&report.name, outcome)
        .with_cost(report.cost)
        .with_took(took)
        .with_key_kind(key.kind())
        .with_route(head.route());
    if !outcome.is_over_limit() {
        // Those that pass are many, and nobody lists them.
        return observer.decided(&decided);
    }
    match &key.find(head) {
        Found::Key(key) | Found::Troubled(key, _) => observer.decided(&decided.with_key(key)),
        Found::Nothing => observer.decided(&decided.with_key(&KeyValue::Shared)),
    }
}
