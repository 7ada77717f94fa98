//! [`Customers`]: what a lookup says about single customers, kept so that no request waits for it.

mod queue;
mod settings;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use quick_cache::sync::Cache;

pub use settings::{LookupSettings, LookupStats};

use self::queue::Queue;
use super::lookup::{Customer, Lookup, LookupError};
use super::matching::{Attributes, Column};
use crate::clock::{Clock, saturating_nanos};

/// An address for mail has 254 bytes at most, and the subject of a token 255. Longer keys are not looked up: keys are
/// what strangers choose, and take room here.
const LONGEST_KEY: usize = 256;

/// A lookup as it was given to the builder: the attribute that it is about, and what answers.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) attribute: Box<str>,
    pub(super) lookup: Arc<dyn Lookup>,
}

/// The customers of a set. Its thread ends when this is dropped.
pub(super) struct Customers {
    attribute: Column,
    shared: Arc<Shared>,
}

/// What the thread works with.
struct Shared {
    lookup: Arc<dyn Lookup>,
    settings: LookupSettings,
    clock: Clock,
    known: Cache<Arc<str>, Arc<Known>>,
    queue: Queue,
    /// How often the lookup was asked.
    asked: AtomicU64,
    /// Held by whoever looks at what is kept, to keep something else.
    keeping: Mutex<()>,
    found: AtomicU64,
    errors: AtomicU64,
    last_error: Mutex<Option<Arc<LookupError>>>,
}

/// What is known of a customer.
pub(super) struct Known {
    customer: Option<Customer>,
    /// The number of the question that this answers.
    asked: u64,
    /// When it is looked up again, by the set's clock.
    due: AtomicU64,
}

impl Known {
    /// What is special about the customer, if anything is.
    pub(super) fn customer(&self) -> Option<&Customer> {
        self.customer.as_ref()
    }
}

impl Customers {
    pub(super) fn new(source: Source, settings: LookupSettings, clock: Clock) -> Customers {
        let shared = Arc::new(Shared {
            lookup: source.lookup,
            settings,
            clock,
            known: Cache::new(settings.capacity.max(1)),
            queue: Queue::new(settings.queue),
            asked: AtomicU64::new(0),
            keeping: Mutex::new(()),
            found: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            last_error: Mutex::default(),
        });
        let worker = Arc::clone(&shared);
        let started = thread::Builder::new().name("tollgate-lookup".into()).spawn(move || worker.run());
        if let Err(error) = started {
            shared.failed(LookupError::new("", Box::new(error)));
        }
        Customers { attribute: Column::of(&source.attribute), shared }
    }

    /// The attribute that names a customer.
    pub(super) fn attribute(&self) -> &str {
        self.attribute.name()
    }

    /// What is known of the customer that a request comes from. It never waits: what is not known, or was known for too
    /// long, is looked up later.
    pub(super) fn find(&self, attributes: &Attributes<'_>) -> Option<Arc<Known>> {
        let value = attributes.at(&self.attribute)?;
        let key = value.text();
        let Shared { known, queue, .. } = &*self.shared;
        let found = known.get(&*key);
        match &found {
            Some(found) if self.shared.falls_due(found) => queue.push(&key, || true),
            Some(_) => {}
            None if key.len() > LONGEST_KEY => queue.refuse(),
            None => queue.push(&key, || !known.contains_key(&*key)),
        }
        found
    }

    /// Looks a customer up at once.
    pub(super) fn look_up(&self, key: &str) -> Result<Option<Customer>, Arc<LookupError>> {
        self.shared.look_up(key.into()).map(|known| known.customer.clone())
    }

    pub(super) fn stats(&self) -> LookupStats {
        let shared = &*self.shared;
        LookupStats {
            known: shared.known.len(),
            waiting: shared.queue.len(),
            found: shared.found.load(Relaxed),
            errors: shared.errors.load(Relaxed),
            dropped: shared.queue.refused(),
        }
    }

    pub(super) fn last_error(&self) -> Option<Arc<LookupError>> {
        self.shared.last_error.lock().clone()
    }
}

impl Shared {
    /// The thread: one customer after the other, until the set is dropped.
    fn run(&self) {
        while let Some(key) = self.queue.next() {
            // The error was counted, and is kept.
            let _ = self.look_up(Arc::clone(&key));
            self.queue.done(&key);
        }
    }

    fn look_up(&self, key: Arc<str>) -> Result<Arc<Known>, Arc<LookupError>> {
        let asked = self.asked.fetch_add(1, Relaxed);
        // A lookup that panics has broken nothing of ours: all that it sees is a key.
        let answer = catch_unwind(AssertUnwindSafe(|| self.lookup.find(&key)));
        let answer = answer.unwrap_or_else(|_| Err("the lookup panicked".into()));
        match answer {
            Ok(customer) => {
                let due = self.in_future(self.settings.time_to_live).into();
                self.found.fetch_add(1, Relaxed);
                Ok(self.keep(key, Known { customer, asked, due }))
            }
            Err(error) => {
                self.try_later(&key, asked);
                Err(self.failed(LookupError::new(&key, error)))
            }
        }
    }

    /// Keeps an answer, unless there is one to a later question: a slow lookup may know less than one that began after it.
    fn keep(&self, key: Arc<str>, answer: Known) -> Arc<Known> {
        let _turn = self.keeping.lock();
        if let Some(known) = self.known.peek(&key).filter(|known| known.asked > answer.asked) {
            return known;
        }
        let answer = Arc::new(answer);
        self.known.insert(key, Arc::clone(&answer));
        answer
    }

    /// Keeps what is known, and asks no more for a while. Nothing being known is kept like any answer.
    fn try_later(&self, key: &Arc<str>, asked: u64) {
        let _turn = self.keeping.lock();
        let due = self.in_future(self.settings.retry_after);
        match self.known.peek(key) {
            Some(known) => known.due.store(due, Relaxed),
            None => {
                self.known
                    .insert(Arc::clone(key), Arc::new(Known { customer: None, asked, due: due.into() }));
            }
        }
    }

    fn failed(&self, error: LookupError) -> Arc<LookupError> {
        let error = Arc::new(error);
        *self.last_error.lock() = Some(Arc::clone(&error));
        self.errors.fetch_add(1, Relaxed);
        error
    }

    /// Whether it has to be looked up again. One of those who ask is told so, and then nobody for a while: a lookup may
    /// be slow, or the queue full.
    fn falls_due(&self, known: &Known) -> bool {
        let (due, now) = (known.due.load(Relaxed), self.clock.nanos());
        // Relaxed: it decides who asks, and guards nothing.
        now >= due
            && known
                .due
                .compare_exchange(due, self.in_future(self.settings.retry_after), Relaxed, Relaxed)
                .is_ok()
    }

    fn in_future(&self, after: Duration) -> u64 {
        self.clock.nanos().saturating_add(saturating_nanos(after))
    }
}

impl Drop for Customers {
    /// Does not wait for a lookup under way, which may take as long as it likes.
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("attribute", &self.attribute).finish_non_exhaustive()
    }
}
