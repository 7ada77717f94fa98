//! [`GlobalPermit`]: a place that is held.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::concurrency::KeyedPermit;
use crate::distributed::decision::GlobalDecision;
use crate::distributed::operation::{Operation, PlaceRequest};
use crate::distributed::reply::Reply;
use crate::distributed::store::SharedStore;

/// A place that is held, from [`GlobalConcurrencyLimit::acquire`](super::GlobalConcurrencyLimit::acquire).
///
/// Given back once, in the background, when it is dropped: also by a panic and with a future that is dropped. Should that not reach the store, the
/// place is free again when its hold is over.
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
    /// It took too long to renew it: somebody else may have it.
    lost: Arc<AtomicBool>,
    renewal: AbortHandle,
}

impl Held {
    /// Renewed from now on. It is called where the store has just answered, so within a runtime.
    pub(super) fn in_store(store: &SharedStore, place: PlaceRequest, hold: Duration) -> Held {
        let lost = Arc::new(AtomicBool::new(false));
        let renewal = renew(store.clone(), place.clone(), hold, Arc::clone(&lost));
        let renewal = tokio::spawn(renewal).abort_handle();
        Held::InStore(InStore { store: store.clone(), place, lost, renewal })
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

/// Two renewals may fail before the hold is over.
const RENEWALS_IN_A_HOLD: u32 = 3;

/// Renews until the permit is dropped, or the place is lost.
async fn renew(store: SharedStore, place: PlaceRequest, hold: Duration, lost: Arc<AtomicBool>) {
    let interval = hold / RENEWALS_IN_A_HOLD;
    // Measured from the sending: the store renewed it no earlier.
    let begun = Instant::now();
    let (mut next, mut ends) = (begun + interval, begun + hold);
    loop {
        sleep_until(next).await;
        let sent = Instant::now();
        next = sent + interval;
        let deadline = next.min(sent + SharedStore::BACKGROUND_BUDGET);
        match store.ask(Operation::Renew(place.clone()), deadline.into_std()).await {
            Ok(Reply::Held(true)) => {
                ends = sent + hold;
                lost.store(false, Ordering::Relaxed);
            }
            Ok(Reply::Held(false)) => return lost.store(true, Ordering::Relaxed),
            // It may still be held when the store is back; until then nobody knows.
            _ if Instant::now() >= ends => lost.store(true, Ordering::Relaxed),
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
            Held::InStore(place) => !place.lost.load(Ordering::Relaxed),
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
