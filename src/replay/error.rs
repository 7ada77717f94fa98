//! [`ReplayError`]: why a log could not be replayed.

use std::fmt;
use std::io;

use super::format::{Format, HeaderError};
use crate::policy::{AlgorithmName, PolicyError};
use crate::{BuildError, Quota};

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
    /// Policies could not be put in force.
    Policies {
        /// The file that they are from.
        file: String,
        /// Why not.
        error: PolicyError,
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
                algorithm.option()
            ),
            ReplayError::Policies { file, error } => write!(f, "{file}: {error}"),
            ReplayError::Build { quota, algorithm, error } => {
                write!(f, "--limit \"{quota}\" is not possible as {}: {error}", algorithm.option())
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
            ReplayError::Policies { error, .. } => Some(error),
            ReplayError::FieldsOfClf | ReplayError::KeyOfFields { .. } | ReplayError::Burst { .. } => None,
        }
    }
}
