//! [`LineError`]: why a line counts as malformed.

use std::fmt;

use super::super::time::TimeError;

/// Why a line counts as malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineError {
    /// The line is longer than any that is read whole.
    TooLong {
        /// The longest line that is read, in bytes.
        most: usize,
    },
    /// Not three fields before the time.
    NoClient,
    /// The second field is an address.
    VirtualHostFirst,
    /// No `[time] `.
    NoTime,
    /// The time has another form than the Common Log Format's or is no date.
    Time(String),
    /// The time is a date, but no log is from then.
    Year(String),
    /// No `"request"` after the time, or its closing quote is missing.
    NoRequest,
    /// The status is not three digits.
    Status(String),
    /// The bytes are neither a number nor `-`.
    Bytes(String),
    /// The line does not even start as a JSON object does.
    NotAnObject,
    /// The line is no valid JSON.
    Json(String),
    /// A field is missing.
    NoField(String),
    /// None of the fields is known to hold this.
    NoKnownField {
        /// What is missing: `time` or `key`.
        role: &'static str,
    },
    /// A field is a list or an object where a single value is needed.
    NotAValue(String),
    /// A field is no time of any form that is known.
    FieldTime(String),
    /// A field is no whole number from 0 on.
    Cost(String),
    /// A CSV record has not as many fields as the header.
    FieldCount {
        /// How many it has, as far as they were counted.
        found: usize,
        /// How many the header has.
        expected: usize,
    },
    /// A quoted CSV field does not end within the lines that a record may span.
    OpenQuote {
        /// How many lines that are.
        most: usize,
    },
}

impl LineError {
    /// The error for a Common Log Format's time.
    pub(super) fn clf_time(text: &[u8], error: TimeError) -> LineError {
        match error {
            TimeError::Form => LineError::Time(excerpt(text)),
            TimeError::Year => LineError::Year(excerpt(text)),
        }
    }

    /// The error for a cost.
    pub(in super::super) fn cost(text: &[u8]) -> LineError {
        LineError::Cost(excerpt(text))
    }

    /// The error for a time in a field of its own.
    pub(in super::super) fn field_time(text: &[u8], error: TimeError) -> LineError {
        match error {
            TimeError::Form => LineError::FieldTime(excerpt(text)),
            TimeError::Year => LineError::Year(excerpt(text)),
        }
    }
}

/// Messages quote the line, but not 64 KiB of it.
pub(super) fn excerpt(text: &[u8]) -> String {
    const SHOWN: usize = 40;
    let mut shown = String::from_utf8_lossy(&text[..text.len().min(SHOWN)]).into_owned();
    if text.len() > SHOWN {
        shown.push('…');
    }
    shown
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineError::TooLong { most } => write!(f, "the line is longer than {most} bytes"),
            LineError::NoClient => f.write_str("it does not start with: host ident user [time]"),
            LineError::VirtualHostFirst => {
                f.write_str("the second field is an address: cut off the virtual host in front")
            }
            LineError::NoTime => f.write_str("there is no [time] after host, ident and user"),
            LineError::Time(text) => write!(f, "time \"{text}\" is not like 17/May/2015:10:05:03 +0000"),
            LineError::Year(text) => write!(f, "time \"{text}\" is not between 1970 and 2099"),
            LineError::NoRequest => f.write_str("there is no \"request\" in quotes after the time"),
            LineError::Status(text) => write!(f, "status \"{text}\" after the request is not three digits"),
            LineError::Bytes(text) => {
                write!(f, "bytes \"{text}\" after the status is neither a number nor -")
            }
            LineError::NotAnObject => f.write_str("it is not a JSON object: {...}"),
            LineError::Json(problem) => write!(f, "it is not valid JSON: {problem}"),
            LineError::NoField(name) => write!(f, "there is no field \"{name}\""),
            LineError::NoKnownField { role } => {
                write!(f, "no field has a name known for the {role}: give it with --{role}-field")
            }
            LineError::NotAValue(name) => write!(f, "field \"{name}\" is not a single value"),
            LineError::FieldTime(text) => {
                write!(f, "time \"{text}\" is neither like 2015-05-17T10:05:03Z nor Unix time")
            }
            LineError::Cost(text) => write!(f, "cost \"{text}\" is not a whole number from 0 on"),
            LineError::FieldCount { found, expected } => {
                let more = if found > expected { "or more " } else { "" };
                write!(f, "it has {found} {more}fields, and the header has {expected}")
            }
            LineError::OpenQuote { most } => {
                write!(f, "a quoted field does not end within {most} lines, or what it ends is no record")
            }
        }
    }
}

impl std::error::Error for LineError {}
