//! The table under the interleavings of two or three threads, on pages of one or two slots.
//!
//! Run with `RUSTFLAGS="--cfg tollgate_loom" cargo test --release --lib loom`; `tests/run` does. Each model states what it
//! proves and which safeguard it fails without.

use super::table::{Outcome, Rule, Step, WordTable};
use crate::sync::{Arc, model, thread};

/// Two keys of one window; their pages part at the first split, because their first bits differ.
const ANN: u64 = 1 << 63 | 2;
const BEN: u64 = 2;

/// A third, whose home line is the other one where there are two.
const CID: u64 = 1;

/// A fourth, of Ben's home line and half.
const DAN: u64 = 4;

/// One slot a page; two slots in one line; two lines of one slot, where a key may be beyond its home line.
type One = WordTable<1, 1, 1>;
type Two = WordTable<1, 2, 1>;
type TwoLines = WordTable<2, 1, 2>;

/// A token bucket in its barest form: admit while no more than `capacity` ahead of `position`.
#[derive(Clone, Copy)]
struct Spend {
    position: u64,
    capacity: u64,
    cost: u64,
}

impl Rule for Spend {
    type Answer = bool;

    fn decide(&self, value: u64, forgotten_below: u64) -> Step<bool> {
        let position = self.position.max(forgotten_below);
        let spent = value.max(position) + self.cost;
        if spent > position + self.capacity { Step::Keep(false) } else { Step::Write(spent, true) }
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn debt(&self, value: u64) -> u64 {
        value.saturating_sub(self.position)
    }
}

/// Writes what it is told, to whoever has a word.
struct Set(u64);

impl Rule for Set {
    type Answer = ();

    fn decide(&self, value: u64, _: u64) -> Step<()> {
        if value == 0 { Step::Keep(()) } else { Step::Write(self.0, ()) }
    }

    fn position(&self) -> u64 {
        0
    }

    fn debt(&self, value: u64) -> u64 {
        value
    }
}

/// Reads.
struct Look;

impl Rule for Look {
    type Answer = u64;

    fn decide(&self, value: u64, _: u64) -> Step<u64> {
        Step::Keep(value)
    }

    fn position(&self) -> u64 {
        0
    }

    fn debt(&self, value: u64) -> u64 {
        value
    }
}

/// What a model needs of a table, whatever its size.
trait Table: Send + Sync + 'static {
    fn spend(&self, tag: u64, rule: Spend) -> bool;
    fn set(&self, tag: u64, value: u64);
    fn value(&self, tag: u64) -> u64;
}

impl<const LINES: usize, const SLOTS: usize, const WINDOW: usize> Table for WordTable<LINES, SLOTS, WINDOW> {
    /// Whether the cost was admitted; no room is a no.
    fn spend(&self, tag: u64, rule: Spend) -> bool {
        matches!(self.apply(tag, &rule), Outcome::Done(true, _))
    }

    fn set(&self, tag: u64, value: u64) {
        self.apply(tag, &Set(value));
    }

    fn value(&self, tag: u64) -> u64 {
        match self.apply(tag, &Look) {
            Outcome::Done(value, _) => value,
            Outcome::NoRoom { .. } => unreachable!("a look asks for no room"),
        }
    }
}

fn spend(position: u64, capacity: u64, cost: u64) -> Spend {
    Spend { position, capacity, cost }
}

/// Starts `run` on a thread of its own.
fn start<T: Table, R: 'static>(table: &Arc<T>, run: impl FnOnce(&T) -> R + 'static) -> thread::JoinHandle<R> {
    let table = Arc::clone(table);
    thread::spawn(move || run(&table))
}

/// Fails without: the exchange (a plain store would lose one of the two).
#[test]
fn two_hits_spend_twice() {
    model(|| {
        let table = Arc::new(One::new(1, false));
        assert!(table.spend(ANN, spend(0, 4, 1)));
        let other = start(&table, |table| table.spend(ANN, spend(0, 4, 1)));
        assert!(table.spend(ANN, spend(0, 4, 2)));
        assert!(other.join().unwrap());
        assert_eq!(table.value(ANN), 4);
    });
}

