//! What limits would have done to a recorded access log.
//!
//! [`open`] gives the log's text; the readers in `format` take a time, a key and a cost from each line of it. `reorder` puts
//! the requests back in order of time, and `simulate` asks real limiters about them, whose clock the log drives. The
//! [`Report`] says what they answered. Memory is bounded for any log but for the table of distinct keys, which the report
//! needs.
//!
//! This module belongs to the command line: it is public for the binary and the tests, and may change in any
//! release.

mod algorithm;
mod chart;
mod fields;
mod format;
mod input;
mod key;
mod key_table;
mod picture;
mod progress;
mod reorder;
mod report;
mod series;
mod simulate;
mod table;
mod text;
mod time;

use std::fmt;
use std::io::{self, BufRead};
use std::time::Duration;

use crate::{BuildError, Quota};
use format::{Item, LineReader, LogReader, ReadError};
use key_table::{KeyId, KeyTable};
use reorder::Reorder;
use simulate::{Plan, Simulation};
use time::timestamp;

pub use algorithm::{AlgorithmError, AlgorithmName};
pub use fields::{Entry, FieldNames};
pub use format::{CsvRecords, Format, FormatError, HeaderError, JsonLines, LineError, LogLine};
pub use input::{InputError, open};
pub use key::{KeyBy, KeyByError};
pub use picture::{Picture, PictureError};
pub use progress::Progress;
pub use report::{KeyRow, LimitReport, MalformedLine, OverTime, RefusedKey, Report, Tokens};
pub use table::write_table;
pub use time::UnixNanos;

/// How many malformed lines are shown with their reasons.
const MALFORMED_SHOWN: usize = 5;

/// The most requests held back to put them in order, a few tens of megabytes.
const MAX_HELD: usize = 1_000_000;

/// The field of a Common Log Format line that may be its cost.
const CLF_COST: &str = "bytes";

/// What to replay a log against, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The limits to try, side by side.
    pub limits: Vec<Quota>,
    /// The algorithms to try each of them in.
    pub algorithms: Vec<AlgorithmName>,
    /// How the log is written; none to tell it by its first lines.
    pub format: Option<Format>,
    /// What each request of a log in Common Log Format is counted by; none for the client.
    pub key: Option<KeyBy>,
    /// The fields that a JSON or CSV log is read by.
    pub fields: FieldNames,
    /// How far out of order a line may be and still be put in its place.
    pub reorder: Duration,
    /// For how many keys each limiter has room.
    pub max_keys: usize,
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
/// [`ReplayError`] when the options do not fit the log's format, the input cannot be read, or a limiter cannot be built.
/// A line that is not understood is not an error: it is counted.
pub fn replay(
    file: &str,
    input: impl BufRead,
    options: &Options,
    progress: &Progress,
) -> Result<Report, ReplayError> {
    let mut replay = Replay::new(file, options)?;
    let mut lines = LineReader::new(input);
    let mut reader = replay.reader(&mut lines)?;
    loop {
        let item = reader.next(&mut lines, &mut replay.key);
        match item.map_err(|error| replay.unreadable(error.into(), lines.count()))? {
            None => break,
            Some(item) => replay.item(item)?,
        }
        progress.lines(lines.count());
    }
    replay.finish(lines.count(), &reader)
}

/// A replay under way.
struct Replay<'a> {
    file: &'a str,
    options: &'a Options,
    format: Format,
    plans: Vec<Plan>,
    keys: KeyTable,
    order: Reorder<(KeyId, u64)>,
    /// None before the first request is due: the limiters are built at its time.
    simulation: Option<Simulation>,
    /// The key of the line being read; kept for its memory.
    key: Vec<u8>,
    times: Option<(UnixNanos, UnixNanos)>,
    requests: u64,
    blank: u64,
    malformed: u64,
    malformed_lines: Vec<MalformedLine>,
}

