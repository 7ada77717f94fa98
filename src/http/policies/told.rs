//! [`Told`]: what an observer is told of policies.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::values::Values;
use super::{RequestAttributes, reports};
use crate::http::key::{Found, KeyValue};
use crate::http::rules::Rules;
use crate::http::{Head, Trouble};
use crate::observe::{Decided, DecisionOutcome, Observer};
use crate::policy::{PolicyMatch, Reason, Scope, Value, Verdict};

/// An observer, if there is one, and what it is told of a request besides the verdict.
pub(super) struct Told<'t, 'a> {
    observer: Option<&'t dyn Observer>,
    /// What becomes of requests that policies refuse.
    refused: DecisionOutcome,
    attributes: &'t RequestAttributes,
    head: &'t Head<'a>,
    took: Option<Duration>,
}

impl<'t, 'a> Told<'t, 'a> {
    pub(super) fn new(
        rules: &'t Rules,
        attributes: &'t RequestAttributes,
        head: &'t Head<'a>,
        took: Option<Duration>,
    ) -> Told<'t, 'a> {
        let refused = if rules.shadow { DecisionOutcome::ShadowDenied } else { DecisionOutcome::Denied };
        Told { observer: rules.observer.as_deref(), refused, attributes, head, took }
    }

    /// Each policy decided for itself.
    pub(super) fn of_pass(&self, verdict: &Verdict) {
        self.tell(verdict, |matched| {
            let refuses = matched.is_shadow() && matched.refuses();
            Some(if is_uncounted(verdict, matched, refuses) {
                DecisionOutcome::ErrorAllowed
            } else if refuses {
                DecisionOutcome::ShadowDenied
            } else {
                DecisionOutcome::Allowed
            })
        });
    }

    /// Those that refused are told of; the others have spent nothing and decided nothing.
    pub(super) fn of_refusal(&self, verdict: &Verdict) {
        if verdict.reason() == Some(Reason::MissingKey) {
            self.failed(verdict.policy(), "no_key");
        }
        let by_limit = matches!(verdict.reason(), Some(Reason::LimitReached | Reason::BackendFailed));
        let refuses = |policy: &str| {
            let mut limits = verdict.limits().filter(|standing| standing.refuses() && !standing.is_shadow());
            verdict.policy() == Some(policy) || by_limit && limits.any(|standing| standing.policy() == policy)
        };
        let outcome = |matched: &PolicyMatch<'_>| match self.refused {
            DecisionOutcome::Denied if is_uncounted(verdict, matched, true) => DecisionOutcome::ErrorDenied,
            _ if is_uncounted(verdict, matched, true) => DecisionOutcome::ErrorAllowed,
            outcome => outcome,
        };
        self.tell(verdict, |matched| refuses(&matched.policy().id).then(|| outcome(matched)));
    }

    /// The policy that binds would have let it pass a little later.
    pub(super) fn of_too_many_held(&self, verdict: &Verdict) {
        self.failed(verdict.policy(), "too_many_held");
        self.tell(verdict, |matched| {
            (verdict.policy() == Some(&matched.policy().id)).then_some(self.refused)
        });
    }

    /// An attribute was not found as one would expect: a failure of all policies that count by it.
    pub(super) fn of_trouble(&self, verdict: &Verdict, attribute: &str, trouble: Trouble) {
        let counting = verdict.policies().filter(|matched| {
            let mut scope = matched.policy().scope.attributes();
            scope.any(|name| name == attribute)
        });
        self.failed(counting.map(|matched| matched.policy().id.as_str()), trouble.as_str());
    }

    fn failed<'p>(&self, policies: impl IntoIterator<Item = &'p str>, kind: &'static str) {
        let Some(observer) = self.observer else { return };
        policies.into_iter().for_each(|policy| observer.failed(policy, kind));
    }

    /// Tells of the policies that came to something.
    fn tell(&self, verdict: &Verdict, outcome: impl Fn(&PolicyMatch<'_>) -> Option<DecisionOutcome>) {
        let Some(observer) = self.observer else { return };
        let tier = self.tier(verdict);
        for matched in verdict.policies() {
            let (Some(outcome), policy) = (outcome(&matched), matched.policy()) else { continue };
            let mut limits = verdict.limits();
            let rate = limits.find(|limit| limit.policy() == policy.id && !limit.is_concurrency());
            let decided = Decided::new(&policy.id, outcome)
                .with_cost(rate.map_or(1, |rate| rate.cost()))
                .with_took(self.took)
                .with_key_kind(kind(&policy.scope))
                .with_route(self.head.route())
                .with_tier(tier.as_deref());
            if outcome.is_over_limit() {
                let key = ScopeOf { scope: &policy.scope, attributes: self.attributes, head: self.head };
                observer.decided(&decided.with_key(&key));
            } else {
                // Those that pass are many, and nobody lists them.
                observer.decided(&decided);
            }
        }
    }

    /// The tier that the request says it has, or that policies say it has.
    fn tier<'v>(&self, verdict: &'v Verdict) -> Option<Cow<'v, str>>
    where
        'a: 'v,
    {
        match self.attributes.find("tier", self.head) {
            Found::Key(KeyValue::Text(tier)) => Some(tier),
            Found::Nothing => {
                let values = Values::find(verdict.attributes(), self.attributes, self.head);
                verdict.tier_of(&values.attributes()).map(Cow::Borrowed)
            }
            _ => None,
        }
    }
}

/// Whether a policy lets pass, or refuses, only because a backend of its could not be asked.
fn is_uncounted(verdict: &Verdict, matched: &PolicyMatch<'_>, refuses: bool) -> bool {
    let of_it = verdict.limits().filter(|standing| standing.policy() == matched.policy().id);
    let mut deciding = of_it.filter(|standing| standing.refuses() == refuses).peekable();
    if refuses {
        deciding.peek().is_some() && deciding.all(|standing| reports::is_uncounted(&standing))
    } else {
        deciding.any(|standing| reports::is_uncounted(&standing))
    }
}

/// What a policy counts by, in a word for metrics.
fn kind(scope: &Scope) -> &'static str {
    let mut attributes = scope.attributes();
    match (attributes.next(), attributes.next()) {
        (None, _) => Scope::GLOBAL,
        (Some(_), Some(_)) => "combination",
        (Some("user"), None) => "user",
        (Some("api"), None) => "api",
        (Some("ip"), None) => "ip",
        (Some("route"), None) => "route",
        (Some("method"), None) => "method",
        (Some("tier"), None) => "tier",
        (Some(other), None) => {
            if other.starts_with(super::attributes::HEADER) {
                "header"
            } else {
                "attribute"
            }
        }
    }
}

/// What a request is counted under, for lists of those most refused. It shows no secrets.
struct ScopeOf<'t, 'a> {
    scope: &'t Scope,
    attributes: &'t RequestAttributes,
    head: &'t Head<'a>,
}

impl fmt::Display for ScopeOf<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scope.is_global() {
            return KeyValue::Shared.fmt(f);
        }
        for (place, name) in self.scope.attributes().enumerate() {
            f.write_str(if place == 0 { "" } else { " " })?;
            match self.attributes.find(name, self.head) {
                Found::Key(KeyValue::Address(address)) | Found::Troubled(KeyValue::Address(address), _) => {
                    Value::from(address).in_scope().fmt(f)?;
                }
                Found::Key(value) | Found::Troubled(value, _) => value.fmt(f)?,
                Found::Nothing => KeyValue::Shared.fmt(f)?,
            }
        }
        Ok(())
    }
}
