//! How a version decides about a request: what it is asked for, and what is decided in memory. The rest is [`conclude`](super::conclude)d.

mod group;

use std::sync::Arc;

use smallvec::SmallVec;

pub(super) use self::group::{Asked, Fate, Group};

use self::group::{Source, limit_of};
use super::in_force::{Instead, PolicyInForce, Word};
use super::limits::LimitInForce;
use super::lookup::Customer;
use super::matching::Seen;
use super::model::Missing;
use super::question::Question;
use super::remote::{RemoteGroup, RemoteLimit, RemoteRates};
use super::version::Version;
use crate::limiter::{Outcome, RandomState, Receipt};

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

/// What counts for a request of a policy's rates.
#[derive(Debug)]
enum Rates {
    Own,
    Other(Source),
    Remote(Arc<RemoteLimit>),
    None,
}

/// Why a request does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Limit,
    /// A backend cannot be asked.
    Backend,
    Denied(u32),
    Blocked(u32),
    NoKey(u32),
}

/// What a policy says of those of lower priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Below {
    Asked,
    /// They are not asked: it is unlimited.
    Spared,
}

/// What was decided.
pub(crate) struct Decision {
    pub(super) matched: SmallVec<[Matched; FEW]>,
    /// The limits that are enforced.
    pub(super) enforced: Group,
    pub(super) refused: Option<Why>,
    /// Places are to be given back.
    pub(super) holds: bool,
    /// The caller said what it costs.
    pub(super) cost_is_told: bool,
    pub(super) more: Option<Box<More>>,
}

/// What few requests need.
#[derive(Default)]
pub(super) struct More {
    /// The limits of each policy that only watches.
    pub(super) watched: Vec<Group>,
    /// Limits that were made for this request.
    pub(super) customers: Vec<LimitInForce>,
    /// What is asked of backends.
    pub(super) remote: RemoteGroup,
    /// The same of each policy that only watches.
    pub(super) remote_watched: Vec<RemoteGroup>,
}

impl Decision {
    /// Always inlined: it is large, and is then made where it is kept.
    #[inline(always)]
    pub(super) fn new() -> Decision {
        Decision {
            matched: SmallVec::new(),
            enforced: Group { asked: SmallVec::new(), no_room: None },
            refused: None,
            holds: false,
            cost_is_told: false,
            more: None,
        }
    }

    /// Asks the policies that concern a request, as far as that is decided in memory. To be called once, and then concluded.
    #[inline]
    pub(super) fn ask(
        &mut self,
        version: &Version,
        hasher: &RandomState,
        seen: &Seen<'_, '_>,
        customer: Option<&Customer>,
        question: &impl Question,
    ) {
        self.collect(version, hasher, seen, customer, question);
        if self.refused.is_none() && !self.enforced.take(version, customers(self.more.as_deref())) {
            self.refused = Some(Why::Limit);
        }
    }

    /// The limits that a request is asked to pass. Nothing is taken from them.
    #[inline]
    pub(super) fn collect(
        &mut self,
        version: &Version,
        hasher: &RandomState,
        seen: &Seen<'_, '_>,
        customer: Option<&Customer>,
        question: &impl Question,
    ) {
        self.cost_is_told = question.tells_cost();
        let mut unlimited_from = i32::MIN;
        for place in &version.candidates(seen) {
            let place = *place;
            if !version.concerns(place, seen) {
                continue;
            }
            let policy = &*version.policies[place as usize];
            if policy.policy.priority < unlimited_from {
                break;
            }
            if !question.asks(place, policy) {
                continue;
            }
            if policy.is_plain && customer.is_none() {
                self.matched.push(Matched { policy: place, shadow: false, refused: false });
                let (tag, cost) = (policy.tag(hasher, seen), question.cost(policy, seen));
                self.holds |= self.enforced.add(policy, place, &Rates::Own, tag, cost);
            } else {
                let cost = question.cost(policy, seen);
                match self.ask_in_full(policy, place, hasher, seen, customer, cost) {
                    Ok(Below::Spared) if !question.goes_on() => unlimited_from = policy.policy.priority,
                    Err(why) if !question.goes_on() => {
                        self.refused = Some(why);
                        return;
                    }
                    _ => {}
                }
            }
        }
    }

