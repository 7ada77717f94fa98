//! [`PolicyInForce`]: a policy, compiled, with the limits that count for it.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use siphasher::sip::SipHasher13;

use super::limits::{LimitInForce, PerCallLimits};
use super::lookup::Customer;
use super::matching::{Column, CompiledConditions, Seen, Value};
use super::model::{AlgorithmName, Amount, Conditions, CostRule, Missing, Percent, Policy};
use super::remote::{RemoteLimit, RemoteLimits};
use crate::limiter::RandomState;
use crate::quota::Quota;

/// A policy of one version.
pub(super) struct PolicyInForce {
    pub(super) policy: Arc<Policy>,
    pub(super) conditions: CompiledConditions,
    allow: Box<[CompiledConditions]>,
    deny: Box<[CompiledConditions]>,
    scope: Box<[Column]>,
    pub(super) word: Word,
    cost: Cost,
    pub(super) limits: Box<[LimitInForce]>,
    overrides: Box<[(CompiledConditions, OverrideInForce)]>,
    /// What counts those who have a limit of their own.
    pub(super) per_call: Arc<PerCallLimits>,
    /// In place of the limits, where a backend counts.
    pub(super) remote: Option<RemoteLimits>,
    /// There is nothing to it but its limits, the same for all.
    pub(super) is_plain: bool,
}

/// Whether it is more than limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Limits,
    Unlimited,
    Block,
}

/// What a request costs.
enum Cost {
    Fixed(u64),
    Attribute { column: Column, otherwise: u64 },
}

/// What counts for a request in place of the policy's limits.
#[derive(Clone)]
pub(super) enum OverrideInForce {
    Unlimited,
    Block,
    Limit(LimitInForce),
    Remote(Arc<RemoteLimit>),
}

/// What counts for a request in place of a policy's limits.
pub(super) enum Instead {
    Nothing,
    Unlimited,
    Block,
    /// The limit of the override at this place.
    Override(u32),
    Customer(Box<LimitInForce>),
    Remote(Arc<RemoteLimit>),
}

/// Why a policy could not be compiled: never, if it is valid.
pub(super) type Uncompiled = (String, usize, String);

impl PolicyInForce {
    pub(super) fn new(
        policy: &Arc<Policy>,
        per_call: Arc<PerCallLimits>,
        remote: Option<RemoteLimits>,
    ) -> Result<PolicyInForce, Uncompiled> {
        let all = |list: &[Conditions]| list.iter().map(CompiledConditions::new).collect::<Result<_, _>>();
        let word = match policy.limits.first().map(|limit| limit.limit) {
            Some(Amount::Unlimited) => Word::Unlimited,
            Some(Amount::Block) => Word::Block,
            _ => Word::Limits,
        };
        let cost = match &policy.cost {
            CostRule::Fixed(cost) => Cost::Fixed(*cost),
            CostRule::Attribute(cost) => {
                Cost::Attribute { column: Column::of(&cost.attribute), otherwise: cost.otherwise }
            }
        };
        let overrides = policy.overrides.iter().map(|other| {
            let counts = match (other.limit, other.as_limit().quota()) {
                (Amount::Unlimited, _) => OverrideInForce::Unlimited,
                (_, Ok(Some(quota))) => counted_apart(&policy.id, quota, &per_call, remote.as_ref())
                    .unwrap_or(OverrideInForce::Block),
                _ => OverrideInForce::Block,
            };
            CompiledConditions::new(&other.matches).map(|conditions| (conditions, counts))
        });
        let is_plain = word == Word::Limits
            && policy.allow.is_empty()
            && policy.deny.is_empty()
            && policy.overrides.is_empty()
            && policy.missing == Missing::Shared
            && policy.enforce_percent == Percent::ALL
            && !policy.shadow
            && remote.is_none();
        Ok(PolicyInForce {
            is_plain,
            conditions: CompiledConditions::new(&policy.matches)?,
            allow: all(&policy.allow)?,
            deny: all(&policy.deny)?,
            scope: policy.scope.attributes().map(Column::of).collect(),
            word,
            cost,
            limits: Box::default(),
            overrides: overrides.collect::<Result<_, _>>()?,
            per_call,
            remote,
            policy: Arc::clone(policy),
        })
    }

    /// Whether it does not concern a request although it fits the conditions.
    #[inline]
    pub(super) fn passes_over(&self, seen: &Seen<'_, '_>) -> bool {
        !self.is_plain
            && (self.allow.iter().any(|conditions| conditions.fit(seen))
                || (self.policy.missing == Missing::Pass && self.lacks_attributes(seen)))
    }

    /// Whether somebody is refused by name.
    #[inline]
    pub(super) fn denies(&self, seen: &Seen<'_, '_>) -> bool {
        self.deny.iter().any(|conditions| conditions.fit(seen))
    }

