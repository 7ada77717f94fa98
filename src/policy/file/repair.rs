//! All errors of a file at once: what is wrong is noted and taken out, and the rest is read again.

use serde::de::{DeserializeOwned, Error};

use super::deserialize::Value;
use super::failure::{Failure, is_like, nearest};
use super::node::{Kind, Node};
use super::normalize::FLAT;
use super::problem::Problems;
use super::tree::Tree;

/// So many bytes, as [`Node::weight`] counts them, are read again at most to find one part's problems: a second or two.
const MAX_WORK: usize = 1 << 30;

/// What is sound of a tree, as a value. What is not is noted, and out of the tree; no value if too much is wrong.
pub(super) fn deserialize<T: DeserializeOwned>(tree: &mut Tree, problems: &mut Problems) -> Option<T> {
    if let Ok(value) = T::deserialize(Value::new(&tree.root, &[])) {
        return Some(value);
    }
    // Every problem costs another reading, so first of each part for itself: of a policy, not of all.
    for part in parts(&tree.root) {
        repair::<T>(tree, &part, problems);
        // What is left of a policy must not look like a policy: checks of its meaning would find what only follows.
        if part.len() > 1 && tree.node(&part).is_some_and(Node::has_removed) {
            tree.remove(&part);
        }
    }
    repair(tree, &[], problems)
}

/// The elements of the top level's lists, and its other entries.
fn parts(root: &Node) -> Vec<Vec<usize>> {
    let mut parts = Vec::new();
    for (position, child) in root.children().enumerate() {
        match &child.kind {
            Kind::List(elements) => parts.extend((0..elements.len()).map(|element| vec![position, element])),
            _ => parts.push(vec![position]),
        }
    }
    parts
}

/// Reads a part until nothing is wrong in it. Each round takes a value out of it.
fn repair<T: DeserializeOwned>(tree: &mut Tree, part: &[usize], problems: &mut Problems) -> Option<T> {
    let weight = tree.node(part).map_or(1, Node::weight);
    for _ in 0..(MAX_WORK / weight).clamp(1, Problems::KEPT) {
        let failure = match T::deserialize(Value::new(&tree.root, part)) {
            Ok(value) => return Some(value),
            Err(failure) => failure,
        };
        match take_out(tree, part, failure, problems) {
            Went::In => {}
            Went::Whole | Went::Elsewhere => return None,
        }
    }
    if let Some(node) = tree.node(part) {
        let message = "more may be wrong here than is shown: correct that first";
        problems.note(tree.problem(part, node.place, message.to_owned()));
    }
    tree.remove(part);
    None
}

/// What a failure took out.
enum Went {
    /// Something in the part.
    In,
    /// The part itself.
    Whole,
    /// Nothing: the failure is not the part's.
    Elsewhere,
}

fn take_out(tree: &mut Tree, part: &[usize], failure: Failure, problems: &mut Problems) -> Went {
    let (of_key, missing) = (failure.is_of_key(), failure.missing());
    let (steps, message) = failure.into_parts();
    if !steps.starts_with(part) {
        return Went::Elsewhere;
    }
    let Some(node) = tree.node(&steps) else { return Went::Elsewhere };
    let key = tree.key(&steps).filter(|_| of_key);
    if let Some(entry) = key {
        // Of a policy's fields serde does not know those of its flat limit.
        let meant = nearest(&entry.key, FLAT).filter(|_| tree.is_field_of_policy(&steps));
        let message = match meant {
            Some(_) => Failure::unknown_field(&entry.key, FLAT).to_string(),
            None if tree.is_field_of_policy(&steps) && !message.ends_with('?') => {
                format!("{message}, {}", FLAT.join(", "))
            }
            None => message,
        };
        problems.note(tree.problem(&steps, entry.place, message));
    } else if !(follows(node, missing) || node.flat && follows_outside(tree, &steps, missing)) {
        problems.note(tree.problem(&steps, node.place, message));
    }
    tree.remove(&steps);
    if steps.len() == part.len() { Went::Whole } else { Went::In }
}

/// Whether a field of a flat limit is only missing because its name is misspelt, beside the policy's `id`.
fn follows_outside(tree: &Tree, limit: &[usize], missing: Option<&str>) -> bool {
    let policy = limit.get(..2).and_then(|policy| tree.node(policy));
    missing.is_some() && policy.is_some_and(|policy| follows(policy, missing))
}

/// Whether an error of a value only follows from what was taken out of it.
fn follows(node: &Node, missing: Option<&str>) -> bool {
    match (missing, &node.kind) {
        (Some(field), Kind::Table(entries)) => {
            let mut removed = entries.iter().filter(|entry| entry.value.is_removed());
            removed.any(|entry| entry.key == field || is_like(&entry.key, field))
        }
        _ => node.has_removed(),
    }
}
