//! [`CsvRecords`]: records of comma-separated values under a header.

use std::borrow::Cow;
use std::fmt;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::super::fields::{Entry, FieldNames, FieldsTaken, Roles};
use super::line_error::{LineError, excerpt};

/// What fields may be separated by; of those the one that the header has most of.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// How many lines a record may span. Fields with line breaks are rare in logs and short; with every line more a quote that
/// somebody forgot to close would make more lines be read again.
pub(super) const MAX_RECORD_LINES: usize = 16;

/// Reads the records of a log by the names in its header.
#[derive(Clone)]
pub struct CsvRecords {
    parser: Reader,
    delimiter: u8,
    /// How many fields a record has.
    count: usize,
    roles: Roles,
    /// Where the field of each role stands in a record; none where records lack it.
    columns: Vec<Option<usize>>,
    fields: Vec<u8>,
    ends: Vec<usize>,
}

impl CsvRecords {
    /// Records under `header`, the log's first line; fields that are not named are found by the names that are usual for them,
    /// in capitals or not.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when a field is not there.
    pub fn new(header: &[u8], names: &FieldNames) -> Result<CsvRecords, HeaderError> {
        let delimiter = delimiter(header);
        let mut records = CsvRecords {
            parser: ReaderBuilder::new().delimiter(delimiter).build(),
            delimiter,
            count: usize::MAX,
            roles: Roles::new(names),
            columns: Vec::new(),
            fields: Vec::new(),
            // Each field but the last ends in a delimiter; one place more, so that the line end has one too.
            ends: vec![0; header.len() + 2],
        };
        let columns = match records.split(header) {
            Ok(count) => {
                (0..count).map(|column| String::from_utf8_lossy(records.field(column)).trim().to_owned())
            }
            Err(problem) => return Err(HeaderError::of(problem)),
        };
        let columns: Vec<String> = columns.collect();
        let at = |name: &str| {
            let same = columns.iter().position(|column| column == name);
            same.or_else(|| columns.iter().position(|column| column.eq_ignore_ascii_case(name)))
        };
        let settled =
            records.roles.settle(|_, role| role.candidates().iter().position(|name| at(name).is_some()));
        records.columns = records.roles.iter().map(|role| at(role.field())).collect();
        records.count = columns.len();
        // A record with one field more than it should have still fits, and so can be told from a longer one.
        records.ends.truncate(columns.len() + 2);
        match settled {
            Ok(()) => Ok(records),
            Err(problem) => Err(HeaderError { problem, columns }),
        }
    }

    /// The fields taken.
    pub(super) fn taken(&self) -> FieldsTaken {
        self.roles.taken()
    }

    /// Reads one record, given without its line end, and writes its key over what is in `key`.
    ///
    /// # Errors
    ///
    /// [`LineError`] when it has not as many fields as the header, or one of them does not hold what it should.
    pub fn read(&mut self, record: &[u8], key: &mut Vec<u8>) -> Result<Entry, LineError> {
        let found = self.split(record)?;
        if found != self.count {
            return Err(LineError::FieldCount { found, expected: self.count });
        }
        let field = |role: usize| self.columns[role].map_or(&b""[..], |column| self.field(column));
        self.roles.entry(|role| Ok(Cow::Borrowed(field(role))), key)
    }

    /// Reads a record that spans lines, as [`read`](CsvRecords::read) does.
    ///
    /// Here no quote may stand but around a field or doubled within it. The parser is not so strict, and would join a line that was
    /// cut off within a quoted field with the next one, whose first quote seems to end the field.
    pub(super) fn read_lines(&mut self, record: &[u8], key: &mut Vec<u8>) -> Result<Entry, LineError> {
        let entry = self.read(record, key)?;
        if is_well_quoted(record, self.delimiter) {
            Ok(entry)
        } else {
            Err(LineError::OpenQuote { most: MAX_RECORD_LINES })
        }
    }

    /// Splits a record into its fields, and tells how many they are.
    fn split(&mut self, record: &[u8]) -> Result<usize, LineError> {
        self.parser.reset();
        // Fields are never longer than the record they stand in.
        if self.fields.len() <= record.len() {
            self.fields.resize(record.len() + 1, 0);
        }
        let (mut written, mut ended) = (0, 0);
        for part in [record, b"\n"] {
            let (result, _, bytes, ends) =
                self.parser.read_record(part, &mut self.fields[written..], &mut self.ends[ended..]);
            written += bytes;
            ended += ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record | ReadRecordResult::End => return Ok(ended),
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err(LineError::FieldCount { found: ended, expected: self.count });
                }
            }
        }
        Err(LineError::OpenQuote { most: MAX_RECORD_LINES })
    }

    /// A field of the record that was split last.
    fn field(&self, column: usize) -> &[u8] {
        let start = if column == 0 { 0 } else { self.ends[column - 1] };
        &self.fields[start..self.ends[column]]
    }
}

impl fmt::Debug for CsvRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvRecords")
            .field("roles", &self.roles)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

/// Whether the line may be a header: it has two fields or more.
pub(super) fn may_be_header(line: &[u8]) -> bool {
    line.iter().any(|byte| DELIMITERS.contains(byte))
}

/// Whether every quoted field ends in a quote before a delimiter or the end of the record.
fn is_well_quoted(record: &[u8], delimiter: u8) -> bool {
    let mut rest = record;
    loop {
        let end = match rest.strip_prefix(b"\"") {
            Some(inside) => 1 + closing_quote(inside) + 1,
            None => rest.iter().position(|byte| *byte == delimiter).unwrap_or(rest.len()),
        };
        match rest.get(end) {
            Some(byte) if *byte == delimiter => rest = &rest[end + 1..],
            Some(_) => return false,
            None => return end == rest.len(),
        }
    }
}

