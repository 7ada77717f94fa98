//! [`SharedStore`]: a backend, and what all limits on it have in common.

mod batch;
mod domain;
mod keeper;
mod pending;
mod stats;

use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Mutex, MutexGuard, Notify};

use super::backend::{Applied, Backend, BackendError, BackendErrorKind};
use super::breaker::{Breaker, Outcome};
use super::operation::Operation;
use super::reply::Reply;
use super::subject::Subject;
use domain::{Domain, Waiting};
pub(super) use pending::Pending;
use stats::Counters;
pub use stats::{DomainStats, StoreStats};

/// A backend, and what all limits on it have in common.
///
/// - **Batches.** An operation goes to the backend at once while few batches are under way; otherwise it waits for one of them to come back,
///   and travels with all that wait. So nothing waits at low load, and under load many share a round trip.
/// - **A breaker** for each [failure domain](Backend::failure_domain). It opens when half of 20 or more operations failed within a
///   second, after five timeouts in a row, or when the store asks to be left alone; one pause of the store does not open it, however many
///   operations wait through it together. Then limits decide by their [failure policy](super::FailurePolicy), and a background task probes
///   the store twice a second or more; two good probes close it. No request is ever a probe.
/// - **A bulkhead**: at most [256](SharedStore::MOST_IN_FLIGHT) operations of a domain are under way or wait. What is beyond is not queued but decided
///   by the failure policy.
/// - **A greeting** every five seconds, by which nodes know how many they are.
///
/// For an example see [`GlobalLimiter`](super::GlobalLimiter).
///
/// Clones are the same store. It needs a tokio runtime with time enabled; outside of one nothing is sent, and limits decide by their failure policy.
/// Its background tasks begin with its first use and end with the last clone.
///
/// An operation is never sent twice, unless it was surely not applied. Whoever stops waiting (a future that is dropped) takes with him what was
/// not sent yet; if it was, and was admitted, it is given back when the answer comes.
#[derive(Clone)]
pub struct SharedStore {
    core: Arc<Core>,
}

pub(super) struct Core {
    backend: Arc<dyn Backend>,
    domains: Box<[Domain]>,
    counters: Counters,
    /// By which number the store knows this node.
    node: u64,
    /// How many holders of places there have been.
    holders: AtomicU64,
    /// The breakers' times are counted from here.
    beginning: tokio::time::Instant,
    /// Where it was first used: for what is sent from outside of any runtime.
    runtime: OnceLock<Handle>,
    /// A breaker closed.
    recovered: Arc<Notify>,
    /// Whose turn it is to charge debts.
    turn: Mutex<()>,
}

impl SharedStore {
    /// The most operations of a failure domain that are under way or wait: ten times what 10 000 checks a second have under way at a round trip of
    /// 2 ms.
    pub const MOST_IN_FLIGHT: usize = 256;

    /// What goes on in the background has as long as a probe: longer than a check, since nobody waits, and not so long that a batch
    /// with it keeps others waiting.
    pub(super) const BACKGROUND_BUDGET: Duration = Breaker::PROBE_BUDGET;

    /// A store of this backend.
    #[must_use]
    pub fn new(backend: impl Backend) -> SharedStore {
        SharedStore::from_arc(Arc::new(backend))
    }

    /// A store of a backend that somebody else holds too.
    #[must_use]
    pub fn from_arc(backend: Arc<dyn Backend>) -> SharedStore {
        let random = std::hash::RandomState::new();
        let domains = (0..backend.failure_domains().max(1))
            .map(|index| Domain::new(index, random.hash_one(index)))
            .collect();
        let core = Core {
            backend,
            domains,
            counters: Counters::default(),
            node: random.hash_one("node"),
            holders: AtomicU64::new(0),
            beginning: tokio::time::Instant::now(),
            runtime: OnceLock::new(),
            recovered: Arc::default(),
            turn: Mutex::default(),
        };
        SharedStore { core: Arc::new(core) }
    }

