//! Permits and the hand-over to waiters under the interleavings of two or three threads.
//!
//! Run with `RUSTFLAGS="--cfg tollgate_loom" cargo test --release --lib loom`; `tests/run` does. Each model states what it
//! proves and which safeguard it fails without.

use loom::cell::UnsafeCell;

use super::counts::Counts;
use super::fixed::ConcurrencyLimit;
use super::places::Places;
use super::waiters::{Hand, Order, Waiters};
use crate::store::WordTable;
use crate::sync::{Arc, AtomicU32, Ordering, model, thread};

/// What a limit of one guards. Loom fails a model in which two are at it at once, or one does not see what the other did.
type Guarded = UnsafeCell<()>;

/// Does something that only one thread may do at a time. No pointer is followed: loom watches who asks for it.
fn work(guarded: &Guarded) {
    guarded.with_mut(|_| ());
}

/// Starts `run` on a thread of its own.
fn start<T: 'static, R: 'static>(
    shared: &Arc<T>,
    run: impl FnOnce(&T) -> R + 'static,
) -> thread::JoinHandle<R> {
    let shared = Arc::clone(shared);
    thread::spawn(move || run(&shared))
}

/// Two who hold the only permit one after the other see each other's work. Fails without: the Acquire of the taking or the
/// Release of the giving back.
#[test]
fn a_limit_of_one_is_a_lock() {
    model(|| {
        let shared = Arc::new((ConcurrencyLimit::new(1), Guarded::new(())));
        let enter = |(limit, guarded): &(ConcurrencyLimit, Guarded)| {
            limit.try_acquire().map(|_permit| work(guarded)).is_ok()
        };
        let others = [start(&shared, enter), start(&shared, enter)];
        let mine = enter(&shared);
        let entered = others.map(|other| other.join().unwrap());
        assert!(mine || entered.contains(&true), "the first to come is admitted");
        assert_eq!(shared.0.in_flight(), 0);
    });
}

/// Three threads and two permits: two are admitted, or the third after one has gone; never three at once. Fails without: the
/// exchange, which must compare with the word that was decided on.
#[test]
fn three_threads_share_two_permits() {
    model(|| {
        let shared = Arc::new((ConcurrencyLimit::new(2), AtomicU32::new(0)));
        let enter = |(limit, inside): &(ConcurrencyLimit, AtomicU32)| {
            let permit = limit.try_acquire();
            if permit.is_ok() {
                let before = inside.fetch_add(1, Ordering::Relaxed);
                assert!(before < 2, "a third is inside");
                inside.fetch_sub(1, Ordering::Relaxed);
            }
            permit.is_ok()
        };
        let others = [start(&shared, enter), start(&shared, enter)];
        let mine = enter(&shared);
        let admitted = others.map(|other| other.join().unwrap()).into_iter().filter(|ok| *ok).count();
        assert!(admitted + usize::from(mine) >= 2);
        assert_eq!(shared.0.in_flight(), 0);
    });
}

/// The maximum changes while permits come and go: neither is lost. Fails without: the exchange in `set_max` (a store would lose
/// a count).
#[test]
fn the_maximum_changes_while_permits_come_and_go() {
    model(|| {
        let limit = Arc::new(ConcurrencyLimit::new(1));
        let held = limit.try_acquire().unwrap();
        let setter = start(&limit, |limit| limit.set_max(2));
        let other = start(&limit, |limit| limit.try_acquire().is_ok());
        drop(held);
        setter.join().unwrap();
        other.join().unwrap();
        assert_eq!((limit.in_flight(), limit.max()), (0, 2));
    });
}

/// Once `set_max` has returned, no permit is given that the new maximum does not allow. Fails without: the maximum in the same
/// word as the count.
#[test]
fn a_lowered_maximum_is_in_force_at_once() {
    model(|| {
        let limit = Arc::new(ConcurrencyLimit::new(1));
        let other = start(&limit, |limit| limit.try_acquire().map(std::mem::forget).is_ok());
        limit.set_max(0);
        let in_flight = limit.in_flight();
        assert_eq!(usize::from(other.join().unwrap()), in_flight);
    });
}

