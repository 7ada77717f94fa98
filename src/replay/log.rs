//! [`read_log`]: the requests of a log in the order of time, and what else was in it.

use std::io::BufRead;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::error::ReplayError;
use super::fields::{Entry, FieldNames, FieldsTaken};
use super::format::{Format, Item, LineError, LineReader, LogReader, ReadError};
use super::key::KeyBy;
use super::progress::Progress;
use super::reorder::Reorder;
use super::time::{UnixNanos, timestamp};

/// How many malformed lines are shown with their reasons.
const MALFORMED_SHOWN: usize = 5;

/// The most requests held back to put them in order, a few tens of megabytes.
const MAX_HELD: usize = 1_000_000;

/// The most bytes that held requests may own beside that, as a million short ones do. Beyond it the oldest goes early.
const MAX_HELD_BYTES: usize = 64 << 20;

/// The field of a Common Log Format line that may be its cost.
const CLF_COST: &str = "bytes";

/// How a log is read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// How the log is written; none to tell it by its first lines.
    pub format: Option<Format>,
    /// What each request of a log in Common Log Format is counted by; none for the client.
    pub key: Option<KeyBy>,
    /// The fields that a JSON or CSV log is read by.
    pub fields: FieldNames,
    /// How far out of order a line may be and still be put in its place.
    pub reorder: Duration,
}

/// What the log held.
#[derive(Debug, Serialize)]
pub struct LogSummary {
    /// The log that was read.
    pub file: String,
    /// How it is written.
    #[serde(serialize_with = "as_name")]
    pub format: Format,
    /// The field that the time was taken from, where fields have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_field: Option<String>,
    /// What each request was counted by, as `--key` or `--key-field` takes it; empty when no line said it. None where
    /// policies say what counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The field that the cost was taken from; none when every request costs 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_field: Option<String>,
    /// Lines read, of every kind.
    pub lines: u64,
    /// Requests that were understood.
    pub requests: u64,
    /// Lines with nothing on them, which are neither requests nor malformed.
    pub blank: u64,
    /// Lines that could not be understood, and so are no requests.
    pub malformed: u64,
    /// The first few of them.
    pub malformed_lines: Vec<MalformedLine>,
    /// Requests that came too late to be put in their place, and were decided at the time reached by then.
    pub late: u64,
    /// For how long lines were held back to sort them.
    #[serde(skip)]
    pub reorder: Duration,
    /// How far out of order the worst of the late ones was.
    #[serde(skip)]
    pub longest_delay: Duration,
    /// The time of the earliest request.
    pub from: Option<Timestamp>,
    /// The time of the latest request.
    pub to: Option<Timestamp>,
}

/// A line that could not be understood.
#[derive(Debug, Serialize)]
pub struct MalformedLine {
    /// The line's number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn as_name<S: Serializer>(format: &Format, serializer: S) -> Result<S::Ok, S::Error> {
    format.name().serialize(serializer)
}

/// Whatever is done with the requests of a log.
pub(super) trait Sink {
    /// What is kept of a request until it is due.
    type Held: Ord;

    /// How many bytes it owns.
    fn bytes(held: &Self::Held) -> usize;

    /// Takes a request's key, or its attributes, and its cost.
    fn hold(&mut self, key: &[u8], cost: u64) -> Self::Held;

    /// Its time has come. Times never step back.
    fn due(&mut self, time: UnixNanos, held: Self::Held) -> Result<(), ReplayError>;
}

/// Reads a log to its end. Gives what it held, and the fields that were taken where fields have names.
pub(super) fn read_log<S: Sink>(
    file: &str,
    input: impl BufRead,
    reading: &Reading,
    progress: &Progress,
    sink: &mut S,
) -> Result<(LogSummary, Option<FieldsTaken>), ReplayError> {
    let mut log = Log::new(file, reading, sink);
    let mut lines = LineReader::new(input);
    let mut reader = log.reader(&mut lines)?;
    loop {
        let item = reader.next(&mut lines, &mut log.key);
        match item.map_err(|error| log.unreadable(error.into(), lines.count()))? {
            None => break,
            Some(item) => log.item(item)?,
        }
        progress.lines(lines.count());
    }
    log.finish(lines.count(), &reader)
}

