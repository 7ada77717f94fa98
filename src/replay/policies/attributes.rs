//! Which attributes policies look at.

use std::collections::BTreeSet;

use crate::policy::{Conditions, CostRule, Policies, Policy, State};

/// The policies in force.
pub(super) fn active(policies: &Policies) -> impl Iterator<Item = &Policy> {
    policies.policy.iter().filter(|policy| policy.state == State::Active)
}

/// The attributes that any policy in force looks at, in the order of their names.
pub(super) fn mentioned<'a>(files: impl Iterator<Item = &'a Policies>) -> Vec<String> {
    let mut names = BTreeSet::new();
    for policies in files {
        names.extend(policies.tier.iter().flat_map(|tier| conditions(&tier.members)));
        for policy in active(policies) {
            names.extend(conditions([&policy.matches]));
            names.extend(conditions(policy.allow.iter().chain(&policy.deny)));
            names.extend(conditions(policy.overrides.iter().map(|other| &other.matches)));
            names.extend(policy.scope.attributes());
            if let CostRule::Attribute(cost) = &policy.cost {
                names.insert(&cost.attribute);
            }
        }
    }
    names.into_iter().map(str::to_owned).collect()
}

fn conditions<'a>(all: impl IntoIterator<Item = &'a Conditions>) -> impl Iterator<Item = &'a str> {
    all.into_iter().flat_map(|conditions| conditions.iter().map(|(attribute, _)| attribute))
}
