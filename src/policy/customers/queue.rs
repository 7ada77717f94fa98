//! [`Queue`]: the keys that wait to be looked up.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use ahash::RandomState;
use parking_lot::{Condvar, Mutex};

/// Keys in the order in which they came, each once, and only so many.
pub(super) struct Queue {
    room: usize,
    keys: Mutex<Keys>,
    arrived: Condvar,
    /// How many keys there are, for those who will not wait for the lock to hear that there is no room.
    length: AtomicUsize,
    refused: AtomicU64,
}

#[derive(Default)]
struct Keys {
    order: VecDeque<Arc<str>>,
    /// With the one that is being looked up.
    all: HashSet<Arc<str>, RandomState>,
    closed: bool,
}

impl Queue {
    pub(super) fn new(room: usize) -> Queue {
        Queue {
            room,
            keys: Mutex::default(),
            arrived: Condvar::new(),
            length: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Adds a key that is not there yet, if there is room and it is wanted still: it may have been done by now.
    pub(super) fn push(&self, key: &str, is_wanted: impl FnOnce() -> bool) {
        // Under a flood of keys this is all that is done.
        if self.len() >= self.room {
            return self.refuse();
        }
        let mut keys = self.keys.lock();
        if keys.all.contains(key) || !is_wanted() {
            return;
        }
        // Others may have come since.
        if keys.all.len() >= self.room {
            return self.refuse();
        }
        let key: Arc<str> = key.into();
        keys.all.insert(Arc::clone(&key));
        keys.order.push_back(key);
        self.length.store(keys.all.len(), Relaxed);
        self.arrived.notify_one();
    }

    /// Counts a key that cannot wait.
    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// The key that waited longest, when there is one. `None` when it is closed.
    pub(super) fn next(&self) -> Option<Arc<str>> {
        let mut keys = self.keys.lock();
        self.arrived.wait_while(&mut keys, |keys| keys.order.is_empty() && !keys.closed);
        if keys.closed { None } else { keys.order.pop_front() }
    }

    /// A key was looked up.
    pub(super) fn done(&self, key: &str) {
        let mut keys = self.keys.lock();
        keys.all.remove(key);
        self.length.store(keys.all.len(), Relaxed);
    }

    /// Nothing is looked up any more.
    pub(super) fn close(&self) {
        self.keys.lock().closed = true;
        self.arrived.notify_one();
    }

    pub(super) fn len(&self) -> usize {
        self.length.load(Relaxed)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}
