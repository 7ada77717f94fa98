//! Telling an [`Observer`] what was decided.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Head;
use super::key::{Found, KeyValue};
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
    let (decided, took) = timed(rules, || rules.decide(head));
    match decided {
        Decided::Pass(passed) => {
            passes(rules, head, &passed, took);
            Decided::Pass(passed)
        }
        Decided::Refuse(refused) => {
            refusal(rules, head, &refused, took);
            if rules.shadow {
                let reports = refused.reports;
                Decided::Pass(Passed { reports, refused: true, ..Passed::default() })
            } else {
                Decided::Refuse(refused)
            }
        }
        waits @ Decided::Wait(..) => waits,
        #[cfg(feature = "policy")]
        delayed @ Decided::Delay(_) => delayed,
    }
}

/// How long it takes to decide, if anybody wants to know.
pub(super) fn timed<T>(rules: &Rules, decide: impl FnOnce() -> T) -> (T, Option<Duration>) {
    let wants = rules.observer.as_ref().is_some_and(|observer| Observer::wants_duration(&**observer));
    let begun = wants.then(Instant::now);
    let decided = decide();
    (decided, begun.map(|begun| begun.elapsed()))
}

/// A request was held, and now it passes or not.
pub(super) fn held(rules: &Rules, head: &Head<'_>, decided: &Result<Passed, Refused>) {
    match decided {
        Ok(passed) => passes(rules, head, passed, None),
        Err(refused) => refusal(rules, head, refused, None),
    }
}

fn passes(rules: &Rules, head: &Head<'_>, passed: &Passed, took: Option<Duration>) {
    for report in &passed.reports {
        tell(rules, head, report, DecisionOutcome::Allowed, took);
    }
}

/// The limits that refused are told of; the others have spent nothing and decided nothing.
pub(super) fn refusal(rules: &Rules, head: &Head<'_>, refused: &Refused, took: Option<Duration>) {
    let Some(observer) = &rules.observer else { return };
    let outcome = if rules.shadow { DecisionOutcome::ShadowDenied } else { DecisionOutcome::Denied };
    if let Why::NoKey { limit } = refused.why {
        let rule = &rules.limits[limit];
        observer.failed(&rule.name, "no_key");
        let decided = observe::Decided::new(&rule.name, outcome).with_took(took);
        observer.decided(&decided.with_key_kind(rule.key.kind()).with_route(head.route()));
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
    let Some(rule) = rules.limits.iter().find(|rule| Arc::ptr_eq(&rule.name, &report.name)) else { return };
    let decided = observe::Decided::new(&rule.name, outcome)
        .with_cost(report.cost)
        .with_took(took)
        .with_key_kind(rule.key.kind())
        .with_route(head.route());
    if !outcome.is_over_limit() {
        // Those that pass are many, and nobody lists them.
        return observer.decided(&decided);
    }
    match &rule.key.find(head) {
        Found::Key(key) | Found::Troubled(key, _) => observer.decided(&decided.with_key(key)),
        Found::Nothing => observer.decided(&decided.with_key(&KeyValue::Shared)),
    }
}
