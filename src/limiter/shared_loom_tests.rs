//! A limit changes while somebody still goes by the old one: the real axis and the real word table in its smallest form.
//!
//! Run with `RUSTFLAGS="--cfg tollgate_loom" cargo test --features policy --release --lib loom`; `tests/run` does.

use std::sync::{Arc, OnceLock};

use super::rules::spend_rule;
use super::shared::Term;
use crate::algorithm::{Algorithm, Gcra, Succeed};
use crate::quota::Quota;
use crate::store::{Outcome, WordTable};
use crate::sync::{AtomicU64, Ordering, model, thread};

const ANN: u64 = 2;

/// Of the same line and page as Ann.
const BEN: u64 = 4;

/// What a set of policies does, with one limit: versions that share their keys, and which of them is in force.
struct Set {
    /// Ben takes the place of Ann if she is idle, and there is one more for her.
    table: WordTable<1, 2, 1>,
    versions: [OnceLock<(Gcra, Term)>; 2],
    current: AtomicU64,
}

impl Set {
    /// At most `burst` at once; next to nothing comes back.
    fn of(burst: u64) -> Arc<Set> {
        let set = Set {
            table: WordTable::new(1, false),
            versions: [OnceLock::new(), OnceLock::new()],
            current: AtomicU64::new(0),
        };
        let _ = set.versions[0].set((Gcra::new(Quota::per_day(1).burst(burst)), Term::open()));
        // The page is made by who needs it first, in a cell that loom does not model.
        assert!(set.spends(0, ANN, 1));
        Arc::new(set)
    }

    /// The number of the version in force.
    fn in_force(&self) -> usize {
        // Acquire: pairs with the Release store in `change`, as loading an `ArcSwap` does with storing to it.
        usize::try_from(self.current.load(Ordering::Acquire)).unwrap()
    }

    fn change(&self, burst: u64) {
        let (old, term) = self.versions[0].get().unwrap();
        let (new, time) = old.succeed(Quota::per_day(1).burst(burst), || 0).unwrap();
        term.end(time);
        let _ = self.versions[1].set((new, Term::open()));
        self.current.store(1, Ordering::Release);
    }

    fn spends(&self, version: usize, tag: u64, cost: u64) -> bool {
        let (gcra, term) = self.versions[version].get().unwrap();
        let reading = gcra.read(term.within(0));
        let outcome = self.table.apply(tag, &spend_rule(gcra, reading, cost));
        matches!(outcome, Outcome::Done(spent, _) if spent.admitted)
    }
}

/// Ann has spent one of two. The limit is cut to one, by which she is idle, and Ben takes her place. A late caller must not find her new under the old
/// limit. Fails without: `beyond_its_end` of the token axis.
#[test]
fn a_late_caller_under_the_old_limit_finds_nobody_new_who_was_forgotten_under_the_next() {
    model(|| {
        let set = Set::of(2);
        let late = {
            let set = Arc::clone(&set);
            thread::spawn(move || set.spends(set.in_force(), ANN, 2))
        };
        set.change(1);
        set.spends(1, BEN, 1);
        assert!(!late.join().unwrap(), "one of two was spent, and the new limit is one");
    });
}

/// Ann has spent one of three, and two ask for one each while the limit is raised to four or cut to two.
#[test]
fn each_is_decided_by_the_version_it_began_with_and_together_they_get_no_more_than_the_larger() {
    for burst in [2, 4] {
        model(move || {
            let set = Set::of(3);
            let other = {
                let set = Arc::clone(&set);
                thread::spawn(move || {
                    let version = set.in_force();
                    (version, set.spends(version, ANN, 2))
                })
            };
            set.change(burst);
            let here = set.spends(1, ANN, 1);
            let (version, there) = other.join().unwrap();
            if burst == 2 {
                // Two are left, under either limit.
                assert_ne!(here, there);
            } else {
                // Three are left under the new limit, and two under the old one.
                assert!(here && (there || version == 0));
            }
        });
    }
}
