//! How the policies of a [`PolicySet`] change: one change after the other, each wholly or not at all.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::PolicySet;
use crate::policy::change::Change;
use crate::policy::customers::Customers;
use crate::policy::error::PolicyError;
use crate::policy::model::{Policies, Policy, State, Timestamp};
#[cfg(feature = "serde")]
use crate::policy::snapshot::PolicySnapshot;
use crate::policy::validate::{Invalid, validate};
use crate::policy::version::Making;

/// What was in force, the newest last.
#[derive(Default)]
pub(super) struct History {
    pub(super) versions: VecDeque<(u64, Arc<Policies>)>,
    pub(super) newest: u64,
    /// For the first version.
    #[cfg(feature = "serde")]
    pub(super) snapshot: Option<PolicySnapshot>,
}

impl PolicySet {
    /// Puts these policies in force, in place of all there are: wholly, or not at all.
    ///
    /// Limits that stay as they are keep what every key has spent; so do those whose rate, burst or number changes. The [`Change`] says which begin
    /// anew. Requests under way are decided by the version under which they began. O(policies).
    ///
    /// # Errors
    ///
    /// [`PolicyError::Invalid`] with all that is wrong with them; the old ones stay in force.
    pub fn apply(&self, policies: impl Into<Policies>) -> Result<Change, PolicyError> {
        // Whatever that does, it does not do it while others wait for their turn.
        let policies = policies.into();
        self.change(|_| Ok(policies), true)
    }

    /// Puts a policy in force in place of the one with its id, or beside the others if there is none. Notes when.
    ///
    /// # Errors
    ///
    /// As [`apply`](PolicySet::apply).
    pub fn upsert(&self, policy: Policy) -> Result<Change, PolicyError> {
        self.change(
            |old| {
                let mut all = old.clone();
                let now = Timestamp::now();
                let mut policy = Policy { updated: Some(now), ..policy };
                if let Some(other) = all.policy.iter_mut().find(|other| other.id == policy.id) {
                    policy.created = policy.created.or(other.created);
                    *other = policy;
                } else {
                    policy.created = policy.created.or(Some(now));
                    all.policy.push(policy);
                }
                Ok(all)
            },
            true,
        )
    }

    /// Removes a policy. What keys have spent under it is forgotten, but by a backend: there it comes back in time.
    ///
    /// # Errors
    ///
    /// [`PolicyError::UnknownPolicy`] if there is none with this id, and as [`apply`](PolicySet::apply): another policy may name it.
    pub fn remove(&self, id: &str) -> Result<Change, PolicyError> {
        self.change(
            |old| {
                let mut all = old.clone();
                all.policy.retain(|policy| policy.id != id);
                let gone = all.policy.len() < old.policy.len();
                if gone { Ok(all) } else { Err(PolicyError::UnknownPolicy { id: id.to_owned() }) }
            },
            true,
        )
    }

    /// Takes a policy to another state. Notes when.
    ///
    /// # Errors
    ///
    /// [`PolicyError::UnknownPolicy`] if there is none with this id, [`PolicyError::Transition`] if it cannot go to that state.
    pub fn transition(&self, id: &str, state: State) -> Result<Change, PolicyError> {
        self.change(
            |old| {
                let mut all = old.clone();
                let Some(policy) = all.policy.iter_mut().find(|policy| policy.id == id) else {
                    return Err(PolicyError::UnknownPolicy { id: id.to_owned() });
                };
                let transition = policy.state.transition(state);
                policy.state =
                    transition.map_err(|error| PolicyError::Transition { id: id.to_owned(), error })?;
                policy.updated = Some(Timestamp::now());
                Ok(all)
            },
            true,
        )
    }

    /// Puts the policies of an earlier version in force again, as a new version. It restores all of them, whatever state that takes them to.
    ///
    /// # Errors
    ///
    /// [`PolicyError::UnknownVersion`] if that version is not kept any more, or never was.
    pub fn rollback(&self, version: u64) -> Result<Change, PolicyError> {
        let kept = self.history.lock().versions.iter().find(|(number, _)| *number == version).cloned();
        let Some((_, policies)) = kept else {
            let kept = self.versions().iter().map(|(number, _)| *number).collect();
            return Err(PolicyError::UnknownVersion { version, kept });
        };
        self.change(|_| Ok(Policies::clone(&policies)), false)
    }

    /// One after the other; nobody who only checks waits.
    fn change(
        &self,
        change: impl FnOnce(&Policies) -> Result<Policies, PolicyError>,
        checks_transitions: bool,
    ) -> Result<Change, PolicyError> {
        let mut history = self.history.lock();
        let old = self.current.load_full();
        let policies = change(&old.source)?;
        let backends: Vec<&str> = self.settings.backends.keys().map(String::as_str).collect();
        let mut problems = validate(&policies, true, Some(&backends));
        #[cfg(feature = "server")]
        problems.extend(self.settings.reserved.and_then(|reserved| with_reserved_id(&policies, reserved)));
        if checks_transitions {
            problems.extend(transitions(&old.source, &policies));
        }
        if !problems.is_empty() {
            return Err(PolicyError::Invalid { problems });
        }
        let policies = Arc::new(policies);
        let number = history.newest + 1;
        let making = Making {
            clock: &self.settings.clock,
            stores: &self.settings.backends,
            customers_by: self.customers.as_ref().map(Customers::attribute),
            #[cfg(feature = "serde")]
            snapshot: history.snapshot.as_ref(),
        };
        let next = old.next(number, &policies, making);
        let (version, change) = next.map_err(PolicyError::from)?;
        self.current.store(Arc::new(version));
        history.newest = number;
        #[cfg(feature = "serde")]
        {
            history.snapshot = None;
        }
        history.versions.push_back((number, policies));
        while history.versions.len() > self.settings.kept_versions.saturating_add(1) {
            history.versions.pop_front();
        }
        Ok(change)
    }
}

/// A policy whose id stands for something else.
#[cfg(feature = "server")]
fn with_reserved_id(policies: &Policies, (id, stands_for): (&str, &str)) -> Option<Invalid> {
    let place = policies.policy.iter().position(|policy| policy.id == id)?;
    let message = format!("stands for {stands_for}: give the policy another id");
    Some(Invalid { policy: id.to_owned(), path: format!("policy[{place}].id"), message })
}

/// Policies that would go to a state to which there is no way.
fn transitions(old: &Policies, new: &Policies) -> Vec<Invalid> {
    let states: HashMap<&str, State> =
        old.policy.iter().map(|policy| (policy.id.as_str(), policy.state)).collect();
    let wrong = |(place, policy): (usize, &Policy)| {
        let error = states.get(policy.id.as_str())?.transition(policy.state).err()?;
        let (policy, path) = (policy.id.clone(), format!("policy[{place}].state"));
        Some(Invalid { policy, path, message: error.to_string() })
    };
    new.policy.iter().enumerate().filter_map(wrong).collect()
}
