//! Telling an [`Observer`] what was decided.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Head;
use super::key::Found;
use super::limit::Checked;
use super::refusal::Why;
use super::report::LimitReport;
use super::rules::{Decided, Passed, Refused, Rules};
use crate::observe::{self, DecisionOutcome, Observer};

/// Decides about a request; in shadow mode it passes, whatever was decided.
pub(super) fn decide(rules: &Arc<Rules>, head: &Head<'_>) -> Decided {
    let begun = rules
        .observer
        .as_ref()
        .is_some_and(|observer| Observer::wants_duration(&**observer))
        .then(Instant::now);
    let decided = rules.decide(head);
    let took = begun.map(|begun| begun.elapsed());
    match decided {
        Decided::Pass(passed) => {
            tell(rules, head, &passed.reports, took);
            Decided::Pass(passed)
        }
        Decided::Refuse(refused) => {
            refusal(rules, head, &refused, took);
            if rules.shadow {
                Decided::Pass(Passed { reports: refused.reports, guard: None })
            } else {
                Decided::Refuse(refused)
            }
        }
        waits @ Decided::Wait(..) => waits,
    }
}

/// A request was held, and now it passes or not.
pub(super) fn held(rules: &Rules, head: &Head<'_>, decided: &Result<Passed, Refused>) {
    match decided {
        Ok(passed) => tell(rules, head, &passed.reports, None),
        Err(refused) => refusal(rules, head, refused, None),
    }
}

pub(super) fn refusal(rules: &Rules, head: &Head<'_>, refused: &Refused, took: Option<Duration>) {
    tell(rules, head, &refused.reports, took);
    let Some(observer) = &rules.observer else { return };
    match refused.why {
        Why::Limits => {}
        Why::NoKey { limit } => observer.failed(&rules.limits[limit].name, "no_key"),
        Why::TooManyWait => {
            for limit in &rules.limits {
                observer.failed(&limit.name, "too_many_held");
            }
        }
    }
}

/// Of a refusal, the limits that refused are told of; the others have spent nothing and decided nothing.
fn tell(rules: &Rules, head: &Head<'_>, reports: &[LimitReport], took: Option<Duration>) {
    let Some(observer) = &rules.observer else { return };
    let refused = reports.iter().any(LimitReport::refuses);
    let outcome = match (refused, rules.shadow) {
        (false, _) => DecisionOutcome::Allowed,
        (true, true) => DecisionOutcome::ShadowDenied,
        (true, false) => DecisionOutcome::Denied,
    };
    for report in reports.iter().filter(|report| report.refuses == refused) {
        if let Some(rule) = rules.limits.iter().find(|rule| Arc::ptr_eq(&rule.name, &report.name)) {
            tell_of_one(&**observer, rule, head, outcome, took);
        }
    }
}

fn tell_of_one(
    observer: &dyn Observer,
    rule: &Checked,
    head: &Head<'_>,
    outcome: DecisionOutcome,
    took: Option<Duration>,
) {
    let decided = observe::Decided::new(&rule.name, outcome)
        .with_cost(rule.charged(head))
        .with_took(took)
        .with_key_kind(rule.key.kind())
        .with_route(head.route());
    // Those that pass are many, and nobody lists them.
    let found = if outcome.is_over_limit() { rule.key.find(head) } else { Found::Nothing };
    match &found {
        Found::Key(key) | Found::Troubled(key, _) => observer.decided(&decided.with_key(key)),
        Found::Nothing => observer.decided(&decided),
    }
}
