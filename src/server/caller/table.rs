//! [`Table`]: as many different limits as there is room for.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use parking_lot::RwLock;

use super::{Bounds, CallerError, CallerLimit};
use crate::clock::Clock;

/// What counts by one limit.
pub(super) trait Idles {
    /// Whether it would answer as a new one does, whoever is asked about: it can be forgotten then, and nobody gains.
    fn is_idle(&self, now: u64) -> bool;
}

/// Limits by what they are. Its size is bounded, and so is the number of keys of all of them together. One gives way only when it is idle.
///
/// Whoever asks holds the lock for reading, or has a limit of its own from [`get`](Table::get); so nobody spends from a limit that has given way.
#[derive(Debug)]
pub(super) struct Table<T> {
    inner: RwLock<Inner<T>>,
    most: usize,
    clock: Clock,
}

#[derive(Debug)]
struct Inner<T> {
    entries: HashMap<CallerLimit, Entry<T>, RandomState>,
    rooms: Rooms,
    /// When it is next worth to look for limits that are idle.
    next_look: u64,
}

#[derive(Debug)]
struct Entry<T> {
    counts: Arc<T>,
    room: usize,
}

/// Nanoseconds. Who finds no room looks through all limits; at that pace it takes no time worth mentioning, whoever asks how often.
const LOOK_EVERY: u64 = 100_000_000;

impl<T: Idles> Table<T> {
    pub(super) fn new(bounds: &Bounds, clock: Clock) -> Table<T> {
        let most = bounds.max_limits.max(1);
        let rooms = Rooms::new(bounds.max_keys, most);
        let inner = Inner { entries: HashMap::default(), rooms, next_look: 0 };
        Table { inner: RwLock::new(inner), most, clock }
    }

    /// Asks what counts by a limit, which is made for so many keys if it is not there.
    #[inline]
    pub(super) fn with<R>(
        &self,
        limit: CallerLimit,
        make: impl FnOnce(usize) -> Result<T, CallerError>,
        ask: impl FnOnce(&T) -> R,
    ) -> Result<R, CallerError> {
        let inner = self.inner.read();
        if let Some(entry) = inner.entries.get(&limit) {
            return Ok(ask(&entry.counts));
        }
        drop(inner);
        let mut inner = self.inner.write();
        self.find_or_make(&mut inner, limit, 0, make).map(|entry| ask(&entry.counts))
    }

    /// Makes what counts by a limit with so many keys. It has room for all of them, even if there is not as much: they were there before.
    pub(super) fn put(
        &self,
        limit: CallerLimit,
        keys: usize,
        make: impl FnOnce(usize) -> Result<T, CallerError>,
    ) -> Result<(), CallerError> {
        let make = |room: usize| make(room.max(keys));
        self.find_or_make(&mut self.inner.write(), limit, keys, make).map(|_| ())
    }

    /// What counts by a limit, for those who wait for its answer.
    pub(super) fn get(
        &self,
        limit: CallerLimit,
        make: impl FnOnce(usize) -> Result<T, CallerError>,
    ) -> Result<Arc<T>, CallerError> {
        if let Some(entry) = self.inner.read().entries.get(&limit) {
            return Ok(Arc::clone(&entry.counts));
        }
        let mut inner = self.inner.write();
        self.find_or_make(&mut inner, limit, 0, make).map(|entry| Arc::clone(&entry.counts))
    }

    /// Asks what counts by a limit, if it is there.
    pub(super) fn with_known<R>(&self, limit: CallerLimit, ask: impl FnOnce(&T) -> R) -> Option<R> {
        self.inner.read().entries.get(&limit).map(|entry| ask(&entry.counts))
    }

    /// What is said of each.
    pub(super) fn all<R>(&self, ask: impl Fn(CallerLimit, &T) -> R) -> Vec<R> {
        let inner = self.inner.read();
        let all: Vec<_> =
            inner.entries.iter().map(|(limit, entry)| (*limit, Arc::clone(&entry.counts))).collect();
        // It may take long, and all would wait behind whoever wants to make a limit.
        drop(inner);
        all.iter().map(|(limit, counts)| ask(*limit, counts)).collect()
    }

    #[cold]
    fn find_or_make<'i>(
        &self,
        inner: &'i mut Inner<T>,
        limit: CallerLimit,
        keys: usize,
        make: impl FnOnce(usize) -> Result<T, CallerError>,
    ) -> Result<&'i Entry<T>, CallerError> {
        if !inner.entries.contains_key(&limit) {
            if inner.entries.len() >= self.most || inner.rooms.are_scarce() {
                inner.forget_idle(self.clock.nanos());
            }
            if inner.entries.len() >= self.most {
                return Err(CallerError::TooManyLimits { most: self.most });
            }
            let room = inner.rooms.next(keys);
            let counts = Arc::new(make(room)?);
            inner.rooms.take(room);
            inner.entries.insert(limit, Entry { counts, room });
        }
        inner.entries.get(&limit).ok_or(CallerError::TooManyLimits { most: self.most })
    }
}

impl<T: Idles> Inner<T> {
    fn forget_idle(&mut self, now: u64) {
        if now < self.next_look {
            return;
        }
        self.next_look = now.saturating_add(LOOK_EVERY);
        let Inner { entries, rooms, .. } = self;
        entries.retain(|_, entry| {
            let stays = Arc::strong_count(&entry.counts) > 1 || !entry.counts.is_idle(now);
            if !stays {
                rooms.give_back(entry.room);
            }
            stays
        });
    }
}

/// How many keys each limit has room for, so that all of them together have no more than there is memory for.
///
/// One half is divided evenly, so that the last one has room too. Of the other, each takes half of what is left: the first limits are those that a
/// service uses most.
#[derive(Debug)]
struct Rooms {
    each: usize,
    spare: usize,
}

impl Rooms {
    fn new(max_keys: usize, most: usize) -> Rooms {
        let each = (max_keys / 2 / most).max(1);
        Rooms { each, spare: max_keys.saturating_sub(each.saturating_mul(most)) }
    }

    /// For so many keys at least, as far as there is room.
    fn next(&self, keys: usize) -> usize {
        let needed = keys.saturating_sub(self.each).min(self.spare);
        self.each + needed.max(self.spare.div_ceil(2))
    }

    /// Whether a limit gets little more than what each has.
    fn are_scarce(&self) -> bool {
        self.spare < self.each
    }

    fn take(&mut self, room: usize) {
        self.spare -= room - self.each;
    }

    fn give_back(&mut self, room: usize) {
        self.spare += room - self.each;
    }
}
