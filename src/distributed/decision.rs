//! [`GlobalDecision`]: what a shared limit answers, and [who](Source) answered.

use std::time::Duration;

use super::reply::Standing;

/// Who made a decision.
///
/// ```
/// use tollgate::distributed::Source;
///
/// let failures: Vec<_> = Source::ALL.into_iter().filter(|source| source.is_failure()).map(Source::as_str).collect();
/// assert_eq!(failures, ["fallback", "fail_open", "fail_closed"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// This node, with tokens that it had leased.
    Lease,
    /// The store.
    Remote,
    /// This node: the store had refused before and its wait is not over, or the cost is above the limit and never fits.
    DenyCache,
    /// This node, by its share of the limit: [`FailurePolicy::Local`](super::FailurePolicy::Local).
    Fallback,
    /// Nobody; it goes on: [`FailurePolicy::Open`](super::FailurePolicy::Open).
    FailOpen,
    /// Nobody; it is refused: [`FailurePolicy::Closed`](super::FailurePolicy::Closed).
    FailClosed,
}

impl Source {
    /// All of them.
    pub const ALL: [Source; 6] = [
        Source::Lease,
        Source::Remote,
        Source::DenyCache,
        Source::Fallback,
        Source::FailOpen,
        Source::FailClosed,
    ];

    /// A word for it, fit to be a label: `lease`, `remote`, `deny_cache`, `fallback`, `fail_open` or `fail_closed`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Lease => "lease",
            Source::Remote => "remote",
            Source::DenyCache => "deny_cache",
            Source::Fallback => "fallback",
            Source::FailOpen => "fail_open",
            Source::FailClosed => "fail_closed",
        }
    }

    /// Whether the limit could not be asked, so that its failure policy decided.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Source::Fallback | Source::FailOpen | Source::FailClosed)
    }
}

/// What a shared limit answers.
///
/// [`GlobalLimiter::check`](super::GlobalLimiter::check) gives one; for an example see [`GlobalLimiter`](super::GlobalLimiter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct GlobalDecision {
    allowed: bool,
    source: Source,
    limit: u64,
    standing: Standing,
}

impl GlobalDecision {
    pub(super) fn new(allowed: bool, source: Source, limit: u64, standing: Standing) -> GlobalDecision {
        GlobalDecision { allowed, source, limit, standing }
    }

    /// The cost is above the limit, so it never fits.
    pub(super) fn never(limit: u64) -> GlobalDecision {
        GlobalDecision::new(false, Source::DenyCache, limit, Standing::new(0, None, Duration::ZERO))
    }

    /// Where the key stands; if it was allowed, with the wait until the same cost fits once more.
    #[cfg(feature = "policy")]
    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether it goes on.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// Who made the decision.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// The most tokens or places that a key can hold.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Whole tokens or places left, as far as whoever decided knows: under a failure policy, this node's share.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.standing.remaining
    }

    /// How long to wait until the same cost may fit: zero if it was allowed, `None` if it never can.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        if self.allowed { Some(Duration::ZERO) } else { self.standing.retry_after }
    }

    /// How long until the key is full again if nothing more is spent, as far as whoever decided knows.
    #[must_use]
    pub fn reset_after(&self) -> Duration {
        self.standing.reset_after
    }
}
