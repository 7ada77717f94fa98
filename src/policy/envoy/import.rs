//! [`Import`]: the walk over a file's descriptors that makes policies of them.

use std::collections::{HashMap, HashSet};

use super::EnvoyError;
use super::choice::{Choice, is_wildcard};
use super::descriptor::{DOMAIN, ENTRIES, entry_attribute};
use super::document::{Document, RateLimit, Rule};
use super::ids::Ids;
use crate::policy::file::{Problem, Tree};
use crate::policy::{Conditions, Pattern, Policy, Scope};

/// So many patterns may keep the policies of a file apart: they take about 100 MB. Each rule in a list stands in the
/// policies of those that it comes before, so that they can be many more than rules.
const MAX_PATTERNS: usize = 1 << 20;

/// More problems are not told at a time: about two screens.
const MAX_PROBLEMS: usize = 100;

/// A walk.
#[derive(Debug)]
pub(super) struct Import<'a> {
    document: &'a Document,
    tree: &'a Tree,
    /// Something was wrong and is not in the document: what is missing there may be in the file.
    is_partial: bool,
    error: EnvoyError,
    /// The rules from the top to where the walk is.
    steps: Vec<Step>,
    policies: Vec<(Policy, &'a RateLimit)>,
    ids: Ids,
    patterns: usize,
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

/// A list of rules and the path to it in the file.
#[derive(Clone, Copy)]
struct List<'a, 'path> {
    rules: &'a [Rule],
    path: &'path str,
}

impl<'a> Import<'a> {
    /// Of a document that was read with these problems.
    pub(super) fn new(document: &'a Document, tree: &'a Tree, error: EnvoyError) -> Import<'a> {
        Import {
            document,
            tree,
            is_partial: !error.problems.is_empty(),
            error,
            steps: Vec::new(),
            policies: Vec::new(),
            ids: Ids::default(),
            patterns: 0,
        }
    }

    /// The policies, one for each rate limit in the order of the file.
    pub(super) fn policies(mut self) -> Result<Vec<Policy>, EnvoyError> {
        if self.document.domain.is_empty() {
            self.missing("", "domain", "a file needs a domain");
        }
        self.list(List { rules: &self.document.descriptors, path: "descriptors" });
        self.replacements();
        if self.error.problems.is_empty() {
            return Ok(self.policies.into_iter().map(|(policy, _)| policy).collect());
        }
        self.error.problems.sort_by_key(|problem| (problem.line, problem.column));
        Err(self.error)
    }

    fn list(&mut self, List { rules, path }: List<'a, '_>) {
        let mut of_key: HashMap<&str, Vec<&Rule>> = HashMap::new();
        for rule in rules {
            of_key.entry(&rule.key).or_default().push(rule);
        }
        let mut positions: HashMap<&str, usize> = HashMap::new();
        let mut names = HashSet::new();
        for (number, rule) in rules.iter().enumerate() {
            let path = format!("{path}[{number}]");
            let (rivals, position) = (&of_key[rule.key.as_str()], positions.entry(&rule.key).or_default());
            let is_compared = rule.value.is_empty() || is_wildcard(&rule.value);
            if !self.make_room_for(if is_compared { rivals.len() } else { 0 }) {
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
            self.missing(path, "key", "a descriptor needs a key");
        }
        if is_wildcard(&rule.key) {
            self.problem(path, "key", "a key with `*` cannot be imported: only values may have it");
        }
        if rule.share_threshold && !is_wildcard(&rule.value) && !(self.is_partial && rule.value.is_empty()) {
            self.problem(path, "share_threshold", "only a value with `*` can share: leave it out");
        }
        if let Some(rate_limit) = &rule.rate_limit {
            self.rate_limit(rule, rate_limit, path);
        }
        self.list(List { rules: &rule.descriptors, path: &format!("{path}.descriptors") });
    }

    fn rate_limit(&mut self, rule: &Rule, rate_limit: &'a RateLimit, path: &str) {
        if rule.quota_mode {
            let message = "a quota that refuses only together with others cannot be imported: leave it out";
            self.problem(path, "quota_mode", message);
        }
        for (number, replaced) in rate_limit.replaces.iter().enumerate() {
            let field = format!("rate_limit.replaces[{number}].name");
            if replaced.name.is_empty() {
                self.missing(path, &field, "which rate limit is replaced? Give its name");
            } else if replaced.name == rate_limit.name {
                self.problem(path, &field, "a rate limit cannot replace itself: leave it out");
            }
        }
        match rate_limit.limit() {
            Ok(limit) => {
                let mut policy = self.policy();
                policy.limits = vec![limit];
                policy.shadow = rule.shadow_mode;
                policy.name = Some(rate_limit.name.clone()).filter(|name| !name.is_empty());
                self.policies.push((policy, rate_limit));
            }
            Err((field, message)) if rate_limit.unit.is_empty() => {
                self.missing(path, &format!("rate_limit.{field}"), message);
            }
            Err((field, message)) => self.problem(path, &format!("rate_limit.{field}"), message),
        }
    }

    /// The policy about the requests that choose the rule where the walk is.
    fn policy(&mut self) -> Policy {
        let mut policy = Policy::new(self.ids.of(&self.label()));
        policy.matches = Conditions::new()
            .with(DOMAIN, [Pattern::escaped(&self.document.domain)])
            .with(ENTRIES, [self.steps.len().to_string()]);
        if !self.make_room_for(self.steps.iter().map(|step| step.choice.others.len()).sum()) {
            return policy;
        }
        for Step { attribute, choice, .. } in &self.steps {
            policy.matches = policy.matches.with(attribute, [&choice.pattern]);
            if !choice.others.is_empty() {
                policy.allow.push(Conditions::new().with(attribute, &choice.others));
            }
        }
        let counted_apart = self.steps.iter().filter(|step| step.choice.is_open && !step.is_shared);
        policy.scope = Scope::of(counted_apart.map(|step| &step.attribute));
        policy
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
            if !self.make_room_for(ids.len()) {
                return;
            }
            self.policies[number].0.replaces = ids.into_iter().cloned().collect();
        }
    }

    /// Counts patterns. Once there are too many there is room for none.
    fn make_room_for(&mut self, patterns: usize) -> bool {
        let was_full = self.patterns > MAX_PATTERNS;
        self.patterns = self.patterns.saturating_add(patterns);
        let is_full = self.patterns > MAX_PATTERNS;
        if is_full && !was_full {
            let message = format!(
                "the lists are so long that more than {MAX_PATTERNS} patterns are needed: divide them"
            );
            self.note(Problem::whole(message));
        }
        !is_full
    }

    /// Something is not given, if it is not only that it was wrong.
    fn missing(&mut self, path: &str, field: &str, message: impl Into<String>) {
        if !self.is_partial {
            self.problem(path, field, message);
        }
    }

    /// A field of the rule where the walk is.
    fn problem(&mut self, path: &str, field: &str, message: impl Into<String>) {
        let whole = if path.is_empty() || field.is_empty() {
            format!("{path}{field}")
        } else {
            format!("{path}.{field}")
        };
        let problem = self.tree.locate(&whole, message);
        // As long as the longest id.
        let label = || self.label().chars().take(64).collect();
        let policy = (!self.steps.is_empty()).then(label);
        self.note(Problem { policy, field: field.to_owned(), ..problem });
    }

    fn note(&mut self, problem: Problem) {
        if self.error.problems.len() < MAX_PROBLEMS {
            self.error.problems.push(problem);
        } else {
            self.error.omitted += 1;
        }
    }
}

/// The key alone, or with the value. With `_` between them they are what the service calls a rule: it takes `a: b_c` and
/// `a_b: c` for the same.
fn joined(rule: &Rule, separator: char) -> String {
    if rule.value.is_empty() { rule.key.clone() } else { format!("{}{separator}{}", rule.key, rule.value) }
}
