//! How a version decides about a request.

use ahash::RandomState;
use smallvec::SmallVec;

use super::in_force::{OverrideInForce, PolicyInForce, Word};
use super::limits::LimitInForce;
use super::lookup::Customer;
use super::matching::Seen;
use super::model::Missing;
use super::version::Version;
use crate::clock::{Instant, Now};
use crate::decision::{Allowed, Denied};
use crate::limiter::{Gate, On, Outcome, Receipt, Refusal, Taking, take_all};

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
    pub(super) watched: SmallVec<[Asked; 1]>,
    pub(super) refused: Option<Why>,
}

impl Asked {
    /// The limit, in the version that decided.
    #[inline]
    pub(super) fn limit<'v>(&'v self, version: &'v Version) -> Option<&'v LimitInForce> {
        let policy = &version.policies[self.policy as usize];
        match &self.source {
            Source::Own(limit) => policy.limits.get(*limit as usize),
            Source::Override(place) => match policy.override_at(*place as usize)? {
                OverrideInForce::Limit(limit) => Some(limit),
                OverrideInForce::Unlimited | OverrideInForce::Block => None,
            },
            Source::Customer(limit) => Some(limit),
        }
    }

    #[inline]
    fn on<'v>(&'v self, version: &'v Version) -> Option<On<'v>> {
        let limit = self.limit(version)?;
        let on = On::borrowed(limit.gate(), self.tag);
        Some(if limit.holds() { on.holding() } else { on }.cost(self.cost))
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
    /// Asks all policies that concern a request.
    pub(super) fn of(
        version: &Version,
        hasher: &RandomState,
        seen: &Seen<'_, '_>,
        customer: Option<&Customer>,
    ) -> Decision {
        let mut decision = Decision::default();
        let mut unlimited_from = i32::MIN;
        for place in version.concerned(seen) {
            let policy = &*version.policies[place as usize];
            if policy.policy.priority < unlimited_from {
                break;
            }
            let shadow = !policy.enforces(seen);
            if let Some(why) = refusal(policy, place, seen, customer) {
                decision.matched.push(Matched { policy: place, shadow, refused: true });
                if shadow {
                    continue;
                }
                decision.refused = Some(why);
                return decision;
            }
            decision.matched.push(Matched { policy: place, shadow, refused: false });
            if policy.word == Word::Unlimited {
                if !shadow {
                    unlimited_from = policy.policy.priority;
                }
                continue;
            }
            let (tag, cost) = (policy.tag(hasher, seen), policy.cost(seen));
            let asked = limits(policy, seen, customer).into_iter().map(|source| {
                let mut asked = Asked { source, policy: place, tag, cost, fate: Fate::Spared };
                if asked.limit(version).is_some_and(LimitInForce::holds) {
                    asked.cost = 1;
                }
                asked
            });
            if shadow { decision.watched.extend(asked) } else { decision.asked.extend(asked) }
        }
        if !take(version, &mut decision.asked) {
            decision.refused = Some(Why::Limit);
            return decision;
        }
        decision.watch(version);
        decision
    }

    /// Asks each policy that only watches for itself: none of them spares another.
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
        while let Some(asked) = self.asked.pop().or_else(|| self.watched.pop()) {
            asked.release(version, outcome);
        }
    }
}

/// Whether a policy refuses a request without a look at any limit.
#[inline]
fn refusal(policy: &PolicyInForce, place: u32, seen: &Seen<'_, '_>, customer: Option<&Customer>) -> Option<Why> {
    if policy.denies(seen) {
        return Some(Why::Denied(place));
    }
    if policy.word == Word::Block {
        return Some(Why::Blocked(place));
    }
    let blocked = match customer.and_then(|customer| customer.override_in(policy)) {
        Some(OverrideInForce::Block) => true,
        Some(_) => false,
        None => matches!(policy.override_of(seen), Some((_, OverrideInForce::Block))),
    };
    if blocked {
        return Some(Why::Blocked(place));
    }
    let keyless = policy.policy.missing == Missing::Refuse && policy.lacks_attributes(seen);
    keyless.then_some(Why::NoKey(place))
}

/// The limits of a policy that a request is asked to pass.
#[inline]
fn limits(
    policy: &PolicyInForce,
    seen: &Seen<'_, '_>,
    customer: Option<&Customer>,
) -> SmallVec<[Source; FEW]> {
    let own = |only_places: bool| {
        let limits = policy.limits.iter().zip(0..);
        limits.filter(move |(limit, _)| !only_places || limit.holds()).map(|(_, place)| Source::Own(place))
    };
    let instead = match customer.and_then(|customer| customer.override_in(policy)) {
        Some(OverrideInForce::Limit(limit)) => Some(Source::Customer(Box::new(limit))),
        Some(_) => None,
        None => match policy.override_of(seen) {
            None => return own(false).collect(),
            #[expect(clippy::cast_possible_truncation, reason = "a file has no four billion overrides")]
            Some((place, OverrideInForce::Limit(_))) => Some(Source::Override(place as u32)),
            Some(_) => None,
        },
    };
    // How many are under way at once is a limit of the service, not of the customer.
    own(true).chain(instead).collect()
}

/// Takes from all limits or from none.
#[inline]
fn take(version: &Version, asked: &mut [Asked]) -> bool {
    if asked.is_empty() {
        return true;
    }
    let taken = take_from(version, asked);
    match taken {
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
    let limits: SmallVec<[On<'_>; FEW]> = asked.iter().filter_map(|asked| asked.on(version)).collect();
    let mut takings: SmallVec<[Taking<'_>; FEW]> = SmallVec::from_elem(Taking::default(), limits.len());
    take_all(&limits, &mut takings)?;
    Ok(takings.iter().map(Taking::taken).collect())
}

/// Where a request stands at a limit that took nothing from it.
pub(super) fn look(gate: &dyn Gate, asked: &Asked, instant: &mut Instant) -> Result<Allowed, Denied> {
    match &asked.fate {
        Fate::Refused(Some(denied)) => Err(**denied),
        _ => gate.look(instant, asked.tag, asked.cost),
    }
}
