//! [`Fallback`]: this node's share of a limit, for when the store cannot be asked.

use std::time::Duration;

use parking_lot::Mutex;

use super::failure::RETRY_WHEN_BACK;
use super::key_hash::KeyHash;
use super::reply::Standing;
use super::rule::Rule;
use crate::clock::saturating_nanos;

/// A bucket for each key at the rate r·σ with room for B·σ tokens, at least one, where σ is one of as many as there are nodes.
///
/// A key's whole state is the time at which its bucket was last empty, in units of which `count` pass in a nanosecond: it has as many tokens as
/// came since. A key that is not known was empty when the outage began. With n nodes a token is `period · n` units, so all is exact in
/// whole numbers, and times mean the same whatever n is.
///
/// **Bounded, and never too much.** Keys share sets of eight. A newcomer takes the place of the one that was empty longest ago, and from then on a
/// key that is not known counts as empty no longer ago than that one was. So whoever is forgotten gains nothing.
#[derive(Debug)]
pub(super) struct Fallback {
    sets: Box<[Mutex<Set>]>,
    count: u64,
    period: u64,
    burst: u64,
}

#[derive(Debug, Default)]
struct Set {
    /// All that are not in here count as empty at this time.
    others: u128,
    /// And these at theirs.
    empty_at: Vec<(KeyHash, u128)>,
}

/// As in the deny cache.
const WAYS: usize = 8;

/// A moment, and what is known then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Nanoseconds on the limiter's clock.
    pub(super) now: u64,
    /// When the outage began.
    pub(super) since: u64,
    /// Among how many nodes like this one the limit is divided, in millionths of one; at least [`Moment::NODE`].
    pub(super) nodes: u64,
}

impl Moment {
    /// One node.
    pub(super) const NODE: u64 = 1_000_000;
}

impl Fallback {
    /// Room for so many keys; memory is taken as it is needed. `None` for a rule that is no rate.
    pub(super) fn new(rule: &Rule, keys: usize) -> Option<Fallback> {
        let (count, period, burst) = match *rule {
            Rule::Gcra(quota) | Rule::TokenBucket(quota) | Rule::Leased { quota, .. } => {
                (quota.count(), quota.period_nanos(), quota.capacity())
            }
            Rule::FixedWindow { limit, window }
            | Rule::SlidingWindow { limit, window }
            | Rule::SlidingLog { limit, window } => (limit, saturating_nanos(window), limit),
            Rule::Concurrency { .. } => return None,
        };
        let sets = (0..keys.div_ceil(WAYS).max(1)).map(|_| Mutex::default()).collect();
        Some(Fallback { sets, count, period, burst })
    }

    /// Spends the cost if the share has it; and where the key stands then, in this node's share.
    pub(super) fn spend(&self, key: KeyHash, cost: u64, moment: Moment) -> (bool, Standing) {
        let share = self.share(moment);
        let mut set = self.set(key).lock();
        let empty_at = set.get(key).max(share.earliest);
        // Somebody who read the clock later may have come first.
        let level = share.now.saturating_sub(empty_at);
        let price = share.price(cost);
        if price <= level {
            set.put(key, empty_at + price);
            return (true, share.standing(level - price, 0, self.count));
        }
        (false, share.standing(level, price, self.count))
    }

    /// Takes back what was spent.
    pub(super) fn give_back(&self, key: KeyHash, cost: u64, moment: Moment) {
        let price = self.share(moment).price(cost);
        let mut set = self.set(key).lock();
        if let Some(place) = set.find(key) {
            // Not below what others count as: who was forgotten and came back gains nothing.
            let least = set.others;
            let empty_at = &mut set.empty_at[place].1;
            *empty_at = empty_at.saturating_sub(price).max(least);
        }
    }

    fn set(&self, key: KeyHash) -> &Mutex<Set> {
        &self.sets[key.part(self.sets.len())]
    }

