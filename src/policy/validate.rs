//! Whether policies make sense: what their types cannot say.

mod backends;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::limits::{LimitSpec, specs};
use super::matching::{CompiledConditions, LONGEST_PATTERN};
use super::model::{Amount, Conditions, CostRule, Limit, Policies, Policy, Scope, State};
use crate::build_error::BuildError;
use crate::limiter::{DEFAULT_MAX_KEYS, check_max_keys};
use crate::quota::Excerpt;

/// The longest id, in bytes: as long as a name that header fields carry.
const LONGEST_ID: usize = 64;

/// Something that is wrong with a policy.
///
/// For an example see [`PolicyError`](super::PolicyError).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invalid {
    /// The policy's id; empty if it is about a tier.
    pub policy: String,
    /// Where it is in the whole: `policy[2].limits[0].limit`.
    pub path: String,
    /// What is wrong, and what to change.
    pub message: String,
}

impl Invalid {
    /// The field, as it is called within its policy: `limits[0].limit`.
    #[must_use]
    pub fn field(&self) -> &str {
        self.path.split_once("].").map_or("", |(_, field)| field)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.policy.is_empty() {
            write!(f, "policy \"{}\", ", self.policy)?;
            return write!(f, "{}: {}", self.field(), self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl std::error::Error for Invalid {}

/// All that is wrong with these policies, for a set with these backends, if they are known yet.
///
/// If they are not all there are, because others could not be read, no other is asked for.
pub(super) fn validate(policies: &Policies, are_all: bool, backends: Option<&[&str]>) -> Vec<Invalid> {
    let mut all = Findings { found: Vec::new(), policy: String::new(), path: String::new() };
    let mut ids: HashSet<&str> = HashSet::new();
    for (place, policy) in policies.policy.iter().enumerate() {
        all.begin(&policy.id, format!("policy[{place}]"));
        if !ids.insert(&policy.id) {
            all.add("id", "is the id of another policy above, too: give one of them another id");
        }
        check_policy(policy, backends, &mut all);
    }
    for (place, policy) in policies.policy.iter().enumerate() {
        all.begin(&policy.id, format!("policy[{place}]"));
        for (index, other) in policy.replaces.iter().enumerate() {
            let field = format!("replaces[{index}]");
            if *other == policy.id {
                all.add(field, "a policy cannot replace itself: leave it out");
            } else if are_all && !ids.contains(other.as_str()) {
                all.add(
                    field,
                    format!("there is no policy {:?}: correct the id, or leave it out", Excerpt::of(other)),
                );
            }
        }
    }
    backends::check_names(policies, &mut all);
    for place in in_a_circle(policies) {
        let policy = &policies.policy[place];
        all.begin(&policy.id, format!("policy[{place}]"));
        all.add(
            "replaces",
            "leads in a circle, by which all of them would give way: let one of them replace none",
        );
    }
    for (place, tier) in policies.tier.iter().enumerate() {
        all.begin("", format!("tier[{place}]"));
        if tier.name.is_empty() {
            all.add("name", "is empty: give the tier a name");
        }
        if tier.members.is_empty() {
            all.add("members", "is empty: say who belongs to it, as [{ user = \"acme\" }]");
        }
        for (index, member) in tier.members.iter().enumerate() {
            let field = format!("members[{index}]");
            if member.is_empty() {
                all.add(&field, "has no conditions, and would be everybody: say who is meant");
            }
            if member.iter().any(|(attribute, _)| attribute == "tier") {
                all.add(
                    format!("{field}.tier"),
                    "who belongs to a tier cannot depend on a tier: name users, or other attributes",
                );
            }
            all.conditions(&field, member);
        }
    }
    all.found
}

/// The places of policies that replace others which in the end replace them. (Kahn, "Topological sorting of large networks", 1962: what is left
/// when those that nobody left replaces are taken away, again and again; and the same from the other end.)
fn in_a_circle(policies: &Policies) -> Vec<usize> {
    let places: HashMap<&str, usize> =
        policies.policy.iter().map(|policy| policy.id.as_str()).zip(0..).collect();
    let mut leads: Vec<Vec<usize>> = Vec::new();
    for (place, policy) in policies.policy.iter().enumerate() {
        let others = policy.replaces.iter().filter_map(|other| places.get(other.as_str()).copied());
        // Who replaces itself has been told.
        leads.push(others.filter(|other| *other != place).collect());
    }
    let mut led: Vec<Vec<usize>> = vec![Vec::new(); leads.len()];
    for (place, others) in leads.iter().enumerate() {
        for other in others {
            led[*other].push(place);
        }
    }
    let mut left = vec![true; leads.len()];
    for (forward, back) in [(&leads, &led), (&led, &leads)] {
        let count = |place: usize, left: &[bool]| back[place].iter().filter(|other| left[**other]).count();
        let mut counts: Vec<usize> = (0..left.len()).map(|place| count(place, &left)).collect();
        let mut free: Vec<usize> =
            (0..left.len()).filter(|place| left[*place] && counts[*place] == 0).collect();
        while let Some(place) = free.pop() {
            left[place] = false;
            for other in forward[place].iter().filter(|other| left[**other]) {
                counts[*other] -= 1;
                if counts[*other] == 0 {
                    free.push(*other);
                }
            }
        }
    }
    (0..left.len()).filter(|place| left[*place]).collect()
}

fn check_policy(policy: &Policy, backends: Option<&[&str]>, all: &mut Findings) {
    check_id(&policy.id, all);
    all.conditions("match", &policy.matches);
    for (field, list) in [("allow", &policy.allow), ("deny", &policy.deny)] {
        for (index, conditions) in list.iter().enumerate() {
            let field = format!("{field}[{index}]");
            if conditions.is_empty() {
                all.add(&field, "has no conditions, and would be everybody: say who is meant");
            }
            all.conditions(&field, conditions);
        }
    }
    check_scope(&policy.scope, all);
    if let CostRule::Attribute(cost) = &policy.cost {
        all.attribute("cost.attribute", &cost.attribute);
    }
    backends::check(policy, backends, all);
    let max_keys = policy.max_keys.unwrap_or(DEFAULT_MAX_KEYS);
    if let Err(error) = check_max_keys(max_keys) {
        all.add("max_keys", error.to_string());
    }
    check_limits(policy, max_keys, all);
    check_overrides(policy, all);
}

fn check_id(id: &str, all: &mut Findings) {
    let wrong = id.chars().find(
        |character| !matches!(character, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' | ':' | '/'),
    );
    if id.is_empty() {
        all.add("id", "is empty: give the policy an id");
    } else if id.len() > LONGEST_ID {
        all.add("id", format!("is {} bytes long: at most {LONGEST_ID}", id.len()));
    } else if let Some(wrong) = wrong {
        all.add("id", format!("has {wrong:?} in it: use letters, digits and - _ . : / only"));
    }
}

fn check_scope(scope: &Scope, all: &mut Findings) {
    for (index, attribute) in scope.attributes().enumerate() {
        if attribute == Scope::GLOBAL {
            all.add(format!("scope[{index}]"), "\"global\" is no attribute: leave it out");
        }
        all.attribute(format!("scope[{index}]"), attribute);
    }
}

fn check_limits(policy: &Policy, max_keys: usize, all: &mut Findings) {
    let word = |limit: &Limit| matches!(limit.limit, Amount::Unlimited | Amount::Block);
    let mut rates = 0;
    for (index, limit) in policy.limits.iter().enumerate() {
        let field = format!("limits[{index}]");
        if word(limit) && (policy.limits.len() > 1 || policy.concurrency.is_some()) {
            all.add(
                format!("{field}.limit"),
                format!("{} stands alone: leave out the other limits, and concurrency", limit.limit),
            );
        }
        if limit.name.as_ref().is_some_and(|name| !is_name(name)) {
            all.add(
                format!("{field}.name"),
                "use 1 to 32 printable ASCII characters: header fields carry it",
            );
        }
        match limit.quota() {
            Err((part, message)) => all.add(format!("{field}.{part}"), message),
            Ok(None) => {}
            Ok(Some(quota)) => {
                rates += 1;
                if let Err(error) = LimitSpec::new(limit.algorithm, quota).check(max_keys) {
                    all.add(format!("{field}.limit"), unbuilt(limit, &error));
                }
            }
        }
    }
    // Else they are numbered otherwise than they will be.
    if rates == policy.limits.len() {
        check_names(policy, all);
    }
    let nothing = policy.limits.is_empty() && policy.concurrency.is_none() && policy.deny.is_empty();
    if nothing && policy.state != State::Draft {
        all.add(
            "limits",
            "there is nothing to enforce: add a limit, a concurrency cap or a deny list, or make it a draft",
        );
    }
}

/// Header fields, reports and snapshots tell a policy's limits apart by their names.
fn check_names(policy: &Policy, all: &mut Findings) {
    let mut names = HashSet::new();
    for (place, (name, spec)) in specs(policy).into_iter().enumerate() {
        if !names.insert(Arc::clone(&name)) {
            let field = if spec.holds() { "concurrency".to_owned() } else { format!("limits[{place}].name") };
            all.add(
                field,
                format!("{name:?} is what another limit of the policy is called, too: give one of them another name"),
            );
        }
    }
}

/// Why a limit cannot be built, for somebody who has its file before him.
fn unbuilt(limit: &Limit, error: &BuildError) -> String {
    match error {
        BuildError::LimitTooLarge { limit: count, max } => {
            format!(
                "{count} is too large for {}: use at most {max}, a longer window, or gcra",
                limit.algorithm
            )
        }
        other => other.to_string(),
    }
}

/// What is wrong with the name of an attribute.
pub(super) fn wrong_attribute(name: &str) -> Option<String> {
    let is_wrong = name.is_empty() || name.len() > LONGEST_PATTERN || name.chars().any(char::is_control);
    is_wrong.then(|| {
        let name = Excerpt::of(name);
        format!("{name:?} is no name for an attribute: use 1 to {LONGEST_PATTERN} printable characters")
    })
}

/// Whether a limit may be called so, beside the id of its policy.
fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn check_overrides(policy: &Policy, all: &mut Findings) {
    for (index, other) in policy.overrides.iter().enumerate() {
        let field = format!("overrides[{index}]");
        if other.matches.is_empty() {
            all.add(format!("{field}.match"), "has no conditions, and would be everybody: say who is meant");
        }
        all.conditions(&format!("{field}.match"), &other.matches);
        if let Amount::Count(count) = other.limit {
            all.add(format!("{field}.limit"), format!("in what time? Write \"{count}/min\""));
            continue;
        }
        if let Err((part, message)) = other.as_limit().quota() {
            all.add(format!("{field}.{part}"), message);
        }
    }
}

/// What is found, and where the search is.
struct Findings {
    found: Vec<Invalid>,
    policy: String,
    path: String,
}

impl Findings {
    fn begin(&mut self, policy: &str, path: String) {
        policy.clone_into(&mut self.policy);
        self.path = path;
    }

    fn add(&mut self, field: impl AsRef<str>, message: impl Into<String>) {
        let path = format!("{}.{}", self.path, field.as_ref());
        self.found.push(Invalid { policy: self.policy.clone(), path, message: message.into() });
    }

    fn attribute(&mut self, field: impl AsRef<str>, name: &str) {
        if let Some(message) = wrong_attribute(name) {
            self.add(field, message);
        }
    }

    fn conditions(&mut self, field: &str, conditions: &Conditions) {
        for (attribute, patterns) in conditions.iter() {
            self.attribute(format!("{field}.{attribute}"), attribute);
            if patterns.is_empty() {
                self.add(
                    format!("{field}.{attribute}"),
                    "is an empty list, which nothing fits: leave it out, or use \"*\"",
                );
            }
        }
        if let Err((attribute, place, message)) = CompiledConditions::new(conditions) {
            let several = conditions.iter().any(|(name, patterns)| name == attribute && patterns.len() > 1);
            let place = if several { format!("[{place}]") } else { String::new() };
            self.add(format!("{field}.{attribute}{place}"), message);
        }
    }
}
