//! How a version decides about a request.

use ahash::RandomState;
use smallvec::SmallVec;

use super::in_force::{Instead, PolicyInForce, Word};
use super::limits::LimitInForce;
use super::lookup::Customer;
use super::matching::Seen;
use super::model::Missing;
use super::version::Version;
use crate::clock::{Instant, Now};
use crate::decision::{Allowed, Denied};
use crate::limiter::{Ask, Gate, Outcome, Receipt, Refusal, Taking, take_all};

/// More limits on one request are rare.
const FEW: usize = 4;

/// A policy that concerns a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matched {
    pub(super) policy: u32,
    /// It only watches.
    pub(super) shadow: bool,
    /// It would have refused, if it did not only watch.
    pub(super) refused: bool,
}

/// A limit that a request is asked to pass.
pub(super) struct Asked {
    source: Source,
    pub(super) policy: u32,
    pub(super) tag: u64,
    pub(super) cost: u64,
    pub(super) fate: Fate,
}

/// Where a limit is found: in a version, or it was made for this request.
enum Source {
    Own(u32),
    Override(u32),
    Customer(Box<LimitInForce>),
}

/// What became of a request at a limit.
pub(super) enum Fate {
    /// Nothing was taken, because another limit refused.
    Spared,
    Taken(Now, Receipt),
    /// It refused; with what it said, if that was for want of room.
    Refused(Option<Box<Denied>>),
}

/// Why a request does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Limit,
    Denied(u32),
    Blocked(u32),
    NoKey(u32),
}

/// What was decided.
#[derive(Default)]
pub(super) struct Decision {
    pub(super) matched: SmallVec<[Matched; FEW]>,
    /// The limits that are enforced.
    pub(super) asked: SmallVec<[Asked; FEW]>,
    /// The limits of policies that only watch.
    pub(super) watched: Vec<Asked>,
    pub(super) refused: Option<Why>,
    /// Places are to be given back.
    holds: bool,
}

impl Asked {
    /// The limit, in the version that decided.
    #[inline]
    pub(super) fn limit<'v>(&'v self, version: &'v Version) -> Option<&'v LimitInForce> {
        let policy = &version.policies[self.policy as usize];
        match &self.source {
            Source::Own(limit) => policy.limits.get(*limit as usize),
            Source::Override(place) => policy.override_at(*place as usize),
            Source::Customer(limit) => Some(limit),
        }
    }

    /// Gives a place back that was taken.
    fn release(&self, version: &Version, outcome: Outcome) {
        if let (Fate::Taken(_, receipt), Some(limit)) = (&self.fate, self.limit(version))
            && limit.holds()
        {
            limit.gate().release(self.tag, self.cost, *receipt, outcome);
        }
    }
}

impl Decision {
    /// Asks all policies that concern a request. To be called once.
    #[inline]
    pub(super) fn ask(
        &mut self,
        version: &Version,
        hasher: &RandomState,
        seen: &Seen<'_, '_>,
        customer: Option<&Customer>,
    ) {
        let mut unlimited_from = i32::MIN;
        for place in version.concerned(seen) {
            let policy = &*version.policies[place as usize];
            if policy.policy.priority < unlimited_from {
                break;
            }
            let shadow = !policy.enforces(seen);
            let instead = policy.instead(seen, customer);
            let why = refusal(policy, place, seen, &instead);
            self.matched.push(Matched { policy: place, shadow, refused: why.is_some() });
            match why {
                Some(_) if shadow => {}
                None if policy.word == Word::Unlimited => {
                    if !shadow {
                        unlimited_from = policy.policy.priority;
                    }
                }
                None => {
                    let (tag, cost) = (policy.tag(hasher, seen), policy.cost(seen));
                    self.holds |= if shadow {
                        ask_limits(policy, place, instead, tag, cost, |asked| self.watched.push(asked))
                    } else {
                        ask_limits(policy, place, instead, tag, cost, |asked| self.asked.push(asked))
                    };
                }
                why => {
                    self.refused = why;
                    return;
                }
            }
        }
        if !take(version, &mut self.asked) {
            self.refused = Some(Why::Limit);
        } else if !self.watched.is_empty() {
            self.watch(version);
        }
    }

