//! [`RemoteLimits`]: the limits of a policy that names a backend.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::super::change::{Change, Restart};
use super::super::limits::{LimitSpec, specs};
use super::super::matching::Seen;
use super::super::model::{AlgorithmName, Policy};
use super::key::StoreScope;
use super::limit::{Asking, RemoteLimit};
use crate::clock::Clock;
use crate::distributed::SharedStore;
use crate::quota::Quota;

/// The limits of a policy that names a backend.
pub(in crate::policy) struct RemoteLimits {
    scope: StoreScope,
    pub(super) limits: Box<[Arc<RemoteLimit>]>,
    /// Of those who have a limit of their own, by that. Customers have few different ones: they are tiers, mostly.
    otherwise: Arc<Cache<Quota, Arc<RemoteLimit>>>,
    policy: Policy,
    store: SharedStore,
    clock: Clock,
}

/// More different quotas than customers are sold; each has tables for its keys.
const QUOTAS: usize = 256;
/// Of so many keys a quota's table remembers something: those who have one of their own are few.
const KEYS_OF_A_QUOTA: usize = 10_000;

/// Under what name the store counts those who have a limit of their own: whichever it is, it is one count.
fn overrides_name(policy: &Policy) -> String {
    format!("{}/override", policy.id)
}

/// Under what names a store counts the limits of a policy, each once: it is another's business that no two have the same.
pub(in crate::policy) fn store_names(policy: &Policy) -> impl Iterator<Item = Arc<str>> + use<> {
    let names: BTreeSet<_> = specs(policy).into_iter().map(|(name, _)| name).collect();
    names.into_iter().chain([overrides_name(policy).into()])
}

impl RemoteLimits {
    /// The limits of a valid policy, which go on from those of the same policy before.
    ///
    /// # Errors
    ///
    /// What is wrong with the policy: never, if it is valid.
    pub(in crate::policy) fn new(
        policy: &Policy,
        store: &SharedStore,
        clock: &Clock,
        old: Option<&RemoteLimits>,
        change: &mut Change,
    ) -> Result<RemoteLimits, String> {
        let asking = Asking { policy, store, clock };
        let asked_as_before = old.filter(|old| asking.is_that_of(&old.policy));
        let limits = specs(policy).into_iter().map(|(name, spec)| {
            let same =
                |limits: &&RemoteLimits| limits.named(&name).filter(|limit| limit.spec == spec).cloned();
            if let Some(limit) = asked_as_before.as_ref().and_then(same) {
                return Ok(limit);
            }
            let limit = RemoteLimit::new(Arc::clone(&name), &name, spec, &asking)?;
            if let Some(reason) = old.and_then(|old| old.restarts(&limit)) {
                change.restarted(&policy.id, Some(&name), reason);
            }
            Ok(Arc::new(limit))
        });
        let limits = limits.collect::<Result<_, String>>()?;
        let otherwise = match asked_as_before {
            Some(old) => Arc::clone(&old.otherwise),
            None => Arc::new(Cache::new(QUOTAS)),
        };
        let scope = StoreScope::new(&policy.scope);
        Ok(RemoteLimits {
            scope,
            limits,
            otherwise,
            policy: policy.clone(),
            store: store.clone(),
            clock: clock.clone(),
        })
    }

    fn named(&self, name: &str) -> Option<&Arc<RemoteLimit>> {
        self.limits.iter().find(|limit| *limit.name == *name)
    }

    /// Why a limit that takes the place of one of these begins anew, if it does: the store knows it by its name and by how it counts.
    fn restarts(&self, limit: &RemoteLimit) -> Option<Restart> {
        match self.named(&limit.name) {
            Some(old) if limit.rule.goes_on_from(&old.rule) => None,
            _ if self.limits.iter().any(|old| old.spec == limit.spec) => Some(Restart::OtherName),
            _ => Some(Restart::OtherKind),
        }
    }

    /// The limit of somebody in particular; `None` if no store can count by it.
    pub(in crate::policy) fn otherwise(&self, quota: Quota) -> Option<Arc<RemoteLimit>> {
        let build = || {
            let policy = Policy {
                max_keys: Some(self.policy.max_keys.unwrap_or(usize::MAX).min(KEYS_OF_A_QUOTA)),
                ..self.policy.clone()
            };
            let asking = Asking { policy: &policy, store: &self.store, clock: &self.clock };
            let stored_as = overrides_name(&policy);
            let spec = LimitSpec::new(AlgorithmName::Gcra, quota);
            RemoteLimit::new(policy.id.as_str().into(), &stored_as, spec, &asking).map(Arc::new)
        };
        self.otherwise.get_or_insert_with(&quota, build).ok()
    }

    /// What a request is counted under.
    pub(in crate::policy) fn key(&self, seen: &Seen<'_, '_>) -> Arc<[u8]> {
        self.scope.key(seen)
    }
}

impl fmt::Debug for RemoteLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteLimits").field("limits", &self.limits).finish_non_exhaustive()
    }
}
