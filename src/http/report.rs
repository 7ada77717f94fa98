//! [`LimitReport`]: what one of the limits on a request says of it.

use std::sync::Arc;
use std::time::Duration;

/// What a limit counts, from [`LimitReport::unit`]; for an example see [`Decision`](super::Decision).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// So many in so much time: requests, or what they cost.
    Rate,
    /// So many at once.
    Concurrency,
}

/// What one of the limits on a request says of it: for header fields, bodies, and whoever finds it in the request's extensions.
///
/// A [`Decision`](super::Decision) and a [`Refusal`](super::Refusal) have one for each limit; for an example see there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitReport {
    pub(crate) name: Arc<str>,
    pub(crate) unit: Unit,
    pub(crate) cost: u64,
    pub(crate) limit: u64,
    pub(crate) window: Option<Duration>,
    pub(crate) remaining: u64,
    pub(crate) reset_after: Duration,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) refuses: bool,
    pub(crate) failed: bool,
}

impl LimitReport {
    /// The limit's name, as in the header fields.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it counts.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// What it was asked for: tokens, or places.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// The most that a key can hold: tokens, or places.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The time in which so many tokens as the limit come back; `None` if it has none, as a concurrency limit.
    #[must_use]
    pub fn window(&self) -> Option<Duration> {
        self.window
    }

    /// Whole tokens, or places, left.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The time until the key is full again if nothing more is spent; [`Duration::MAX`] when it never will be.
    #[must_use]
    pub fn reset_after(&self) -> Duration {
        self.reset_after
    }

    /// How long to wait until the same request fits; zero when it does now, `None` when it never can. A concurrency limit cannot say and says
    /// zero.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether it refuses the request.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.refuses
    }

    /// Whether nobody knows: it is shared by many nodes, its store could not be asked, and so it lets everything through or nothing. Its figures tell nothing
    /// then, and clients are told none.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.failed
    }
}