    fn share(&self, moment: Moment) -> Share {
        let units = |nanos: u64| u128::from(nanos) * u128::from(self.count);
        let now = units(moment.now);
        let nodes = u128::from(moment.nodes.max(Moment::NODE));
        let token = (u128::from(self.period) * nodes).div_ceil(u128::from(Moment::NODE));
        // A burst of B·σ tokens is B periods, whatever σ; there is room for at least a token, unless the limit is zero.
        let room = u128::from(self.burst) * u128::from(self.period);
        let room = if self.burst == 0 { 0 } else { room.max(token) };
        let earliest = units(moment.since).min(now).max(now.saturating_sub(room));
        Share { now, earliest, token, room }
    }
}

impl Set {
    fn find(&self, key: KeyHash) -> Option<usize> {
        self.empty_at.iter().position(|(known, _)| *known == key)
    }

    fn get(&self, key: KeyHash) -> u128 {
        self.find(key).map_or(self.others, |place| self.empty_at[place].1)
    }

    fn put(&mut self, key: KeyHash, empty_at: u128) {
        if let Some(place) = self.find(key) {
            self.empty_at[place].1 = empty_at;
        } else if self.empty_at.len() < WAYS {
            self.empty_at.push((key, empty_at));
        } else if let Some(oldest) = self.empty_at.iter_mut().min_by_key(|(_, empty_at)| *empty_at) {
            self.others = self.others.max(oldest.1);
            *oldest = (key, empty_at);
        }
    }
}

/// A node's share at a moment, in units.
#[derive(Clone, Copy, Debug)]
struct Share {
    now: u128,
    /// Nobody's bucket was empty longer ago than this: either it has begun to fill no earlier, or it is full.
    earliest: u128,
    token: u128,
    room: u128,
}

impl Share {
    fn price(&self, cost: u64) -> u128 {
        self.token.saturating_mul(u128::from(cost))
    }

