//! What policies would have done to a recorded log.
//!
//! `attributes` says what is to be read of each request, and `values` holds that until the request's time has come. A
//! `run` then asks a `trial`, one set of policies, or two of them whose answers `difference` compares; each tallies
//! what it answered.

mod attributes;
mod difference;
mod report;
mod run;
mod table;
mod tally;
mod trial;
mod values;

use std::io::BufRead;

use super::error::ReplayError;
use super::log::{Reading, Sink, read_log};
use super::progress::Progress;
use super::time::UnixNanos;
use crate::policy::{Policies, Policy};
use attributes::{active, mentioned};
use run::Run;
use values::Values;

pub use report::{AttributeReport, Difference, KeyReport, PolicyReport, PolicyRow, RefusedBy, SetReport};
pub use table::write_policy_table;
pub(super) use values::push_attribute;

/// Policies, and the file that they are from.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// What reports call it.
    pub file: String,
    /// What it says.
    pub policies: Policies,
}

/// What to replay a log against, and how.
#[derive(Clone, Debug)]
pub struct PolicyOptions {
    /// The policies to try.
    pub policy: PolicyFile,
    /// Those to compare them with, as if they were in force now.
    pub against: Option<PolicyFile>,
    /// How the log is read.
    pub reading: Reading,
}

impl PolicyOptions {
    fn files(&self) -> impl Iterator<Item = &PolicyFile> {
        std::iter::once(&self.policy).chain(&self.against)
    }
}

/// Replays the log in `input` against policies. `file` is what the report calls the log.
///
/// # Errors
///
/// [`ReplayError`] when the options do not fit the log's format, the input cannot be read, or the policies cannot be
/// put in force. A line that is not understood is not an error: it is counted.
pub fn replay_policies(
    file: &str,
    input: impl BufRead,
    options: &PolicyOptions,
    progress: &Progress,
) -> Result<PolicyReport, ReplayError> {
    let names = mentioned(options.files().map(|file| &file.policies));
    let mut reading = options.reading.clone();
    reading.fields.attributes = Some(names.clone());
    // What cannot be put in force is better known before a long log is read.
    let run = Run::new(options, &names, 0)?;
    let mut replay = PolicyReplay { options, names, run, begun: false };
    let (log, taken) = read_log(file, input, &reading, progress, &mut replay)?;
    let PolicyReplay { names, run, .. } = replay;
    let has_tiers = options.files().any(|file| !file.policies.tier.is_empty());
    let attributes = report::attributes(names, &run, taken, has_tiers);
    Ok(report::report(log, &run, attributes, notes(options)))
}

/// A replay under way.
struct PolicyReplay<'a> {
    options: &'a PolicyOptions,
    names: Vec<String>,
    run: Run,
    /// The sets were built at the time of the first request: windows count from when they were.
    begun: bool,
}

impl Sink for PolicyReplay<'_> {
    type Held = Values;

    fn bytes(held: &Values) -> usize {
        held.bytes()
    }

    fn hold(&mut self, values: &[u8], _cost: u64) -> Values {
        Values::new(values)
    }

    fn due(&mut self, time: UnixNanos, values: Values) -> Result<(), ReplayError> {
        if !self.begun {
            self.run = Run::new(self.options, &self.names, time)?;
            self.begun = true;
        }
        self.run.request(time, &self.names, &values);
        Ok(())
    }
}

/// What a log cannot try as it is.
fn notes(options: &PolicyOptions) -> Vec<String> {
    let about = |what: &str, concerns: fn(&Policy) -> bool| {
        let mut ids: Vec<&str> = Vec::new();
        for policy in options.files().flat_map(|file| active(&file.policies)) {
            if concerns(policy) && !ids.contains(&policy.id.as_str()) {
                ids.push(&policy.id);
            }
        }
        (!ids.is_empty()).then(|| format!("{what} ({})", ids.join(", ")))
    };
    let notes = [
        about(
            "a log does not say how long requests took, so a place under a concurrency limit is given back at once",
            |policy| policy.concurrency.is_some(),
        ),
        about("no backend is asked: what it would count is counted in memory", |policy| {
            policy.backend.is_some()
        }),
    ];
    notes.into_iter().flatten().collect()
}
