//! [`WatchError`]: why a file of policies is not in force.

use std::fmt;
use std::io;

use crate::policy::{FileError, PolicyError};

/// Why a file of policies is not in force, or cannot be watched.
///
/// [`PolicySet::watch`](crate::policy::PolicySet::watch) and [`Watcher::last_error`](crate::policy::Watcher::last_error) tell one.
#[derive(Debug)]
#[non_exhaustive]
pub enum WatchError {
    /// It cannot be read, or what it says is wrong.
    File(FileError),
    /// The set cannot go from what is in force to what it says.
    Policies(PolicyError),
    /// The system refuses what it takes to watch it. Only at the start.
    System {
        /// What it refuses to do: `start a thread`.
        what: &'static str,
        /// What it says.
        error: io::Error,
    },
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WatchError::File(error) => error.fmt(f),
            WatchError::Policies(error) => error.fmt(f),
            WatchError::System { what, error } => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for WatchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            WatchError::File(error) => error.source(),
            WatchError::Policies(error) => error.source(),
            WatchError::System { error, .. } => Some(error),
        }
    }
}