/// Fails without: the exchange, which must compare with the word that was decided on.
#[test]
fn three_threads_share_two_tokens() {
    model(|| {
        let table = Arc::new(One::new(1, false));
        assert!(table.spend(ANN, spend(0, 3, 1)));
        let rule = spend(0, 3, 1);
        let others = [
            start(&table, move |table| table.spend(ANN, rule)),
            start(&table, move |table| table.spend(ANN, rule)),
        ];
        let mine = table.spend(ANN, rule);
        let admitted =
            others.map(|other| other.join().unwrap()).into_iter().chain([mine]).filter(|ok| *ok).count();
        assert_eq!(admitted, 2);
    });
}

/// An idle key and a newcomer want the same slot: one has it, the other is told that there is no room, and neither pays for
/// the other. Fails without: vacating the slot before its tag is stored.
#[test]
fn an_idle_key_comes_back_while_its_slot_is_claimed() {
    model(|| {
        let table = Arc::new(One::new(1, false));
        assert!(table.spend(ANN, spend(0, 1, 1)));
        let newcomer = start(&table, |table| table.spend(BEN, spend(1, 3, 3)));
        let returned = table.spend(ANN, spend(1, 1, 1));
        let came = newcomer.join().unwrap();
        assert!(returned != came, "one slot, one key");
        assert_eq!(table.value(ANN), if returned { 2 } else { 0 });
        assert_eq!(table.value(BEN), if came { 4 } else { 0 });
    });
}

/// A key whose first check two threads make at once has one word. Fails without: the second look, under the lock.
#[test]
fn one_new_key_is_inserted_once() {
    model(|| {
        let table = Arc::new(Two::new(1, false));
        // Makes the first page here: loom cannot see that the once-cell orders its making.
        assert_eq!(table.value(ANN), 0);
        let other = start(&table, |table| table.spend(ANN, spend(0, 1, 1)));
        let mine = table.spend(ANN, spend(0, 1, 1));
        assert!(other.join().unwrap() != mine);
    });
}

/// A hit on a key that moves to another page counts, wherever it meets the key, and the slot that it left, which the
/// newcomer takes at once, is not charged. Fails without: vacating what was moved, or the new generation.
#[test]
fn a_key_is_hit_while_it_moves_to_another_page() {
    model(|| {
        let table = Arc::new(One::new(2, false));
        assert!(table.spend(ANN, spend(0, 9, 1)));
        let newcomer = start(&table, |table| table.spend(BEN, spend(0, 9, 1)));
        assert!(table.spend(ANN, spend(0, 9, 3)));
        assert!(newcomer.join().unwrap());
        assert_eq!((table.value(ANN), table.value(BEN)), (4, 1));
    });
}

/// As above with two threads that hit the moving key, of whom one token is left to one.
#[test]
fn a_key_that_moves_is_not_admitted_twice() {
    model(|| {
        let table = Arc::new(One::new(2, false));
        assert!(table.spend(ANN, spend(0, 2, 1)));
        let newcomer = start(&table, |table| table.spend(BEN, spend(0, 9, 1)));
        let other = start(&table, |table| table.spend(ANN, spend(0, 2, 1)));
        let mine = table.spend(ANN, spend(0, 2, 1));
        assert!(other.join().unwrap() != mine);
        assert!(newcomer.join().unwrap());
    });
}

/// Fails without: pages added since the snapshot began; the page's lock, under which alone a key is in its old page or
/// its new one.
#[test]
fn a_snapshot_misses_no_key_that_moves_to_another_page() {
    model(|| {
        let table = Arc::new(One::new(2, false));
        assert!(table.spend(ANN, spend(0, 2, 1)));
        let snapshot = start(&table, |table| table.busy(0));
        assert!(table.spend(BEN, spend(0, 2, 1)));
        assert!(snapshot.join().unwrap().contains(&(ANN, 1)));
        let mut busy = table.busy(0);
        busy.sort_unstable();
        assert_eq!(busy, [(BEN, 1), (ANN, 1)]);
    });
}

/// Two keys are inserted while a third one's page splits for them; the directory is asked again under the lock. Fails without
/// that second question: a key is then inserted into the page that it has just left.
#[test]
fn a_new_key_is_inserted_while_its_page_splits() {
    model(|| {
        let table = Arc::new(One::new(2, false));
        assert!(table.spend(BEN, spend(0, 1, 1)));
        // Both are new and belong to the page that the first of them to come makes.
        let other = start(&table, |table| table.spend(ANN, spend(0, 1, 1)));
        let mine = table.spend(ANN, spend(0, 1, 1));
        assert!(other.join().unwrap() != mine);
        assert_eq!((table.value(ANN), table.value(BEN)), (1, 1));
    });
}

