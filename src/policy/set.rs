//! [`PolicySet`]: policies in force, asked by many and changed by some.

mod changes;

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::{Mutex, MutexGuard};

use self::changes::History;
use super::builder::Builder;
use super::customers::{Customers, LookupStats};
use super::decide::Decision;
use super::in_force::PolicyInForce;
use super::limits::LimitInForce;
use super::lookup::{Customer, LookupError};
use super::matching::{Attributes, Seen};
use super::model::Policies;
use super::question::{Everything, Question};
#[cfg(feature = "serde")]
use super::snapshot::PolicySnapshot;
use super::verdict::Verdict;
use super::version::Version;
use crate::limiter::{RandomState, Stats};

/// Policies in force. It is asked by any number of threads, none of which ever waits for a change.
///
/// Memory: some 14 KiB for each limit, and then what its busy keys need, as in a [`Limiter`](crate::Limiter). The versions that can be rolled back to are kept
/// as they were written, without keys.
///
/// ```
/// use tollgate::policy::{Attributes, Format, Policies, PolicySet};
///
/// let set = PolicySet::new();
/// set.apply(Policies::parse("[[policy]]\nid = \"api\"\nscope = \"user\"\nlimit = \"2/min\"", Format::Toml)?)?;
///
/// let alice = Attributes::new().user("alice");
/// assert!(set.check(&alice).is_allowed() && set.check(&alice).is_allowed());
/// let verdict = set.check(&alice);
/// assert!(!verdict.is_allowed());
/// assert_eq!(verdict.policy(), Some("api"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PolicySet {
    current: ArcSwap<Version>,
    history: Mutex<History>,
    /// Who puts a file in force has it from reading on, and who writes what is in force to a file until it is written: else one would undo what the
    /// other does.
    editing: Mutex<()>,
    settings: Builder,
    hasher: RandomState,
    customers: Option<Customers>,
}

/// Numbers about the keys of a limit, from [`PolicySet::stats`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitStats {
    /// The policy's id.
    pub policy: String,
    /// The limit's name, as [`Standing::name`](super::Standing::name).
    pub limit: String,
    /// The numbers.
    pub stats: Stats,
}

impl Default for PolicySet {
    /// Without policies, which limits nothing.
    fn default() -> PolicySet {
        PolicySet::builder().build()
    }
}

impl PolicySet {
    pub(super) fn built(mut settings: Builder) -> PolicySet {
        let lookup = settings.lookup.take();
        let customers =
            lookup.map(|lookup| Customers::new(lookup, settings.lookup_settings, settings.clock.clone()));
        #[cfg(feature = "serde")]
        let snapshot = settings.snapshot.take();
        #[cfg(feature = "serde")]
        let hasher = snapshot.as_ref().and_then(PolicySnapshot::hasher).unwrap_or_default();
        #[cfg(not(feature = "serde"))]
        let hasher = RandomState::new();
        let history = History {
            #[cfg(feature = "serde")]
            snapshot,
            ..History::default()
        };
        PolicySet {
            customers,
            current: ArcSwap::from_pointee(Version::empty()),
            history: Mutex::new(history),
            editing: Mutex::new(()),
            settings,
            hasher,
        }
    }

    /// Without policies: nothing is limited.
    #[must_use]
    pub fn new() -> PolicySet {
        PolicySet::default()
    }

    /// A set with another clock, or other bounds.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Asks all policies in force about a request. It passes all, or none is charged.
    ///
    /// It never waits: of limits that a backend counts it decides by what this node knows, as [`check_all_now`](crate::distributed::check_all_now)
    /// does. [`check_async`](PolicySet::check_async) asks the backends.
    ///
    /// O(policies that the request may concern, and their limits), however many others there are; and where the tier makes a difference, of a request that
    /// does not say its own, O(members of all tiers).
    // Always: a verdict is large, and is then made where the caller keeps it.
    #[inline(always)]
    pub fn check(&self, attributes: &Attributes<'_>) -> Verdict {
        Verdict::decided(self.in_force(), |version, decision| {
            self.decide(version, attributes, &Everything, decision);
            decision.conclude_now(version);
        })
    }

    /// Asks all policies in force about a request, and the backends that they name. It passes all, or none is charged.
    ///
    /// First what is counted in memory is taken. If that suffices all backends are asked at the same time, each limit within its
    /// [budget](super::Policy::budget); where one cannot be asked the policy's [failure mode](super::Policy::on_failure) decides. If one refuses, what
    /// was taken in memory and from others is given back.
    ///
    /// **Cancel safety**: a future that is dropped gives back all that it has taken.
    pub async fn check_async(&self, attributes: &Attributes<'_>) -> Verdict {
        let decided = Verdict::decided(self.in_force(), |version, decision| {
            self.decide(version, attributes, &Everything, decision);
        });
        decided.concluded().await
    }