/// A queue of model waiters, and what its limit of one guards.
struct Queue {
    places: Places,
    waiters: Waiters<ModelHand>,
    guarded: Guarded,
}

impl Queue {
    fn new(max: usize) -> Arc<Queue> {
        let waiters = Waiters::new(2, Order::OldestFirst);
        Arc::new(Queue { places: Places::new(max), waiters, guarded: Guarded::new(()) })
    }

    fn give_back(&self) {
        if self.places.give_back() {
            self.waiters.serve(&self.places);
        }
    }

    fn set_max(&self, max: usize) {
        if self.places.set_max(max) {
            self.waiters.serve(&self.places);
        }
    }

    /// Joins the line, works if a place comes before it has asked for it, and leaves. Whether it came.
    fn wait_for_a_moment(&self) -> bool {
        let came = Arc::new(AtomicU32::new(NOT_YET));
        let ticket = self.waiters.join(&self.places, ModelHand(Arc::clone(&came))).unwrap();
        self.waiters.leave(&self.places, ticket);
        // Acquire: pairs with the Release in `hand`.
        let got = came.swap(GONE, Ordering::Acquire) == CAME;
        if got {
            work(&self.guarded);
            self.give_back();
        }
        got
    }
}

/// What tokio's oneshot channel does: the place comes, or the waiter goes, and both know which was first.
struct ModelHand(Arc<AtomicU32>);

const NOT_YET: u32 = 0;
const CAME: u32 = 1;
const GONE: u32 = 2;

impl Hand for ModelHand {
    fn hand(self) -> bool {
        self.0.compare_exchange(NOT_YET, CAME, Ordering::Release, Ordering::Relaxed).is_ok()
    }
}

/// Whoever waits when a place is given back gets it, or finds it free on joining: nobody waits beside a free place. Fails without:
/// serving once more after the bit was set.
#[test]
fn a_place_given_back_reaches_whoever_begins_to_wait() {
    model(|| {
        let queue = Queue::new(1);
        queue.places.try_take().map_err(|_| ()).unwrap();
        let came = Arc::new(AtomicU32::new(NOT_YET));
        let hand = ModelHand(Arc::clone(&came));
        let waiter = start(&queue, |queue| queue.waiters.join(&queue.places, hand).is_some());
        work(&queue.guarded);
        queue.give_back();
        assert!(waiter.join().unwrap());
        assert_eq!(came.load(Ordering::Acquire), CAME);
        work(&queue.guarded);
        assert_eq!(queue.waiters.len(), 0);
        assert!(!queue.places.give_back(), "nobody waits any more");
    });
}

/// A waiter that goes away while its place is on the way: the place is given on or free again, not lost, not given twice; and whoever
/// tries meanwhile has it alone. Fails without: giving back what could not be handed over, or the bit's clearing.
#[test]
fn a_place_on_its_way_to_a_waiter_that_goes_is_not_lost() {
    model(|| {
        let queue = Queue::new(1);
        queue.places.try_take().map_err(|_| ()).unwrap();
        let waiter = start(&queue, Queue::wait_for_a_moment);
        let passer_by = start(&queue, |queue| {
            if queue.places.try_take().is_ok() {
                work(&queue.guarded);
                queue.give_back();
            }
        });
        work(&queue.guarded);
        queue.give_back();
        waiter.join().unwrap();
        passer_by.join().unwrap();
        let seen = queue.places.look();
        assert_eq!((seen.in_flight, seen.waiting, queue.waiters.len()), (0, false, 0));
    });
}

/// Somebody who passes by while a place is on its way to a waiter does not take it. Fails without: refusing while the bit is set.
#[test]
fn nobody_overtakes_a_waiter() {
    model(|| {
        let queue = Queue::new(1);
        queue.places.try_take().map_err(|_| ()).unwrap();
        let came = Arc::new(AtomicU32::new(NOT_YET));
        queue.waiters.join(&queue.places, ModelHand(Arc::clone(&came))).unwrap();
        let passer_by = start(&queue, |queue| queue.places.try_take().is_ok());
        queue.give_back();
        assert!(!passer_by.join().unwrap());
        assert_eq!((came.load(Ordering::Acquire), queue.places.look().in_flight), (CAME, 1));
    });
}

