//! [`LogReader`]: requests from a log in any of its formats.

mod clf;
mod csv;
mod json;
mod line_error;
mod line_reader;

use std::fmt;
use std::io::{self, BufRead};
use std::str::FromStr;

use super::fields::{Entry, FieldNames, FieldsTaken};
use super::key::KeyBy;
use clf::ClfLines;
use csv::{MAX_RECORD_LINES, may_be_header};
use line_reader::{Line, MAX_LINE};

pub(super) use clf::ABSENT;
pub(super) use line_reader::LineReader;

pub use clf::LogLine;
pub use csv::{CsvRecords, HeaderError};
pub use json::JsonLines;
pub use line_error::LineError;

/// How many lines are looked at to tell the format: the first ones may be broken.
const LOOKED_AT: usize = 10;

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Common or Combined Log Format.
    Clf,
    /// One JSON object a line.
    Json,
    /// Comma-separated values under a header.
    Csv,
}

impl Format {
    /// Its name in options and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Clf => "clf",
            Format::Json => "json",
            Format::Csv => "csv",
        }
    }

    /// Tells the format by the first lines, which are then read again.
    ///
    /// One line that is JSON or in Common Log Format is enough; else a first line with a delimiter is taken for the header of
    /// CSV, unless it begins a list in JSON, which is not lines but can be made so. What is nothing at all is taken for Common
    /// Log Format, or for JSON where fields are named; both say of each line what is wrong with it.
    pub(super) fn recognize<R: BufRead>(names: &FieldNames, lines: &mut LineReader<R>) -> io::Result<Format> {
        let mut ahead: Vec<Line> = Vec::new();
        while ahead.len() < LOOKED_AT {
            match lines.next_owned()? {
                Some(line) => ahead.push(line),
                None => break,
            }
        }
        let mut texts = ahead.iter().flatten().map(|line| line.trim_ascii()).filter(|line| !line.is_empty());
        let first = texts.clone().next();
        let format = texts.find_map(|line| match line {
            [b'{', ..] => Some(Format::Json),
            line => LogLine::parse(line).is_ok().then_some(Format::Clf),
        });
        let format = format.unwrap_or(match first {
            Some([b'[', ..]) => Format::Json,
            Some(line) if may_be_header(line) => Format::Csv,
            _ if names.time.is_some() || !names.key.is_empty() => Format::Json,
            _ => Format::Clf,
        });
        lines.put_back(ahead);
        Ok(format)
    }
}

impl fmt::Display for Format {
    /// For people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Clf => "Common or Combined Log Format",
            Format::Json => "JSON lines",
            Format::Csv => "CSV",
        })
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Format, FormatError> {
        let known = [Format::Clf, Format::Json, Format::Csv];
        known
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| FormatError { name: text.to_owned() })
    }
}

/// A name that is no format's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    name: String,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is not a format: use clf, json or csv", self.name)
    }
}

impl std::error::Error for FormatError {}

/// Reads requests line by line.
#[derive(Debug)]
pub(super) enum LogReader {
    Clf(ClfLines),
    Json(JsonLines),
    /// `None` when there is not even a header.
    Csv(Option<Box<CsvRecords>>),
}

/// What comes next in a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Request(Entry),
    Malformed {
        /// The line's number, from 1.
        line: u64,
        error: LineError,
    },
    /// A line with nothing on it.
    Blank,
}

/// Why a log cannot be read on.
#[derive(Debug)]
pub(super) enum ReadError {
    Io(io::Error),
    Header(HeaderError),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        ReadError::Io(error)
    }
}

impl LogReader {
    /// Reads lines in Common or Combined Log Format: by `key` and cost, or by the attributes that are named.
    pub(super) fn clf(key: KeyBy, names: &FieldNames) -> LogReader {
        LogReader::Clf(match &names.attributes {
            Some(attributes) => ClfLines::Attributes(attributes.clone()),
            None => ClfLines::Key { key, cost_bytes: names.cost.is_some() },
        })
    }

