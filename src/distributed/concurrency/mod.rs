//! [`GlobalConcurrencyLimit`]: at most so many at once of each key, on all nodes together.

mod builder;
mod permit;

pub use builder::GlobalConcurrencyBuilder;
pub use permit::GlobalPermit;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::decision::{GlobalDecision, Source};
use super::failure::{FailurePolicy, RETRY_WHEN_BACK};
use super::limiter::{Counters, GlobalBuilder, GlobalStats, Subjects, checked};
use super::operation::{Operation, PlaceRequest};
use super::reply::Standing;
use super::rule::Rule;
use super::store::SharedStore;
use super::subject::Subject;
use crate::concurrency::KeyedConcurrencyLimit;
use crate::observe::Observer;
use permit::Held;

/// At most so many at once of each key, on all nodes together: one count in one [store](SharedStore).
///
/// A place is held as long as its [permit](GlobalPermit) lives. Permits are renewed in the background, so the place of a node that dies is free again
/// after `hold` without a renewal. A node that the store cannot hear of for so long loses its places too; its permits
/// [say so](GlobalPermit::is_held).
///
/// If the store cannot be asked, the failure policy decides: `Open` lets all go on, `Closed` none, and `Local` as many as this node's share of the
/// places, at least one, counted on this node. They come on top of what is held in the store, so in an outage all nodes together have at most
/// twice the places, if each has room for one.
///
/// ```
/// use std::time::Duration;
/// use tollgate::distributed::{GlobalConcurrencyLimit, MemoryBackend, SharedStore};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let store = SharedStore::new(MemoryBackend::new());
/// let exports = GlobalConcurrencyLimit::builder("exports", 1, Duration::from_secs(30), &store).build()?;
/// let permit = exports.acquire("acme").await.map_err(|refused| format!("{refused:?}"))?;
/// assert!(exports.acquire("acme").await.is_err());
/// drop(permit);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct GlobalConcurrencyLimit {
    inner: Arc<Inner>,
}

struct Inner {
    subjects: Subjects,
    places: u64,
    hold: Duration,
    store: SharedStore,
    budget: Duration,
    policy: FailurePolicy,
    expected_nodes: u32,
    /// What this node counts in an outage.
    local: Arc<KeyedConcurrencyLimit>,
    counters: Counters,
    observer: Option<Arc<dyn Observer>>,
}

impl GlobalConcurrencyLimit {
    /// Builds a limit of so many `places` for each key, in this store, under this name, which is the same on all nodes. A place that is not
    /// renewed for as long as `hold` is free again: from 1 µs to 400 days; a few seconds to a minute are usual.
    pub fn builder(
        name: impl Into<Arc<str>>,
        places: u64,
        hold: Duration,
        store: &SharedStore,
    ) -> GlobalConcurrencyBuilder {
        let rule = Rule::Concurrency { places, hold };
        GlobalConcurrencyBuilder::new(GlobalBuilder::new(name.into(), rule, store.clone()))
    }

    /// Takes a place of `key` if one is free. One round trip, within the budget.
    ///
    /// **Cancel safety**: dropped, it takes nothing; a place that was taken already is given back when the answer comes.
    ///
    /// # Errors
    ///
    /// [`GlobalDecision`] when none is free; its `retry_after` is when the first may be: when its hold ends if nobody renews it.
    pub async fn acquire<K: AsRef<[u8]> + ?Sized>(&self, key: &K) -> Result<GlobalPermit, GlobalDecision> {
        self.inner.counted(self.inner.acquire(key.as_ref()).await)
    }

    /// Takes a place of `key` by the failure policy, as if the store were away: it never waits, and needs no runtime. What is taken so is counted on
    /// this node only.
    ///
    /// # Errors
    ///
    /// [`GlobalDecision`] when the policy refuses.
    pub fn acquire_now<K: AsRef<[u8]> + ?Sized>(&self, key: &K) -> Result<GlobalPermit, GlobalDecision> {
        let subject = self.inner.subjects.of(key.as_ref());
        self.inner.counted(self.inner.acquire_alone(key.as_ref(), &subject))
    }

