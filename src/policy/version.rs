//! [`Version`]: all policies as they are at one time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::change::{Change, Restart};
use super::in_force::{PolicyInForce, Uncompiled};
use super::limits::{LimitInForce, LimitSpec, PerCallLimits, specs};
use super::matching::{Attributes, CompiledConditions, Index, Places, Seen};
use super::model::{Conditions, CostRule, Policies, Policy, State, Tier};
use super::remote::RemoteLimits;
#[cfg(feature = "serde")]
use super::snapshot::PolicySnapshot;
use crate::build_error::BuildError;
use crate::clock::Clock;
use crate::distributed::SharedStore;
use crate::limiter::DEFAULT_MAX_KEYS;

/// One version.
pub(super) struct Version {
    pub(super) number: u64,
    pub(super) source: Arc<Policies>,
    /// Those in force: the highest priority first, and those of one priority in their order in the file.
    pub(super) policies: Box<[Arc<PolicyInForce>]>,
    /// The places of those that each replaces.
    replaces: HashMap<u32, Box<[u32]>>,
    index: Index,
    /// The names of all attributes that may make a difference, each once.
    #[cfg_attr(not(feature = "tower"), expect(dead_code, reason = "the middleware's"))]
    pub(super) attributes: Box<[Box<str>]>,
    tiers: Box<[TierInForce]>,
    /// Whether the tier makes a difference to any policy.
    pub(super) asks_for_tiers: bool,
    /// Those that keep what keys have spent, by their ids.
    kept: HashMap<String, Arc<PolicyInForce>>,
}

/// A tier's name, and who belongs to it.
type TierInForce = (Box<str>, Box<[CompiledConditions]>);

/// Why there can be no such version, although it is valid.
#[derive(Debug)]
pub(super) enum Unbuilt {
    Conditions(Uncompiled),
    Limit(BuildError),
    Remote(String),
}

/// What limits are made with.
#[derive(Clone, Copy)]
pub(super) struct Making<'m> {
    pub(super) clock: &'m Clock,
    /// The backends, by their names.
    pub(super) stores: &'m BTreeMap<String, SharedStore>,
    /// The attribute by which customers are looked up, if they are.
    pub(super) customers_by: Option<&'m str>,
    /// What was spent in another process.
    #[cfg(feature = "serde")]
    pub(super) snapshot: Option<&'m PolicySnapshot>,
}

impl Making<'_> {
    /// The limit of a policy, with no keys yet, or those of another process.
    fn build(
        self,
        policy: &Policy,
        name: Arc<str>,
        spec: LimitSpec,
        max_keys: usize,
        change: &mut Change,
    ) -> Result<LimitInForce, BuildError> {
        #[cfg(feature = "serde")]
        if let Some(saved) = self.snapshot.and_then(|snapshot| snapshot.find(policy, &name, spec, change)) {
            if let Ok(limit) = spec.restored(Arc::clone(&name), max_keys, self.clock, saved) {
                return Ok(limit);
            }
            change.restarted(&policy.id, Some(&name), Restart::NotRestored);
        }
        #[cfg(not(feature = "serde"))]
        let _ = (policy, change);
        spec.build(name, max_keys, self.clock)
    }

    /// A policy is counted elsewhere: what was spent in another process is of no use.
    #[cfg(feature = "serde")]
    fn leave(self, policy: &Policy, change: &mut Change) {
        if self.snapshot.is_some_and(|snapshot| snapshot.knows(policy)) {
            change.restarted(&policy.id, None, Restart::OtherBackend);
        }
    }

    /// Those of a policy who have a limit of their own.
    fn per_call(self, policy: &Policy, max_keys: usize, change: &mut Change) -> PerCallLimits {
        #[cfg(feature = "serde")]
        if let Some(saved) = self.snapshot.and_then(|snapshot| snapshot.find_overrides(policy)) {
            if let Ok(limits) = PerCallLimits::restored(max_keys, self.clock, saved) {
                return limits;
            }
            change.restarted(&policy.id, None, Restart::NotRestored);
        }
        #[cfg(not(feature = "serde"))]
        let _ = (policy, change);
        PerCallLimits::new(max_keys, self.clock)
    }
}

