//! [`PolicyError`]: why policies were not changed.

use std::fmt;

use super::model::TransitionError;
use super::validate::Invalid;
use super::version::Unbuilt;

/// Why policies were not changed. Those that were in force still are.
///
/// ```
/// use tollgate::policy::{Policy, PolicyError, PolicySet};
///
/// let error = PolicySet::new().upsert(Policy::new("api")).unwrap_err();
/// assert!(error.to_string().starts_with("policy \"api\", limits: there is nothing to enforce"));
/// assert!(matches!(&error, PolicyError::Invalid { problems } if problems[0].field() == "limits"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// They make no sense.
    Invalid {
        /// All that is wrong.
        problems: Vec<Invalid>,
    },
    /// There is no policy with this id.
    UnknownPolicy {
        /// What was given.
        id: String,
    },
    /// A policy cannot go to that state.
    Transition {
        /// The policy's id.
        id: String,
        /// From which state to which.
        error: TransitionError,
    },
    /// That version is not kept.
    UnknownVersion {
        /// What was given.
        version: u64,
        /// Those that are.
        kept: Vec<u64>,
    },
}

impl From<Unbuilt> for PolicyError {
    /// Never, for policies that were found to be valid.
    fn from(unbuilt: Unbuilt) -> PolicyError {
        let message = match unbuilt {
            Unbuilt::Conditions((attribute, _, message)) => format!("{attribute}: {message}"),
            Unbuilt::Limit(error) => error.to_string(),
            Unbuilt::Remote(message) => message,
        };
        PolicyError::Invalid {
            problems: vec![Invalid { policy: String::new(), path: "policy".to_owned(), message }],
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PolicyError::Invalid { problems } => {
                for (place, problem) in problems.iter().enumerate() {
                    let between = if place == 0 { "" } else { "\n" };
                    write!(f, "{between}{problem}")?;
                }
                Ok(())
            }
            PolicyError::UnknownPolicy { id } => write!(f, "there is no policy \"{id}\""),
            PolicyError::Transition { id, error } => write!(f, "policy \"{id}\": {error}"),
            PolicyError::UnknownVersion { version, kept } => match (kept.first(), kept.last()) {
                (Some(first), Some(last)) => {
                    write!(f, "version {version} is not kept: there are {first} to {last}")
                }
                _ => write!(f, "version {version} is not kept: no policies were applied yet"),
            },
        }
    }
}

impl std::error::Error for PolicyError {}
