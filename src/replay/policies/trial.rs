//! [`Trial`]: a set of policies under a clock that the log drives.

use std::collections::HashMap;

use super::super::error::ReplayError;
use super::super::time::UnixNanos;
use super::PolicyFile;
use super::attributes::active;
use super::tally::{Fate, PolicyTally};
use super::values::Values;
use crate::Clock;
use crate::policy::{Attributes, BackendMode, PolicySet, Reason, Verdict};

/// Policies in force, and what they did so far.
pub(super) struct Trial {
    pub(super) file: String,
    set: PolicySet,
    /// Requests that no policy concerns.
    pub(super) unmatched: u64,
    pub(super) admitted: u64,
    pub(super) refused: u64,
    /// In the order of the file.
    pub(super) policies: Vec<PolicyTally>,
    places: HashMap<String, usize>,
    /// The key of the policy at hand; kept for its memory.
    key: Vec<u8>,
}

/// What a set of policies said of a request.
pub(super) struct Answer {
    /// The policy that refused it.
    pub(super) refused_by: Option<usize>,
    /// The policies that refused it, or would have.
    pub(super) refusing: Vec<usize>,
}

impl Trial {
    pub(super) fn new(file: &PolicyFile, names: &[String], clock: Clock) -> Result<Trial, ReplayError> {
        let set = PolicySet::builder().clock(clock).build();
        let mut policies = file.policies.clone();
        // None can be asked here.
        for policy in &mut policies.policy {
            policy.backend = None;
            policy.mode = BackendMode::default();
            policy.budget = None;
            policy.expected_nodes = None;
        }
        let applied = set.apply(policies);
        applied.map_err(|error| ReplayError::Policies { file: file.file.clone(), error })?;
        let policies: Vec<_> = active(&file.policies).map(|policy| PolicyTally::new(policy, names)).collect();
        Ok(Trial {
            file: file.file.clone(),
            set,
            unmatched: 0,
            admitted: 0,
            refused: 0,
            places: policies.iter().map(|policy| policy.id.clone()).zip(0..).collect(),
            policies,
            key: Vec::new(),
        })
    }

    /// Asks the policies about a request.
    pub(super) fn request(
        &mut self,
        time: UnixNanos,
        attributes: &Attributes<'_>,
        values: &Values,
    ) -> Answer {
        let verdict = self.set.check(attributes);
        let place = |id: &str| self.places.get(id).copied();
        let refused_by = if verdict.is_allowed() { None } else { verdict.policy().and_then(place) };
        let mut answer = Answer { refused_by, refusing: Vec::new() };
        self.admitted += u64::from(verdict.is_allowed());
        self.refused += u64::from(!verdict.is_allowed());
        self.unmatched += u64::from(verdict.policies().next().is_none());
        for matched in verdict.policies() {
            let Some(place) = place(&matched.policy().id) else { continue };
            let would_refuse = matched.is_shadow() && matched.refuses();
            let fate = match refused_by {
                Some(refusing) if refusing == place => refusal(&verdict),
                _ if verdict.is_allowed() => Fate::Admitted,
                _ => Fate::RefusedElsewhere,
            };
            if would_refuse || refused_by == Some(place) {
                answer.refusing.push(place);
            }
            self.policies[place].count(time, values, fate, would_refuse, &mut self.key);
        }
        answer
    }
}

fn refusal(verdict: &Verdict) -> Fate {
    match (verdict.reason(), verdict.binding()) {
        (Some(Reason::LimitReached), Some(binding)) => match binding.retry_after() {
            None if binding.limit() > 0 => Fate::TooLarge,
            wait => Fate::Refused(wait),
        },
        _ => Fate::Refused(None),
    }
}