    /// Asks each policy that only watches for itself: none of them spares another.
    #[cold]
    fn watch(&mut self, version: &Version) {
        let mut watched = &mut self.watched[..];
        while let Some(first) = watched.first() {
            let policy = first.policy;
            let length = watched.iter().take_while(|asked| asked.policy == policy).count();
            let (own, others) = watched.split_at_mut(length);
            if !take(version, own) {
                let matched = self.matched.iter_mut().find(|matched| matched.policy == policy);
                matched.into_iter().for_each(|matched| matched.refused = true);
            }
            watched = others;
        }
    }

    /// Gives places back, each once.
    #[inline]
    pub(super) fn release(&mut self, version: &Version, outcome: Outcome) {
        if self.holds {
            while let Some(asked) = self.asked.pop().or_else(|| self.watched.pop()) {
                asked.release(version, outcome);
            }
        }
    }
}

/// Whether a policy refuses a request without a look at any limit.
#[inline]
fn refusal(policy: &PolicyInForce, place: u32, seen: &Seen<'_, '_>, instead: &Instead) -> Option<Why> {
    if policy.denies(seen) {
        return Some(Why::Denied(place));
    }
    if policy.word == Word::Block || matches!(instead, Instead::Block) {
        return Some(Why::Blocked(place));
    }
    let keyless = policy.policy.missing == Missing::Refuse && policy.lacks_attributes(seen);
    keyless.then_some(Why::NoKey(place))
}

/// Adds the limits of a policy that a request is asked to pass, and says whether one of them holds places.
#[inline]
fn ask_limits(
    policy: &PolicyInForce,
    place: u32,
    instead: Instead,
    tag: u64,
    cost: u64,
    mut ask: impl FnMut(Asked),
) -> bool {
    let mut holds = false;
    for (limit, own) in policy.limits.iter().zip(0..) {
        // How many are under way at once is a limit of the service, not of the customer.
        let held = limit.holds();
        if held || matches!(instead, Instead::Nothing) {
            let cost = if held { 1 } else { cost };
            ask(Asked { source: Source::Own(own), policy: place, tag, cost, fate: Fate::Spared });
            holds |= held;
        }
    }
    let source = match instead {
        Instead::Override(place) => Source::Override(place),
        Instead::Customer(limit) => Source::Customer(limit),
        Instead::Nothing | Instead::Unlimited | Instead::Block => return holds,
    };
    ask(Asked { source, policy: place, tag, cost, fate: Fate::Spared });
    holds
}

/// A limit that is asked.
struct AtGate<'v> {
    gate: &'v dyn Gate,
    tag: u64,
    cost: u64,
}

impl Ask for AtGate<'_> {
    #[inline]
    fn gate(&self) -> &dyn Gate {
        self.gate
    }

    #[inline]
    fn tag(&self) -> u64 {
        self.tag
    }

    #[inline]
    fn cost(&self) -> u64 {
        self.cost
    }
}

/// Takes from all limits or from none.
#[inline]
fn take(version: &Version, asked: &mut [Asked]) -> bool {
    match take_from(version, asked) {
        Ok(taken) => {
            for (asked, taken) in asked.iter_mut().zip(taken) {
                if let Some((now, receipt)) = taken {
                    asked.fate = Fate::Taken(now, receipt);
                }
            }
            true
        }
        Err(Refusal { refusing, no_room }) => {
            asked[refusing].fate = Fate::Refused(no_room);
            false
        }
    }
}

type Receipts = SmallVec<[Option<(Now, Receipt)>; FEW]>;

#[inline]
fn take_from(version: &Version, asked: &[Asked]) -> Result<Receipts, Refusal> {
    let mut gates: SmallVec<[AtGate<'_>; FEW]> = SmallVec::new();
    for one in asked {
        if let Some(limit) = one.limit(version) {
            gates.push(AtGate { gate: limit.gate(), tag: one.tag, cost: one.cost });
        }
    }
    let (mut few, mut many) = ([Taking::default(); FEW], Vec::new());
    let takings = if gates.len() <= FEW {
        &mut few[..gates.len()]
    } else {
        many.resize(gates.len(), Taking::default());
        &mut many
    };
    take_all(&gates, takings)?;
    Ok(takings.iter().map(Taking::taken).collect())
}

/// Where a request stands at a limit that took nothing from it.
pub(super) fn look(gate: &dyn Gate, asked: &Asked, instant: &mut Instant) -> Result<Allowed, Denied> {
    match &asked.fate {
        Fate::Refused(Some(denied)) => Err(**denied),
        _ => gate.look(instant, asked.tag, asked.cost),
    }
}
