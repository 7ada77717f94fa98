//! [`CallerError`]: why a limit that came with a request is not asked.

use std::fmt;

/// Why a limit that came with a request is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallerError {
    /// The service does not take limits from its callers.
    Off,
    /// A field is beyond the service's bounds, or makes no sense: `algorithm`, `limit`, `window`, `rate`, `burst` or `key`; and what to change.
    Field { field: &'static str, message: String },
    /// As many different limits as the service keeps are in use.
    TooManyLimits { most: usize },
    /// There is no room for another key: all there are have spent something that has not come back.
    TooManyKeys { most: usize },
    /// The backend cannot be asked to do this, and nobody else can.
    Backend { message: String },
}

impl CallerError {
    pub(super) fn field(field: &'static str, message: impl Into<String>) -> CallerError {
        CallerError::Field { field, message: message.into() }
    }
}

impl fmt::Display for CallerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallerError::Off => {
                f.write_str("limits chosen by callers are switched off: ask about a policy, or set callers.enabled = true")
            }
            CallerError::Field { field, message } => write!(f, "{field}: {message}"),
            CallerError::TooManyLimits { most } => {
                write!(f, "{most} different limits are in use, as many as callers.max_limits: use fewer, or raise it")
            }
            CallerError::TooManyKeys { most } => {
                write!(f, "there is no room for another key under this limit: raise callers.max_keys, which is {most}")
            }
            CallerError::Backend { message } => write!(f, "the backend cannot be asked: {message}"),
        }
    }
}

impl std::error::Error for CallerError {}
