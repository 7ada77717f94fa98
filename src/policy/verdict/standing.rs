//! [`Standing`]: where a request stands at one limit.

use std::sync::Arc;
use std::time::Duration;

use crate::decision::Figures;
use crate::distributed::Source;

/// Where a request stands at one limit of a policy.
///
/// ```
/// use tollgate::policy::{Attributes, Format, Policies, PolicySet, Reason};
///
/// const FILE: &str = r#"{"policy": [{"id": "logins", "scope": "user", "limit": "1/h"}]}"#;
/// let set = PolicySet::new();
/// set.apply(Policies::parse(FILE, Format::Json)?)?;
/// let bob = Attributes::new().user("bob");
/// assert!(set.check(&bob).is_allowed());
///
/// let refused = set.check(&bob);
/// assert_eq!(refused.reason(), Some(Reason::LimitReached));
/// let standing = refused.binding().expect("a limit refuses");
/// assert_eq!((standing.name(), standing.limit(), standing.remaining()), ("logins", 1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Standing<'v> {
    pub(super) policy: &'v str,
    pub(in crate::policy) name: &'v Arc<str>,
    pub(super) window: Option<Duration>,
    pub(super) holds: bool,
    pub(super) cost: u64,
    pub(super) figures: Figures,
    pub(super) shadow: bool,
    pub(super) answer: Answer,
    pub(super) source: Option<Source>,
}

/// What a limit says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Passes,
    Refused,
    /// It holds all the keys it can.
    NoRoom,
}

impl<'v> Standing<'v> {
    /// The policy's id.
    #[must_use]
    pub fn policy(&self) -> &'v str {
        self.policy
    }

    /// The limit's name: the policy's id, and if it has several limits what tells this one from the others.
    #[must_use]
    pub fn name(&self) -> &'v str {
        self.name
    }

    /// Whether it counts how many are under way at once, not how many come.
    #[must_use]
    pub fn is_concurrency(&self) -> bool {
        self.holds
    }

    /// What it was asked for: tokens, or places.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// The most that a key can hold: tokens, or places.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.figures.limit()
    }

    /// The time in which so many tokens as the limit come back; `None` if it has none.
    #[must_use]
    pub fn window(&self) -> Option<Duration> {
        self.window
    }

    /// Whole tokens, or places, left.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.figures.remaining()
    }

    /// The time until the key is full again if nothing more is spent; [`Duration::MAX`] when it never will be, zero for a concurrency limit.
    #[must_use]
    pub fn reset_after(&self) -> Duration {
        self.figures.reset_after()
    }

    /// How long to wait until the same request fits (if it was allowed: once more); zero when it does now, `None` when it never can. A concurrency
    /// limit cannot say when it will have room, and says zero.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.figures.retry_after()
    }

    /// Whether it refuses the request.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.answer != Answer::Passes
    }

    /// Whether it refuses because it holds all the keys it can; see [`Denied::at_capacity`](crate::Denied::at_capacity).
    #[must_use]
    pub fn at_capacity(&self) -> bool {
        self.answer == Answer::NoRoom
    }

    /// Whether it only watches.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.shadow
    }

    /// Who decided, of a limit that a backend counts; `None` of one that is counted in memory.
    #[must_use]
    pub fn source(&self) -> Option<Source> {
        self.source
    }
}
