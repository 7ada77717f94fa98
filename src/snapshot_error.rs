//! [`SnapshotError`]: why a limiter could not go on from a snapshot.

use std::fmt;
use std::time::Duration;

/// Why a limiter could not go on from a [`Snapshot`](crate::Snapshot). The message names the values and says what to
/// change.
///
/// Damage and unknown versions are found earlier: the snapshot cannot be deserialised then.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The snapshot is one of another algorithm.
    Algorithm {
        /// The name of the algorithm whose limiter was saved.
        snapshot: String,
        /// The name of the limiter's own.
        limiter: &'static str,
    },
    /// The snapshot's windows are of another length. (Limits and quotas may differ.)
    Window {
        /// The length of a window when the limiter was saved.
        snapshot: Duration,
        /// The limiter's own.
        limiter: Duration,
    },
    /// This build hashes keys differently, so no key would be known again.
    HashesDiffer,
    /// [`Builder::hasher`](crate::Builder::hasher) was called after [`restore`](crate::Builder::restore).
    OtherHasher,
    /// The keys do not all fit, and under [`AtCapacity::DenyNew`](crate::AtCapacity::DenyNew) none may be forgotten.
    TooManyKeys {
        /// How many keys are to be restored.
        keys: usize,
        /// For how many there is surely room.
        max_keys: usize,
    },
    /// Its numbers cannot be those of any limiter.
    Damaged,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::Algorithm { snapshot, limiter } => write!(
                f,
                "the snapshot is of algorithm {snapshot:?} and the limiter's is {limiter:?}: restore with the same algorithm, or start without the snapshot"
            ),
            SnapshotError::Window { snapshot, limiter } => write!(
                f,
                "the snapshot's window is {snapshot:?} and the limiter's is {limiter:?}: restore with the same window, or start without the snapshot"
            ),
            SnapshotError::HashesDiffer => f.write_str(
                "this build hashes keys differently (other processor features, or another version of the hasher): start without the snapshot",
            ),
            SnapshotError::OtherHasher => f.write_str(
                "a snapshot brings its own hasher: leave out `hasher`, or start without the snapshot",
            ),
            SnapshotError::TooManyKeys { keys, max_keys } => write!(
                f,
                "the snapshot's {keys} busy keys do not fit into a limiter with max_keys {max_keys}: raise max_keys, or let it forget keys with AtCapacity::ForgetSmallestDebt"
            ),
            SnapshotError::Damaged => f.write_str("the snapshot is damaged: start without it"),
        }
    }
}

impl std::error::Error for SnapshotError {}
