//! The limiters under comparison, behind one trait that costs nothing: every loop is compiled once per limiter.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use ahash::RandomState;
use crossbeam_utils::CachePadded;
use governor::RateLimiter;
use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use parking_lot::Mutex;
use tollgate::{Allowed, Denied, Gcra, Limiter, Quota};

use super::Outcome;
use super::clocks::{ClockChoice, Now};
use super::setup::Setup;

/// A key that all four take. Governor and the maps keep a clone of it, tollgate only its hash.
pub(crate) trait Key: Hash + Eq + Clone + Send + Sync {}
impl<K: Hash + Eq + Clone + Send + Sync> Key for K {}

/// Room for the answers to a batch, reused from call to call.
pub(crate) type Answers = Vec<Result<Allowed, Denied>>;

/// A rate limiter by key.
pub(crate) trait Subject<K>: Sync + Sized {
    fn build(setup: &Setup) -> Outcome<Self>;

    /// Whether one more request of this key may go on.
    fn check(&self, key: &K) -> bool;

    /// How many of these may go on. One by one, where the limiter knows no better.
    #[inline]
    fn check_batch(&self, keys: &[K], _answers: &mut Answers) -> u64 {
        keys.iter().map(|key| u64::from(self.check(key))).sum()
    }

    /// Drops the keys that are idle. Nothing to do where idle keys give way by themselves.
    fn forget_idle(&self) {}
}

/// This crate.
pub(crate) struct Tollgate<C> {
    pub(crate) limiter: Limiter,
    clock: std::marker::PhantomData<C>,
}

impl<K: Key, C: ClockChoice> Subject<K> for Tollgate<C> {
    fn build(setup: &Setup) -> Outcome<Self> {
        let quota = Quota::new(1, Duration::from_nanos(setup.interval))?.burst(u64::from(setup.burst));
        let mut builder = Limiter::builder(Gcra::new(quota)).max_keys(setup.max_keys);
        if let Some(clock) = C::tollgate() {
            builder = builder.clock(clock);
        }
        Ok(Self { limiter: builder.build()?, clock: std::marker::PhantomData })
    }

    #[inline]
    fn check(&self, key: &K) -> bool {
        self.limiter.check(key).is_ok()
    }

    #[inline]
    fn check_batch(&self, keys: &[K], answers: &mut Answers) -> u64 {
        self.limiter.check_many(keys, answers);
        answers.iter().map(|answer| u64::from(answer.is_ok())).sum()
    }
}

/// Governor 0.10, keyed, on `DashMap` with its default hasher.
pub(crate) struct Governor<K: Key, C: ClockChoice>(GovernorLimiter<K, C::Governor>);

type GovernorLimiter<K, C> =
    RateLimiter<K, DashMapStateStore<K>, C, NoOpMiddleware<<C as governor::clock::Clock>::Instant>>;

impl<K: Key, C: ClockChoice> Subject<K> for Governor<K, C> {
    fn build(setup: &Setup) -> Outcome<Self> {
        let burst = NonZeroU32::new(setup.burst).ok_or("governor knows no burst of zero")?;
        let quota = governor::Quota::with_period(Duration::from_nanos(setup.interval))
            .ok_or("governor knows no interval of zero")?
            .allow_burst(burst);
        let clock = C::governor()?;
        // Read once here: the limiter's own clock starts with its first reading.
        let _ = clock.now();
        Ok(Self(RateLimiter::dashmap_with_clock(quota, clock)))
    }

    #[inline]
    fn check(&self, key: &K) -> bool {
        self.0.check_key(key).is_ok()
    }

    fn forget_idle(&self) {
        self.0.retain_recent();
    }
}

/// The rule both simple limiters apply to a key's word, which is the nanosecond at which its debt is paid off:
/// GCRA as governor has it.
struct Rule {
    interval: u64,
    tolerance: u64,
}

impl Rule {
    fn new(setup: &Setup) -> Self {
        Self { interval: setup.interval, tolerance: setup.interval * u64::from(setup.burst - 1) }
    }

    #[inline]
    fn charge(&self, word: &mut u64, now: u64) -> bool {
        if now < word.saturating_sub(self.tolerance) {
            return false;
        }
        *word = now.max(*word) + self.interval;
        true
    }

    #[inline]
    fn check<K: Key>(&self, map: &mut HashMap<K, u64, RandomState>, key: &K, now: u64) -> bool {
        // Twice looked up when new, so that a known key is not cloned.
        if let Some(word) = map.get_mut(key) {
            return self.charge(word, now);
        }
        self.charge(map.entry(key.clone()).or_insert(now), now)
    }
}

/// One map behind one mutex: what one writes first.
pub(crate) struct OneMutex<K: Key, C: ClockChoice> {
    map: Mutex<HashMap<K, u64, RandomState>>,
    rule: Rule,
    clock: C::Plain,
}

impl<K: Key, C: ClockChoice> Subject<K> for OneMutex<K, C> {
    fn build(setup: &Setup) -> Outcome<Self> {
        Ok(Self { map: Mutex::default(), rule: Rule::new(setup), clock: C::plain() })
    }

    #[inline]
    fn check(&self, key: &K) -> bool {
        // The clock is read before the lock is taken: the shorter it is held, the better for this limiter.
        let now = self.clock.now();
        self.rule.check(&mut self.map.lock(), key, now)
    }

    fn forget_idle(&self) {
        let now = self.clock.now();
        self.map.lock().retain(|_, word| *word > now);
    }
}

/// The number of maps in [`Shards`]: what such maps usually come with, far more than this machine has cores.
const SHARDS: usize = 64;

/// Many maps behind as many mutexes: what one writes second.
pub(crate) struct Shards<K: Key, C: ClockChoice> {
    maps: Box<[Shard<K>]>,
    hasher: RandomState,
    rule: Rule,
    clock: C::Plain,
}

/// Padded, so that two shards' locks do not share a cache line.
type Shard<K> = CachePadded<Mutex<HashMap<K, u64, RandomState>>>;

impl<K: Key, C: ClockChoice> Shards<K, C> {
    #[inline]
    fn shard(&self, key: &K) -> &Shard<K> {
        // Bits that the map inside uses neither for its buckets (lowest) nor for its tags (highest seven). The key is
        // hashed again there: the standard map takes no ready hash, and ahash takes about a nanosecond.
        let bits = self.hasher.hash_one(key) >> 48;
        &self.maps[(bits % SHARDS as u64) as usize]
    }
}

impl<K: Key, C: ClockChoice> Subject<K> for Shards<K, C> {
    fn build(setup: &Setup) -> Outcome<Self> {
        let hasher = RandomState::new();
        let maps = (0..SHARDS).map(|_| CachePadded::new(Mutex::new(HashMap::with_hasher(hasher.clone()))));
        Ok(Self { maps: maps.collect(), rule: Rule::new(setup), clock: C::plain(), hasher })
    }

    #[inline]
    fn check(&self, key: &K) -> bool {
        let now = self.clock.now();
        self.rule.check(&mut self.shard(key).lock(), key, now)
    }

    fn forget_idle(&self) {
        let now = self.clock.now();
        for map in &self.maps {
            map.lock().retain(|_, word| *word > now);
        }
    }
}
