//! [`LayerError`]: why a layer cannot be built.

use std::error::Error;
use std::fmt;

use super::name::LimitNameError;

/// Why a layer cannot be built; the message says what to change.
///
/// ```
/// use tollgate::http::{LayerError, RateLimitLayer};
///
/// assert_eq!(RateLimitLayer::builder().build().unwrap_err(), LayerError::NoLimit);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayerError {
    /// There is no limit to check.
    NoLimit,
    /// A limit's name cannot stand in a header field.
    Name(LimitNameError),
    /// Two limits have one name, or one is there twice: clients could not tell them apart, or would pay twice.
    NameTwice {
        /// The name.
        limit: String,
    },
    /// A key is the value of a header that no request can have.
    Header {
        /// The limit's name.
        limit: String,
        /// What was given as the header's name.
        header: String,
    },
    /// Nothing is said about requests that have no key.
    MissingUndecided {
        /// The limit's name.
        limit: String,
        /// Its kind of key.
        key: &'static str,
    },
    /// Requests are to wait that a limit refuses which many nodes share: it has no turns.
    #[cfg(feature = "distributed")]
    GlobalDoesNotWait {
        /// The limit's name.
        limit: String,
    },
    /// A request is to take another number of places than one in a limit that many nodes share.
    #[cfg(feature = "distributed")]
    GlobalPlaceCost {
        /// The limit's name.
        limit: String,
    },
    /// A layer has policies and limits of its own, which could not be charged as one.
    PoliciesAndLimits,
    /// Requests are to wait that policies refuse: the limits of policies have no turns.
    PoliciesDoNotWait,
    /// An attribute for policies is the value of a header that no request can have.
    AttributeHeader {
        /// The attribute's name.
        attribute: String,
        /// What was given as the header's name.
        header: String,
    },
    /// An attribute's key says what to do with requests that have none, which policies say.
    AttributeMissing {
        /// The attribute's name.
        attribute: String,
    },
}

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayerError::NoLimit => f.write_str("the layer has no limit: add one with `limit`"),
            LayerError::Name(error) => error.fmt(f),
            LayerError::NameTwice { limit } => {
                write!(f, "two limits are called {limit:?}: leave one out, or give it another name")
            }
            LayerError::Header { limit, header } => {
                write!(
                    f,
                    "limit {limit:?}: {header:?} cannot be the name of a header field: use letters, digits and hyphens"
                )
            }
            LayerError::MissingUndecided { limit, key } => write!(
                f,
                "limit {limit:?}: a request may have no {key}: say what then, with `Key::or` and `Missing::Shared`, `Refuse` or `Pass`"
            ),
            #[cfg(feature = "distributed")]
            LayerError::GlobalDoesNotWait { limit } => write!(
                f,
                "limit {limit:?} is shared by many nodes and has no turns to wait for: leave out `wait`, or put the limits that have turns into a layer around this one"
            ),
            #[cfg(feature = "distributed")]
            LayerError::GlobalPlaceCost { limit } => write!(
                f,
                "limit {limit:?} is on how many at once and shared by many nodes, so a request takes one place of it: leave out `cost`"
            ),
            LayerError::PoliciesAndLimits => f.write_str(
                "the layer has policies and limits of its own: put the limits into the policies, or into a layer around this one",
            ),
            LayerError::PoliciesDoNotWait => f.write_str(
                "the layer has policies and `wait`: leave out `wait`, and give policies that should hold requests the algorithm leaky_bucket",
            ),
            LayerError::AttributeHeader { attribute, header } => write!(
                f,
                "attribute {attribute:?}: {header:?} cannot be the name of a header field: use letters, digits and hyphens"
            ),
            LayerError::AttributeMissing { attribute } => write!(
                f,
                "attribute {attribute:?}: leave out `Key::or`: each policy says in its field `missing` what to do with requests without it"
            ),
        }
    }
}

impl Error for LayerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            LayerError::Name(error) => Some(error),
            _ => None,
        }
    }
}
