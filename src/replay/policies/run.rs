//! [`Run`]: one set of policies, or two side by side, asked about the same requests.

use std::time::Duration;

use super::super::error::ReplayError;
use super::super::series::Series;
use super::super::time::UnixNanos;
use super::PolicyOptions;
use super::difference::{Difference, Differences};
use super::trial::Trial;
use super::values::Values;
use crate::{Clock, ManualClock};

/// Policies, and what they did so far.
pub(super) struct Run {
    /// Moves the clock of all sets, which counts from 1970: so windows begin where they would in production.
    hand: ManualClock,
    pub(super) requests: u64,
    /// How many requests had each attribute.
    pub(super) found: Vec<u64>,
    pub(super) trial: Trial,
    /// The set that it is compared with, and how they differ.
    pub(super) against: Option<(Trial, Differences)>,
    /// All requests in the first row; in the following what each policy refused, or would have; then what is newly
    /// refused, and what is newly admitted.
    pub(super) over_time: Series,
}

impl Run {
    /// Sets under a clock that stands at `start`.
    pub(super) fn new(
        options: &PolicyOptions,
        names: &[String],
        start: UnixNanos,
    ) -> Result<Run, ReplayError> {
        let (clock, hand) = Clock::manual();
        hand.set(Duration::from_nanos(start));
        let trial = Trial::new(&options.policy, names, clock.clone())?;
        let against = match &options.against {
            Some(file) => {
                let against = Trial::new(file, names, clock)?;
                let differences = Differences::new(&trial, &against);
                Some((against, differences))
            }
            None => None,
        };
        let rows = 1 + trial.policies.len() + if against.is_some() { 2 } else { 0 };
        Ok(Run {
            hand,
            requests: 0,
            found: vec![0; names.len()],
            trial,
            against,
            over_time: Series::new(rows),
        })
    }

    /// Asks about one request. Times must not step back.
    pub(super) fn request(&mut self, time: UnixNanos, names: &[String], values: &Values) {
        self.hand.set(Duration::from_nanos(time));
        self.requests += 1;
        for (found, value) in self.found.iter_mut().zip(values.iter()) {
            *found += u64::from(!value.is_empty());
        }
        let attributes = values.attributes(names);
        let answer = self.trial.request(time, &attributes, values);
        self.over_time.count(0, time);
        for policy in &answer.refusing {
            self.over_time.count(1 + policy, time);
        }
        let Some((against, differences)) = &mut self.against else { return };
        let before = against.request(time, &attributes, values);
        let row = match differences.count(values, (&self.trial, &answer), (against, &before)) {
            Some(Difference::NewlyRefused) => 1,
            Some(Difference::NewlyAdmitted) => 2,
            None => return,
        };
        self.over_time.count(self.trial.policies.len() + row, time);
    }
}
