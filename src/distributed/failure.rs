//! [`FailurePolicy`]: what a limit decides when the store cannot be asked.

use std::time::Duration;

/// What a limit decides when the store cannot be asked: it is away, too slow, or overloaded.
///
/// | policy | most that is admitted too much in an outage of length T | refused although it would fit |
/// |---|---|---|
/// | `Open` | everything | nothing |
/// | `Closed` | nothing | everything |
/// | `Local` | nothing if all nodes are cut off; r·Σσ·T for those that are, if others are not | what is beyond this node's share |
///
/// For an example, an outage and all, see [the module](super#when-the-store-is-away).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailurePolicy {
    /// All goes on, uncounted.
    Open,
    /// All is refused.
    Closed,
    /// This node goes on with its share σ of the limit: one of as many as there are nodes. Each key's share begins empty when the outage
    /// does, so within an outage of length T a node admits at most r·σ·T of a key, and all nodes together what the limit allows. What was
    /// admitted is charged to the store once it is back.
    #[default]
    Local,
}

impl FailurePolicy {
    /// A word for it: `open`, `closed` or `local`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            FailurePolicy::Open => "open",
            FailurePolicy::Closed => "closed",
            FailurePolicy::Local => "local",
        }
    }
}

/// When to come back after a refusal that only tells that the store is away: if it returns at once, it is in use again by then, after two
/// probes.
pub(super) const RETRY_WHEN_BACK: Duration = Duration::from_secs(1);
