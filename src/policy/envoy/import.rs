//! [`Import`]: the walk over a file's descriptors that makes policies of them.

use std::collections::{HashMap, HashSet};

use super::EnvoyError;
use super::choice::{Choice, is_wildcard};
use super::descriptor::{DOMAIN, ENTRIES, entry_attribute};
use super::document::{Document, RateLimit, Rule};
use super::ids::Ids;
use crate::policy::file::{Problem, Tree};
use crate::policy::validate::wrong_attribute;
use crate::policy::{Conditions, Pattern, Policy, Scope};

/// The conditions of a file's policies may take about so many bytes: enough for the longest file whose descriptors do not
/// get in each other's way. Where they do, each stands in the policies of those that it comes before, and few lines can
/// make more than there is memory.
const MAX_BYTES: usize = 128 << 20;

/// What a pattern takes beside its text: a `String`, and what its allocation needs.
const PATTERN_BYTES: usize = 48;

/// More problems are not told at a time: about two screens.
pub(super) const MAX_PROBLEMS: usize = 100;

/// A walk.
#[derive(Debug)]
pub(super) struct Import<'a> {
    document: &'a Document,
    tree: &'a Tree,
    error: EnvoyError,
    /// The rules from the top to where the walk is.
    steps: Vec<Step>,
    policies: Vec<(Policy, &'a RateLimit)>,
    ids: Ids,
    /// What the conditions take, and what it took to find them.
    bytes: usize,
}

/// A rule on the way to another one, or that one.
#[derive(Debug)]
struct Step {
    /// Its key and value, as ids have them.
    label: String,
    attribute: String,
    choice: Choice,
    /// Whether all its values are counted together.
    is_shared: bool,
}