    /// Whether a place of `key` is free. Takes none. At most one round trip, within the budget; where the store cannot be asked it is as the failure
    /// policy has it.
    #[cfg(feature = "policy")]
    pub(crate) async fn look(&self, key: &[u8]) -> GlobalDecision {
        self.inner.look(key).await
    }

    /// What it has decided, and who did.
    #[must_use]
    pub fn stats(&self) -> GlobalStats {
        self.inner.counters.stats()
    }

    /// The limit's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.subjects.name
    }
}

impl Inner {
    fn counted(
        &self,
        result: Result<(Held, GlobalDecision), GlobalDecision>,
    ) -> Result<GlobalPermit, GlobalDecision> {
        match result {
            Ok((held, decision)) => {
                self.counters.count(&decision);
                Ok(GlobalPermit::new(held, decision))
            }
            Err(decision) => {
                self.counters.count(&decision);
                Err(decision)
            }
        }
    }

    async fn acquire(&self, key: &[u8]) -> Result<(Held, GlobalDecision), GlobalDecision> {
        let place = PlaceRequest::new(self.subjects.of(key), self.store.new_holder());
        let asked = Instant::now();
        let deadline = (asked + self.budget).into_std();
        match self.store.ask(Operation::Acquire(place.clone()), deadline).await.and_then(checked) {
            Ok((admitted, standing)) => {
                let decision = GlobalDecision::new(admitted, Source::Remote, self.places, standing);
                if admitted {
                    Ok((Held::in_store(&self.store, place, self.hold, asked), decision))
                } else {
                    Err(decision)
                }
            }
            Err(error) => {
                if let Some(observer) = &self.observer {
                    observer.failed(&self.subjects.name, error.kind().as_str());
                }
                self.acquire_alone(key, &place.subject)
            }
        }
    }

    #[cfg(feature = "policy")]
    async fn look(&self, key: &[u8]) -> GlobalDecision {
        use super::reply::Reply;

        let subject = self.subjects.of(key);
        let deadline = (Instant::now() + self.budget).into_std();
        match self.store.ask(Operation::Peek(subject.clone()), deadline).await {
            Ok(Reply::Standing(standing)) => {
                GlobalDecision::new(standing.remaining > 0, Source::Remote, self.places, standing)
            }
            // A place that is given back at once.
            _ => self.acquire_alone(key, &subject).map_or_else(|refused| refused, |(_, decision)| decision),
        }
    }

    /// The store could not be asked, or did not answer in time. (What it may have taken all the same is given back by then.)
    fn acquire_alone(&self, key: &[u8], subject: &Subject) -> Result<(Held, GlobalDecision), GlobalDecision> {
        let decide = |allowed, source| {
            let standing = Standing::new(0, Some(RETRY_WHEN_BACK), RETRY_WHEN_BACK);
            GlobalDecision::new(allowed, source, self.places, standing)
        };
        match self.policy {
            FailurePolicy::Open => Ok((Held::nowhere(), decide(true, Source::FailOpen))),
            FailurePolicy::Closed => Err(decide(false, Source::FailClosed)),
            FailurePolicy::Local => {
                let domain = self.store.domain(self.store.place(subject));
                self.local.set_max(self.share(domain));
                let permit = self.local.try_acquire_owned(key);
                let permit = permit.map_err(|_| decide(false, Source::Fallback))?;
                Ok((Held::here(permit), decide(true, Source::Fallback)))
            }
        }
    }

    /// How many places this node has while the store is away.
    fn share(&self, domain: usize) -> usize {
        let nodes = u64::from(self.store.nodes(domain).unwrap_or(self.expected_nodes));
        let share = (self.places / nodes.max(1)).max(self.places.min(1));
        usize::try_from(share).unwrap_or(usize::MAX)
    }
}

impl fmt::Debug for GlobalConcurrencyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalConcurrencyLimit")
            .field("name", &self.inner.subjects.name)
            .field("places", &self.inner.places)
            .field("hold", &self.inner.hold)
            .finish_non_exhaustive()
    }
}