    /// A policy that may be more than limits, the same for all.
    #[inline(never)]
    fn ask_in_full(
        &mut self,
        policy: &PolicyInForce,
        place: u32,
        hasher: &RandomState,
        seen: &Seen<'_, '_>,
        customer: Option<&Customer>,
        cost: u64,
    ) -> Result<Below, Why> {
        let shadow = !policy.enforces(seen);
        let instead = policy.instead(seen, customer);
        let why = refusal(policy, place, seen, &instead);
        self.matched.push(Matched { policy: place, shadow, refused: why.is_some() });
        if let Some(why) = why {
            return if shadow { Ok(Below::Asked) } else { Err(why) };
        }
        let rates = match instead {
            Instead::Nothing | Instead::Unlimited if policy.word == Word::Unlimited => {
                return Ok(if shadow { Below::Asked } else { Below::Spared });
            }
            Instead::Nothing => Rates::Own,
            Instead::Override(place) => Rates::Other(Source::Override(place)),
            Instead::Customer(limit) => {
                let customers = &mut self.more().customers;
                customers.push(*limit);
                // There are no more than policies.
                let place = u32::try_from(customers.len() - 1).unwrap_or(u32::MAX);
                Rates::Other(Source::Customer(place))
            }
            Instead::Remote(limit) => Rates::Remote(limit),
            Instead::Unlimited | Instead::Block => Rates::None,
        };
        if policy.remote.is_some() {
            self.ask_backend(policy, place, seen, shadow, rates, cost);
            return Ok(Below::Asked);
        }
        let tag = policy.tag(hasher, seen);
        if shadow {
            let mut group = Group::default();
            self.holds |= group.add(policy, place, &rates, tag, cost);
            self.more().watched.push(group);
        } else {
            self.holds |= self.enforced.add(policy, place, &rates, tag, cost);
        }
        Ok(Below::Asked)
    }

    /// A policy whose limits a backend counts.
    fn ask_backend(
        &mut self,
        policy: &PolicyInForce,
        place: u32,
        seen: &Seen<'_, '_>,
        shadow: bool,
        rates: Rates,
        cost: u64,
    ) {
        let Some(limits) = &policy.remote else { return };
        let rates = match rates {
            Rates::Own => RemoteRates::Own,
            Rates::Remote(limit) => RemoteRates::Other(limit),
            Rates::Other(_) | Rates::None => RemoteRates::None,
        };
        let key = limits.key(seen);
        let more = self.more();
        if shadow {
            let mut group = RemoteGroup::default();
            group.add(limits, place, rates, &key, cost);
            more.remote_watched.push(group);
        } else {
            more.remote.add(limits, place, rates, &key, cost);
        }
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_with(Box::default)
    }

    /// The limit that was asked, in the version that decided.
    pub(super) fn limit<'v>(&'v self, version: &'v Version, asked: &Asked) -> Option<&'v LimitInForce> {
        limit_of(version, customers(self.more.as_deref()), asked)
    }

    /// Gives places back, each once.
    #[inline]
    pub(super) fn release(&mut self, version: &Version, outcome: Outcome) {
        if std::mem::take(&mut self.holds) {
            self.give_back(version, |limit, asked, receipt| {
                if limit.holds() {
                    limit.gate().release(asked.tag, asked.cost, receipt, outcome);
                }
            });
        }
    }

    /// Gives back all that was taken, once.
    pub(super) fn cancel(&mut self, version: &Version) {
        self.holds = false;
        self.give_back(version, |limit, asked, receipt| limit.gate().undo(asked.tag, asked.cost, receipt));
        if let Some(more) = &mut self.more {
            more.remote.give_back();
            more.remote_watched.iter_mut().for_each(RemoteGroup::give_back);
        }
    }

    fn give_back(&mut self, version: &Version, give_back: impl Fn(&LimitInForce, &Asked, Receipt)) {
        let mut none = More::default();
        let More { watched, customers, .. } = self.more.as_deref_mut().unwrap_or(&mut none);
        for group in std::iter::once(&mut self.enforced).chain(watched) {
            for asked in &mut group.asked {
                if let Fate::Taken(_, receipt) = std::mem::replace(&mut asked.fate, Fate::Spared)
                    && let Some(limit) = limit_of(version, customers, asked)
                {
                    give_back(limit, asked, receipt);
                }
            }
        }
    }
}

#[inline]
fn customers(more: Option<&More>) -> &[LimitInForce] {
    more.map_or(&[], |more| &more.customers)
}

/// Whether a policy refuses a request without a look at any limit.
#[inline]
fn refusal(policy: &PolicyInForce, place: u32, seen: &Seen<'_, '_>, instead: &Instead) -> Option<Why> {
    if policy.denies(seen) {
        return Some(Why::Denied(place));
    }
    let blocked = match instead {
        Instead::Nothing => policy.word == Word::Block,
        instead => matches!(instead, Instead::Block),
    };
    if blocked {
        return Some(Why::Blocked(place));
    }
    let keyless = policy.policy.missing == Missing::Refuse && policy.lacks_attributes(seen);
    keyless.then_some(Why::NoKey(place))
}
