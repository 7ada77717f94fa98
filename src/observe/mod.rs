//! Seeing what limits do: counts for dashboards, events for logs, and which keys are refused most.
//!
//! An [`Observer`] is told of each decision after it was made; it changes none. The HTTP middleware tells one by
//! itself, and a program that asks a [`Limiter`](crate::Limiter) tells it in a line or two:
//!
//! ```
//! use std::time::Instant;
//!
//! use tollgate::observe::{Decided, DecisionOutcome, Observer, TopRefused};
//! use tollgate::{Limiter, Quota};
//!
//! fn may_go_on(limiter: &Limiter, user: &str, observer: &dyn Observer) -> bool {
//!     let begun = observer.wants_duration().then(Instant::now);
//!     let allowed = limiter.check(user).is_ok();
//!     let took = begun.map(|begun| begun.elapsed());
//!
//!     let outcome = if allowed { DecisionOutcome::Allowed } else { DecisionOutcome::Denied };
//!     let decision = Decided::new("per-user", outcome).with_key(&user).with_key_kind("user").with_took(took);
//!     observer.decided(&decision);
//!     allowed
//! }
//!
//! let limiter = Limiter::new(Quota::per_hour(2));
//! let refused = TopRefused::new(100);
//! for user in ["ann", "bob", "ann", "ann", "ann"] {
//!     may_go_on(&limiter, user, &refused);
//! }
//!
//! let top = refused.top(10);
//! assert_eq!(top.len(), 1, "bob was never refused");
//! assert_eq!((top[0].policy.as_str(), top[0].key.as_str(), top[0].refused), ("per-user", "ann", 2));
//! ```
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | who is refused most | [`TopRefused`] |
//! | counters, histograms and gauges (feature `metrics`) | `MetricsObserver` |
//! | an event for refusals, or for every hundredth (feature `tracing`) | `TracingObserver` |
//! | several of them | a tuple, or a `Vec<Arc<dyn Observer>>`: both are observers |
//! | one of your own | [`Observer`] |

mod compose;
mod cut_text;
#[cfg(feature = "metrics")]
mod metrics;
mod space_saving;
mod top_refused;
#[cfg(feature = "tracing")]
mod tracing;

#[cfg(feature = "metrics")]
pub use self::metrics::MetricsObserver;
#[cfg(all(feature = "metrics", feature = "redis"))]
pub(crate) use self::metrics::store_durations;
#[cfg(feature = "tracing")]
pub use self::tracing::TracingObserver;
pub use top_refused::{RefusedKey, TopRefused};

use std::fmt;
use std::time::Duration;

#[cfg(feature = "policy")]
use crate::policy::PolicyReload;

/// Is told what limits decided.
///
/// Every method does nothing unless it is written out. They are called where the decision is made, by many threads at
/// once, so they should neither wait nor panic.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use tollgate::observe::{Decided, DecisionOutcome, Observer};
///
/// #[derive(Default)]
/// struct Spent(AtomicU64);
///
/// impl Observer for Spent {
///     fn decided(&self, decision: &Decided<'_>) {
///         if decision.outcome == DecisionOutcome::Allowed {
///             self.0.fetch_add(decision.cost, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let spent = Spent::default();
/// spent.decided(&Decided::new("per-user", DecisionOutcome::Allowed).with_cost(5));
/// spent.decided(&Decided::new("per-user", DecisionOutcome::Denied).with_cost(7));
/// assert_eq!(spent.0.into_inner(), 5);
/// ```
pub trait Observer: Send + Sync {
    /// A decision was made.
    fn decided(&self, decision: &Decided<'_>) {
        let _ = decision;
    }

    /// Whether [`Decided::took`] is wanted. It costs two readings of a clock, so nobody measures it unasked.
    fn wants_duration(&self) -> bool {
        false
    }

    /// A backend, or a source of keys, failed under this policy. The kind is a fixed word as `timeout` or `connect`,
    /// fit to be a label. What became of the request is told by [`decided`](Observer::decided).
    fn failed(&self, policy: &str, kind: &'static str) {
        let _ = (policy, kind);
    }

    /// A [watched](crate::policy::Watcher) file of policies was put in force, or could not be.
    #[cfg(feature = "policy")]
    fn policies_reloaded(&self, reload: &PolicyReload<'_>) {
        let _ = reload;
    }
}

/// What a decision came to.
///
/// For an example see [the module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecisionOutcome {
    /// Within the limit.
    Allowed,
    /// Over the limit, and refused.
    Denied,
    /// Over the limit, and let through all the same: the limit is only on trial.
    ShadowDenied,
    /// The limit could not be asked, and the request was let through.
    ErrorAllowed,
    /// The limit could not be asked, and the request was refused.
    ErrorDenied,
}

