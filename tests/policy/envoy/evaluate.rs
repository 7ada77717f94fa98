//! Which policies concern a descriptor, told by the words of their documentation alone.

use std::collections::HashMap;

use tollgate::policy::{Conditions, Descriptor, Policies, Policy};

/// Whether a value fits a pattern in which `*` is any run of characters and `\` takes the meaning from the next one.
fn fits(pattern: &[char], value: &[char]) -> bool {
    match (pattern, value) {
        ([], value) => value.is_empty(),
        (['*', rest @ ..], value) => {
            fits(rest, value) || value.split_first().is_some_and(|(_, value)| fits(pattern, value))
        }
        (['\\', literal, rest @ ..] | [literal, rest @ ..], [first, value @ ..]) => {
            literal == first && fits(rest, value)
        }
        (_, []) => false,
    }
}

fn hold(conditions: &Conditions, attributes: &HashMap<&str, &str>) -> bool {
    let chars = |text: &str| text.chars().collect::<Vec<_>>();
    conditions.iter().all(|(name, patterns)| {
        let value = attributes.get(name).map(|value| chars(value));
        value.is_some_and(|value| patterns.iter().any(|pattern| fits(&chars(pattern.as_str()), &value)))
    })
}

/// The policies that concern a request, each with the values of its scope.
pub(crate) fn concerned<'a>(
    policies: &'a Policies,
    descriptor: &Descriptor,
) -> Vec<(&'a Policy, Vec<String>)> {
    let attributes: HashMap<_, _> = descriptor.attributes().collect();
    let concerns = |policy: &&Policy| {
        hold(&policy.matches, &attributes) && !policy.allow.iter().any(|except| hold(except, &attributes))
    };
    let key = |policy: &Policy| policy.scope.attributes().map(|name| attributes[name].to_owned()).collect();
    policies.policy.iter().filter(concerns).map(|policy| (policy, key(policy))).collect()
}