/// A log under way.
struct Log<'a, S: Sink> {
    file: &'a str,
    reading: &'a Reading,
    format: Format,
    sink: &'a mut S,
    order: Reorder<S::Held>,
    held_bytes: usize,
    /// The key of the line being read; kept for its memory.
    key: Vec<u8>,
    times: Option<(UnixNanos, UnixNanos)>,
    requests: u64,
    blank: u64,
    malformed: u64,
    malformed_lines: Vec<MalformedLine>,
}

impl<'a, S: Sink> Log<'a, S> {
    fn new(file: &'a str, reading: &'a Reading, sink: &'a mut S) -> Log<'a, S> {
        let span = u64::try_from(reading.reorder.as_nanos()).unwrap_or(u64::MAX);
        Log {
            file,
            reading,
            format: reading.format.unwrap_or(Format::Clf),
            sink,
            order: Reorder::new(span, MAX_HELD),
            held_bytes: 0,
            key: Vec::new(),
            times: None,
            requests: 0,
            blank: 0,
            malformed: 0,
            malformed_lines: Vec::new(),
        }
    }

    /// A reader for the log's format, which must go with the options.
    fn reader<R: BufRead>(&mut self, lines: &mut LineReader<R>) -> Result<LogReader, ReplayError> {
        let fields = &self.reading.fields;
        self.format = match self.reading.format {
            Some(format) => format,
            None => Format::recognize(fields, lines)
                .map_err(|error| self.unreadable(error.into(), lines.count()))?,
        };
        if self.format != Format::Clf && self.reading.key.is_some() {
            return Err(ReplayError::KeyOfFields { format: self.format });
        }
        match self.format {
            Format::Clf => {
                let wrong = fields.time.is_some() || !fields.key.is_empty();
                if wrong || fields.cost.as_ref().is_some_and(|cost| cost != CLF_COST) {
                    return Err(ReplayError::FieldsOfClf);
                }
                Ok(LogReader::clf(self.reading.key.clone().unwrap_or_default(), fields))
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

    fn request(&mut self, Entry { time, cost }: Entry) -> Result<(), ReplayError> {
        let (from, to) = self.times.unwrap_or((time, time));
        self.times = Some((from.min(time), to.max(time)));
        self.requests += 1;
        let held = self.sink.hold(&self.key, cost);
        self.held_bytes += S::bytes(&held);
        self.order.push(time, held);
        while let Some((time, held)) = self.next_due() {
            self.held_bytes -= S::bytes(&held);
            self.sink.due(time, held)?;
        }
        Ok(())
    }

    fn next_due(&mut self) -> Option<(UnixNanos, S::Held)> {
        if self.held_bytes > MAX_HELD_BYTES { self.order.next() } else { self.order.next_due() }
    }

    fn malformed(&mut self, line: u64, error: &LineError) {
        self.malformed += 1;
        if self.malformed_lines.len() < MALFORMED_SHOWN {
            self.malformed_lines.push(MalformedLine { line, reason: error.to_string() });
        }
    }

    fn finish(
        mut self,
        lines: u64,
        reader: &LogReader,
    ) -> Result<(LogSummary, Option<FieldsTaken>), ReplayError> {
        while let Some((time, held)) = self.order.next() {
            self.sink.due(time, held)?;
        }
        let fields = &self.reading.fields;
        let taken = reader.taken();
        let key = match (&taken, self.format) {
            (Some(taken), _) => taken.key.join(","),
            (None, Format::Clf) => self.reading.key.clone().unwrap_or_default().to_string(),
            (None, _) => fields.key.join(","),
        };
        let summary = LogSummary {
            file: self.file.to_owned(),
            format: self.format,
            time_field: taken.as_ref().map(|taken| taken.time.clone()),
            key: fields.attributes.is_none().then_some(key),
            cost_field: fields.cost.clone(),
            lines,
            requests: self.requests,
            blank: self.blank,
            malformed: self.malformed,
            malformed_lines: self.malformed_lines,
            late: self.order.late(),
            reorder: self.reading.reorder,
            longest_delay: Duration::from_nanos(self.order.longest_delay()),
            from: self.times.and_then(|(from, _)| timestamp(from)),
            to: self.times.and_then(|(_, to)| timestamp(to)),
        };
        Ok((summary, taken))
    }
}
