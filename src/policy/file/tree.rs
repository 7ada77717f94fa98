//! [`Tree`]: all values of a file, and how a place in it is named.

use std::iter;

use super::node::{Entry, Kind, Node};
use super::problem::{Place, Problem};

/// The list of the top level whose elements problems name.
pub(super) const POLICIES: &str = "policy";

/// The values of a file with their places. What was found wrong is out of it.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(super) root: Node,
}

impl Tree {
    /// A problem with the meaning of a value that was read: `path` leads to it in that value, as in
    /// `policy[3].limits[0].burst`. The problem names line, policy and field as the file has them. A path that leads
    /// to nothing, because a field is not given, has the place of the last value on its way.
    pub(crate) fn locate(&self, path: &str, message: impl Into<String>) -> Problem {
        let mut steps = Vec::new();
        let (mut node, mut place, mut rest) = (&self.root, self.root.place, path);
        while let Some((position, left)) = step(node, rest) {
            let Some(child) = node.child(position) else { break };
            place = match &node.kind {
                Kind::Table(entries) => entries[position].place,
                _ => child.place,
            };
            steps.push(position);
            (node, rest) = (child, left);
        }
        let mut problem = self.problem(&steps, place, message.into());
        if !problem.field.is_empty() && !rest.starts_with(['.', '[']) && !rest.is_empty() {
            problem.field.push('.');
        }
        problem.field.push_str(if problem.field.is_empty() { rest.trim_start_matches('.') } else { rest });
        problem
    }

    /// A problem with the value at the end of these positions.
    pub(super) fn problem(&self, steps: &[usize], place: Place, message: String) -> Problem {
        let (policy, start) = match steps {
            [list, number, ..] => match self.policy(*list, *number) {
                Some(policy) => (Some(policy), 2),
                None => (None, 0),
            },
            _ => (None, 0),
        };
        Problem { policy, field: self.field(steps, start), ..Problem::at(place, message) }
    }

    /// Whether these positions lead to a field right of a policy.
    pub(super) fn is_field_of_policy(&self, steps: &[usize]) -> bool {
        matches!(steps, [list, number, _] if self.policy(*list, *number).is_some())
    }

    /// How a policy is named: by its id, or by its number.
    fn policy(&self, list: usize, number: usize) -> Option<String> {
        let Kind::Table(entries) = &self.root.kind else { return None };
        let policies = entries.get(list).filter(|entry| entry.key == POLICIES)?;
        let Kind::List(policies) = &policies.value.kind else { return None };
        match policies.get(number)?.entry("id").map(|id| &id.value.kind) {
            Some(Kind::Text(id)) if !id.is_empty() => Some(id.clone()),
            _ => Some(format!("number {}", number + 1)),
        }
    }

    /// The policy that a place of the file is in.
    pub(super) fn policy_at(&self, place: Place) -> Option<String> {
        let begins = self.root.children().enumerate().flat_map(|(list, child)| {
            let elements = child.children().enumerate();
            let elements = elements.map(move |(number, element)| (element.place, Some((list, number))));
            iter::once((child.place, None)).chain(elements)
        });
        let (_, policy) = begins.filter(|(start, _)| *start <= place).max_by_key(|(start, _)| *start)?;
        let (list, number) = policy?;
        self.policy(list, number)
    }

    /// The path of these positions from the one at `start` on, as the file has it.
    fn field(&self, steps: &[usize], start: usize) -> String {
        let mut field = String::new();
        let mut node = &self.root;
        for (level, &position) in steps.iter().enumerate() {
            let Some(child) = node.child(position) else { break };
            if level >= start {
                match &node.kind {
                    Kind::Table(entries) => push_key(&mut field, &entries[position].key),
                    _ if child.flat => field.clear(),
                    // The number that the file's writer counts: without the flat limit in front.
                    _ => {
                        let moved = usize::from(node.child(0).is_some_and(|first| first.flat));
                        field.extend(["[", &(position - moved).to_string(), "]"]);
                    }
                }
            }
            node = child;
        }
        field
    }

    /// The value at the end of these positions.
    pub(super) fn node(&self, steps: &[usize]) -> Option<&Node> {
        steps.iter().try_fold(&self.root, |node, &position| node.child(position))
    }

    /// The entry at the end of these positions, if they end in a table.
    pub(super) fn key(&self, steps: &[usize]) -> Option<&Entry> {
        let (last, table) = steps.split_last()?;
        match &self.node(table)?.kind {
            Kind::Table(entries) => entries.get(*last),
            _ => None,
        }
    }

    /// Takes that value out. It must be in.
    pub(super) fn remove(&mut self, steps: &[usize]) {
        let node = steps.iter().try_fold(&mut self.root, |node, &position| node.child_mut(position));
        if let Some(node) = node {
            node.kind = Kind::Removed;
        }
    }
}

/// Follows the first part of a path: the position it leads to, and the rest.
fn step<'a>(node: &Node, path: &'a str) -> Option<(usize, &'a str)> {
    match &node.kind {
        Kind::Table(entries) => {
            let path = path.strip_prefix('.').unwrap_or(path);
            let fits = |entry: &Entry| {
                let rest = path.strip_prefix(&entry.key).or_else(|| path.strip_prefix(&shown(&entry.key)))?;
                (rest.is_empty() || rest.starts_with(['.', '['])).then_some(rest)
            };
            let kept = entries.iter().enumerate().filter(|(_, entry)| !entry.value.is_removed());
            // Keys may have dots in them: the longest is meant.
            kept.filter_map(|(position, entry)| Some((position, fits(entry)?)))
                .min_by_key(|(_, rest)| rest.len())
        }
        Kind::List(elements) => {
            let (number, rest) = path.strip_prefix('[')?.split_once(']')?;
            let kept = elements.iter().enumerate().filter(|(_, element)| !element.is_removed());
            Some((kept.map(|(position, _)| position).nth(number.parse().ok()?)?, rest))
        }
        _ => None,
    }
}

/// A key in a path: in quotes if it would not be read as one key.
fn shown(key: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-');
    if !key.is_empty() && key.chars().all(is_plain) { key.to_owned() } else { super::node::quoted(key) }
}

fn push_key(field: &mut String, key: &str) {
    if !field.is_empty() {
        field.push('.');
    }
    field.push_str(&shown(key));
}
