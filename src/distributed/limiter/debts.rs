//! [`Debts`]: what was admitted without the store, until it is charged there.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Question;
use crate::distributed::key_hash::KeyHash;
use crate::limiter::RandomState;

/// What was admitted without the store, for each key at most a full bucket: nobody owes more, since the store's own bucket has filled
/// meanwhile. Relaxed throughout: the counts lead to no other memory.
pub(super) struct Debts {
    shards: [Mutex<HashMap<KeyHash, Debt, RandomState>>; SHARDS],
    keys: AtomicUsize,
    most_keys: usize,
    forgiven: AtomicU64,
    /// Somebody owes more, or the limiter is gone.
    changed: Arc<Notify>,
    /// Whether there is a task that charges them.
    pub(super) reporting: AtomicBool,
}

/// Enough that threads seldom meet, few enough to look through all.
const SHARDS: usize = 16;

/// What a key owes.
#[derive(Clone, Debug)]
pub(super) struct Debt {
    pub(super) key: Arc<[u8]>,
    pub(super) tokens: u64,
    pub(super) domain: usize,
}

impl Debts {
    pub(super) fn new(most_keys: usize) -> Debts {
        Debts {
            shards: Default::default(),
            keys: AtomicUsize::new(0),
            most_keys,
            forgiven: AtomicU64::new(0),
            changed: Arc::default(),
            reporting: AtomicBool::new(false),
        }
    }

    fn shard(&self, hash: KeyHash) -> &Mutex<HashMap<KeyHash, Debt, RandomState>> {
        &self.shards[hash.part(SHARDS)]
    }

    /// The key owes this cost too, up to the limit.
    pub(super) fn add(&self, question: &Question<'_>, domain: usize, limit: u64) {
        if question.cost == 0 {
            return;
        }
        let mut shard = self.shard(question.hash).lock();
        if let Some(debt) = shard.get_mut(&question.hash) {
            debt.tokens = debt.tokens.saturating_add(question.cost).min(limit);
        } else if self.keys.fetch_add(1, Ordering::Relaxed) < self.most_keys {
            let debt = Debt { key: question.key.into(), tokens: question.cost.min(limit), domain };
            shard.insert(question.hash, debt);
        } else {
            self.keys.fetch_sub(1, Ordering::Relaxed);
            self.forgive(question.cost);
        }
    }

    /// The key owes so many fewer, and says how many that are: no more than it owed.
    #[cfg(any(feature = "policy", feature = "tower"))]
    pub(super) fn remit(&self, hash: KeyHash, tokens: u64) -> u64 {
        let mut shard = self.shard(hash).lock();
        let Some(debt) = shard.get_mut(&hash) else { return 0 };
        let remitted = debt.tokens.min(tokens);
        debt.tokens -= remitted;
        if debt.tokens == 0 {
            shard.remove(&hash);
            self.keys.fetch_sub(1, Ordering::Relaxed);
        }
        remitted
    }

    /// It surely was not charged: it is owed as before.
    pub(super) fn put_back(&self, hash: KeyHash, debt: &Debt, limit: u64) {
        let question = Question { key: &debt.key, hash, cost: debt.tokens, asked: 0 };
        self.add(&question, debt.domain, limit);
    }

    /// Nobody will be charged for these.
    pub(super) fn forgive(&self, tokens: u64) {
        self.forgiven.fetch_add(tokens, Ordering::Relaxed);
    }

    /// Somebody owes more.
    pub(super) fn notify(&self) {
        self.changed.notify_one();
    }

    /// Notified when somebody owes more, or the limiter is gone.
    pub(super) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys() == 0
    }

    /// How many keys owe something.
    pub(super) fn keys(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    /// Tokens that nobody will be charged for.
    pub(super) fn forgiven(&self) -> u64 {
        self.forgiven.load(Ordering::Relaxed)
    }

    /// Takes at most so many debts to domains that can be charged. From then on they are the caller's.
    pub(super) fn take(&self, most: usize, can_be_charged: impl Fn(usize) -> bool) -> Vec<(KeyHash, Debt)> {
        let mut taken = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock();
            let due = shard.iter().filter(|(_, debt)| can_be_charged(debt.domain));
            let hashes: Vec<_> = due.map(|(hash, _)| *hash).take(most - taken.len()).collect();
            taken.extend(hashes.iter().filter_map(|hash| shard.remove_entry(hash)));
            if shard.is_empty() {
                // Not to look through the room of an outage for every later debt.
                shard.shrink_to_fit();
            }
            if taken.len() == most {
                break;
            }
        }
        self.keys.fetch_sub(taken.len(), Ordering::Relaxed);
        taken
    }
}

impl Drop for Debts {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}
