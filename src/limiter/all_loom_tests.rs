//! `check_all` under the interleavings of two threads: the real thing, over the real word table in its smallest form.
//!
//! Run with `RUSTFLAGS="--cfg tollgate_loom" cargo test --release --lib loom`; `tests/run` does. Each model states what it
//! proves and which safeguard it fails without.

use std::sync::Arc;

use super::engine::Receipt;
use super::gate::{Gate, On, Prepared};
use super::{AllowedAll, check_all};
use crate::clock::{Instant, Now};
use crate::decision::{Allowed, Denied, Figures};
use crate::store::{Outcome, Rule, Step, WordTable};
use crate::sync::{model, thread};

const ANN: u64 = 2;

/// Of the same line and page as Ann, so that in a table of one slot one of them must give way.
const BEN: u64 = 4;

/// A count of at most so many for each key, that never comes back by itself. One page, in which a key gives way to the next by force.
struct Counter<const SLOTS: usize> {
    table: WordTable<1, SLOTS, 1>,
    most: u64,
}

impl<const SLOTS: usize> Counter<SLOTS> {
    fn new(most: u64) -> Arc<Counter<SLOTS>> {
        let counter = Counter { table: WordTable::new(1, true), most };
        // The page is made by who needs it first, in a cell that loom does not model.
        counter.spent(ANN);
        Arc::new(counter)
    }

    /// Of which Ann has spent one, so that her word is known and the short way is taken.
    fn known(most: u64) -> Arc<Counter<SLOTS>> {
        let counter = Counter::new(most);
        assert!(counter.spend(ANN));
        counter
    }

    fn spend(&self, tag: u64) -> bool {
        let rule = Change(|value| spend(value, 1, self.most));
        matches!(self.table.apply(tag, &rule), Outcome::Done(Some(_), _))
    }

    fn spent(&self, tag: u64) -> u64 {
        match self.table.apply(tag, &Change(Step::Keep)) {
            Outcome::Done(value, _) => value,
            Outcome::NoRoom { .. } => 0,
        }
    }

    fn on(self: &Arc<Self>, tag: u64) -> On<'static> {
        On::shared(Arc::<Self>::clone(self), tag)
    }
}

/// The value before and after, if the cost fits.
fn spend(value: u64, cost: u64, most: u64) -> Step<Option<(u64, u64)>> {
    let spent = value + cost;
    if spent > most { Step::Keep(None) } else { Step::Write(spent, Some((value, spent))) }
}

struct Change<F>(F);

impl<T, F: Fn(u64) -> Step<T>> Rule for Change<F> {
    type Answer = T;

    fn decide(&self, value: u64, _: u64) -> Step<T> {
        (self.0)(value)
    }

    fn position(&self) -> u64 {
        0
    }

    fn debt(&self, value: u64) -> u64 {
        value
    }
}

impl<const SLOTS: usize> Gate for Counter<SLOTS> {
    fn prepare<'a>(&'a self, _: &mut Instant, tag: u64, cost: u64, prepared: &mut Prepared<'a>) -> bool {
        let rule = Change(|value| spend(value, cost, self.most));
        match self.table.home(tag).look(tag, &rule) {
            Some((spent, pending)) => {
                prepared.pending = pending;
                spent.is_some()
            }
            None => cost <= self.most,
        }
    }

    fn look(&self, _: &mut Instant, _: u64, _: u64) -> Result<Allowed, Denied> {
        Err(Denied::new(Figures::new(self.most, 0, None, None)))
    }

    fn take(&self, instant: &mut Instant, tag: u64, cost: u64) -> Result<(Now, Receipt), Denied> {
        match self.table.apply(tag, &Change(|value| spend(value, cost, self.most))) {
            Outcome::Done(Some((before, after)), _) => Ok((Now::NEVER, Receipt { before, after })),
            _ => self.look(instant, tag, cost).map(|_| unreachable!("it refuses")),
        }
    }

    fn after(&self, _: Now, _: u64, _: u64, receipt: Receipt) -> Figures {
        Figures::new(self.most, self.most - receipt.after, None, None)
    }

    fn undo(&self, tag: u64, cost: u64, receipt: Receipt) {
        let undo = |value: u64| {
            let undone = if value == receipt.after { receipt.before } else { value.saturating_sub(cost) };
            if undone == value { Step::Keep(()) } else { Step::Write(undone, ()) }
        };
        let _ = self.table.apply(tag, &Change(undo));
    }

    fn settle(&self, _: u64, _: u64, _: u64, _: Receipt) {}
}

