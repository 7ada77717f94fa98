//! [`Change`]: what became of what keys had spent when policies changed.

use std::collections::HashMap;
use std::fmt;

use super::model::{Policies, Policy};

/// What a change did: which policies came, went or are others now, and which limits had to begin anew. All other limits keep what every key has spent.
///
/// [`PolicySet::apply`](super::PolicySet::apply) and its relatives tell one.
///
/// ```
/// use tollgate::policy::{Format, Policies, PolicySet, Restart};
///
/// let set = PolicySet::new();
/// let policies = |rest: &str| Policies::parse(&format!("[[policy]]\nid = \"api\"\n{rest}"), Format::Toml);
/// set.apply(policies("limit = \"5/min\"")?)?;
/// assert!(set.apply(policies("limit = \"9/min\"")?)?.restarted.is_empty());
///
/// let change = set.apply(policies("limit = \"9/min\"\nscope = \"user\"")?)?;
/// assert_eq!((change.version, change.restarted[0].reason), (3, Restart::OtherKeys));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The version that is in force now.
    pub version: u64,
    /// The ids of policies that are new.
    pub added: Vec<String>,
    /// The ids of policies that are others than before.
    pub changed: Vec<String>,
    /// The ids of policies that are gone.
    pub removed: Vec<String>,
    /// The limits that had to begin anew: every key is full there.
    pub restarted: Vec<Restarted>,
}

/// A limit that had to begin anew.
///
/// For an example see [`Change`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restarted {
    /// The policy's id.
    pub policy: String,
    /// The limit's name; `None` if all of the policy did.
    pub limit: Option<String>,
    /// Why.
    pub reason: Restart,
}

/// Why a limit had to begin anew.
///
/// For an example see [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restart {
    /// It counts by another algorithm or in windows of another length, or there was none.
    OtherKind,
    /// It tells keys apart by another scope, or has room for another number of them.
    OtherKeys,
    /// It is counted elsewhere: in memory, or by another backend.
    OtherBackend,
    /// A backend, or a snapshot, knows limits by their names, and this one is called otherwise than before.
    OtherName,
    /// It is too much faster or slower, or larger, than the one with which its keys began.
    OutOfRange,
    /// What was saved of it in a snapshot is damaged, or another build hashes keys otherwise.
    NotRestored,
}

impl Change {
    /// None: this version is in force, and stays so.
    pub(super) fn new(version: u64) -> Change {
        Change { version, ..Change::default() }
    }

    /// Whether all policies are as they were.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    pub(super) fn restarted(&mut self, policy: &str, limit: Option<&str>, reason: Restart) {
        let (policy, limit) = (policy.to_owned(), limit.map(str::to_owned));
        self.restarted.push(Restarted { policy, limit, reason });
    }

    pub(super) fn compare(&mut self, old: &Policies, new: &Policies) {
        let by_id = |policies: &'_ Policies| -> HashMap<String, usize> {
            policies.policy.iter().map(|policy| policy.id.clone()).zip(0..).collect()
        };
        let (before, after) = (by_id(old), by_id(new));
        let ids = |policies: &[&Policy]| policies.iter().map(|policy| policy.id.clone()).collect();
        let added: Vec<_> = new.policy.iter().filter(|policy| !before.contains_key(&policy.id)).collect();
        let removed: Vec<_> = old.policy.iter().filter(|policy| !after.contains_key(&policy.id)).collect();
        // When it was written down is no part of what it says.
        let untimed = |policy: &Policy| Policy { created: None, updated: None, ..policy.clone() };
        let changed = new.policy.iter().filter(|policy| {
            let old = before.get(&policy.id).map(|place| &old.policy[*place]);
            old.is_some_and(|old| old != *policy && untimed(old) != untimed(policy))
        });
        let changed: Vec<_> = changed.collect();
        (self.added, self.changed, self.removed) = (ids(&added), ids(&changed), ids(&removed));
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {} is in force", self.version)?;
        let lists = [("added", &self.added), ("changed", &self.changed), ("removed", &self.removed)];
        for (what, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            write!(f, "; {what}: {}", list.join(", "))?;
        }
        for restarted in &self.restarted {
            write!(
                f,
                "; {} begins anew: {}",
                restarted.limit.as_ref().unwrap_or(&restarted.policy),
                restarted.reason
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Restart::OtherKind => "it counts in another way than any limit there was",
            Restart::OtherKeys => "its scope or max_keys is another",
            Restart::OtherBackend => "it is counted by another backend, or in memory",
            Restart::OtherName => "what counted it knew it by its name, which is another",
            Restart::OutOfRange => "the change is too large for the keys that are there",
            Restart::NotRestored => {
                "what was saved of it is damaged, or was saved by another build that hashes keys otherwise"
            }
        })
    }
}