/// A limit to be: a new one, or one that is there already and goes on as this.
enum Plan {
    Ready(LimitInForce),
    Change(LimitInForce, Arc<str>, LimitSpec),
}

impl Version {
    /// Nothing is limited.
    pub(super) fn empty() -> Version {
        Version {
            number: 0,
            source: Arc::default(),
            policies: Box::default(),
            replaces: HashMap::new(),
            index: Index::default(),
            attributes: Box::default(),
            tiers: Box::default(),
            asks_for_tiers: false,
            kept: HashMap::new(),
        }
    }

    /// The policies that keep what keys have spent, in the order of their ids.
    #[cfg(feature = "serde")]
    pub(super) fn kept(&self) -> impl Iterator<Item = &PolicyInForce> {
        let by_id: BTreeMap<&str, &PolicyInForce> =
            self.kept.iter().map(|(id, policy)| (id.as_str(), &**policy)).collect();
        by_id.into_values()
    }

    /// The version that follows, of valid policies. Nothing has changed if it cannot be made.
    pub(super) fn next(
        &self,
        number: u64,
        source: &Arc<Policies>,
        making: Making<'_>,
    ) -> Result<(Version, Change), Unbuilt> {
        let mut change = Change::new(number);
        let mut kept = HashMap::new();
        let mut plans = Vec::new();
        // All that can fail or takes long comes first: a limit stands still from when its successor is made until that is in force.
        for policy in source.policy.iter().filter(|policy| keeps_keys(policy.state)) {
            match self.kept.get(&policy.id) {
                Some(old) if *old.policy == *policy => {
                    kept.insert(policy.id.clone(), Arc::clone(old));
                }
                old => {
                    let Planned { limits, per_call, remote } = plan(policy, old, making, &mut change)?;
                    let compiled = PolicyInForce::new(&Arc::new(policy.clone()), per_call, remote);
                    plans.push((compiled.map_err(Unbuilt::Conditions)?, limits));
                }
            }
        }
        change.compare(&self.source, source);
        let in_force = kept.values().map(|policy| &**policy).chain(plans.iter().map(|(policy, _)| policy));
        let version = Version::of(number, Arc::clone(source), in_force, making.customers_by)?;
        for (mut policy, plans) in plans {
            let carry_out = |plan: Plan| plan.carry_out(&policy.policy, making.clock, &mut change);
            let limits: Result<_, _> = plans.into_iter().map(carry_out).collect();
            policy.limits = limits.map_err(Unbuilt::Limit)?;
            kept.insert(policy.policy.id.clone(), Arc::new(policy));
        }
        let policies = in_order(source).filter_map(|policy| kept.get(&policy.id)).cloned().collect();
        Ok((Version { policies, kept, ..version }, change))
    }