/// Whether all of them admitted.
fn all(limits: &[On<'static>]) -> bool {
    check_all(limits).map(|allowed: AllowedAll<'_>| drop(allowed)).is_ok()
}

/// Two take one of each limit, in opposite orders: how many got both, and what is spent in the end.
fn two_in_opposite_orders<const SLOTS: usize>(
    first: &Arc<Counter<SLOTS>>,
    second: &Arc<Counter<SLOTS>>,
) -> (u64, u64, u64) {
    let (a, b) = (Arc::clone(first), Arc::clone(second));
    let other = thread::spawn(move || all(&[b.on(ANN), a.on(ANN)]));
    let here = all(&[first.on(ANN), second.on(ANN)]);
    let there = other.join().unwrap();
    (u64::from(here) + u64::from(there), first.spent(ANN), second.spent(ANN))
}

/// Room for one, by the short way: never both, and whoever is refused leaves nothing behind. Fails when what was taken is not
/// given back, or an exchange does not look at the word that it replaces.
#[test]
fn loom_two_in_opposite_orders_never_take_the_last_token_twice_nor_lose_it() {
    model(|| {
        let (a, b) = (Counter::<2>::known(2), Counter::<2>::known(2));
        let (admitted, spent_of_a, spent_of_b) = two_in_opposite_orders(&a, &b);
        assert!(admitted <= 1);
        assert_eq!((spent_of_a, spent_of_b), (1 + admitted, 1 + admitted));
    });
}

/// The same for a key that nobody knows yet, which goes the long way, under the page's lock.
#[test]
fn loom_two_new_callers_in_opposite_orders_never_take_the_last_token_twice_nor_lose_it() {
    model(|| {
        let (a, b) = (Counter::<2>::new(1), Counter::<2>::new(1));
        let (admitted, spent_of_a, spent_of_b) = two_in_opposite_orders(&a, &b);
        assert!(admitted <= 1);
        assert_eq!((spent_of_a, spent_of_b), (admitted, admitted));
    });
}

/// Room for two: both get theirs, though each sees the other's charges come. Fails when an exchange that came too late is not tried anew.
#[test]
fn loom_two_in_opposite_orders_both_pass_where_there_is_room_for_both() {
    model(|| {
        let (a, b) = (Counter::<2>::known(3), Counter::<2>::known(3));
        assert_eq!(two_in_opposite_orders(&a, &b), (2, 3, 3));
    });
}

/// Beside one who asks one of the limits alone: the last token goes to one of them at most.
#[test]
fn loom_one_of_several_limits_may_be_asked_alone() {
    model(|| {
        let (a, b) = (Counter::<2>::known(3), Counter::<2>::known(2));
        let alone = Arc::clone(&b);
        let other = thread::spawn(move || alone.spend(ANN));
        let together = all(&[a.on(ANN), b.on(ANN)]);
        let alone = other.join().unwrap();
        assert!(!(together && alone));
        assert_eq!(a.spent(ANN), 1 + u64::from(together));
        assert_eq!(b.spent(ANN), 1 + u64::from(together) + u64::from(alone));
    });
}

/// The slot is taken by force between the look and the exchange: nobody is charged for another. Fails when the exchange does not compare
/// generations.
#[test]
fn loom_a_slot_that_changed_hands_is_not_charged() {
    model(|| {
        let a = Counter::<1>::known(3);
        let gate = Arc::clone(&a);
        let other = thread::spawn(move || gate.spend(BEN));
        assert!(all(&[a.on(ANN)]));
        assert!(other.join().unwrap());
        let (ann, ben) = (a.spent(ANN), a.spent(BEN));
        assert!(ben <= 1, "Ben paid for himself alone, not {ben}");
        assert!(matches!((ann, ben), (0, 1) | (1, 0)), "who came last has the slot: {ann}, {ben}");
    });
}
