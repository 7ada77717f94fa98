//! [`AdaptiveError`]: why an adaptive limit could not be built.

use std::fmt;

/// The largest `max`: with partitions twice as many may be in flight, and twice 2³⁰ fits 32 bits.
pub(super) const MOST_IN_FLIGHT: usize = 1 << 30;

/// Why an [`AdaptiveConcurrency`](super::AdaptiveConcurrency) could not be built. The message names the field and its
/// value, and says what to change.
///
/// For an example see [`AdaptiveBuilder::build`](super::AdaptiveBuilder::build).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AdaptiveError {
    /// `min` is zero: nothing would ever be admitted, and so nothing learnt.
    Min {
        /// What was given.
        min: usize,
    },
    /// `max` is below `min`, or above 2³⁰.
    Max {
        /// What was given.
        max: usize,
        /// The least that it may be.
        min: usize,
    },
    /// `initial` is not from `min` to `max`.
    Initial {
        /// What was given.
        initial: usize,
        /// The least that it may be.
        min: usize,
        /// The most that it may be.
        max: usize,
    },
    /// A parameter of the rule is out of its range.
    Parameter {
        /// Its name.
        field: &'static str,
        /// What was given.
        value: String,
        /// What may be given.
        allowed: &'static str,
    },
    /// A partition's share is not above 0 and at most 1.
    Share {
        /// The partition.
        partition: String,
        /// What was given.
        share: f64,
    },
    /// The shares of all partitions come to more than 1.
    SharesAboveOne {
        /// What they come to.
        sum: f64,
    },
    /// Two partitions have the same name.
    DuplicatePartition {
        /// Their name.
        partition: String,
    },
}

impl fmt::Display for AdaptiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdaptiveError::Min { min } => write!(f, "min {min} would admit nothing: use 1 or more"),
            AdaptiveError::Max { max, min } => {
                write!(f, "max {max} is out of range: use {min} (the min) to {MOST_IN_FLIGHT}")
            }
            AdaptiveError::Initial { initial, min, max } => write!(
                f,
                "initial {initial} is out of range: use {min} (the min) to {max} (the max), or move these"
            ),
            AdaptiveError::Parameter { field, value, allowed } => {
                write!(f, "{field} {value} is out of range: use {allowed}")
            }
            AdaptiveError::Share { partition, share } => {
                write!(f, "share {share} of partition {partition:?} is out of range: use above 0, up to 1")
            }
            AdaptiveError::SharesAboveOne { sum } => {
                write!(f, "the partitions' shares come to {sum}: lower them to 1 or less in all")
            }
            AdaptiveError::DuplicatePartition { partition } => {
                write!(f, "partition {partition:?} is given twice: give each name once")
            }
        }
    }
}

impl std::error::Error for AdaptiveError {}
