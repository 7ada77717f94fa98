//! What limits, or policies, would have done to a recorded access log.
//!
//! [`open`] gives the log's text; the readers in `format` take a time, a key and a cost from each line of it, or the
//! attributes that policies ask for. `log` puts the requests back in order of time; `simulate` asks real limiters about
//! them, and `policies` sets of policies, whose clock the log drives. The [`Report`] and the [`PolicyReport`] say what
//! they answered. Memory is bounded for any log but for the table of distinct keys, which the reports need.
//!
//! This module belongs to the command line: it is public for the binary and the tests, and may change in any
//! release.

mod algorithm;
mod chart;
mod check;
mod error;
mod fields;
mod format;
mod input;
mod key;
mod key_table;
mod log;
mod log_table;
mod names;
mod picture;
mod policies;
mod progress;
mod refusals;
mod reorder;
mod report;
mod series;
mod simulate;
mod table;
mod text;
mod time;

use std::io::BufRead;

use crate::Quota;
use crate::policy::AlgorithmName;
use key_table::{KeyId, KeyTable};
use log::{Sink, read_log};
use simulate::{Plan, Simulation};

pub use algorithm::AlgorithmError;
pub use check::write_policies;
pub use error::ReplayError;
pub use fields::{Entry, FieldNames};
pub use format::{CsvRecords, Format, FormatError, HeaderError, JsonLines, LineError, LogLine};
pub use input::{InputError, open};
pub use key::{KeyBy, KeyByError};
pub use log::{LogSummary, MalformedLine, Reading};
pub use picture::{Drawing, Picture, PictureError};
pub use policies::{
    AttributeReport, Difference, KeyReport, PolicyFile, PolicyOptions, PolicyReport, PolicyRow, RefusedBy,
    SetReport, replay_policies, write_policy_table,
};
pub use progress::Progress;
pub use report::{KeyRow, LimitReport, OverTime, RefusedKey, Report, Tokens};
pub use table::write_table;
pub use time::UnixNanos;

/// What to replay a log against, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The limits to try, side by side.
    pub limits: Vec<Quota>,
    /// The algorithms to try each of them in.
    pub algorithms: Vec<AlgorithmName>,
    /// For how many keys each limiter has room.
    pub max_keys: usize,
    /// How the log is read.
    pub reading: Reading,
}

impl Options {
    /// Every limit in every algorithm, which must know of its burst.
    fn plans(&self) -> Result<Vec<Plan>, ReplayError> {
        let mut plans = Vec::new();
        for quota in &self.limits {
            for algorithm in &self.algorithms {
                let plain = Quota::new(quota.count(), quota.period());
                if !algorithm.has_burst() && plain != Ok(*quota) {
                    return Err(ReplayError::Burst { quota: *quota, algorithm: *algorithm });
                }
                plans.push(Plan { quota: *quota, algorithm: *algorithm, max_keys: self.max_keys });
            }
        }
        Ok(plans)
    }
}

/// Replays the log in `input` against the limits. `file` is what the report calls the log.
///
/// # Errors
///
/// [`ReplayError`] when the options do not fit the log's format, the input cannot be read, or a limiter cannot be
/// built. A line that is not understood is not an error: it is counted.
pub fn replay(
    file: &str,
    input: impl BufRead,
    options: &Options,
    progress: &Progress,
) -> Result<Report, ReplayError> {
    let plans = options.plans()?;
    // What cannot be built is better known before a long log is read.
    Simulation::new(&plans, 0)?;
    let mut limits = Limits { plans, keys: KeyTable::default(), simulation: None };
    let (log, _) = read_log(file, input, &options.reading, progress, &mut limits)?;
    let simulation = match limits.simulation {
        Some(simulation) => simulation,
        None => Simulation::new(&limits.plans, 0)?,
    };
    Ok(report::summarize(log, &simulation, &limits.keys))
}

/// The limits of a replay under way.
struct Limits {
    plans: Vec<Plan>,
    keys: KeyTable,
    /// None before the first request is due: the limiters are built at its time.
    simulation: Option<Simulation>,
}

impl Sink for Limits {
    type Held = (KeyId, u64);

    fn bytes(_: &(KeyId, u64)) -> usize {
        0
    }

    fn hold(&mut self, key: &[u8], cost: u64) -> (KeyId, u64) {
        (self.keys.id(key), cost)
    }

    fn due(&mut self, time: UnixNanos, (key, cost): (KeyId, u64)) -> Result<(), ReplayError> {
        let simulation = match &mut self.simulation {
            Some(simulation) => simulation,
            none => none.insert(Simulation::new(&self.plans, time)?),
        };
        simulation.request(Entry { time, cost }, key);
        Ok(())
    }
}
