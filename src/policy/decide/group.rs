//! [`Group`]: limits in memory that a request is asked to pass together.

use smallvec::SmallVec;

use super::{FEW, Rates};
use crate::clock::{Instant, Now};
use crate::decision::{Allowed, Denied};
use crate::limiter::{Asks, Gate, Receipt, Refusal, Taking, take_all};
use crate::policy::in_force::PolicyInForce;
use crate::policy::limits::LimitInForce;
use crate::policy::version::Version;

/// A limit that a request is asked to pass.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct Asked {
    source: Source,
    pub(in crate::policy) policy: u32,
    pub(in crate::policy) tag: u64,
    pub(in crate::policy) cost: u64,
    pub(in crate::policy) fate: Fate,
}

/// Where a limit is found: in a version, or among those that were made for this request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Own(u32),
    Override(u32),
    Customer(u32),
}

/// What became of a request at a limit.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) enum Fate {
    /// Nothing was taken, because another limit refused, or because it was not asked.
    Spared,
    Taken(Now, Receipt),
    Refused,
}

/// Limits that a request is asked to pass, and what became of it there.
#[derive(Debug, Default)]
pub(in crate::policy) struct Group {
    pub(super) asked: SmallVec<[Asked; FEW]>,
    /// What the limit said that refused, if that was for want of room.
    pub(super) no_room: Option<Box<Denied>>,
}

impl Group {
    /// Adds the limits of a policy, or the one that counts in place of its rates if there is such, and says whether one of them holds places.
    #[inline]
    pub(super) fn add(
        &mut self,
        policy: &PolicyInForce,
        place: u32,
        rates: &Rates,
        tag: u64,
        cost: u64,
    ) -> bool {
        let (mut holds, fate) = (false, Fate::Spared);
        for (limit, own) in policy.limits.iter().zip(0..) {
            // How many are under way at once is a limit of the service, not of the customer.
            let held = limit.holds();
            if held || matches!(rates, Rates::Own) {
                let cost = if held { 1 } else { cost };
                self.asked.push(Asked { source: Source::Own(own), policy: place, tag, cost, fate });
                holds |= held;
            }
        }
        if let Rates::Other(source) = *rates {
            self.asked.push(Asked { source, policy: place, tag, cost, fate });
        }
        holds
    }

    /// The policy of all of this, if it is one's.
    pub(in crate::policy) fn policy(&self) -> Option<u32> {
        self.asked.first().map(|asked| asked.policy)
    }

    /// Takes from all limits or from none.
    #[inline]
    pub(in crate::policy) fn take(&mut self, version: &Version, customers: &[LimitInForce]) -> bool {
        let asked = self.asked.as_slice();
        let (mut few, mut many) = ([Taking::default(); FEW], Vec::new());
        let takings = if asked.len() <= FEW {
            &mut few[..asked.len()]
        } else {
            many.resize(asked.len(), Taking::default());
            &mut many
        };
        match take_all(&InForce { version, customers, asked }, takings) {
            Ok(()) => {
                for (asked, taking) in self.asked.iter_mut().zip(takings) {
                    if let Some((now, receipt)) = taking.taken() {
                        asked.fate = Fate::Taken(now, receipt);
                    }
                }
                true
            }
            Err(Refusal { refusing, no_room }) => {
                self.asked[refusing].fate = Fate::Refused;
                self.no_room = no_room;
                false
            }
        }
    }

    /// Whether all limits have room, of which nothing was taken. The first that has none is the one that refuses.
    pub(in crate::policy) fn would_pass(&mut self, version: &Version, customers: &[LimitInForce]) -> bool {
        let mut instant = Instant::default();
        let refusing = self.asked.iter_mut().find(|asked| {
            let limit = limit_of(version, customers, asked);
            limit.is_some_and(|limit| limit.gate().look(&mut instant, asked.tag, asked.cost).is_err())
        });
        if let Some(asked) = refusing {
            asked.fate = Fate::Refused;
            return false;
        }
        true
    }

    /// The limits and what became of the request there.
    pub(in crate::policy) fn iter(&self) -> impl Iterator<Item = &Asked> {
        self.asked.iter()
    }

    /// Where a request stands at a limit that took nothing from it.
    pub(in crate::policy) fn look(
        &self,
        gate: &dyn Gate,
        asked: &Asked,
        instant: &mut Instant,
    ) -> Result<Allowed, Denied> {
        match (asked.fate, &self.no_room) {
            (Fate::Refused, Some(denied)) => Err(**denied),
            _ => gate.look(instant, asked.tag, asked.cost),
        }
    }
}

#[inline]
pub(super) fn limit_of<'v>(
    version: &'v Version,
    customers: &'v [LimitInForce],
    asked: &Asked,
) -> Option<&'v LimitInForce> {
    let policy = &version.policies[asked.policy as usize];
    match asked.source {
        Source::Own(limit) => policy.limits.get(limit as usize),
        Source::Override(place) => policy.override_at(place as usize),
        Source::Customer(place) => customers.get(place as usize),
    }
}

/// Limits that are asked, where they are in force.
struct InForce<'v, 'g> {
    version: &'v Version,
    customers: &'v [LimitInForce],
    asked: &'g [Asked],
}

impl<'v> Asks<'v> for InForce<'v, '_> {
    #[inline]
    fn gate(&self, place: usize) -> Option<&'v dyn Gate> {
        limit_of(self.version, self.customers, &self.asked[place]).map(LimitInForce::gate)
    }

    #[inline]
    fn tag(&self, place: usize) -> u64 {
        self.asked[place].tag
    }

    #[inline]
    fn cost(&self, place: usize) -> u64 {
        self.asked[place].cost
    }
}
