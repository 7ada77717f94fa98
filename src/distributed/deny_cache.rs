//! [`DenyCache`]: what the store refused need not be asked again before its wait is over.

use std::time::Duration;

use parking_lot::Mutex;

use super::key_hash::KeyHash;
use super::reply::Standing;
use crate::clock::saturating_nanos;

/// What the store refused, for one limit with one rule.
///
/// **Never a false denial.** A store that says at some time s "not before s + τ" was asked at `sent` ≤ s, so until `sent + τ` nobody can spend
/// that cost, nor a higher one. It is wrong only where somebody gave back or reset meanwhile, or the store lost its memory; so nothing is
/// believed for longer than two seconds, and this node's own refunds and resets forget the key.
///
/// Bounded: keys share sets of eight; a newcomer takes the place of the one whose refusal ends first.
#[derive(Debug)]
pub struct DenyCache {
    sets: Box<[Mutex<Vec<Entry>>]>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: KeyHash,
    /// The least cost that was refused.
    cost: u64,
    /// It is believed until then.
    until: u64,
    retry_at: u64,
    reset_at: u64,
    remaining: u64,
}

/// With eight in a set a table that is half full pushes out less than one key in a hundred that is still of use.
const WAYS: usize = 8;

impl DenyCache {
    /// How long a refusal is believed at most, in nanoseconds: what a reset by another node waits for at worst. A key that is refused for an hour costs
    /// the store one call in two seconds for each node.
    const LONGEST: u64 = 2_000_000_000;

    /// Room for so many keys; memory is taken as it is needed.
    #[must_use]
    pub fn new(keys: usize) -> DenyCache {
        DenyCache { sets: (0..keys.div_ceil(WAYS).max(1)).map(|_| Mutex::default()).collect() }
    }

    fn set(&self, key: KeyHash) -> &Mutex<Vec<Entry>> {
        &self.sets[key.part(self.sets.len())]
    }

    /// Where the key stands if this cost is known to be refused.
    #[must_use]
    pub fn find(&self, key: KeyHash, cost: u64, now: u64) -> Option<Standing> {
        let set = self.set(key).lock();
        let entry = set.iter().find(|entry| entry.key == key && entry.cost <= cost && now < entry.until)?;
        let until = |time: u64| Duration::from_nanos(time.saturating_sub(now));
        Some(Standing::new(entry.remaining, Some(until(entry.retry_at)), until(entry.reset_at)))
    }

    /// The store refused this cost when it was asked at `sent`.
    pub fn learn(&self, key: KeyHash, cost: u64, sent: u64, standing: &Standing) {
        let after = |wait: Duration| sent.saturating_add(saturating_nanos(wait));
        let retry_at = standing.retry_after.map_or(u64::MAX, after);
        let until = retry_at.min(sent.saturating_add(DenyCache::LONGEST));
        let (reset_at, remaining) = (after(standing.reset_after), standing.remaining);
        self.insert(Entry { key, cost, until, retry_at, reset_at, remaining }, sent);
    }

    fn insert(&self, entry: Entry, now: u64) {
        let mut set = self.set(entry.key).lock();
        if let Some(old) = set.iter_mut().find(|old| old.key == entry.key) {
            // What is known of the lower cost holds for the higher one too; the other way round it would deny falsely.
            if entry.cost <= old.cost || old.until <= now {
                *old = entry;
            }
        } else if set.len() < WAYS {
            set.push(entry);
        } else if let Some(old) = set.iter_mut().min_by_key(|old| old.until) {
            *old = entry;
        }
    }

    /// Somebody gave back, or reset it.
    pub fn forget(&self, key: KeyHash) {
        self.set(key).lock().retain(|entry| entry.key != key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distributed::key_hash::KeyHasher;

    const SECOND: u64 = 1_000_000_000;

    fn refused(wait: Duration) -> Standing {
        Standing::new(0, Some(wait), 10 * wait)
    }

    #[test]
    fn a_refusal_is_believed_until_its_wait_is_over_counted_from_the_question() {
        let (cache, key) = (DenyCache::new(100), KeyHasher::default().hash(b"ann"));
        cache.learn(key, 3, SECOND, &refused(Duration::from_millis(500)));
        for cost in [3, 4, u64::MAX] {
            let standing = cache.find(key, cost, SECOND + SECOND / 4).unwrap();
            assert_eq!(standing.retry_after, Some(Duration::from_millis(250)));
            assert_eq!(standing.reset_after, Duration::from_millis(4_750));
            assert!(cache.find(key, cost, SECOND + SECOND / 2).is_none());
        }
        assert!(cache.find(key, 2, SECOND).is_none(), "nobody said anything about a lower cost");
    }

    #[test]
    fn nothing_is_believed_for_longer_than_two_seconds() {
        let (cache, key) = (DenyCache::new(100), KeyHasher::default().hash(b"ann"));
        for standing in [refused(Duration::from_secs(3_600)), Standing::new(0, None, Duration::MAX)] {
            cache.learn(key, 1, SECOND, &standing);
            let found = cache.find(key, 1, 3 * SECOND - 1).unwrap();
            assert!(found.retry_after > Some(Duration::from_secs(3_000)), "but the whole wait is told");
            assert!(cache.find(key, 1, 3 * SECOND).is_none());
        }
    }

    #[test]
    fn what_is_known_of_a_lower_cost_is_not_lost_to_a_higher_one() {
        let (cache, key) = (DenyCache::new(100), KeyHasher::default().hash(b"ann"));
        cache.learn(key, 1, 0, &refused(Duration::from_millis(100)));
        cache.learn(key, 9, 0, &refused(Duration::from_millis(900)));
        assert!(cache.find(key, 1, SECOND / 20).is_some());
        assert!(cache.find(key, 1, SECOND / 5).is_none(), "its wait is over, whatever was said of the other");
    }

    #[test]
    fn a_flood_of_keys_pushes_others_out_and_takes_no_more_memory() {
        let (cache, hasher) = (DenyCache::new(64), KeyHasher::default());
        for number in 0..10_000_u32 {
            cache.learn(hasher.hash(&number.to_le_bytes()), 1, 0, &refused(Duration::from_secs(1)));
        }
        assert_eq!(cache.sets.iter().map(|set| set.lock().len()).sum::<usize>(), 64);
        cache.forget(hasher.hash(&9_999_u32.to_le_bytes()));
        assert!(cache.find(hasher.hash(&9_999_u32.to_le_bytes()), 1, 0).is_none());
    }
}