/// A raised maximum reaches whoever begins to wait. Fails without: the maximum and the waiting bit in one word.
#[test]
fn a_raised_maximum_reaches_whoever_begins_to_wait() {
    model(|| {
        let queue = Queue::new(0);
        let came = Arc::new(AtomicU32::new(NOT_YET));
        let hand = ModelHand(Arc::clone(&came));
        let waiter = start(&queue, |queue| queue.waiters.join(&queue.places, hand).is_some());
        queue.set_max(1);
        assert!(waiter.join().unwrap());
        assert_eq!(came.load(Ordering::Acquire), CAME);
        assert_eq!(queue.places.look().in_flight, 1);
    });
}

/// Two keys of one window; their pages part at the first split, because their first bits differ.
const ANN: u64 = 1 << 63 | 2;
const BEN: u64 = 2;

/// One slot a page.
type OneSlot = Counts<1, 1, 1>;

/// Counts with room for `pages` keys, and what a limit of one guards for Ann.
fn keyed(pages: u32) -> Arc<(OneSlot, Guarded)> {
    Arc::new((Counts::new(WordTable::new(pages, false)), Guarded::new(())))
}

/// Ann's only permit, and work. Whether it was to be had.
fn enter((counts, guarded): &(OneSlot, Guarded)) -> bool {
    let taken = counts.take(ANN, 1).is_ok();
    if taken {
        work(guarded);
        counts.give_back(ANN);
    }
    taken
}

/// Ann works, and gives her permit back to whoever is next. Fails without: the Release fence, for a key that goes and comes back.
#[test]
fn a_limit_of_one_of_a_key_is_a_lock() {
    model(|| {
        let shared = keyed(1);
        assert!(enter(&shared));
        let other = start(&shared, enter);
        let mine = enter(&shared);
        assert!(other.join().unwrap() || mine);
        assert_eq!(shared.0.of(ANN), 0);
    });
}

/// A permit of a key with others in flight. Fails without: either fence.
#[test]
fn two_share_a_key_that_stays_busy() {
    model(|| {
        let shared = keyed(1);
        shared.0.take(ANN, 2).unwrap();
        let enter = |(counts, guarded): &(OneSlot, Guarded)| {
            if counts.take(ANN, 2).is_ok() {
                work(guarded);
                counts.give_back(ANN);
            }
        };
        let other = start(&shared, enter);
        enter(&shared);
        other.join().unwrap();
        assert_eq!(shared.0.of(ANN), 1);
    });
}

/// Ben takes the slot that Ann leaves, or a page splits for him, while Ann comes back: her next holder sees what the last one did,
/// wherever her count is, and nothing is lost. Fails without: the Release fence. (Nor may the Acquire of a word that is read under
/// the page's lock be missing, but that loom cannot show: to loom a fence acquires also what was read by threads that this one
/// follows.)
#[test]
fn a_key_comes_back_elsewhere_after_another_took_its_slot() {
    model(|| {
        let shared = keyed(2);
        shared.0.take(ANN, 1).unwrap();
        let newcomer = start(&shared, |(counts, _)| counts.take(BEN, 1).is_ok());
        let again = start(&shared, enter);
        work(&shared.1);
        shared.0.give_back(ANN);
        assert!(newcomer.join().unwrap());
        again.join().unwrap();
        assert_eq!((shared.0.of(ANN), shared.0.of(BEN)), (0, 1));
    });
}

/// A permit is given back while a split moves its key's count. Fails without: waiting for the page's lock where the key is not
/// found.
#[test]
fn a_permit_is_given_back_while_its_key_moves() {
    model(|| {
        let shared = keyed(2);
        shared.0.take(ANN, 2).unwrap();
        shared.0.take(ANN, 2).unwrap();
        let newcomer = start(&shared, |(counts, _)| counts.take(BEN, 1).is_ok());
        shared.0.give_back(ANN);
        assert!(newcomer.join().unwrap());
        assert_eq!((shared.0.of(ANN), shared.0.of(BEN)), (1, 1));
    });
}