    /// What it has done, and how its failure domains are.
    ///
    /// ```
    /// use tollgate::distributed::{BreakerState, MemoryBackend, SharedStore};
    ///
    /// let store = SharedStore::new(MemoryBackend::new());
    /// assert!(store.stats().domains.iter().all(|domain| domain.breaker == BreakerState::Closed));
    /// ```
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        self.core.stats()
    }

    /// Asks one thing of the backend, as limits do: through the breaker, the bulkhead and a batch, and until the deadline.
    ///
    /// # Errors
    ///
    /// [`BackendError`], at the deadline at the latest (timers of tokio are up to a millisecond late).
    pub async fn ask(&self, operation: Operation, deadline: Instant) -> Result<Reply, BackendError> {
        self.submit(operation, deadline)?.answer().await
    }

    /// The same in two steps, for whoever must do something about an answer that comes too late.
    pub(super) fn submit(&self, operation: Operation, deadline: Instant) -> Result<Pending, BackendError> {
        Core::submit(&self.core, operation, deadline)
    }

    /// Asks in the background; nobody wants to know the answer.
    pub(super) fn tell(&self, operation: Operation) {
        Core::tell(&self.core, operation);
    }

    pub(super) fn is_same_as(&self, other: &SharedStore) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }

    pub(super) fn place(&self, subject: &Subject) -> u32 {
        self.core.backend.place(subject)
    }

    /// A number that nobody else uses: the node's and one of its own.
    pub(super) fn new_holder(&self) -> u128 {
        let number = self.core.holders.fetch_add(1, Ordering::Relaxed);
        u128::from(self.core.node) << 64 | u128::from(number)
    }

    /// The failure domain of a place, as an index.
    pub(super) fn domain(&self, place: u32) -> usize {
        self.core.domain_of(place)
    }

    pub(super) fn domains(&self) -> usize {
        self.core.domains.len()
    }

    /// How many nodes use the store, if it has said so.
    pub(super) fn nodes(&self, domain: usize) -> Option<u32> {
        self.core.domains.get(domain).and_then(Domain::nodes)
    }

    /// Whether the breaker of the domain is open, so that it is not asked.
    pub(super) fn is_open(&self, domain: usize) -> bool {
        Core::is_open(&self.core, domain)
    }

    /// Something failed there. Outages are told apart by the number, which is another one after the next good answer to anybody.
    pub(super) fn note_outage(&self, domain: usize) -> u64 {
        self.core.domains[domain].is_ill()
    }

    /// The number of the outage that there is, or would be.
    pub(super) fn outage(&self, domain: usize) -> u64 {
        self.core.domains[domain].recoveries()
    }

    /// A limit's turn to charge its debts: after an outage all limits have some, and together they would fill the bulkhead.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.core.turn.lock().await
    }

    /// Notified when a breaker closes.
    pub(super) fn recovered(&self) -> Arc<Notify> {
        Arc::clone(&self.core.recovered)
    }

    /// The runtime for background work: the current one, or the one where the store was first used.
    pub(super) fn runtime(&self) -> Option<Handle> {
        self.core.runtime()
    }
}

impl Core {
    fn domain_of(&self, place: u32) -> usize {
        let domain = usize::from(self.backend.failure_domain(place));
        // A backend that names a domain beyond those it has: it is still asked, under the last one's breaker.
        domain.min(self.domains.len() - 1)
    }

    /// The domain that is asked, unless its breaker is open.
    fn domain_for(core: &Arc<Core>, operation: &Operation) -> Result<usize, BackendError> {
        let domain = operation.subject().map_or(0, |subject| core.domain_of(core.backend.place(subject)));
        if Core::is_open(core, domain) {
            let text = "the breaker is open: the store failed, and is probed until it is back";
            return Err(BackendError::new(BackendErrorKind::Unavailable, Applied::No, text));
        }
        Ok(domain)
    }

    fn is_open(core: &Arc<Core>, domain: usize) -> bool {
        let domain = &core.domains[domain];
        if !domain.is_open() {
            return false;
        }
        // Nobody else would probe it if the runtime is gone in which it was used before.
        if !domain.is_kept()
            && let Some(runtime) = core.runtime()
        {
            keeper::ensure(core, &runtime);
        }
        true
    }

    fn submit(core: &Arc<Core>, operation: Operation, deadline: Instant) -> Result<Pending, BackendError> {
        // Whoever waits needs a timer, which only a runtime has.
        Handle::try_current().map_err(|_| no_runtime())?;
        let domain = Core::domain_for(core, &operation)?;
        let deadline = tokio::time::Instant::from_std(deadline);
        let (waiting, pending) = pending::of(core, domain, operation, deadline)?;
        Core::enqueue(core, domain, waiting)?;
        Ok(pending)
    }

    fn tell(core: &Arc<Core>, operation: Operation) {
        let sent = Core::domain_for(core, &operation).and_then(|domain| {
            let waiting = Waiting::detached(core, domain, operation, SharedStore::BACKGROUND_BUDGET)?;
            Core::enqueue(core, domain, waiting)
        });
        if sent.is_err() {
            Counters::add(&core.counters.untold, 1);
        }
    }

    /// Puts it into the domain's queue, and sends it if a lane is free.
    fn enqueue(core: &Arc<Core>, domain: usize, waiting: Waiting) -> Result<(), BackendError> {
        let Some(runtime) = core.runtime() else { return Err(no_runtime()) };
        keeper::ensure(core, &runtime);
        if core.domains[domain].push(waiting) {
            runtime.spawn(batch::run(batch::Lane::new(Arc::clone(core), domain)));
        }
        Ok(())
    }

    fn runtime(&self) -> Option<Handle> {
        match Handle::try_current() {
            Ok(current) => {
                self.runtime.get_or_init(|| current.clone());
                Some(current)
            }
            Err(_) => self.runtime.get().cloned(),
        }
    }

    /// Time for the breakers.
    fn now(&self) -> Duration {
        tokio::time::Instant::now().saturating_duration_since(self.beginning)
    }

    fn record(&self, domain: usize, outcomes: impl IntoIterator<Item = Outcome>) {
        let now = self.now();
        self.domains[domain].with_breaker(|breaker| {
            for outcome in outcomes {
                breaker.record(now, outcome);
            }
        });
    }
}

fn no_runtime() -> BackendError {
    BackendError::new(
        BackendErrorKind::Unavailable,
        Applied::No,
        "there is no tokio runtime here: call it from within one",
    )
}

impl Drop for Core {
    /// Background tasks find that it is gone.
    fn drop(&mut self) {
        for domain in &self.domains {
            domain.wake_keeper();
        }
        self.recovered.notify_waiters();
    }
}

impl fmt::Debug for SharedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedStore")
            .field("backend", &self.core.backend)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
