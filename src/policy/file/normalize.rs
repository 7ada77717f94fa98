//! A policy's only limit may stand beside its `id`; here it moves to where the model has it.

use super::node::{Entry, Kind, Node};
use super::problem::{Place, Problems};
use super::tree::{POLICIES, Tree};

/// The fields of a limit that may stand beside `id`.
pub(crate) const FLAT: &[&str] = &["algorithm", "limit", "window", "burst"];

/// Where a policy's limits are.
pub(super) const LIMITS: &str = "limits";

/// Moves the flat limit of each policy to the front of its `limits`.
pub(super) fn normalize(tree: &mut Tree, problems: &mut Problems) {
    let Kind::Table(entries) = &mut tree.root.kind else { return };
    let Some(position) = entries.iter().position(|entry| entry.key == POLICIES) else { return };
    let Kind::List(policies) = &mut entries[position].value.kind else { return };
    let mut doubled = Vec::new();
    for (number, policy) in policies.iter_mut().enumerate() {
        if let Some(place) = lift(policy) {
            doubled.push((number, place));
        }
    }
    for (number, place) in doubled {
        let message = "the limit stands beside id and under limits: put all of them under limits";
        problems.note(tree.problem(&[position, number], place, message.into()));
    }
}

/// Moves one policy's flat limit. The answer is where it stands if the policy has `limits` too.
fn lift(policy: &mut Node) -> Option<Place> {
    let Kind::Table(entries) = &mut policy.kind else { return None };
    let is_flat = |entry: &mut Entry| FLAT.contains(&entry.key.as_str());
    let limit: Vec<Entry> = entries.extract_if(.., is_flat).collect();
    let place = limit.first()?.place;
    let limit = Node { flat: true, ..Node::new(place, Kind::Table(limit)) };
    if let Some(limits) = entries.iter_mut().find(|entry| entry.key == LIMITS) {
        if let Kind::List(limits) = &mut limits.value.kind {
            limits.insert(0, limit);
        }
        return Some(place);
    }
    let value = Node::new(place, Kind::List(vec![limit]));
    entries.push(Entry { key: LIMITS.to_owned(), place, value });
    None
}