    fn standing(&self, level: u128, price: u128, count: u64) -> Standing {
        let wait = |units: u128| {
            let nanos = units.div_ceil(u128::from(count.max(1)));
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let remaining = level.checked_div(self.token).unwrap_or(0);
        // More than the share can hold may still fit into the whole limit, once the store is back.
        let retry_after =
            if price <= self.room { wait(price.saturating_sub(level)) } else { RETRY_WHEN_BACK };
        let reset_after = wait(self.room.saturating_sub(level));
        Standing::new(u64::try_from(remaining).unwrap_or(u64::MAX), Some(retry_after), reset_after)
    }
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::distributed::key_hash::KeyHasher;
    use crate::quota::Quota;

    const SECOND: u64 = 1_000_000_000;

    /// An exact bucket, in fractions: what came since the last look, over `period · nodes`.
    struct Model {
        level: HashMap<u8, (u128, u64)>,
        quota: Quota,
    }

    impl Model {
        fn spend(&mut self, key: u8, cost: u64, moment: Moment) -> bool {
            let token = u128::from(self.quota.period_nanos()) * u128::from(moment.nodes / Moment::NODE);
            let room = u128::from(self.quota.capacity()) * u128::from(self.quota.period_nanos());
            let room = if self.quota.capacity() == 0 { 0 } else { room.max(token) };
            let (level, seen) = self.level.entry(key).or_insert((0, moment.since));
            *level += u128::from(moment.now - *seen) * u128::from(self.quota.count());
            *level = (*level).min(room);
            *seen = moment.now;
            let price = token * u128::from(cost);
            let fits = price <= *level;
            *level -= if fits { price } else { 0 };
            fits
        }
    }

    proptest! {
        /// One outage from zero on.
        #[test]
        fn it_decides_as_an_exact_bucket_that_begins_empty(
            (count, burst, nodes) in (0_u32..2_000, 0_u64..50, 1_u64..1_000),
            asks in prop::collection::vec((0_u64..SECOND, 0_u8..5, 0_u64..4), 1..200),
        ) {
            let quota = Quota::per_second(count).burst(burst);
            let fallback = Fallback::new(&Rule::Gcra(quota), 1_000).unwrap();
            let hasher = KeyHasher::default();
            let mut model = Model { level: HashMap::new(), quota };
            let mut now = 0;
            for (wait, key, cost) in asks {
                now += wait;
                let moment = Moment { now, since: 0, nodes: nodes * Moment::NODE };
                let (allowed, standing) = fallback.spend(hasher.hash(&[key]), cost, moment);
                prop_assert_eq!(allowed, model.spend(key, cost, moment));
                if let (false, Some(wait)) = (allowed, standing.retry_after) && wait != RETRY_WHEN_BACK {
                    let at = now + saturating_nanos(wait);
                    let probe = |now| fallback.share(Moment { now, ..moment });
                    let empty_at = fallback.set(hasher.hash(&[key])).lock().get(hasher.hash(&[key]));
                    let level = |share: Share| share.now - empty_at.max(share.earliest);
                    prop_assert!(level(probe(at)) >= probe(at).price(cost));
                    prop_assert!(level(probe(at - 1)) < probe(at - 1).price(cost));
                }
            }
        }

        /// Far more keys than there is room for, in several outages.
        #[test]
        fn whatever_is_forgotten_no_key_gets_more_than_its_share_of_the_outages(
            nodes in 1_u64..10,
            asks in prop::collection::vec((0_u64..SECOND / 4, 0_u8..100, any::<bool>()), 1..400),
        ) {
            let quota = Quota::per_second(20).burst(1_000);
            let fallback = Fallback::new(&Rule::TokenBucket(quota), 16).unwrap();
            let hasher = KeyHasher::default();
            let (mut now, mut since, mut lasted) = (SECOND, SECOND, 0);
            let mut spent: HashMap<u8, u64> = HashMap::new();
            for (wait, key, new_outage) in asks {
                now += wait;
                lasted += wait;
                if new_outage && wait > SECOND / 5 {
                    // The store was back for ten seconds.
                    now += 10 * SECOND;
                    since = now;
                }
                while fallback.spend(hasher.hash(&[key]), 1, Moment { now, since, nodes: nodes * Moment::NODE }).0 {
                    *spent.entry(key).or_default() += 1;
                }
                let most = u128::from(lasted) * 20 / (u128::from(SECOND) * u128::from(nodes));
                prop_assert!(u128::from(spent.get(&key).copied().unwrap_or(0)) <= most);
            }
        }
    }

    #[test]
    fn what_is_given_back_can_be_spent_again_and_no_more() {
        let fallback = Fallback::new(&Rule::Gcra(Quota::per_second(10)), 10).unwrap();
        let key = KeyHasher::default().hash(b"ann");
        let moment = Moment { now: SECOND, since: 0, nodes: Moment::NODE };
        assert!(fallback.spend(key, 10, moment).0);
        fallback.give_back(key, 4, moment);
        assert!(!fallback.spend(key, 5, moment).0);
        assert!(fallback.spend(key, 4, moment).0);
        fallback.give_back(key, u64::MAX, moment);
        assert_eq!(fallback.spend(key, 0, moment).1.remaining, 10);
    }

    #[test]
    fn a_window_is_a_bucket_of_its_limit_and_the_smallest_share_is_a_token() {
        let window = Duration::from_secs(60);
        let fallback = Fallback::new(&Rule::FixedWindow { limit: 6, window }, 10).unwrap();
        let key = KeyHasher::default().hash(b"ann");
        let at = |seconds: u64| Moment { now: seconds * SECOND, since: 0, nodes: 100 * Moment::NODE };
        assert!(!fallback.spend(key, 1, at(999)).0);
        assert!(fallback.spend(key, 1, at(1_000)).0, "a hundredth of a token every ten seconds");
        assert!(!fallback.spend(key, 1, at(1_999)).0);
        assert!(fallback.spend(key, 1, at(10_000)).0);
        assert!(!fallback.spend(key, 1, at(10_000)).0, "and no more are kept");
    }
}
