//! [`GlobalPermit`]: a place that is held.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::clock::saturating_nanos;
use crate::concurrency::KeyedPermit;
use crate::distributed::decision::GlobalDecision;
use crate::distributed::operation::{Operation, PlaceRequest};
use crate::distributed::reply::Reply;
use crate::distributed::store::SharedStore;
use crate::random::Random;

/// A place that is held, from [`GlobalConcurrencyLimit::acquire`](super::GlobalConcurrencyLimit::acquire).
///
/// Given back once, in the background, when it is dropped: also by a panic and with a future that is dropped. Should that not reach the store, the
/// place is free again when its hold is over. For an example see [`GlobalConcurrencyLimit`](super::GlobalConcurrencyLimit).
#[must_use = "a permit is given back as soon as it is dropped"]
pub struct GlobalPermit {
    held: Held,
    decision: GlobalDecision,
}

/// What is held, and where.
pub(super) enum Held {
    InStore(InStore),
    /// On this node: it is given back when it is dropped.
    Here {
        _permit: KeyedPermit<'static>,
    },
    Nowhere,
}

pub(super) struct InStore {
    store: SharedStore,
    place: PlaceRequest,
    lease: Arc<Lease>,
    renewal: AbortHandle,
}

/// Until when nobody else has the place.
struct Lease {
    begun: Instant,
    /// Nanoseconds from there on; 0 if the store says that it is lost. Relaxed: it leads to no other memory.
    lasts: AtomicU64,
}

impl Lease {
    /// The store has renewed it. Measured from the question: it did so no earlier.
    fn renewed(&self, asked: Instant, hold: Duration) {
        let lasts = asked.saturating_duration_since(self.begun).saturating_add(hold);
        self.lasts.store(saturating_nanos(lasts), Ordering::Relaxed);
    }

    fn is_lost(&self) -> bool {
        saturating_nanos(self.begun.elapsed()) >= self.lasts.load(Ordering::Relaxed)
    }
}

impl Held {
    /// What the store has just given to who asked for it at this time, renewed from now on. It is called within a runtime.
    pub(super) fn in_store(store: &SharedStore, place: PlaceRequest, hold: Duration, asked: Instant) -> Held {
        let lease = Arc::new(Lease { begun: asked, lasts: AtomicU64::new(saturating_nanos(hold)) });
        let renewal = renew(store.clone(), place.clone(), hold, Arc::clone(&lease));
        let renewal = tokio::spawn(renewal).abort_handle();
        Held::InStore(InStore { store: store.clone(), place, lease, renewal })
    }

    pub(super) fn here(permit: KeyedPermit<'static>) -> Held {
        Held::Here { _permit: permit }
    }

    pub(super) fn nowhere() -> Held {
        Held::Nowhere
    }
}

impl Drop for InStore {
    fn drop(&mut self) {
        self.renewal.abort();
        // If it is lost there is nothing to leave, and nobody else's is left by this.
        self.store.tell(Operation::Release(self.place.clone()));
    }
}

/// So one renewal may fail before the hold is over, and mostly two.
const RENEWALS_IN_A_HOLD: u32 = 3;

/// From half an interval on, at random: permits that were taken together would else be renewed together, more than there is room for in the
/// bulkhead.
fn rest(interval: Duration, random: &mut Random) -> Duration {
    let half = interval / 2;
    half + Duration::from_nanos(random.below(saturating_nanos(half)))
}

/// Renews until the permit is dropped, or the place is lost.
async fn renew(store: SharedStore, place: PlaceRequest, hold: Duration, lease: Arc<Lease>) {
    let interval = hold / RENEWALS_IN_A_HOLD;
    let mut random = Random::new(std::hash::RandomState::new().hash_one(place.holder));
    let mut sent = lease.begun;
    loop {
        sleep_until(sent + rest(interval, &mut random)).await;
        sent = Instant::now();
        let deadline = sent + interval.min(SharedStore::BACKGROUND_BUDGET);
        match store.ask(Operation::Renew(place.clone()), deadline.into_std()).await {
            Ok(Reply::Held(true)) => lease.renewed(sent, hold),
            Ok(Reply::Held(false)) => return lease.lasts.store(0, Ordering::Relaxed),
            // Also when its time is over: it may still be held when the store is back.
            _ => {}
        }
    }
}

impl GlobalPermit {
    pub(super) fn new(held: Held, decision: GlobalDecision) -> GlobalPermit {
        GlobalPermit { held, decision }
    }

    /// How the place was taken: who decided, and how many are left.
    pub fn decision(&self) -> GlobalDecision {
        self.decision
    }

    /// Whether it still stands for a place that nobody else has. Not if it could not be renewed in time, nor under
    /// [`FailurePolicy::Open`](crate::distributed::FailurePolicy::Open) in an outage.
    #[must_use]
    pub fn is_held(&self) -> bool {
        match &self.held {
            Held::InStore(place) => !place.lease.is_lost(),
            Held::Here { .. } => true,
            Held::Nowhere => false,
        }
    }
}

impl fmt::Debug for GlobalPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalPermit")
            .field("is_held", &self.is_held())
            .field("decision", &self.decision)
            .finish_non_exhaustive()
    }
}
