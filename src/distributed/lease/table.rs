//! [`LeaseTable`]: what a node holds of many keys, in bounded memory.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::mem;
use std::time::Duration;

use ahash::RandomState;
use parking_lot::Mutex;

use super::node::{NodeLease, Spend, Unspent};
use super::request::{LeaseAsk, LeaseGrant};
use super::settings::LeasePlan;

/// Keys to a shard, about: enough shards for the cores of a large machine, few enough for small tables to be small.
const KEYS_TO_A_SHARD: usize = 1_024;
/// More shards than this only cost memory.
const MOST_SHARDS: usize = 64;

/// What a node holds of many keys. When it is full, keys that have long not been asked for are forgotten with what is held
/// of them, which falls back to the store as any lease that runs out.
#[derive(Debug)]
pub struct LeaseTable<Q: ?Sized + ToOwned> {
    plan: LeasePlan,
    shards: Box<[Mutex<Shard<Q::Owned>>]>,
    hasher: RandomState,
}

/// Keys asked for of late, and those asked for before them. When the young are half of what there may be, they are the old
/// ones, and those that were are forgotten: least recently used to within a factor of two, without a list.
#[derive(Debug)]
struct Shard<K> {
    young: HashMap<K, NodeLease, RandomState>,
    old: HashMap<K, NodeLease, RandomState>,
    most_young: usize,
    random: u64,
    burned: u64,
}

impl<Q> LeaseTable<Q>
where
    Q: ?Sized + ToOwned + Hash + Eq,
    Q::Owned: Hash + Eq,
{
    /// A table of at most so many keys (and at least two).
    #[must_use]
    pub fn new(plan: LeasePlan, max_keys: usize, hasher: RandomState) -> LeaseTable<Q> {
        let shards = (max_keys / KEYS_TO_A_SHARD).clamp(1, MOST_SHARDS);
        let most_young = (max_keys / shards / 2).max(1);
        let shards = (0..shards as u64)
            .map(|shard| Mutex::new(Shard::new(most_young, hasher.hash_one(shard))))
            .collect();
        LeaseTable { plan, shards, hasher }
    }

    /// A request of so many tokens. When the store is to be asked, an answer or its failure must be told. A request that has
    /// waited says for what: see `NodeLease::spend`.
    pub fn spend(&self, now: u64, key: &Q, cost: u64, waited: Option<u64>) -> Spend {
        let mut shard = self.shard(key).lock();
        let random = shard.next_random(&self.hasher);
        let mut spend = shard.with(now, key, |lease| lease.spend(&self.plan, now, cost, waited));
        if let Spend::Ask(ask) | Spend::Admit { ahead: Some(ask), .. } = &mut spend {
            ask.random = random;
        }
        spend
    }

    /// The answer to what was asked at `sent`.
    pub fn granted(&self, now: u64, sent: u64, key: &Q, grant: LeaseGrant) {
        self.shard(key).lock().with(now, key, |lease| lease.granted(&self.plan, now, sent, grant));
    }

    /// No answer came to what was asked at `sent`, or none that anybody waited for.
    pub fn lost(&self, sent: u64, key: &Q) {
        self.known(key, |lease| lease.lost(sent));
    }

    /// What was asked at `sent` was surely not heard.
    pub fn unsent(&self, sent: u64, key: &Q, ask: &LeaseAsk) {
        self.known(key, |lease| lease.unsent(sent, ask));
    }

    /// What a request spent is not spent after all. Says how many tokens are not this node's any more.
    #[must_use]
    pub fn put_back(&self, now: u64, key: &Q, tokens: u64) -> u64 {
        self.known(key, |lease| lease.put_back(now, tokens)).unwrap_or(tokens)
    }

    /// The store has refused this cost when it was asked at `sent`, though not for a lease.
    pub fn refused(&self, sent: u64, key: &Q, cost: u64, retry_after: Duration) {
        self.known(key, |lease| lease.refused(sent, cost, retry_after));
    }

    /// Somebody gave back, or reset it.
    pub fn relieved(&self, key: &Q) {
        self.known(key, NodeLease::relieved);
    }

    /// Tokens held of a key.
    pub fn held(&self, now: u64, key: &Q) -> u64 {
        self.known(key, |lease| lease.held(now)).unwrap_or(0)
    }

    /// Among how many nodes a key's limit is to be divided while the store is away: see `NodeLease::nodes`.
    pub fn nodes(&self, now: u64, key: &Q) -> Option<u64> {
        self.known(key, |lease| lease.nodes(&self.plan, now))?
    }

    /// Tokens that were leased, and neither spent nor returned before their time was over, as far as somebody has looked.
    #[must_use]
    pub fn burned(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().burned).sum()
    }

    /// Forgets a key; what was held of it is no longer.
    pub fn forget(&self, now: u64, key: &Q) -> [Option<Unspent>; 2] {
        self.known(key, |lease| mem::replace(lease, NodeLease::new(now)).give_back(now)).unwrap_or_default()
    }

    fn known<T>(&self, key: &Q, act: impl FnOnce(&mut NodeLease) -> T) -> Option<T> {
        self.shard(key).lock().find(key).map(act)
    }

    /// How many shards there are to be [swept](LeaseTable::sweep).
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Takes what is idle out of a shard, or all of it, to be returned: tokens that lie here are missing elsewhere.
    #[must_use]
    pub fn sweep(&self, now: u64, shard: usize, all: bool) -> Vec<(Q::Owned, Unspent)> {
        let Some(shard) = self.shards.get(shard) else { return Vec::new() };
        let mut shard = shard.lock();
        let mut returned = Vec::new();
        let Shard { young, old, burned, .. } = &mut *shard;
        for (key, lease) in young.iter_mut().chain(old) {
            lease.held(now);
            let unspent = if all { lease.give_back(now) } else { lease.idle(&self.plan, now) };
            *burned += lease.burned();
            returned.extend(unspent.into_iter().flatten().map(|unspent| (key.borrow().to_owned(), unspent)));
        }
        returned
    }

    fn shard(&self, key: &Q) -> &Mutex<Shard<Q::Owned>> {
        let hash = self.hasher.hash_one(key);
        // The low bits; the maps inside, hashed by the same function, go by their own seeds.
        &self.shards[usize::try_from(hash % self.shards.len() as u64).unwrap_or(0)]
    }
}

