//! [`CallerLimits`]: limits that come with the request.

use std::fmt;
use std::time::Duration;

use crate::distributed::Source;
use crate::policy::AlgorithmName;
use crate::quota::Quota;

/// A limit that came with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CallerLimit {
    pub(crate) algorithm: AlgorithmName,
    /// A window algorithm's limit and window are its count and period.
    pub(crate) quota: Quota,
}

/// Where a key stands, and whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) allowed: bool,
    /// The most that a key can hold.
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// Until the key is full again.
    pub(crate) reset_after: Duration,
    /// Zero if allowed, `None` if it never fits.
    pub(crate) retry_after: Option<Duration>,
    /// How long a leaky bucket makes it wait.
    pub(crate) delay: Duration,
    /// Who decided, where a backend counts.
    pub(crate) source: Option<Source>,
}

/// Why a limit that came with a request is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum CallerError {
    /// The service does not take limits from its callers.
    Off,
    /// A field is beyond the service's bounds, or makes no sense: its name, and what to change.
    Field { field: &'static str, message: String },
    /// As many different limits as the service keeps are in use.
    TooManyLimits { most: usize },
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
        }
    }
}
// POLICY builds:
// pub(crate) struct CallerLimits; new(bounds, Option<backend>, clock);
//   validate(&self, limit) -> Result<(), CallerError>   // bounds of rate, window, burst
//   check_now(&self, key: &[u8], limit, cost) -> Result<Answer, CallerError>     // never waits
//   async check(&self, key: &[u8], limit, cost) -> Result<Answer, CallerError>   // asks the backend, if there is one
//   is_in_memory(&self) -> bool    // then check_now is all there is
//   peek/refund/reset (async), check_many(&[..], &mut Vec<..>)