/// A key that is forgotten by force while it is hit is charged or forgotten; its successor is not charged for it. Fails without:
/// the new generation, or vacating before the tag is stored.
#[test]
fn a_key_is_hit_while_it_is_forgotten_by_force() {
    model(|| {
        let table = Arc::new(One::new(1, true));
        assert!(table.spend(ANN, spend(0, 9, 5)));
        let newcomer = start(&table, |table| table.spend(BEN, spend(0, 9, 3)));
        assert!(table.spend(ANN, spend(0, 9, 1)));
        assert!(newcomer.join().unwrap());
        // Ann was hit and forgotten, or forgotten and inserted again in Ben's place.
        assert!(matches!((table.value(ANN), table.value(BEN)), (0, 3) | (1, 0)));
    });
}

/// The slot of a key that is reset goes to another key with the very same value while a third thread still holds the old
/// word. Fails without: the new generation (the exchange would succeed and charge Ben).
#[test]
fn a_slot_is_reset_and_reused_with_an_equal_value() {
    model(|| {
        let table = Arc::new(One::new(1, false));
        assert!(table.spend(ANN, spend(0, 9, 1)));
        let stalled = start(&table, |table| table.spend(ANN, spend(0, 9, 1)));
        table.set(ANN, 0);
        let reused = table.spend(BEN, spend(0, 9, 1));
        let admitted = stalled.join().unwrap();
        assert_eq!(table.value(BEN), u64::from(reused), "Ben pays for himself only");
        assert!(admitted || reused);
    });
}

/// The same, and Ann is back with the same value before the stalled thread goes on: its exchange must not bring back what
/// was reset. Fails without: the new generation.
#[test]
fn a_slot_is_given_away_and_taken_back_with_an_equal_value() {
    model(|| {
        let table = Arc::new(One::new(1, true));
        assert!(table.spend(ANN, spend(0, 2, 1)));
        let stalled = start(&table, |table| table.spend(BEN, spend(0, 2, 1)));
        table.set(ANN, 0);
        assert!(table.spend(BEN, spend(0, 2, 1)));
        assert!(table.spend(ANN, spend(0, 2, 1)));
        assert!(stalled.join().unwrap());
        assert!(matches!((table.value(ANN), table.value(BEN)), (1, 0) | (0, 1)));
    });
}

/// A refund that empties a word vacates the slot, and a stalled hit does not write over the next owner. Fails without: treating an
/// emptied word as nobody's.
#[test]
fn a_refund_empties_a_slot_that_is_reused() {
    model(|| {
        let table = Arc::new(One::new(1, false));
        assert!(table.spend(ANN, spend(0, 2, 2)));
        let refusing = start(&table, |table| table.spend(ANN, spend(0, 2, 1)));
        table.set(ANN, 0);
        let came = table.spend(BEN, spend(0, 2, 2));
        let admitted = refusing.join().unwrap();
        assert_eq!(table.value(BEN), if came { 2 } else { 0 });
        assert_eq!(table.value(ANN), if came { 0 } else { u64::from(admitted) });
    });
}

/// A refusal writes nothing, so it must be sure whose word it saw: Ben, full, is never refused for Ann's debt. Fails without: the
/// second look at the word, or the Release/Acquire pair of the tag.
#[test]
fn nobody_is_refused_for_another_keys_debt() {
    model(|| {
        let table = Arc::new(One::new(1, true));
        assert!(table.spend(ANN, spend(0, 9, 9)));
        let first = start(&table, |table| table.spend(BEN, spend(0, 9, 1)));
        assert!(table.spend(BEN, spend(0, 9, 1)));
        assert!(first.join().unwrap());
        assert_eq!(table.value(BEN), 2);
    });
}

/// A key that was forgotten as idle at position 2 is not found fresh by a caller whose reading is older: all in all no more is
/// admitted by position 2 than capacity and refill. Fails without: `forgotten_below`.
#[test]
fn a_late_caller_does_not_find_a_forgotten_key_fresh_in_the_past() {
    model(|| {
        let table = Arc::new(Two::new(1, false));
        assert!(table.spend(ANN, spend(0, 2, 2)));
        let late = start(&table, |table| table.spend(ANN, spend(0, 2, 2)));
        assert!(table.spend(BEN, spend(2, 2, 1)));
        let admitted =
            2 + 2 * u64::from(late.join().unwrap()) + 2 * u64::from(table.spend(ANN, spend(2, 2, 2)));
        assert!(admitted <= 2 + 2, "admitted {admitted}");
    });
}

