//! Whether what policies say of their backends makes sense.

use std::collections::HashMap;

use super::super::limits::LimitSpec;
use super::super::model::{AlgorithmName, BackendMode, Policies, Policy};
use super::super::remote::{rule, store_names};
use super::Findings;
use crate::quota::Excerpt;

/// What a policy says of its backend; for a set with these backends, if they are known yet.
pub(super) fn check(policy: &Policy, backends: Option<&[&str]>, all: &mut Findings) {
    if policy.expected_nodes == Some(0) {
        all.add("expected_nodes", "is 0: this node is one, so use at least 1");
    }
    let Some(backend) = &policy.backend else { return check_there_is_none(policy, all) };
    if let Some(backends) = backends
        && !backends.contains(&backend.as_str())
    {
        let known = match backends {
            [] => "none was handed in".to_owned(),
            names => format!("there is {}", names.join(", ")),
        };
        all.add("backend", format!("{:?} is not known: {known}", Excerpt::of(backend)));
    }
    for (index, limit) in policy.limits.iter().enumerate() {
        let Ok(Some(quota)) = limit.quota() else { continue };
        let field = format!("limits[{index}]");
        if let Err((part, message)) = rule(LimitSpec::new(limit.algorithm, quota)) {
            all.add(format!("{field}.{part}"), message);
        } else if policy.mode == BackendMode::Leased && !can_be_leased(limit.algorithm) {
            let message = format!(
                "{} has no tokens that could be leased: use gcra or token_bucket, or mode = \"direct\"",
                limit.algorithm
            );
            all.add(format!("{field}.algorithm"), message);
        }
    }
    if let Some(Err((_, message))) = policy.concurrency.map(|places| rule(LimitSpec::Places(places))) {
        all.add("concurrency", message);
    }
    for (index, other) in policy.overrides.iter().enumerate() {
        if let Ok(Some(quota)) = other.as_limit().quota()
            && let Err((part, message)) = rule(LimitSpec::new(AlgorithmName::Gcra, quota))
        {
            all.add(format!("overrides[{index}].{part}"), message);
        }
    }
}

fn can_be_leased(algorithm: AlgorithmName) -> bool {
    matches!(algorithm, AlgorithmName::Gcra | AlgorithmName::TokenBucket)
}

/// What only has a meaning with a backend. (A failure mode says what is true in memory, too.)
fn check_there_is_none(policy: &Policy, all: &mut Findings) {
    let mode = (policy.mode != BackendMode::Direct).then(|| "\"leased\"".to_owned());
    let budget = policy.budget.map(|budget| format!("\"{budget}\""));
    let nodes = policy.expected_nodes.map(|nodes| nodes.to_string());
    for (field, value) in [("mode", mode), ("budget", budget), ("expected_nodes", nodes)] {
        if let Some(value) = value {
            all.add(
                field,
                format!("{value} is about a backend, and none is named: name one, or leave it out"),
            );
        }
    }
}

/// A backend knows limits by their names, so no two in it may have the same.
pub(super) fn check_names(policies: &Policies, all: &mut Findings) {
    let mut known: HashMap<(&str, String), &str> = HashMap::new();
    for (place, policy) in policies.policy.iter().enumerate() {
        let Some(backend) = &policy.backend else { continue };
        all.begin(&policy.id, format!("policy[{place}]"));
        for name in store_names(policy) {
            let other = known.insert((backend, name.to_string()), &policy.id);
            if let Some(other) = other {
                let message = format!(
                    "{backend:?} knows a limit of policy {other:?} as {name:?}, too: give this policy another id, or that \
                     limit another name"
                );
                all.add("id", message);
            }
        }
    }
}
