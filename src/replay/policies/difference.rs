//! [`Differences`]: what becomes another answer under other policies.

use super::super::key_table::KeyTable;
use super::trial::{Answer, Trial};
use super::values::Values;

/// Requests that one set refuses and the other admits.
pub(super) struct Differences {
    /// Admitted by the set that one compares with, and refused by the one that is tried.
    pub(super) newly_refused: Refusals,
    /// The other way round; by the policies that refused them.
    pub(super) newly_admitted: Refusals,
    key: Vec<u8>,
}

/// Some of the refusals of a set.
#[derive(Default)]
pub(super) struct Refusals {
    pub(super) requests: u64,
    /// Of each policy: how many of them, and of which keys.
    pub(super) by_policy: Vec<PolicyRefusals>,
}

/// Some of the refusals of a policy.
#[derive(Default)]
pub(super) struct PolicyRefusals {
    pub(super) requests: u64,
    pub(super) keys: KeyTable,
    pub(super) by_key: Vec<u64>,
}

/// How the answer to a request differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    NewlyRefused,
    NewlyAdmitted,
}

impl Differences {
    pub(super) fn new(trial: &Trial, against: &Trial) -> Differences {
        Differences {
            newly_refused: Refusals::of(trial),
            newly_admitted: Refusals::of(against),
            key: Vec::new(),
        }
    }

    /// Counts a request of which one set said this, and the one that it is compared with that.
    pub(super) fn count(
        &mut self,
        values: &Values,
        (trial, answer): (&Trial, &Answer),
        (against, before): (&Trial, &Answer),
    ) -> Option<Difference> {
        match (answer.refused_by, before.refused_by) {
            (Some(policy), None) => {
                self.newly_refused.count(trial, policy, values, &mut self.key);
                Some(Difference::NewlyRefused)
            }
            (None, Some(policy)) => {
                self.newly_admitted.count(against, policy, values, &mut self.key);
                Some(Difference::NewlyAdmitted)
            }
            _ => None,
        }
    }
}

impl Refusals {
    fn of(trial: &Trial) -> Refusals {
        Refusals {
            requests: 0,
            by_policy: trial.policies.iter().map(|_| PolicyRefusals::default()).collect(),
        }
    }

    fn count(&mut self, trial: &Trial, policy: usize, values: &Values, key: &mut Vec<u8>) {
        trial.policies[policy].write_key(values, key);
        let refusals = &mut self.by_policy[policy];
        self.requests += 1;
        refusals.requests += 1;
        let id = refusals.keys.id(key);
        if id >= refusals.by_key.len() {
            refusals.by_key.resize(id + 1, 0);
        }
        refusals.by_key[id] += 1;
    }
}
