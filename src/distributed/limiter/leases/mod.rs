//! [`Leases`]: what this node has leased of a limit's keys.

mod all;
mod asking;
mod check;
mod returning;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::subjects::Subjects;
use super::{GlobalStats, Question};
use crate::clock::Clock;
use crate::distributed::backend::BackendErrorKind;
use crate::distributed::decision::{GlobalDecision, Source};
use crate::distributed::key_hash::KeyHash;
use crate::distributed::lease::{LeasePlan, LeaseSettings, LeaseTable, Spend};
use crate::distributed::reply::Standing;
use crate::distributed::store::SharedStore;
use crate::observe::Observer;
use crate::quota::Quota;
pub(super) use all::Leased;
use returning::Keeping;

/// As many as operations of a domain can be under way: who waits for one key is seldom woken for another.
const STRIPES: usize = SharedStore::MOST_IN_FLIGHT;

/// What this node has leased of a limit's keys. Questions that are under way hold it too, so that what they bring is not lost
/// with whoever asked.
pub(super) struct Leases {
    table: LeaseTable<[u8]>,
    quota: Quota,
    life: Duration,
    subjects: Subjects,
    store: SharedStore,
    budget: Duration,
    clock: Clock,
    observer: Option<Arc<dyn Observer>>,
    /// Who waits for an answer waits here, by its key's hash.
    answered: Box<[Notify]>,
    keeping: Keeping,
    counters: Counters,
}

/// What leases are made with.
pub(super) struct Parts {
    pub(super) quota: Quota,
    pub(super) life: Duration,
    pub(super) max_keys: usize,
    pub(super) subjects: Subjects,
    pub(super) store: SharedStore,
    pub(super) budget: Duration,
    pub(super) clock: Clock,
    pub(super) observer: Option<Arc<dyn Observer>>,
}

/// The limiter's hold of its leases: when it is gone, what is held is brought back.
pub(super) struct Owner(Arc<Leases>);

/// Relaxed throughout: they lead to no other memory.
#[derive(Default)]
struct Counters {
    calls: AtomicU64,
    leased: AtomicU64,
    returned: AtomicU64,
    unreturned: AtomicU64,
}

/// What is to be done about a request.
enum Next {
    Decided(GlobalDecision),
    /// Until what was asked at this time is answered.
    Wait(u64),
    /// The store cannot be asked, or did not answer.
    Failed,
}

impl Owner {
    pub(super) fn new(parts: Parts) -> Owner {
        let Parts { quota, life, max_keys, subjects, store, budget, clock, observer } = parts;
        let plan = LeasePlan::new(LeaseSettings::default().life(life), quota);
        Owner(Arc::new(Leases {
            table: LeaseTable::new(plan, max_keys, ahash::RandomState::new()),
            quota,
            life,
            subjects,
            store,
            budget,
            clock,
            observer,
            answered: (0..STRIPES).map(|_| Notify::new()).collect(),
            keeping: Keeping::default(),
            counters: Counters::default(),
        }))
    }

    pub(super) fn leases(&self) -> &Arc<Leases> {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.keeping.close();
    }
}

impl Leases {
    /// What becomes of a request, and what is to be asked for it. If it has waited it says for what, by when that was asked.
    fn next(self: &Arc<Self>, question: &Question<'_>, now: u64, waited: Option<u64>) -> Next {
        // Who waited was answered by the store.
        let source = |here| if waited.is_none() { here } else { Source::Remote };
        match self.table.spend(now, question.key, question.cost, waited) {
            Spend::Admit { remaining, ahead } => {
                if let Some(ask) = ahead {
                    self.ask(question, now, ask);
                }
                Next::Decided(self.decision(true, source(Source::Lease), remaining, Duration::ZERO))
            }
            Spend::Deny { retry_after, remaining } => {
                Next::Decided(self.decision(false, source(Source::DenyCache), remaining, retry_after))
            }
            Spend::Ask(ask) if self.ask(question, now, ask) => Next::Wait(now),
            Spend::Join { asked } => Next::Wait(asked),
            Spend::Ask(_) | Spend::Lost => Next::Failed,
        }
    }

    fn decision(&self, allowed: bool, source: Source, remaining: u64, wait: Duration) -> GlobalDecision {
        let limit = self.quota.capacity();
        let missing = u128::from(limit.saturating_sub(remaining));
        let nanos = missing * u128::from(self.quota.period_nanos()) / u128::from(self.quota.count().max(1));
        let reset_after = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let standing = Standing::new(remaining.min(limit), Some(wait), reset_after);
        GlobalDecision::new(allowed, source, limit, standing)
    }

    /// Notified when something was answered.
    fn answered(&self, hash: KeyHash) -> &Notify {
        &self.answered[hash.part(STRIPES)]
    }

    fn note_failure(&self, kind: BackendErrorKind) {
        if let Some(observer) = &self.observer {
            observer.failed(&self.subjects.name, kind.as_str());
        }
    }

    /// The store refused this cost, though not for a lease.
    pub(super) fn learn(&self, key: &[u8], cost: u64, asked: u64, standing: &Standing) {
        self.table.refused(asked, key, cost, standing.retry_after.unwrap_or(Duration::MAX));
    }

    /// Somebody gave back, or reset it.
    pub(super) fn relieve(&self, key: &[u8]) {
        self.table.relieved(key);
    }

    /// Tokens that this node holds.
    pub(super) fn held(&self, key: &[u8]) -> u64 {
        self.table.held(self.clock.nanos(), key)
    }

    /// Among how many nodes a key's limit is divided while the store is away, in millionths of one, as it last said.
    pub(super) fn nodes(&self, key: &[u8], now: u64) -> Option<u64> {
        self.table.nodes(now, key)
    }

    pub(super) fn stats(&self, stats: &mut GlobalStats) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        stats.lease_calls = read(&self.counters.calls);
        stats.leased = read(&self.counters.leased);
        stats.returned = read(&self.counters.returned);
        stats.burned = self.table.burned() + read(&self.counters.unreturned);
    }
}

impl Counters {
    fn add(counter: &AtomicU64, number: u64) {
        counter.fetch_add(number, Ordering::Relaxed);
    }
}