    /// Reads lines of JSON.
    pub(super) fn json(names: &FieldNames) -> LogReader {
        LogReader::Json(JsonLines::new(names))
    }

    /// Reads CSV, whose header is the next line that is not blank, and tells how many blank lines stand before it.
    pub(super) fn csv<R: BufRead>(
        names: &FieldNames,
        lines: &mut LineReader<R>,
    ) -> Result<(LogReader, u64), ReadError> {
        let header_error = |problem| ReadError::Header(HeaderError::of(problem));
        let mut blank = 0;
        while let Some(line) = lines.next()? {
            let header = line.map_err(header_error)?;
            if header.trim_ascii().is_empty() {
                blank += 1;
                continue;
            }
            let records = CsvRecords::new(header, names).map_err(ReadError::Header)?;
            return Ok((LogReader::Csv(Some(Box::new(records))), blank));
        }
        Ok((LogReader::Csv(None), blank))
    }

    /// The fields that are read, where the log has names for them and they are known by now.
    pub(super) fn taken(&self) -> Option<FieldsTaken> {
        match self {
            LogReader::Clf(_) | LogReader::Csv(None) => None,
            LogReader::Json(json) => json.taken(),
            LogReader::Csv(Some(csv)) => Some(csv.taken()),
        }
    }

    /// What comes next, the key of a request written over what is in `key`; `None` at the end of the log.
    pub(super) fn next<R: BufRead>(
        &mut self,
        lines: &mut LineReader<R>,
        key: &mut Vec<u8>,
    ) -> io::Result<Option<Item>> {
        let line = match lines.next()? {
            None => return Ok(None),
            Some(Ok(line)) if line.trim_ascii().is_empty() => return Ok(Some(Item::Blank)),
            Some(line) => line,
        };
        let read = match self {
            LogReader::Clf(clf) => line.and_then(|line| clf.read(line, key)),
            LogReader::Json(json) => line.and_then(|line| json.read(line, key)),
            LogReader::Csv(None) => return Ok(None),
            LogReader::Csv(Some(csv)) => match line.map(|line| (csv.read(line, key), line)) {
                Ok((Err(LineError::OpenQuote { .. }), line)) => {
                    let first = line.to_vec();
                    return read_on(csv, first, lines, key).map(Some);
                }
                Ok((read, _)) => read,
                Err(error) => Err(error),
            },
        };
        Ok(Some(match read {
            Ok(entry) => Item::Request(entry),
            Err(error) => Item::Malformed { line: lines.count(), error },
        }))
    }
}

