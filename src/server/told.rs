//! What observers are told of a verdict.

use std::fmt;
use std::time::Duration;

use super::activity::{Activity, Noted};
use crate::http::policies::reports::is_uncounted;
use crate::observe::{Decided, DecisionOutcome, Observer};
use crate::policy::{Attributes, PolicyMatch, Reason, Scope, Value, Verdict};

/// Tells of each policy that came to something: of a request that passes all that were asked, of one that does not those that refused.
pub(crate) fn of(verdict: &Verdict, attributes: &Attributes<'_>, took: Duration, observer: &dyn Observer) {
    if verdict.reason() == Some(Reason::MissingKey)
        && let Some(policy) = verdict.policy()
    {
        observer.failed(policy, "no_key");
    }
    for matched in verdict.policies() {
        let Some(outcome) = outcome(verdict, &matched) else { continue };
        let policy = matched.policy();
        let key = KeyOf { scope: &policy.scope, attributes };
        let decided = Decided::new(&policy.id, outcome).with_took(took);
        observer.decided(&decided.with_key(&key));
    }
}

/// Remembers who asked, and of a request that is refused by whom.
pub(crate) fn note(verdict: &Verdict, attributes: &Attributes<'_>, activity: &Activity) {
    let text = |name| match attributes.get(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    };
    let allowed = verdict.is_allowed();
    let policy = if allowed { None } else { verdict.policy() };
    let refusing = policy.and_then(|id| verdict.policies().find(|matched| matched.policy().id == id));
    let global = Scope::default();
    let scope = refusing.map_or(&global, |matched| &matched.policy().scope);
    let key = KeyOf { scope, attributes };
    activity.note(Noted { user: text("user"), api: text("api"), policy, key: &key, allowed });
}

/// What a policy came to; `None` if it did not get to decide, because another refused.
fn outcome(verdict: &Verdict, matched: &PolicyMatch<'_>) -> Option<DecisionOutcome> {
    let id = matched.policy().id.as_str();
    let own = || verdict.limits().filter(|standing| standing.policy() == id);
    if verdict.is_allowed() {
        let refuses = matched.is_shadow() && matched.refuses();
        return Some(if own().any(|standing| standing.refuses() == refuses && is_uncounted(&standing)) {
            DecisionOutcome::ErrorAllowed
        } else if refuses {
            DecisionOutcome::ShadowDenied
        } else {
            DecisionOutcome::Allowed
        });
    }
    let by_limit = matches!(verdict.reason(), Some(Reason::LimitReached | Reason::BackendFailed));
    let refusing = || own().filter(|standing| standing.refuses() && !standing.is_shadow());
    if verdict.policy() != Some(id) && !(by_limit && refusing().next().is_some()) {
        return None;
    }
    let failed = refusing().next().is_some() && refusing().all(|standing| is_uncounted(&standing));
    Some(if failed { DecisionOutcome::ErrorDenied } else { DecisionOutcome::Denied })
}

/// What a request is counted under, as `alice` or `alice issue`. It shows no secrets.
struct KeyOf<'k, 'a> {
    scope: &'k Scope,
    attributes: &'k Attributes<'a>,
}

impl fmt::Display for KeyOf<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scope.is_global() {
            return f.write_str("all");
        }
        for (place, name) in self.scope.attributes().enumerate() {
            f.write_str(if place == 0 { "" } else { " " })?;
            match self.attributes.get(name) {
                Some(value) => value.in_scope().fmt(f)?,
                None => f.write_str("-")?,
            }
        }
        Ok(())
    }
}

/// A key that came with its limit, as it is shown.
pub(crate) struct CallerKey<'k>(pub(crate) &'k [u8]);

impl fmt::Display for CallerKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(self.0) {
            Ok(text) => f.write_str(text),
            Err(_) => self.0.escape_ascii().fmt(f),
        }
    }
}