/// The same across a split: both pages know what was forgotten before.
#[test]
fn a_late_caller_does_not_find_a_moved_key_fresh_in_the_past() {
    model(|| {
        let table = Arc::new(One::new(2, false));
        assert!(table.spend(ANN, spend(0, 2, 2)));
        let late = start(&table, |table| table.spend(ANN, spend(0, 2, 2)));
        // Takes Ann's slot, or splits the page if the late caller was faster.
        assert!(table.spend(BEN, spend(2, 2, 2)));
        let last = table.spend(ANN, spend(2, 2, 2));
        let admitted = 2 + 2 * u64::from(late.join().unwrap()) + 2 * u64::from(last);
        assert!(admitted <= 2 + 2, "admitted {admitted}");
    });
}

/// A split makes room, and a key beyond its home line is brought home: a hit counts wherever it meets the key. Fails without:
/// vacating what was moved.
#[test]
fn a_key_is_hit_while_it_is_brought_home() {
    model(|| {
        let table = Arc::new(TwoLines::new(2, false));
        assert!(table.spend(ANN, spend(0, 9, 1)));
        assert!(table.spend(BEN, spend(0, 9, 1)));
        // Ann leaves the page, Ben takes her place in his home line, Cid his.
        let newcomer = start(&table, |table| table.spend(CID, spend(0, 9, 1)));
        assert!(table.spend(BEN, spend(0, 9, 3)));
        assert!(newcomer.join().unwrap());
        assert_eq!((table.value(ANN), table.value(BEN), table.value(CID)), (1, 4, 1));
    });
}

/// A key beyond its home line is looked for there as long as it may be, and inserted once. Fails without: noting the overflow.
#[test]
fn a_new_key_is_inserted_once_beyond_its_home_line() {
    model(|| {
        let table = Arc::new(TwoLines::new(1, false));
        assert!(table.spend(ANN, spend(0, 9, 1)));
        let other = start(&table, |table| table.spend(BEN, spend(0, 1, 1)));
        let mine = table.spend(BEN, spend(0, 1, 1));
        assert!(other.join().unwrap() != mine);
        assert_eq!((table.value(ANN), table.value(BEN)), (1, 1));
    });
}

/// An idle key beyond its home line is forgotten by the next one to be inserted there, while it comes back with an old reading: it
/// is not found fresh in the past. Fails without: `forgotten_below` kept for what is tidied away.
#[test]
fn a_late_caller_does_not_find_a_tidied_key_fresh_in_the_past() {
    model(|| {
        let table = Arc::new(TwoLines::new(2, false));
        assert!(table.spend(ANN, spend(0, 9, 9)));
        assert!(table.spend(BEN, spend(0, 2, 2)));
        let late = start(&table, |table| table.spend(BEN, spend(0, 2, 2)));
        // A fourth key of the same home line, at a time when Ben is idle and Ann is not.
        assert!(table.spend(BEN | 4, spend(2, 9, 1)));
        let last = table.spend(BEN, spend(2, 2, 2));
        let admitted = 2 + 2 * u64::from(late.join().unwrap()) + 2 * u64::from(last);
        assert!(admitted <= 2 + 2, "admitted {admitted}");
    });
}

/// A reset vacates a slot, and a split brings another key home to it with an equal value, while a third thread still holds the
/// old word: the other key is not charged. Fails without: a new generation for every owner, however the slot was vacated.
#[test]
fn a_reset_slot_becomes_another_keys_home() {
    model(|| {
        let table = Arc::new(TwoLines::new(2, false));
        assert!(table.spend(BEN, spend(0, 9, 1)));
        assert!(table.spend(DAN, spend(0, 9, 1)));
        let stalled = start(&table, |table| table.spend(BEN, spend(0, 9, 1)));
        let reset = start(&table, |table| table.set(BEN, 0));
        table.spend(CID, spend(0, 9, 1));
        stalled.join().unwrap();
        reset.join().unwrap();
        assert_eq!(table.value(DAN), 1, "Dan was charged for Ben");
    });
}