/// Reads a record on whose `first` line a quote was left open.
///
/// When no record comes of it, only that line is malformed, and the others are read again for themselves: a quote that
/// somebody forgot to close costs its own line alone.
fn read_on<R: BufRead>(
    csv: &mut CsvRecords,
    first: Vec<u8>,
    lines: &mut LineReader<R>,
    key: &mut Vec<u8>,
) -> io::Result<Item> {
    let number = lines.count();
    let mut record = first;
    let mut further: Vec<Line> = Vec::new();
    while further.len() + 1 < MAX_RECORD_LINES {
        let Some(line) = lines.next_owned()? else { break };
        further.push(line);
        let Some(Ok(line)) = further.last() else { break };
        if record.len() + line.len() > MAX_LINE {
            break;
        }
        record.push(b'\n');
        record.extend_from_slice(line);
        match csv.read_lines(&record, key) {
            Ok(entry) => return Ok(Item::Request(entry)),
            Err(LineError::OpenQuote { .. }) => {}
            Err(_) => break,
        }
    }
    lines.put_back(further);
    Ok(Item::Malformed { line: number, error: LineError::OpenQuote { most: MAX_RECORD_LINES } })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLF: &str = r#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a,b HTTP/1.1" 200 1"#;

    #[track_caller]
    fn assert_recognized(log: &str, format: Format) {
        let mut lines = LineReader::new(log.as_bytes());
        assert_eq!(Format::recognize(&FieldNames::default(), &mut lines).unwrap(), format);
        assert_eq!(lines.count(), 0);
        let mut read = String::new();
        while let Some(line) = lines.next().unwrap() {
            read.push_str(str::from_utf8(line.unwrap()).unwrap());
            read.push('\n');
        }
        assert_eq!(read, log);
    }

    #[test]
    fn formats_are_told_by_their_first_lines_which_are_then_read_again() {
        assert_recognized(&format!("{CLF}\n"), Format::Clf);
        assert_recognized(&format!("\nbroken, line\n{CLF}\n"), Format::Clf);
        assert_recognized("\n\n  {\"ts\":1}\n", Format::Json);
        assert_recognized("starting, please wait\n{\"ts\":1}\n", Format::Json);
        assert_recognized("ts,ip\n1,a\n", Format::Csv);
        assert_recognized("ts;ip\n", Format::Csv);
        assert_recognized("[{\"ts\":1,\"ip\":\"a\"}]\n", Format::Json);
        assert_recognized(&format!("[warning] broken, line\n{CLF}\n"), Format::Clf);
        assert_recognized("word\n", Format::Clf);
        assert_recognized("", Format::Clf);
    }

    /// What a CSV log under `ts,user,x` holds: the keys of its requests, and the numbers of its malformed lines.
    fn read_csv(log: &str) -> (Vec<String>, Vec<u64>) {
        let mut lines = LineReader::new(log.as_bytes());
        let (mut reader, _) = LogReader::csv(&FieldNames::default(), &mut lines).unwrap();
        let (mut keys, mut malformed) = (Vec::new(), Vec::new());
        let mut key = Vec::new();
        while let Some(item) = reader.next(&mut lines, &mut key).unwrap() {
            match item {
                Item::Request(_) => keys.push(String::from_utf8(key.clone()).unwrap()),
                Item::Malformed { line, .. } => malformed.push(line),
                Item::Blank => {}
            }
        }
        (keys, malformed)
    }

    #[test]
    fn a_csv_record_may_span_lines() {
        let (keys, malformed) = read_csv("ts,user,x\n1,\"a\nb\n\nc\",x\n1,d,x\n");
        assert_eq!((keys, malformed), (vec!["a\nb\n\nc".to_owned(), "d".to_owned()], vec![]));
        let longest = format!("1,\"{}\",x", "\n".repeat(MAX_RECORD_LINES - 1));
        assert_eq!(read_csv(&format!("ts,user,x\n{longest}\n1,d,x\n")).0.len(), 2);
    }

    #[test]
    fn a_quote_left_open_costs_its_own_line_alone() {
        let rest = "1,u,x\n".repeat(100);
        for quoted_later in ["", "1,\"e\",x\n"] {
            let (keys, malformed) = read_csv(&format!("ts,user,x\n1,\"d,x\n{rest}{quoted_later}"));
            assert_eq!(malformed, [2]);
            assert_eq!(keys.len(), 100 + usize::from(!quoted_later.is_empty()));
        }
    }

    #[test]
    fn a_line_cut_off_in_a_quoted_field_does_not_swallow_the_next() {
        let (keys, malformed) = read_csv("ts,user,x\n1,\"u\n1,\"v\",\"x\"\n1,\"w\",x\n");
        assert_eq!((keys, malformed), (vec!["v".to_owned(), "w".to_owned()], vec![2]));
    }

    #[test]
    fn a_record_of_too_many_bytes_is_not_held() {
        let line = "x".repeat(MAX_LINE - 10);
        let (keys, malformed) = read_csv(&format!("ts,user,x\n1,\"a\n{line}\n1,d,x\n"));
        assert_eq!((keys, malformed), (vec!["d".to_owned()], vec![2, 3]));
    }
}