impl<'a> Import<'a> {
    /// Of a document that was read with these problems.
    pub(super) fn new(document: &'a Document, tree: &'a Tree, error: EnvoyError) -> Import<'a> {
        Import {
            document,
            tree,
            error,
            steps: Vec::new(),
            policies: Vec::new(),
            ids: Ids::default(),
            bytes: 0,
        }
    }

    /// The policies, one for each rate limit in the order of the file.
    pub(super) fn policies(mut self) -> Result<Vec<Policy>, EnvoyError> {
        // A domain that is wrong is told already, and not in the document.
        if self.document.domain.is_empty() && self.error.problems.is_empty() {
            self.problem("", "domain", "a file needs a domain");
        }
        self.list(&self.document.descriptors, "descriptors");
        self.replacements();
        if self.error.problems.is_empty() {
            return Ok(self.policies.into_iter().map(|(policy, _)| policy).collect());
        }
        self.error.problems.sort_by_key(|problem| (problem.line, problem.column));
        Err(self.error)
    }

    /// A list of rules and the path to it in the file.
    fn list(&mut self, rules: &'a [Rule], path: &str) {
        let mut of_key: HashMap<&str, Vec<&Rule>> = HashMap::new();
        for rule in rules {
            of_key.entry(&rule.key).or_default().push(rule);
        }
        let mut positions: HashMap<&str, usize> = HashMap::new();
        let mut names = HashSet::new();
        for (number, rule) in rules.iter().enumerate() {
            let path = format!("{path}[{number}]");
            let (rivals, position) = (&of_key[rule.key.as_str()], positions.entry(&rule.key).or_default());
            if !self.make_room_for(comparisons(rule, rivals)) {
                return;
            }
            self.steps.push(self.step(rule, Choice::new(rivals, *position)));
            *position += 1;
            if !names.insert(joined(rule, '_')) {
                let message = "key and value, joined by `_`, are in this list already: leave one out";
                self.problem(&path, "", message);
            }
            self.rule(rule, &path);
            self.steps.pop();
        }
    }

    fn step(&self, rule: &Rule, choice: Choice) -> Step {
        let label = joined(rule, ':');
        let attribute = entry_attribute(self.steps.len() + 1, &rule.key);
        Step { label, attribute, choice, is_shared: rule.share_threshold }
    }

    fn rule(&mut self, rule: &'a Rule, path: &str) {
        if rule.key.is_empty() {
            self.problem(path, "key", "a descriptor needs a key");
        }
        if is_wildcard(&rule.key) {
            self.problem(path, "key", "a key with `*` cannot be imported: only values may have it");
        }
        let step = self.steps.last().filter(|_| !rule.key.is_empty());
        if let Some(message) = step.and_then(|step| wrong_attribute(&step.attribute)) {
            self.problem(path, "key", message);
        }
        if rule.share_threshold && !is_wildcard(&rule.value) {
            self.problem(path, "share_threshold", "only a value with `*` can share: leave it out");
        }
        if let Some(rate_limit) = &rule.rate_limit {
            self.rate_limit(rule, rate_limit, path);
        }
        self.list(&rule.descriptors, &format!("{path}.descriptors"));
    }

    fn rate_limit(&mut self, rule: &Rule, rate_limit: &'a RateLimit, path: &str) {
        if rule.quota_mode {
            let message = "a quota that refuses only together with others cannot be imported: leave it out";
            self.problem(path, "quota_mode", message);
        }
        for (number, replaced) in rate_limit.replaces.iter().enumerate() {
            let field = format!("rate_limit.replaces[{number}].name");
            if replaced.name.is_empty() {
                self.problem(path, &field, "which rate limit is replaced? Give its name");
            } else if replaced.name == rate_limit.name {
                self.problem(path, &field, "a rate limit cannot replace itself: leave it out");
            }
        }
        match rate_limit.limit() {
            Ok(limit) => {
                let Some(mut policy) = self.policy() else { return };
                policy.limits = vec![limit];
                policy.shadow = rule.shadow_mode;
                policy.name = Some(rate_limit.name.clone()).filter(|name| !name.is_empty());
                self.policies.push((policy, rate_limit));
            }
            Err((field, message)) => self.problem(path, &format!("rate_limit.{field}"), message),
        }
    }

    /// The policy about the requests that choose the rule where the walk is, if there is room for it.
    fn policy(&mut self) -> Option<Policy> {
        if !self.make_room_for(self.document.domain.len() + self.steps.iter().map(Step::bytes).sum::<usize>())
        {
            return None;
        }
        let mut policy = Policy::new(self.ids.of(&self.label()));
        policy.matches = Conditions::new()
            .with(DOMAIN, [Pattern::escaped(&self.document.domain)])
            .with(ENTRIES, [self.steps.len().to_string()]);
        for Step { attribute, choice, .. } in &self.steps {
            policy.matches = policy.matches.with(attribute, [&choice.pattern]);
            if !choice.others.is_empty() {
                policy.allow.push(Conditions::new().with(attribute, &choice.others));
            }
        }
        let counted_apart = self.steps.iter().filter(|step| step.choice.is_open && !step.is_shared);
        policy.scope = Scope::of(counted_apart.map(|step| &step.attribute));
        Some(policy)
    }

    /// Where the walk is.
    fn label(&self) -> String {
        let labels = self.steps.iter().map(|step| step.label.as_str());
        let path: Vec<_> = std::iter::once(self.document.domain.as_str()).chain(labels).collect();
        path.join("/")
    }

    /// Ids for the names that rate limits replace. A name that no rate limit has replaces nothing, as in the service.
    fn replacements(&mut self) {
        let mut named: HashMap<&str, Vec<String>> = HashMap::new();
        for (policy, rate_limit) in &self.policies {
            named.entry(&rate_limit.name).or_default().push(policy.id.clone());
        }
        for number in 0..self.policies.len() {
            let replaced = self.policies[number].1.replaces.iter();
            let ids: Vec<_> =
                replaced.filter_map(|replaced| named.get(replaced.name.as_str())).flatten().collect();
            if !self.make_room_for(ids.len() * PATTERN_BYTES) {
                return;
            }
            self.policies[number].0.replaces = ids.into_iter().cloned().collect();
        }
    }

    /// Counts bytes. Once there are too many there is room for none.
    fn make_room_for(&mut self, bytes: usize) -> bool {
        let was_full = self.bytes > MAX_BYTES;
        self.bytes = self.bytes.saturating_add(bytes);
        let is_full = self.bytes > MAX_BYTES;
        if is_full && !was_full {
            let message = format!(
                "its policies would take more than {MAX_BYTES} bytes: use fewer descriptors, above all beside those \
                 with `*` and those without a value"
            );
            self.error.problems.push(Problem::whole(message));
        }
        !is_full
    }

    /// A field of the rule where the walk is.
    fn problem(&mut self, path: &str, field: &str, message: impl Into<String>) {
        // To find its place takes as long as the list is.
        if self.error.problems.len() >= MAX_PROBLEMS {
            self.error.omitted += 1;
            return;
        }
        let whole = if path.is_empty() || field.is_empty() {
            format!("{path}{field}")
        } else {
            format!("{path}.{field}")
        };
        let problem = self.tree.locate(&whole, message);
        // As long as the longest id.
        let label = || self.label().chars().take(64).collect();
        let policy = (!self.steps.is_empty()).then(label);
        self.error.problems.push(Problem { policy, field: field.to_owned(), ..problem });
    }
}

impl Step {
    /// About how many bytes it takes in a policy.
    fn bytes(&self) -> usize {
        let texts =
            [&self.label, &self.attribute, &self.choice.pattern].into_iter().chain(&self.choice.others);
        texts.map(|text| text.len() + PATTERN_BYTES).sum()
    }
}

/// About how many bytes are compared to tell a rule from others of its list and key.
fn comparisons(rule: &Rule, rivals: &[&Rule]) -> usize {
    if rule.value.is_empty() || is_wildcard(&rule.value) {
        rivals.iter().map(|rival| rule.value.len() + rival.value.len()).sum()
    } else {
        0
    }
}

/// The key alone, or with the value. With `_` between them they are what the service calls a rule: it takes `a: b_c` and
/// `a_b: c` for the same.
fn joined(rule: &Rule, separator: char) -> String {
    if rule.value.is_empty() { rule.key.clone() } else { format!("{}{separator}{}", rule.key, rule.value) }
}