    pub(super) fn lacks_attributes(&self, seen: &Seen<'_, '_>) -> bool {
        self.scope.iter().any(|column| seen.get(column).is_none())
    }

    /// What counts for a request in place of the limits, if anything does.
    #[inline]
    pub(super) fn instead(&self, seen: &Seen<'_, '_>, customer: Option<&Customer>) -> Instead {
        if let Some(counts) = customer.and_then(|customer| customer.override_in(self)) {
            return match counts {
                OverrideInForce::Unlimited => Instead::Unlimited,
                OverrideInForce::Block => Instead::Block,
                OverrideInForce::Limit(limit) => Instead::Customer(Box::new(limit)),
                OverrideInForce::Remote(limit) => Instead::Remote(limit),
            };
        }
        let mut overrides = self.overrides.iter().zip(0..);
        match overrides.find(|((conditions, _), _)| conditions.fit(seen)) {
            None => Instead::Nothing,
            Some(((_, OverrideInForce::Unlimited), _)) => Instead::Unlimited,
            Some(((_, OverrideInForce::Block), _)) => Instead::Block,
            Some(((_, OverrideInForce::Limit(_)), place)) => Instead::Override(place),
            Some(((_, OverrideInForce::Remote(limit)), _)) => Instead::Remote(Arc::clone(limit)),
        }
    }

    /// What counts those who have this quota of their own; `None` if nothing can.
    pub(super) fn counted_apart(&self, quota: Quota) -> Option<OverrideInForce> {
        counted_apart(&self.policy.id, quota, &self.per_call, self.remote.as_ref())
    }

    /// The limit of an override that has one.
    pub(super) fn override_at(&self, place: usize) -> Option<&LimitInForce> {
        match self.overrides.get(place) {
            Some((_, OverrideInForce::Limit(limit))) => Some(limit),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn cost(&self, seen: &Seen<'_, '_>) -> u64 {
        match &self.cost {
            Cost::Fixed(cost) => *cost,
            Cost::Attribute { column, otherwise } => {
                seen.get(column).and_then(|value| value.number()).unwrap_or(*otherwise)
            }
        }
    }

    /// Whether one of its limits counts by this algorithm.
    pub(super) fn counts_by(&self, algorithm: AlgorithmName) -> bool {
        self.word == Word::Limits && self.policy.limits.iter().any(|limit| limit.algorithm == algorithm)
    }

    /// Whether the cost is only known when the work is done.
    pub(super) fn estimates(&self) -> bool {
        matches!(self.cost, Cost::Attribute { .. })
    }

    /// By what its limits know a request.
    #[inline]
    pub(super) fn tag(&self, hasher: &RandomState, seen: &Seen<'_, '_>) -> u64 {
        hasher.hash_one(ScopeKey { scope: &self.scope, seen })
    }

    /// Whether it refuses requests of this key, and does not only watch.
    #[inline]
    pub(super) fn enforces(&self, seen: &Seen<'_, '_>) -> bool {
        if self.policy.enforce_percent == Percent::ALL {
            return !self.policy.shadow;
        }
        !self.policy.shadow && self.share(seen) < u64::from(self.policy.enforce_percent.hundredths())
    }

    /// A number below 10 000 that is the same for a key in every process and release. The id is in it, so that policies do not all begin with the
    /// same customers.
    fn share(&self, seen: &Seen<'_, '_>) -> u64 {
        let mut hasher = SipHasher13::new();
        hasher.write(self.policy.id.as_bytes());
        for column in &self.scope {
            hasher.write(&[0xff]);
            if let Some(value) = seen.get(column) {
                hasher.write(value.in_scope().text().as_bytes());
            }
        }
        hasher.finish() % 10_000
    }
}

fn counted_apart(
    policy: &str,
    quota: Quota,
    per_call: &PerCallLimits,
    remote: Option<&RemoteLimits>,
) -> Option<OverrideInForce> {
    match remote {
        None => Some(OverrideInForce::Limit(per_call.limit(policy, quota))),
        Some(remote) => remote.otherwise(quota).map(OverrideInForce::Remote),
    }
}

/// The values that tell keys apart. Different ones never write the same: each says at its end what kind it is.
struct ScopeKey<'p, 's, 'a> {
    scope: &'p [Column],
    seen: &'p Seen<'s, 'a>,
}

impl Hash for ScopeKey<'_, '_, '_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        for column in self.scope {
            let kind = match self.seen.get(column).map(Value::in_scope) {
                None => 0,
                Some(Value::Text(text) | Value::Secret(text)) => {
                    state.write(text.as_bytes());
                    1
                }
                Some(Value::Address(IpAddr::V4(address))) => {
                    state.write_u32(address.to_bits());
                    2
                }
                Some(Value::Address(IpAddr::V6(address))) => {
                    state.write_u128(address.to_bits());
                    3
                }
                Some(Value::Number(number)) => {
                    state.write_u64(number);
                    4
                }
            };
            state.write_u8(kind);
        }
    }
}