    /// All of a version but the policies themselves.
    fn of<'p>(
        number: u64,
        source: Arc<Policies>,
        policies: impl Iterator<Item = &'p PolicyInForce>,
        customers_by: Option<&str>,
    ) -> Result<Version, Unbuilt> {
        let by_id: HashMap<&str, &PolicyInForce> =
            policies.map(|policy| (policy.policy.id.as_str(), policy)).collect();
        let order: Vec<&PolicyInForce> =
            in_order(&source).filter_map(|policy| by_id.get(policy.id.as_str()).copied()).collect();
        let places: HashMap<&str, u32> =
            order.iter().map(|policy| policy.policy.id.as_str()).zip(0..).collect();
        let replaces = order.iter().zip(0..).filter(|(policy, _)| !policy.policy.replaces.is_empty());
        let replaces = replaces.map(|(policy, place)| {
            let others = policy.policy.replaces.iter().filter_map(|other| places.get(other.as_str()));
            (place, others.copied().collect())
        });
        let replaces = replaces.collect();
        let tiers = source.tier.iter().map(|tier| {
            let members: Result<_, _> = tier.members.iter().map(CompiledConditions::new).collect();
            members.map(|members| (tier.name.as_str().into(), members))
        });
        let tiers = tiers.collect::<Result<_, _>>().map_err(Unbuilt::Conditions)?;
        let index = Index::new(order.iter().map(|policy| &policy.conditions));
        let attributes = attributes(&order, &source.tier, customers_by);
        let asks_for_tiers = attributes.iter().any(|name| **name == *"tier");
        Ok(Version { number, source, replaces, index, attributes, tiers, asks_for_tiers, ..Version::empty() })
    }

    /// The tier that a request belongs to, if it does not say so.
    #[inline]
    pub(super) fn tier_of(&self, attributes: &Attributes<'_>) -> Option<&str> {
        let seen = Seen { attributes, tier: None };
        let mut tiers = self.tiers.iter();
        tiers.find(|(_, members)| members.iter().any(|member| member.fit(&seen))).map(|(name, _)| &**name)
    }

    /// The places of the policies that may concern a request, in order: those that [`concerns`](Version::concerns) says yes to, do.
    #[inline]
    pub(super) fn candidates(&self, seen: &Seen<'_, '_>) -> Places {
        let places = self.index.candidates(seen);
        if self.replaces.is_empty() { places } else { self.without_replaced(places, seen) }
    }

    #[inline]
    pub(super) fn concerns(&self, place: u32, seen: &Seen<'_, '_>) -> bool {
        self.index.fits(place, seen) && !self.policies[place as usize].passes_over(seen)
    }

    #[inline(never)]
    fn without_replaced(&self, mut places: Places, seen: &Seen<'_, '_>) -> Places {
        places.retain(|place| self.concerns(*place, seen));
        let replaced: Vec<u32> = self.replaced_by(&places, seen).collect();
        places.retain(|place| !replaced.contains(place));
        places
    }

    fn replaced_by<'r>(
        &'r self,
        places: &'r [u32],
        seen: &'r Seen<'_, '_>,
    ) -> impl Iterator<Item = u32> + 'r {
        // One that only watches takes nobody's place.
        let enforced = places.iter().filter(|place| self.policies[**place as usize].enforces(seen));
        enforced.filter_map(|place| self.replaces.get(place)).flatten().copied()
    }

    /// The places of those that policies replace which concern a request, although others replace those.
    pub(super) fn replaced_for(&self, seen: &Seen<'_, '_>) -> Vec<u32> {
        if self.replaces.is_empty() {
            return Vec::new();
        }
        let mut places = self.index.candidates(seen);
        places.retain(|place| self.concerns(*place, seen));
        self.replaced_by(&places, seen).collect()
    }
}

/// What counts for a policy.
struct Planned {
    limits: Vec<Plan>,
    per_call: Arc<PerCallLimits>,
    /// In place of the limits, where a backend counts.
    remote: Option<RemoteLimits>,
}

/// What becomes of a policy's limits: they are the same, they change, or they are new.
fn plan(
    policy: &Policy,
    old: Option<&Arc<PolicyInForce>>,
    making: Making<'_>,
    change: &mut Change,
) -> Result<Planned, Unbuilt> {
    let Making { clock, stores, .. } = making;
    let max_keys = policy.max_keys.unwrap_or(DEFAULT_MAX_KEYS);
    let store = policy.backend.as_ref().and_then(|name| stores.get(name));
    let same_place = old.filter(|old| old.policy.backend == policy.backend);
    let same_keys = same_place.filter(|old| {
        let same_room = old.policy.max_keys.unwrap_or(DEFAULT_MAX_KEYS) == max_keys;
        // A store has room for all.
        old.policy.scope == policy.scope && (same_room || store.is_some())
    });
    if same_keys.is_none() && old.is_some() {
        let reason = if same_place.is_some() { Restart::OtherKeys } else { Restart::OtherBackend };
        change.restarted(&policy.id, None, reason);
    }
    let per_call = match same_keys {
        Some(old) => Arc::clone(&old.per_call),
        None => Arc::new(making.per_call(policy, max_keys, change)),
    };
    if let Some(store) = store {
        #[cfg(feature = "serde")]
        making.leave(policy, change);
        let old = same_keys.and_then(|old| old.remote.as_ref());
        let remote = RemoteLimits::new(policy, store, clock, old, change).map_err(Unbuilt::Remote)?;
        return Ok(Planned { limits: Vec::new(), per_call, remote: Some(remote) });
    }
    let old = same_keys.map(|old| &*old.limits);
    let limits = plan_limits(policy, old, max_keys, making, change)?;
    Ok(Planned { limits, per_call, remote: None })
}

