//! [`Reply`]: what a backend answers.

use std::time::Duration;

use super::lease::LeaseGrant;

/// What a backend answers.
///
/// For examples see where it is asked: [`Operation`](super::Operation). [`MemoryBackend`](super::MemoryBackend) shows one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// To a check or an acquisition.
    Checked {
        /// Whether all of it was spent; otherwise none was.
        admitted: bool,
        /// Where each subject stands now, in the order of the question; the wait is for the cost that was asked for, once more if it was spent.
        standings: Vec<Standing>,
    },
    /// Where the subject stands.
    Standing(Standing),
    /// It is done.
    Done,
    /// Whether the place is still held; if not, it was left to others when its time was over.
    Held(bool),
    /// What was leased.
    Leased(LeaseGrant),
    /// How many nodes there are, the one that asked among them: at least 1.
    Hello {
        /// So many.
        nodes: u32,
    },
}

/// Where a subject stands, as the store saw it.
///
/// [`GlobalLimiter::peek`](super::GlobalLimiter::peek) tells one; for an example see [`MemoryBackend`](super::MemoryBackend).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// Whole tokens, or places, left.
    pub remaining: u64,
    /// How long until the cost fits: zero if it does now, `None` if it never can.
    pub retry_after: Option<Duration>,
    /// How long until it is full again if nothing more is spent.
    pub reset_after: Duration,
}

impl Standing {
    /// So many tokens left, a wait until the cost fits (`None` is never), and a time until it is full.
    #[must_use]
    pub fn new(remaining: u64, retry_after: Option<Duration>, reset_after: Duration) -> Standing {
        Standing { remaining, retry_after, reset_after }
    }
}
