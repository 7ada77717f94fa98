//! [`PolicySet`]: policies in force, asked by many and changed by some.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::{Mutex, MutexGuard};

use super::builder::Builder;
use super::change::Change;
use super::customers::{Customers, LookupStats};
use super::decide::Decision;
use super::error::PolicyError;
use super::in_force::PolicyInForce;
use super::limits::LimitInForce;
use super::lookup::{Customer, LookupError};
use super::matching::{Attributes, Seen};
use super::model::{Policies, Policy, State, Timestamp};
use super::question::{Everything, Question};
#[cfg(feature = "serde")]
use super::snapshot::PolicySnapshot;
use super::validate::{Invalid, validate};
use super::verdict::Verdict;
use super::version::{Making, Version};
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

/// What was in force, the newest last.
struct History {
    versions: VecDeque<(u64, Arc<Policies>)>,
    newest: u64,
    /// For the first version.
    #[cfg(feature = "serde")]
    snapshot: Option<PolicySnapshot>,
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
            versions: VecDeque::new(),
            newest: 0,
            #[cfg(feature = "serde")]
            snapshot,
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
    /// O(policies that the request may concern, and their limits), however many others there are.
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
    /// [budget](Policy::budget); where one cannot be asked the policy's [failure mode](Policy::on_failure) decides. If one refuses, what was taken in
    /// memory and from others is given back.
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

    /// Numbers about the keys of each limit in force. Reads as much as [`Limiter::stats`](crate::Limiter::stats) of each.
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

    /// Puts these policies in force, in place of all there are: wholly, or not at all.
    ///
    /// Limits that stay as they are keep what every key has spent; so do those whose rate, burst or number changes. The [`Change`] says which begin
    /// anew. Requests under way are decided by the version under which they began. O(policies).
    ///
    /// # Errors
    ///
    /// [`PolicyError::Invalid`] with all that is wrong with them; the old ones stay in force.
    pub fn apply(&self, policies: impl Into<Policies>) -> Result<Change, PolicyError> {
        // Whatever that does, it does not do it while others wait for their turn.
        let policies = policies.into();
        self.change(|_| Ok(policies), true)
    }

    /// Puts a policy in force in place of the one with its id, or beside the others if there is none. Notes when.
    ///
    /// # Errors
    ///
    /// As [`apply`](PolicySet::apply).
    pub fn upsert(&self, policy: Policy) -> Result<Change, PolicyError> {
        self.change(
            |old| {
                let mut all = old.clone();
                let now = Timestamp::now();
                let mut policy = Policy { updated: Some(now), ..policy };
                if let Some(other) = all.policy.iter_mut().find(|other| other.id == policy.id) {
                    policy.created = policy.created.or(other.created);
                    *other = policy;
                } else {
                    policy.created = policy.created.or(Some(now));
                    all.policy.push(policy);
                }
                Ok(all)
            },
            true,
        )
    }

    /// Removes a policy. What keys have spent under it is forgotten.
    ///
    /// # Errors
    ///
    /// [`PolicyError::UnknownPolicy`] if there is none with this id, and as [`apply`](PolicySet::apply): another policy may name it.
    pub fn remove(&self, id: &str) -> Result<Change, PolicyError> {
        self.change(
            |old| {
                let mut all = old.clone();
                all.policy.retain(|policy| policy.id != id);
                let gone = all.policy.len() < old.policy.len();
                if gone { Ok(all) } else { Err(PolicyError::UnknownPolicy { id: id.to_owned() }) }
            },
            true,
        )
    }

    /// Takes a policy to another state. Notes when.
    ///
    /// # Errors
    ///
    /// [`PolicyError::UnknownPolicy`] if there is none with this id, [`PolicyError::Transition`] if it cannot go to that state.
    pub fn transition(&self, id: &str, state: State) -> Result<Change, PolicyError> {
        self.change(
            |old| {
                let mut all = old.clone();
                let Some(policy) = all.policy.iter_mut().find(|policy| policy.id == id) else {
                    return Err(PolicyError::UnknownPolicy { id: id.to_owned() });
                };
                let transition = policy.state.transition(state);
                policy.state =
                    transition.map_err(|error| PolicyError::Transition { id: id.to_owned(), error })?;
                policy.updated = Some(Timestamp::now());
                Ok(all)
            },
            true,
        )
    }

    /// Puts the policies of an earlier version in force again, as a new version. It restores all of them, whatever state that takes them to.
    ///
    /// # Errors
    ///
    /// [`PolicyError::UnknownVersion`] if that version is not kept any more, or never was.
    pub fn rollback(&self, version: u64) -> Result<Change, PolicyError> {
        let kept = self.history.lock().versions.iter().find(|(number, _)| *number == version).cloned();
        let Some((_, policies)) = kept else {
            let kept = self.versions().iter().map(|(number, _)| *number).collect();
            return Err(PolicyError::UnknownVersion { version, kept });
        };
        self.change(|_| Ok(Policies::clone(&policies)), false)
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

    /// One after the other; nobody who only checks waits.
    fn change(
        &self,
        change: impl FnOnce(&Policies) -> Result<Policies, PolicyError>,
        checks_transitions: bool,
    ) -> Result<Change, PolicyError> {
        let mut history = self.history.lock();
        let old = self.current.load_full();
        let policies = change(&old.source)?;
        let backends: Vec<&str> = self.settings.backends.keys().map(String::as_str).collect();
        let mut problems = validate(&policies, true, Some(&backends));
        #[cfg(feature = "server")]
        problems.extend(self.settings.reserved.and_then(|reserved| with_reserved_id(&policies, reserved)));
        if checks_transitions {
            problems.extend(transitions(&old.source, &policies));
        }
        if !problems.is_empty() {
            return Err(PolicyError::Invalid { problems });
        }
        let policies = Arc::new(policies);
        let number = history.newest + 1;
        let making = Making {
            clock: &self.settings.clock,
            stores: &self.settings.backends,
            customers_by: self.customers.as_ref().map(Customers::attribute),
            #[cfg(feature = "serde")]
            snapshot: history.snapshot.as_ref(),
        };
        let next = old.next(number, &policies, making);
        let (version, change) = next.map_err(PolicyError::from)?;
        self.current.store(Arc::new(version));
        history.newest = number;
        #[cfg(feature = "serde")]
        {
            history.snapshot = None;
        }
        history.versions.push_back((number, policies));
        while history.versions.len() > self.settings.kept_versions.saturating_add(1) {
            history.versions.pop_front();
        }
        Ok(change)
    }
}

/// A policy whose id stands for something else.
#[cfg(feature = "server")]
fn with_reserved_id(policies: &Policies, (id, stands_for): (&str, &str)) -> Option<Invalid> {
    let place = policies.policy.iter().position(|policy| policy.id == id)?;
    let message = format!("stands for {stands_for}: give the policy another id");
    Some(Invalid { policy: id.to_owned(), path: format!("policy[{place}].id"), message })
}

/// Policies that would go to a state to which there is no way.
fn transitions(old: &Policies, new: &Policies) -> Vec<Invalid> {
    let states: std::collections::HashMap<&str, State> =
        old.policy.iter().map(|policy| (policy.id.as_str(), policy.state)).collect();
    let wrong = |(place, policy): (usize, &Policy)| {
        let error = states.get(policy.id.as_str())?.transition(policy.state).err()?;
        let (policy, path) = (policy.id.clone(), format!("policy[{place}].state"));
        Some(Invalid { policy, path, message: error.to_string() })
    };
    new.policy.iter().enumerate().filter_map(wrong).collect()
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