impl<K: Hash + Eq> Shard<K> {
    fn new(most_young: usize, seed: u64) -> Shard<K> {
        let hasher = RandomState::with_seed(usize::try_from(seed).unwrap_or(usize::MAX));
        Shard {
            young: HashMap::with_hasher(hasher.clone()),
            old: HashMap::with_hasher(hasher),
            most_young,
            random: seed,
            burned: 0,
        }
    }

    fn next_random(&mut self, hasher: &RandomState) -> u32 {
        self.random = self.random.wrapping_add(1);
        (hasher.hash_one(self.random) >> 32) as u32
    }

    fn find<Q>(&mut self, key: &Q) -> Option<&mut NodeLease>
    where
        Q: ?Sized + Hash + Eq,
        K: Borrow<Q>,
    {
        match self.young.get_mut(key) {
            Some(lease) => Some(lease),
            None => self.old.get_mut(key),
        }
    }

    /// Does something with the key's, which is then the youngest.
    fn with<Q, T>(&mut self, now: u64, key: &Q, act: impl FnOnce(&mut NodeLease) -> T) -> T
    where
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
        K: Borrow<Q>,
    {
        if let Some(lease) = self.young.get_mut(key) {
            return act(lease);
        }
        let (key, mut lease) =
            self.old.remove_entry(key).unwrap_or_else(|| (key.to_owned(), NodeLease::new(now)));
        let result = act(&mut lease);
        if self.young.len() >= self.most_young {
            mem::swap(&mut self.young, &mut self.old);
            let forgotten = self.young.drain().flat_map(|(_, mut lease)| [lease.burned(), lease.held(0)]);
            self.burned += forgotten.sum::<u64>();
        }
        self.young.insert(key, lease);
        result
    }
}