/// What becomes of the limits that are counted in memory; without old ones to go on from, all are new.
fn plan_limits(
    policy: &Policy,
    old: Option<&[LimitInForce]>,
    max_keys: usize,
    making: Making<'_>,
    change: &mut Change,
) -> Result<Vec<Plan>, Unbuilt> {
    let mut left: Vec<&LimitInForce> = old.unwrap_or_default().iter().collect();
    let specs = specs(policy);
    let mut plans: Vec<Option<Plan>> = specs.iter().map(|_| None).collect();
    // First those that stay as they are, so that a change of order is none; then those of one period, so that a limit a minute does not go on with
    // what was spent of one a second.
    for goes_on in [LimitSpec::eq, LimitSpec::can_become_in_its_period, LimitSpec::can_become] {
        let open = specs.iter().zip(&mut plans).filter(|(_, plan)| plan.is_none());
        for ((name, spec), plan) in open {
            if let Some(place) = left.iter().position(|old| goes_on(&old.spec, spec)) {
                *plan = Some(Plan::Change(left.remove(place).clone(), name.clone(), *spec));
            }
        }
    }
    for ((name, spec), plan) in specs.into_iter().zip(&mut plans) {
        if plan.is_none() {
            if old.is_some() {
                change.restarted(&policy.id, Some(&name), Restart::OtherKind);
            }
            let limit = making.build(policy, name, spec, max_keys, change);
            *plan = Some(Plan::Ready(limit.map_err(Unbuilt::Limit)?));
        }
    }
    Ok(plans.into_iter().flatten().collect())
}

impl Plan {
    fn carry_out(
        self,
        policy: &Policy,
        clock: &Clock,
        change: &mut Change,
    ) -> Result<LimitInForce, BuildError> {
        let (old, name, spec) = match self {
            Plan::Ready(limit) => return Ok(limit),
            Plan::Change(old, name, spec) => (old, name, spec),
        };
        if let Some(limit) = old.succeed(name.clone(), spec) {
            return Ok(limit);
        }
        change.restarted(&policy.id, Some(&name), Restart::OutOfRange);
        spec.build(name, policy.max_keys.unwrap_or(DEFAULT_MAX_KEYS), clock)
    }
}

/// The names of the attributes that policies and tiers look at, and of the one by which customers are looked up.
fn attributes(policies: &[&PolicyInForce], tiers: &[Tier], customers_by: Option<&str>) -> Box<[Box<str>]> {
    let mut names: BTreeSet<&str> = customers_by.into_iter().collect();
    let mut conditions: Vec<&Conditions> = tiers.iter().flat_map(|tier| &tier.members).collect();
    for policy in policies.iter().map(|policy| &*policy.policy) {
        names.extend(policy.scope.attributes());
        if let CostRule::Attribute(cost) = &policy.cost {
            names.insert(&cost.attribute);
        }
        conditions.push(&policy.matches);
        conditions.extend(policy.allow.iter().chain(&policy.deny));
        conditions.extend(policy.overrides.iter().map(|other| &other.matches));
    }
    names.extend(conditions.into_iter().flat_map(Conditions::iter).map(|(name, _)| name));
    names.into_iter().map(Box::from).collect()
}

/// Those that are active: the highest priority first, and those of one priority in their order in the file.
fn in_order(source: &Policies) -> impl Iterator<Item = &Policy> {
    let active = source.policy.iter().filter(|policy| policy.state == State::Active);
    let mut active: Vec<_> = active.collect();
    active.sort_by_key(|policy| std::cmp::Reverse(policy.priority));
    active.into_iter()
}

fn keeps_keys(state: State) -> bool {
    matches!(state, State::Active | State::Suspended)
}