    /// Looks a customer up by the set's [lookup](Builder::lookup), waits for the answer, and keeps it: at the start for
    /// customers who matter, or after something about one has changed. `None` if nothing is special about the customer,
    /// or there is no lookup.
    ///
    /// # Errors
    ///
    /// [`LookupError`] if the lookup fails. What was known of the customer still counts.
    pub fn look_up(&self, key: &str) -> Result<Option<Customer>, Arc<LookupError>> {
        self.customers.as_ref().map_or(Ok(None), |customers| customers.look_up(key))
    }

    /// Numbers about the lookup; all of them 0 if there is none.
    #[must_use]
    pub fn lookup_stats(&self) -> LookupStats {
        self.customers.as_ref().map(Customers::stats).unwrap_or_default()
    }

    /// The lookup's last error, if it ever failed.
    #[must_use]
    pub fn last_lookup_error(&self) -> Option<Arc<LookupError>> {
        self.customers.as_ref().and_then(Customers::last_error)
    }

    #[inline]
    pub(super) fn in_force(&self) -> Guard<Arc<Version>> {
        self.current.load()
    }

    #[inline]
    pub(super) fn decide(
        &self,
        version: &Version,
        attributes: &Attributes<'_>,
        question: &impl Question,
        decision: &mut Decision,
    ) {
        self.seen(version, attributes, |seen, customer| {
            decision.ask(version, &self.hasher, seen, customer, question);
        });
    }

    /// The limits that would be asked. Nothing is taken from them.
    pub(super) fn collect(
        &self,
        version: &Version,
        attributes: &Attributes<'_>,
        question: &impl Question,
        decision: &mut Decision,
    ) {
        self.seen(version, attributes, |seen, customer| {
            decision.collect(version, &self.hasher, seen, customer, question);
        });
        // Nothing is held.
        decision.holds = false;
    }

    /// A request with all that is known of who asks.
    #[inline]
    pub(super) fn seen(
        &self,
        version: &Version,
        attributes: &Attributes<'_>,
        with: impl FnOnce(&Seen<'_, '_>, Option<&Customer>),
    ) {
        let known = self.customers.as_ref().and_then(|customers| customers.find(attributes));
        let customer = known.as_ref().and_then(|known| known.customer());
        let tier = customer
            .and_then(Customer::its_tier)
            .or_else(|| if version.asks_for_tiers { version.tier_of(attributes) } else { None });
        with(&Seen { attributes, tier }, customer);
    }

    /// The version in force: 0 before the first.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.current.load().number
    }

    /// The policies of the version in force, those among them that are not active too.
    #[must_use]
    pub fn policies(&self) -> Arc<Policies> {
        Arc::clone(&self.current.load().source)
    }

    /// Numbers about the keys of each limit in force that is counted in memory. Reads as much as [`Limiter::stats`](crate::Limiter::stats) of each.
    #[must_use]
    pub fn stats(&self) -> Vec<LimitStats> {
        let version = self.current.load();
        let limits =
            version.policies.iter().flat_map(|policy| policy.limits.iter().map(move |limit| (policy, limit)));
        let stats = |(policy, limit): (&Arc<PolicyInForce>, &LimitInForce)| LimitStats {
            policy: policy.policy.id.clone(),
            limit: limit.name.to_string(),
            stats: limit.stats(),
        };
        limits.map(stats).collect()
    }

    /// The versions that can be rolled back to, the one in force last.
    #[must_use]
    pub fn versions(&self) -> Vec<(u64, Arc<Policies>)> {
        self.history.lock().versions.iter().cloned().collect()
    }

    /// Meanwhile nobody else puts a file in force, or writes one.
    pub(crate) fn editing(&self) -> MutexGuard<'_, ()> {
        self.editing.lock()
    }

    /// The version in force, which stays so meanwhile.
    #[cfg(feature = "serde")]
    pub(super) fn unchanged<R>(&self, with: impl FnOnce(&Version, &RandomState) -> R) -> R {
        let _history = self.history.lock();
        with(&self.current.load_full(), &self.hasher)
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policies = self.policies();
        f.debug_struct("PolicySet")
            .field("version", &self.version())
            .field("policies", &policies.policy.len())
            .finish_non_exhaustive()
    }
}
