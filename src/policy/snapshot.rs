//! [`PolicySnapshot`]: what all limits of a set that are counted in memory have spent, for another process.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::change::{Change, Restart};
use super::in_force::PolicyInForce;
use super::limits::{LimitInForce, LimitSpec};
use super::model::{AlgorithmName, Policy, Scope};
use super::set::PolicySet;
use crate::limiter::{RandomState, Snapshot, SnapshotVersion};

/// What all limits of a set that are counted in memory have spent, to be kept over a restart: from [`PolicySet::snapshot`], for
/// [`Builder::restore`](super::Builder::restore).
///
/// It can be written in any format of [serde](https://serde.rs). **Keep it secret**, as any [`Snapshot`]. Deserialising fails when it is damaged, or of
/// a version that this release does not read.
///
/// ```
/// use tollgate::policy::{Attributes, Format, Policies, PolicySet, PolicySnapshot};
///
/// let policies = || Policies::parse("[[policy]]\nid = \"api\"\nscope = \"user\"\nlimit = \"1/h\"", Format::Toml);
/// let set = PolicySet::new();
/// set.apply(policies()?)?;
/// let alice = Attributes::new().user("alice");
/// assert!(set.check(&alice).is_allowed());
/// let saved = serde_json::to_vec(&set.snapshot())?;
///
/// let snapshot: PolicySnapshot = serde_json::from_slice(&saved)?;
/// let set = PolicySet::builder().restore(snapshot).build();
/// set.apply(policies()?)?;
/// assert!(!set.check(&alice).is_allowed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct PolicySnapshot {
    version: SnapshotVersion,
    limits: Vec<SavedLimit>,
}

/// A snapshot as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "PolicySnapshot")]
struct Unchecked {
    version: SnapshotVersion,
    limits: Vec<SavedLimit>,
}

impl TryFrom<Unchecked> for PolicySnapshot {
    type Error = &'static str;

    fn try_from(Unchecked { version, limits }: Unchecked) -> Result<PolicySnapshot, &'static str> {
        if of_one_hasher(limits.iter().map(|limit| &limit.keys)) {
            Ok(PolicySnapshot { version, limits })
        } else {
            Err("the snapshot is damaged, its limits are of several sets: start without it")
        }
    }
}

/// What was spent under a limit, and what it was then.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedLimit {
    policy: String,
    /// What its keys are told apart by.
    scope: Vec<String>,
    /// `None` for the limits of single customers, which have their keys in common.
    limit: Option<SavedSpec>,
    keys: Snapshot,
}

/// How a limit counted.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedSpec {
    name: String,
    algorithm: AlgorithmName,
    /// As a text: `10/s burst 20`.
    quota: String,
}

impl PolicySnapshot {
    fn of<'p>(policies: impl Iterator<Item = &'p PolicyInForce>, hasher: &RandomState) -> PolicySnapshot {
        let mut limits = Vec::new();
        for policy in policies {
            let mut save = |limit, keys| {
                let (id, scope) = (policy.policy.id.clone(), names(&policy.policy.scope));
                limits.push(SavedLimit { policy: id, scope, limit, keys });
            };
            for limit in &policy.limits {
                if let Some(keys) = limit.snapshot(hasher) {
                    save(SavedSpec::of(limit), keys);
                }
            }
            if let Some(keys) = policy.per_call.snapshot(hasher) {
                save(None, keys);
            }
        }
        PolicySnapshot { version: SnapshotVersion, limits }
    }

    /// What the tags of all keys were made by; `None` if there are none.
    pub(super) fn hasher(&self) -> Option<RandomState> {
        self.limits.first().map(|limit| limit.keys.hasher())
    }

    /// Whether something was spent under a policy.
    pub(super) fn knows(&self, policy: &Policy) -> bool {
        self.limits.iter().any(|saved| saved.policy == policy.id)
    }

    /// What was spent under a limit of a policy, if it can go on; and if it cannot, that is told.
    pub(super) fn find(
        &self,
        policy: &Policy,
        name: &str,
        spec: LimitSpec,
        change: &mut Change,
    ) -> Option<Snapshot> {
        if spec.holds() || !self.knows(policy) {
            return None;
        }
        let mut saved = self.limits.iter().filter(|saved| saved.policy == policy.id);
        let named = saved.find(|saved| saved.limit.as_ref().is_some_and(|was| was.name == name));
        let was = named.and_then(|saved| saved.limit.as_ref()?.spec());
        let reason = match named {
            None => Restart::OtherName,
            Some(saved) if saved.scope != names(&policy.scope) => Restart::OtherKeys,
            Some(_) if !was.is_some_and(|was| was.can_become(&spec)) => Restart::OtherKind,
            Some(saved) => return Some(saved.keys.clone()),
        };
        change.restarted(&policy.id, Some(name), reason);
        None
    }

    /// What was spent under the limits of single customers.
    pub(super) fn find_overrides(&self, policy: &Policy) -> Option<Snapshot> {
        let saved = self.limits.iter().find(|saved| saved.policy == policy.id && saved.limit.is_none())?;
        (saved.scope == names(&policy.scope)).then(|| saved.keys.clone())
    }
}

fn names(scope: &Scope) -> Vec<String> {
    scope.attributes().map(str::to_owned).collect()
}

fn of_one_hasher<'s>(mut all: impl Iterator<Item = &'s Snapshot>) -> bool {
    let Some(first) = all.next().map(Snapshot::hasher) else { return true };
    all.all(|other| other.is_hashed_by(&first))
}

impl SavedSpec {
    fn of(limit: &LimitInForce) -> Option<SavedSpec> {
        let LimitSpec::Rate { algorithm, quota } = limit.spec else { return None };
        Some(SavedSpec { name: limit.name.to_string(), algorithm, quota: quota.to_string() })
    }

    fn spec(&self) -> Option<LimitSpec> {
        Some(LimitSpec::new(self.algorithm, self.quota.parse().ok()?))
    }
}

impl PolicySet {
    /// What all limits that are counted in memory have spent, to be kept over a restart: [`Builder::restore`](super::Builder::restore) makes a set that goes
    /// on from there, so that a restart grants no fresh burst. Policies that are suspended are in it, too; places that are held are not. O(memory).
    ///
    /// Other threads may check meanwhile; changes of policies wait. In all else as [`Limiter::snapshot`](crate::Limiter::snapshot).
    #[must_use]
    pub fn snapshot(&self) -> PolicySnapshot {
        self.unchanged(|version, hasher| PolicySnapshot::of(version.kept(), hasher))
    }
}

impl fmt::Debug for PolicySnapshot {
    /// The seeds stay secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicySnapshot").field("limits", &self.limits.len()).finish_non_exhaustive()
    }
}
