//! [`PolicyRules`]: a layer that asks policies in place of limits.

mod asking;
mod attributes;
mod delayed;
pub(crate) mod reports;
mod told;
mod values;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(super) use asking::AskingBackends;
pub use attributes::RequestAttributes;
pub(super) use delayed::Delayed;
use told::Told;
use values::Values;

use super::guard::Guard;
use super::key::Found;
use super::observed;
use super::refusal::Why;
use super::rules::{Decided, Passed, Refused, Rules, has_paid};
use super::{Head, LayerError, Limit, Trouble};
use crate::policy::{PolicySet, Reason, Verdict};

/// Policies, and how is found what they ask for.
pub(super) struct PolicyRules {
    set: Arc<PolicySet>,
    attributes: RequestAttributes,
    /// Services that check them, so that a request carries a note of having paid only where it may meet them again.
    uses: AtomicUsize,
}

/// What policies said, and an attribute that was not found as one would expect.
pub(super) struct Checked {
    verdict: Verdict,
    trouble: Option<(Box<str>, Trouble)>,
}

/// What becomes of a request, now or a little later.
pub(super) enum Fate {
    Now(Result<Passed, Refused>),
    Later(Delayed),
}

impl From<Fate> for Decided {
    fn from(fate: Fate) -> Decided {
        match fate {
            Fate::Now(Ok(passed)) => Decided::Pass(passed),
            Fate::Now(Err(refused)) => Decided::Refuse(refused),
            Fate::Later(delayed) => Decided::Delay(delayed),
        }
    }
}

impl Rules {
    /// What becomes of a request about which policies have said what they say, and the observer is told.
    pub(super) fn conclude(
        self: &Arc<Self>,
        head: &Head<'_>,
        checked: Checked,
        took: Option<Duration>,
    ) -> Fate {
        match &self.policies {
            Some(policies) => policies.conclude(self, head, checked, took),
            // They were there when they were asked.
            None => Fate::Now(Ok(Passed::default())),
        }
    }
}

impl PolicyRules {
    pub(super) fn new(set: Arc<PolicySet>, attributes: RequestAttributes) -> PolicyRules {
        PolicyRules { set, attributes, uses: AtomicUsize::new(0) }
    }

    /// Whether a layer can have them beside what else it was told.
    pub(super) fn fit(&self, limits: &[Limit], max_delay: Option<Duration>) -> Result<(), LayerError> {
        if !limits.is_empty() {
            return Err(LayerError::PoliciesAndLimits);
        }
        if max_delay.is_some() {
            return Err(LayerError::PoliciesDoNotWait);
        }
        self.attributes.check()
    }

    /// One more service checks them. Relaxed: a service is built before it is called, and handed over by whatever hands it over.
    pub(super) fn used_once_more(&self) {
        self.uses.fetch_add(1, Ordering::Relaxed);
    }

    fn is_used_elsewhere(&self) -> bool {
        self.uses.load(Ordering::Relaxed) > 1
    }

    /// What tells them from limits and from the policies of other layers.
    fn identity(&self) -> usize {
        std::ptr::from_ref(&self.uses).addr()
    }

    /// Decides about a request, and tells the observer.
    pub(super) fn decide(&self, rules: &Arc<Rules>, head: &Head<'_>) -> Decided {
        if self.is_used_elsewhere() && has_paid(head.extensions(), self.identity()) {
            return Decided::Pass(Passed::default());
        }
        let begun = observed::begun(rules);
        let asking = self.set.ask();
        let (decision, trouble) = {
            let values = Values::find(asking.attributes(), &self.attributes, head);
            let trouble = values.trouble.map(|(attribute, trouble)| (attribute.into(), trouble));
            (asking.decide(&values.attributes()), trouble)
        };
        if decision.asks_backends() {
            return Decided::AskBackends(AskingBackends::new(asking.verdict_async(decision), trouble, begun));
        }
        let checked = Checked { verdict: asking.verdict(decision), trouble };
        self.conclude(rules, head, checked, begun.map(|begun| begun.elapsed())).into()
    }

    fn conclude(
        &self,
        rules: &Arc<Rules>,
        head: &Head<'_>,
        checked: Checked,
        took: Option<Duration>,
    ) -> Fate {
        let Checked { verdict, trouble } = checked;
        let told = Told::new(rules, &self.attributes, head, took);
        if let Some((attribute, trouble)) = trouble {
            told.of_trouble(&verdict, &attribute, trouble);
        }
        if !verdict.is_allowed() {
            told.of_refusal(&verdict);
            return Fate::Now(self.refuse(rules, &verdict, head));
        }
        let delay = if rules.shadow { Duration::ZERO } else { verdict.delay() };
        if delay.is_zero() {
            told.of_pass(&verdict);
            return Fate::Now(Ok(self.pass(rules, verdict)));
        }
        let Some(place) = rules.hold() else {
            told.of_too_many_held(&verdict);
            verdict.cancel();
            return Fate::Now(Err(Refused { why: Why::TooManyWait, reports: Vec::new() }));
        };
        told.of_pass(&verdict);
        Fate::Later(Delayed::new(self.pass(rules, verdict), delay, place))
    }

    fn pass(&self, rules: &Arc<Rules>, verdict: Verdict) -> Passed {
        let reports = if rules.tells() { reports::of_pass(&verdict) } else { Vec::new() };
        let paid = if self.is_used_elsewhere() { vec![self.identity()] } else { Vec::new() };
        let guard = verdict.holds_places().then(|| Guard::of_policies(verdict.kept(), Arc::clone(rules)));
        Passed { reports, guard, paid, refused: false }
    }

    fn refuse(&self, rules: &Rules, verdict: &Verdict, head: &Head<'_>) -> Result<Passed, Refused> {
        let refused = match verdict.reason() {
            Some(Reason::MissingKey) => {
                Refused { why: Why::NoAttribute { detail: self.lacking(verdict, head) }, reports: Vec::new() }
            }
            _ => Refused { why: Why::Limits, reports: reports::of_refusal(verdict) },
        };
        if rules.shadow {
            return Ok(Passed { reports: refused.reports, refused: true, ..Passed::default() });
        }
        Err(refused)
    }

    /// Which attributes a request lacks of those that the policy that refuses it demands.
    fn lacking(&self, verdict: &Verdict, head: &Head<'_>) -> String {
        let refusing = verdict.policies().find(|matched| matched.refuses() && !matched.is_shadow());
        let Some(policy) = refusing.map(|matched| matched.policy()) else { return String::new() };
        let lacks = |name: &&str| matches!(self.attributes.find(name, head), Found::Nothing);
        let lacking = policy.scope.attributes().filter(lacks).map(|name| self.attributes.needs(name));
        format!("policy {:?} needs {}", policy.id, lacking.collect::<Vec<_>>().join(" and "))
    }
}