impl DecisionOutcome {
    /// All there are, in their order.
    #[cfg(feature = "server")]
    pub(crate) const ALL: [DecisionOutcome; 5] = [
        DecisionOutcome::Allowed,
        DecisionOutcome::Denied,
        DecisionOutcome::ShadowDenied,
        DecisionOutcome::ErrorAllowed,
        DecisionOutcome::ErrorDenied,
    ];

    /// A word for it, fit to be a label: `allowed`, `denied`, `shadow_denied`, `error_allowed` or `error_denied`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DecisionOutcome::Allowed => "allowed",
            DecisionOutcome::Denied => "denied",
            DecisionOutcome::ShadowDenied => "shadow_denied",
            DecisionOutcome::ErrorAllowed => "error_allowed",
            DecisionOutcome::ErrorDenied => "error_denied",
        }
    }

    /// Whether the request went on: `Allowed`, `ShadowDenied` and `ErrorAllowed`.
    #[must_use]
    pub fn goes_on(self) -> bool {
        match self {
            DecisionOutcome::Allowed | DecisionOutcome::ShadowDenied | DecisionOutcome::ErrorAllowed => true,
            DecisionOutcome::Denied | DecisionOutcome::ErrorDenied => false,
        }
    }

    /// Whether the key was over its limit, enforced or on trial: `Denied` and `ShadowDenied`.
    #[must_use]
    pub fn is_over_limit(self) -> bool {
        matches!(self, DecisionOutcome::Denied | DecisionOutcome::ShadowDenied)
    }
}

/// A decision, as an [`Observer`] is told of it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Decided<'a> {
    /// The name of the limit.
    pub policy: &'a str,
    /// What it came to.
    pub outcome: DecisionOutcome,
    /// The cost that was asked for, in tokens; 1 unless said otherwise.
    pub cost: u64,
    /// How long the decision took, if somebody [wanted](Observer::wants_duration) to know.
    pub took: Option<Duration>,
    /// Whom it was about. Strangers choose it and it may name a person: no label, and nothing for a log.
    pub key: Option<&'a dyn fmt::Display>,
    /// What kind of key it is, a fixed word as `ip` or `user`; empty if nobody said.
    pub key_kind: &'static str,
    /// The route's pattern, as `/users/{id}`; never the path that was asked for.
    pub route: Option<&'a str>,
    /// The tier whose limits applied, as `free`.
    pub tier: Option<&'a str>,
}

impl<'a> Decided<'a> {
    /// A decision under the limit of this name, of cost 1, and nothing else known.
    #[must_use]
    pub fn new(policy: &'a str, outcome: DecisionOutcome) -> Decided<'a> {
        let (took, key, route, tier) = (None, None, None, None);
        Decided { policy, outcome, cost: 1, took, key, key_kind: "", route, tier }
    }

    /// With this cost, in tokens.
    #[must_use]
    pub fn with_cost(self, cost: u64) -> Decided<'a> {
        Decided { cost, ..self }
    }

    /// With the time that it took, if known.
    #[must_use]
    pub fn with_took(self, took: impl Into<Option<Duration>>) -> Decided<'a> {
        Decided { took: took.into(), ..self }
    }

    /// With the key. It is formatted only by an observer that needs its text.
    #[must_use]
    pub fn with_key(self, key: &'a dyn fmt::Display) -> Decided<'a> {
        Decided { key: Some(key), ..self }
    }

    /// With the kind of key.
    #[must_use]
    pub fn with_key_kind(self, key_kind: &'static str) -> Decided<'a> {
        Decided { key_kind, ..self }
    }

    /// With the route's pattern, if known.
    #[must_use]
    pub fn with_route(self, route: impl Into<Option<&'a str>>) -> Decided<'a> {
        Decided { route: route.into(), ..self }
    }

    /// With the tier, if there is one.
    #[must_use]
    pub fn with_tier(self, tier: impl Into<Option<&'a str>>) -> Decided<'a> {
        Decided { tier: tier.into(), ..self }
    }
}

impl fmt::Debug for Decided<'_> {
    /// Without the key, so that it gets into no log by accident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decided")
            .field("policy", &self.policy)
            .field("outcome", &self.outcome)
            .field("cost", &self.cost)
            .field("took", &self.took)
            .field("key_kind", &self.key_kind)
            .field("route", &self.route)
            .field("tier", &self.tier)
            .finish_non_exhaustive()
    }
}