impl<'a> Replay<'a> {
    fn new(file: &'a str, options: &'a Options) -> Result<Replay<'a>, ReplayError> {
        let plans = options.plans()?;
        // What cannot be built is better known before a long log is read.
        Simulation::new(&plans, 0)?;
        let span = u64::try_from(options.reorder.as_nanos()).unwrap_or(u64::MAX);
        Ok(Replay {
            file,
            options,
            format: options.format.unwrap_or(Format::Clf),
            plans,
            keys: KeyTable::default(),
            order: Reorder::new(span, MAX_HELD),
            simulation: None,
            key: Vec::new(),
            times: None,
            requests: 0,
            blank: 0,
            malformed: 0,
            malformed_lines: Vec::new(),
        })
    }

    /// A reader for the log's format, which must go with the options.
    fn reader<R: BufRead>(&mut self, lines: &mut LineReader<R>) -> Result<LogReader, ReplayError> {
        let fields = &self.options.fields;
        self.format = match self.options.format {
            Some(format) => format,
            None => Format::recognize(fields, lines)
                .map_err(|error| self.unreadable(error.into(), lines.count()))?,
        };
        if self.format != Format::Clf && self.options.key.is_some() {
            return Err(ReplayError::KeyOfFields { format: self.format });
        }
        match self.format {
            Format::Clf => {
                let wrong = fields.time.is_some() || !fields.key.is_empty();
                if wrong || fields.cost.as_ref().is_some_and(|cost| cost != CLF_COST) {
                    return Err(ReplayError::FieldsOfClf);
                }
                Ok(LogReader::clf(self.options.key.clone().unwrap_or_default(), fields.cost.is_some()))
            }
            Format::Json => Ok(LogReader::json(fields)),
            Format::Csv => {
                let opened = LogReader::csv(fields, lines);
                let (reader, blank) = opened.map_err(|error| self.unreadable(error, lines.count()))?;
                self.blank += blank;
                Ok(reader)
            }
        }
    }

    /// The error for a log of which no more can be read.
    fn unreadable(&self, error: ReadError, after: u64) -> ReplayError {
        let file = self.file.to_owned();
        match error {
            ReadError::Io(error) => ReplayError::Read { file, after, error },
            ReadError::Header(error) => ReplayError::Header { file, error },
        }
    }

    fn item(&mut self, item: Item) -> Result<(), ReplayError> {
        match item {
            Item::Request(entry) => self.request(entry)?,
            Item::Malformed { line, error } => self.malformed(line, &error),
            Item::Blank => self.blank += 1,
        }
        Ok(())
    }

    fn request(&mut self, entry: Entry) -> Result<(), ReplayError> {
        let (from, to) = self.times.unwrap_or((entry.time, entry.time));
        self.times = Some((from.min(entry.time), to.max(entry.time)));
        self.requests += 1;
        self.order.push(entry.time, (self.keys.id(&self.key), entry.cost));
        while let Some((time, (key, cost))) = self.order.next_due() {
            self.simulate(Entry { time, cost }, key)?;
        }
        Ok(())
    }

    fn simulate(&mut self, entry: Entry, key: KeyId) -> Result<(), ReplayError> {
        let simulation = match &mut self.simulation {
            Some(simulation) => simulation,
            none => none.insert(Simulation::new(&self.plans, entry.time)?),
        };
        simulation.request(entry, key);
        Ok(())
    }

    fn malformed(&mut self, line: u64, error: &LineError) {
        self.malformed += 1;
        if self.malformed_lines.len() < MALFORMED_SHOWN {
            self.malformed_lines.push(MalformedLine { line, reason: error.to_string() });
        }
    }

    fn finish(mut self, lines: u64, reader: &LogReader) -> Result<Report, ReplayError> {
        while let Some((time, (key, cost))) = self.order.next() {
            self.simulate(Entry { time, cost }, key)?;
        }
        let simulation = match self.simulation {
            Some(simulation) => simulation,
            None => Simulation::new(&self.plans, 0)?,
        };
        let summary = report::summarize(&simulation, &self.keys, self.options.fields.cost.is_some());
        let taken = reader.taken();
        let key = match (&taken, self.format) {
            (Some(taken), _) => taken.key.join(","),
            (None, Format::Clf) => self.options.key.clone().unwrap_or_default().to_string(),
            (None, _) => self.options.fields.key.join(","),
        };
        Ok(Report {
            file: self.file.to_owned(),
            format: self.format,
            time_field: taken.map(|taken| taken.time),
            key,
            cost_field: self.options.fields.cost.clone(),
            lines,
            requests: self.requests,
            blank: self.blank,
            malformed: self.malformed,
            malformed_lines: self.malformed_lines,
            late: self.order.late(),
            reorder: self.options.reorder,
            longest_delay: Duration::from_nanos(self.order.longest_delay()),
            from: self.times.and_then(|(from, _)| timestamp(from)),
            to: self.times.and_then(|(_, to)| timestamp(to)),
            limits: summary.limits,
            over_time: summary.over_time,
            series: simulation.over_time().clone(),
            most_refused: summary.most_refused,
        })
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
    /// The header of a CSV log has not the columns that are needed.
    Header {
        /// The log.
        file: String,
        /// What is missing.
        error: HeaderError,
    },
    /// A field was named, but the log has no named fields.
    FieldsOfClf,
    /// A part of a Common Log Format request was named, but the log is of another format.
    KeyOfFields {
        /// The log's format.
        format: Format,
    },
    /// A limit has a burst, of which the algorithm knows nothing.
    Burst {
        /// The limit.
        quota: Quota,
        /// The algorithm.
        algorithm: AlgorithmName,
    },
    /// A limiter could not be built.
    Build {
        /// The limit.
        quota: Quota,
        /// The algorithm.
        algorithm: AlgorithmName,
        /// Why not.
        error: BuildError,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Read { file, after: 0, error } => write!(f, "cannot read {file}: {error}"),
            ReplayError::Read { file, after, error } => {
                write!(f, "cannot read {file} further than line {after}: {error}")
            }
            ReplayError::Header { file, error } => write!(f, "cannot read {file} as CSV: {error}; if it is not CSV, give its --format"),
            ReplayError::FieldsOfClf => f.write_str(
                "the log is in Common or Combined Log Format, whose fields have no names: use --key ip, path, method or \
                 user instead of --key-field, no --time-field, and only --cost-field bytes; if it is not, give its --format",
            ),
            ReplayError::KeyOfFields { format } => write!(
                f,
                "the log is {format}, and --key is for Common or Combined Log Format: name a field with --key-field; if it \
                 is not, give its --format"
            ),
            ReplayError::Burst { quota, algorithm } => write!(
                f,
                "--limit \"{quota}\" has a burst, but a {} lets its whole count in at any moment: leave the burst away, \
                 or use gcra, token-bucket or leaky-bucket",
                algorithm.name()
            ),
            ReplayError::Build { quota, algorithm, error } => {
                write!(f, "--limit \"{quota}\" is not possible as {}: {error}", algorithm.name())
            }
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReplayError::Read { error, .. } => Some(error),
            ReplayError::Header { error, .. } => Some(error),
            ReplayError::Build { error, .. } => Some(error),
            ReplayError::FieldsOfClf | ReplayError::KeyOfFields { .. } | ReplayError::Burst { .. } => None,
        }
    }
}