/// Where the first quote is that is not one of two, or the end.
fn closing_quote(text: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() {
        match (text[at], text.get(at + 1)) {
            (b'"', Some(b'"')) => at += 2,
            (b'"', _) => return at,
            _ => at += 1,
        }
    }
    text.len()
}

fn delimiter(header: &[u8]) -> u8 {
    let count = |delimiter: u8| {
        let mut quoted = false;
        let delimits = |byte: &&u8| {
            quoted ^= **byte == b'"';
            !quoted && **byte == delimiter
        };
        header.iter().filter(delimits).count()
    };
    // Of equals the first: `max_by_key` would take the last.
    DELIMITERS.into_iter().rev().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

/// A header without a field that is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderError {
    problem: LineError,
    columns: Vec<String>,
}

impl HeaderError {
    /// A header that could not even be split into columns.
    pub(super) fn of(problem: LineError) -> HeaderError {
        HeaderError { problem, columns: Vec::new() }
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.problem)?;
        if !self.columns.is_empty() {
            // A line that is no header may be anything.
            const SHOWN: usize = 20;
            let columns = self.columns.iter().take(SHOWN).map(|name| excerpt(name.as_bytes()));
            write!(f, "; the header has: {}", columns.collect::<Vec<_>>().join(", "))?;
            if self.columns.len() > SHOWN {
                write!(f, " and {} more", self.columns.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for HeaderError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(header: &str) -> CsvRecords {
        CsvRecords::new(header.as_bytes(), &FieldNames::default()).unwrap()
    }

    /// Time in seconds, key and cost of a record.
    fn read(records: &mut CsvRecords, record: &str) -> Result<(u64, String, u64), LineError> {
        let mut key = Vec::new();
        let entry = records.read(record.as_bytes(), &mut key)?;
        Ok((entry.time / 1_000_000_000, String::from_utf8(key).unwrap(), entry.cost))
    }

    fn one(key: &str) -> (u64, String, u64) {
        (1, key.to_owned(), 1)
    }

    #[test]
    fn the_delimiter_is_what_the_header_has_most_of() {
        for (header, record) in [
            ("ts,ip,path", "1,a,/x;y"),
            ("ts;ip;path", "1;a;/x,y"),
            ("ts\tip\tpath", "1\ta\t/x,y"),
            ("ts;ip;\"a,b,\"", "1;a;"),
        ] {
            assert_eq!(read(&mut records(header), record), Ok(one("a")), "{header}");
        }
    }

    #[test]
    fn names_may_have_capitals_and_spaces_around_them() {
        assert_eq!(read(&mut records(" Time , Client_IP "), "1,a"), Ok(one("a")));
        let both =
            CsvRecords::new(b"ts,id,ID", &FieldNames { key: vec!["ID".to_owned()], ..FieldNames::default() });
        assert_eq!(read(&mut both.unwrap(), "1,a,b"), Ok(one("b")));
    }

    #[test]
    fn quoted_fields_may_hold_delimiters_quotes_and_line_breaks() {
        let mut records = records("ts,user,x");
        assert_eq!(read(&mut records, r#"1,"a,""b""",x"#), Ok(one("a,\"b\"")));
        assert_eq!(read(&mut records, "1,\"a\nb\",x"), Ok(one("a\nb")));
        assert_eq!(read(&mut records, "1,,x"), Ok(one("-")));
    }

    #[test]
    fn quotes_belong_around_a_field_or_twice_within_it() {
        for record in ["", "a,b", r#""a",b"#, r#"a,"b""#, r#""a,b",c"#, r#""a""b","#, r#""""#, r#"a"b,c"#] {
            assert!(is_well_quoted(record.as_bytes(), b','), "{record}");
        }
        for record in [
            r#"""#,
            r#""a"#,
            r#""a"b,c"#,
            r#"a,"b"c"#,
            r#""a,"b","#,
            r#"""""#,
            r#""a""#.trim_end_matches('"'),
        ] {
            assert!(!is_well_quoted(record.as_bytes(), b','), "{record}");
        }
    }

    #[test]
    fn every_defect_is_named() {
        let names = FieldNames { cost: Some("size".to_owned()), ..FieldNames::default() };
        let mut records = CsvRecords::new(b"ts,ip,size", &names).unwrap();
        for (record, error) in [
            ("1", LineError::FieldCount { found: 1, expected: 3 }),
            ("1,a,2,3", LineError::FieldCount { found: 4, expected: 3 }),
            ("1,a,2,3,4,5,6", LineError::FieldCount { found: 5, expected: 3 }),
            ("1,\"a,2", LineError::OpenQuote { most: MAX_RECORD_LINES }),
            ("soon,a,2", LineError::FieldTime("soon".to_owned())),
            ("1,a,2.5", LineError::Cost("2.5".to_owned())),
        ] {
            assert_eq!(read(&mut records, record), Err(error), "{record}");
        }
        assert_eq!(read(&mut records, "1,a,2"), Ok((1, "a".to_owned(), 2)));
    }

    #[test]
    fn a_header_without_a_field_says_what_it_has() {
        let said =
            |header: &[u8], names: &FieldNames| CsvRecords::new(header, names).unwrap_err().to_string();
        let none = FieldNames::default();
        assert_eq!(
            said(b"a,b", &none),
            "no field has a name known for the time: give it with --time-field; the header has: a, b"
        );
        let cost = FieldNames { cost: Some("size".to_owned()), ..none };
        assert_eq!(said(b"ts,ip", &cost), "there is no field \"size\"; the header has: ts, ip");
    }
}
