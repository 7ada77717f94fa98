//! What limits would have done to a recorded access log.
//!
//! [`replay`] reads a log line by line ([`LogLine`]), takes a key from each request ([`KeyBy`]), puts the
//! requests back in order of time, and asks real limiters about them, whose clock the log drives. The
//! [`Report`] says what they answered. Memory is bounded for any log but for the table of distinct keys, which
//! the report needs.
//!
//! This module belongs to the command line: it is public for the binary and the tests, and may change in any
//! release.

mod input;
mod key;
mod key_table;
mod line_reader;
mod log_line;
mod reorder;
mod report;
mod simulate;
mod table;
mod text;

use std::fmt;
use std::io::{self, BufRead};
use std::time::Duration;

use jiff::Timestamp;

use crate::{BuildError, Quota};
use key_table::{KeyId, KeyTable};
use line_reader::LineReader;
use reorder::Reorder;
use simulate::Simulation;

pub use input::{InputError, InputProblem, open};
pub use key::{KeyBy, KeyByError};
pub use log_line::{LineError, LogLine};
pub use report::{KeyRow, LimitReport, MalformedLine, RefusedKey, Report};
pub use table::write_table;

/// How many malformed lines are shown with their reasons.
const MALFORMED_SHOWN: usize = 5;

/// The most requests held back to put them in order, a few tens of megabytes.
const MAX_HELD: usize = 1_000_000;

/// What to replay a log against, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The limits to try, side by side.
    pub limits: Vec<Quota>,
    /// What each request is counted by.
    pub key: KeyBy,
    /// How far out of order a line may be and still be put in its place, to the second.
    pub reorder: Duration,
    /// For how many keys each limiter has room.
    pub max_keys: usize,
}

/// Replays the log in `input` against the limits. `file` is what the report calls the log.
///
/// # Errors
///
/// [`ReplayError`] when the input cannot be read or a limiter cannot be built. A line that is not understood is
/// not an error: it is counted.
pub fn replay(file: &str, input: impl BufRead, options: &Options) -> Result<Report, ReplayError> {
    let mut replay = Replay::new(options)?;
    let mut lines = LineReader::new(input);
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => {
                return Err(ReplayError::Read { file: file.to_owned(), after: lines.count(), error });
            }
        };
        if line.as_ref().is_ok_and(|text| text.trim_ascii().is_empty()) {
            replay.blank += 1;
            continue;
        }
        match line.and_then(LogLine::parse) {
            Ok(request) => replay.request(&request),
            Err(error) => replay.malformed(lines.count(), &error),
        }
    }
    Ok(replay.finish(file, lines.count()))
}

/// A replay under way.
struct Replay<'a> {
    options: &'a Options,
    keys: KeyTable,
    order: Reorder<KeyId>,
    simulation: Simulation,
    /// The key of the line being read; kept for its memory.
    key: Vec<u8>,
    times: Option<(i64, i64)>,
    blank: u64,
    malformed: u64,
    malformed_lines: Vec<MalformedLine>,
}

impl<'a> Replay<'a> {
    fn new(options: &'a Options) -> Result<Replay<'a>, ReplayError> {
        let span = i64::try_from(options.reorder.as_secs()).unwrap_or(i64::MAX);
        Ok(Replay {
            options,
            keys: KeyTable::default(),
            order: Reorder::new(span, MAX_HELD),
            simulation: Simulation::new(&options.limits, options.max_keys).map_err(ReplayError::Build)?,
            key: Vec::new(),
            times: None,
            blank: 0,
            malformed: 0,
            malformed_lines: Vec::new(),
        })
    }

    fn request(&mut self, line: &LogLine<'_>) {
        let (from, to) = self.times.unwrap_or((line.second, line.second));
        self.times = Some((from.min(line.second), to.max(line.second)));
        self.options.key.write(line, &mut self.key);
        self.order.push(line.second, self.keys.id(&self.key));
        while let Some((second, key)) = self.order.next_due() {
            self.simulation.request(second, key);
        }
    }

    fn malformed(&mut self, line: u64, error: &LineError) {
        self.malformed += 1;
        if self.malformed_lines.len() < MALFORMED_SHOWN {
            self.malformed_lines.push(MalformedLine { line, reason: error.to_string() });
        }
    }

    fn finish(mut self, file: &str, lines: u64) -> Report {
        while let Some((second, key)) = self.order.next() {
            self.simulation.request(second, key);
        }
        let (limits, most_refused) = report::summarize(&self.simulation, &self.keys);
        let timestamp = |second| Timestamp::from_second(second).ok();
        Report {
            file: file.to_owned(),
            key: self.options.key.to_string(),
            lines,
            blank: self.blank,
            malformed: self.malformed,
            malformed_lines: self.malformed_lines,
            late: self.order.late(),
            reorder: self.options.reorder,
            longest_delay: Duration::from_secs(self.order.longest_delay()),
            from: self.times.and_then(|(from, _)| timestamp(from)),
            to: self.times.and_then(|(_, to)| timestamp(to)),
            limits,
            most_refused,
        }
    }
}

/// Why a log could not be replayed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplayError {
    /// The log could be opened, but not read to its end.
    Read {
        /// The log.
        file: String,
        /// How many lines had been read.
        after: u64,
        /// What the system said.
        error: io::Error,
    },
    /// A limiter could not be built.
    Build(BuildError),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Read { file, after, error } => {
                write!(f, "cannot read {file} further than line {after}: {error}")
            }
            ReplayError::Build(error) => write!(f, "cannot build a limiter: {error}"),
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReplayError::Read { error, .. } => Some(error),
            ReplayError::Build(error) => Some(error),
        }
    }
}
