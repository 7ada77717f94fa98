//! [`Waiters`]: who waits for a place, and the way a place takes to the next of them.
//!
//! The bit `WAITING` is set exactly while somebody is in the line; both change under the line's lock. While it is set, nobody
//! takes a place but on behalf of who is in the line, under that lock: so nobody overtakes, and one free place wakes
//! one waiter.

use std::collections::BTreeMap;

use super::places::{ONE, Places, Seen, WAITING};
use crate::sync::{Mutex, Ordering};

/// Which of several that wait goes first.
///
/// [`QueueBuilder::order`](super::QueueBuilder::order) takes one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Order {
    /// Who has waited longest. When the queue is full, newcomers are refused.
    #[default]
    OldestFirst,
    /// Who came last. When the queue is full, who has waited longest is refused.
    ///
    /// For overload: with a long queue that is served in order, everybody waits nearly as long as they are willing to, and
    /// many give up just before or after they are served. This way most are served at once and the rest fail.
    NewestFirst,
}

/// The way to one waiter.
pub(super) trait Hand {
    /// Gives the waiter a place that was taken for it. False: it has gone, and the place is still the caller's.
    fn hand(self) -> bool;
}

/// A waiter's name in the line. Later ones are larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// Those who wait for a place.
#[derive(Debug)]
pub(super) struct Waiters<W> {
    length: usize,
    order: Order,
    line: Mutex<Line<W>>,
}

#[derive(Debug)]
struct Line<W> {
    /// A map, because whoever goes away leaves from the middle.
    waiting: BTreeMap<Ticket, W>,
    /// Counts up; 2^64 callers never come.
    next: u64,
}

impl<W: Hand> Waiters<W> {
    /// At most `length` wait, in this order.
    pub(super) fn new(length: usize, order: Order) -> Waiters<W> {
        Waiters { length, order, line: Mutex::new(Line { waiting: BTreeMap::new(), next: 0 }) }
    }

    /// Joins the line; `None` if it is full. O(log length).
    pub(super) fn join(&self, places: &Places, waiter: W) -> Option<Ticket> {
        let displaced;
        let ticket;
        {
            let mut line = self.line.lock();
            displaced = if line.waiting.len() < self.length {
                None
            } else if self.order == Order::OldestFirst || self.length == 0 {
                return None;
            } else {
                line.waiting.pop_first()
            };
            ticket = Ticket(line.next);
            line.next += 1;
            line.waiting.insert(ticket, waiter);
            places.set_waiting();
        }
        // It is woken by this, which is not for under the lock.
        drop(displaced);
        // A place may have been given back just before the bit was set.
        self.serve(places);
        Some(ticket)
    }

    /// Leaves the line, if it is still there. O(log length).
    pub(super) fn leave(&self, places: &Places, ticket: Ticket) {
        let left;
        {
            let mut line = self.line.lock();
            left = line.waiting.remove(&ticket);
            if left.is_some() && line.waiting.is_empty() {
                places.unset_waiting();
            }
        }
        // As above, outside the lock.
        drop(left);
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.line.lock().waiting.len()
    }

    /// Hands over the places that are free.
    #[cold]
    pub(super) fn serve(&self, places: &Places) {
        // Hands over outside the lock: it wakes a task, which may be anybody's code.
        while let Some(waiter) = self.take_for_next(places) {
            if !waiter.hand() {
                // The next turn offers it to the next one.
                places.give_back();
            }
        }
    }

    /// Takes a free place for the one whose turn it is.
    fn take_for_next(&self, places: &Places) -> Option<W> {
        let mut line = self.line.lock();
        if line.waiting.is_empty() || !places.take_for_waiter() {
            return None;
        }
        let (_, waiter) = match self.order {
            Order::OldestFirst => line.waiting.pop_first()?,
            Order::NewestFirst => line.waiting.pop_last()?,
        };
        if line.waiting.is_empty() {
            places.unset_waiting();
        }
        Some(waiter)
    }
}

/// What is done under the line's lock only.
///
/// Relaxed where nothing but the word itself is at stake; see [`places`](super::places) for why its changes have one order.
impl Places {
    fn set_waiting(&self) {
        self.word.fetch_or(WAITING, Ordering::Relaxed);
    }

    fn unset_waiting(&self) {
        self.word.fetch_and(!WAITING, Ordering::Relaxed);
    }

    /// Takes a place although somebody waits, because it is for them.
    fn take_for_waiter(&self) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while Seen::of(word).has_room() {
            // Acquire: pairs with the Release in `give_back`. The waiter learns of it by way of `Hand`.
            match self.word.compare_exchange_weak(word, word + ONE, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(found) => word = found,
            }
        }
        false
    }
}
