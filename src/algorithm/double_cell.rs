//! A few words that many threads read at every check and one replaces now and then.
//!
//! Two cells and a version. A writer fills the cell not in use and then moves the version on; readers take the
//! cell that the version names and look at the version again. So a reader sees one whole set of words, never a mix,
//! and never waits for a writer, however long that one is held up: it reads again only after a writer has
//! *finished*.

use crate::sync::{AtomicU64, Mutex, Ordering, fence};

#[derive(Debug)]
pub(crate) struct DoubleCell<const N: usize> {
    version: AtomicU64,
    cells: [[AtomicU64; N]; 2],
    writer: Mutex<()>,
}

impl<const N: usize> DoubleCell<N> {
    pub(crate) fn new(words: [u64; N]) -> DoubleCell<N> {
        DoubleCell {
            version: AtomicU64::new(0),
            cells: [words.map(AtomicU64::new), [0; N].map(AtomicU64::new)],
            writer: Mutex::new(()),
        }
    }

    /// Whether the words are other than those it was made with.
    ///
    /// Relaxed: who acts on a `false` that is out of date reads what was in force a moment ago.
    #[inline]
    pub(crate) fn is_replaced(&self) -> bool {
        self.version.load(Ordering::Relaxed) != 0
    }

    #[inline]
    pub(crate) fn read(&self) -> [u64; N] {
        loop {
            // Acquire: pairs with the Release store of the version in `replace`, so the words it announces are seen.
            let version = self.version.load(Ordering::Acquire);
            let words = self.words(version);
            // Acquire: pairs with the Release fence in `replace`. Whoever has seen a word of the writer after next
            // (the first to touch this cell again) sees a later version here.
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == version {
                return words;
            }
        }
    }

    /// Replaces the words by what `change` makes of them; `None` leaves them. Writers take turns.
    pub(crate) fn replace<E>(
        &self,
        change: impl FnOnce([u64; N]) -> Result<Option<[u64; N]>, E>,
    ) -> Result<(), E> {
        let _turn = self.writer.lock();
        // Relaxed: only writers store the version, and the mutex orders them.
        let version = self.version.load(Ordering::Relaxed);
        let Some(words) = change(self.words(version))? else { return Ok(()) };
        // Release: pairs with the Acquire fence in `read`; it puts the version stored by the writer before ahead of
        // the words stored below.
        fence(Ordering::Release);
        for (cell, word) in self.cells[Self::index(version.wrapping_add(1))].iter().zip(words) {
            cell.store(word, Ordering::Relaxed);
        }
        // Release: pairs with the Acquire load of the version in `read`.
        self.version.store(version.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    #[inline]
    fn words(&self, version: u64) -> [u64; N] {
        let cell = &self.cells[Self::index(version)];
        // Relaxed: `read` looks at the version before and after.
        std::array::from_fn(|i| cell[i].load(Ordering::Relaxed))
    }

    #[inline]
    fn index(version: u64) -> usize {
        usize::from(version & 1 == 1)
    }
}

/// `RUSTFLAGS="--cfg tollgate_loom" cargo test --release --lib loom`
#[cfg(all(test, tollgate_loom))]
mod loom_tests {
    use super::DoubleCell;
    use crate::sync::{Arc, model, thread};

    /// Fails without: the second look at the version, or either fence.
    #[test]
    fn readers_see_one_whole_set_of_words_and_never_an_older_one() {
        model(|| {
            let cell = Arc::new(DoubleCell::new([0, 0]));
            let reader = {
                let cell = Arc::clone(&cell);
                thread::spawn(move || (cell.read(), cell.read()))
            };
            for n in 1..=2 {
                assert_eq!(
                    cell.replace(|old| if old == [n - 1; 2] { Ok(Some([n; 2])) } else { Err(old) }),
                    Ok(())
                );
            }
            let (first, second) = reader.join().unwrap();
            assert!(first[0] == first[1] && second[0] == second[1], "a mix: {first:?}, {second:?}");
            assert!(first <= second);
            assert_eq!(cell.read(), [2; 2]);
        });
    }

    /// Fails without: the writers' mutex.
    #[test]
    fn no_change_is_lost() {
        model(|| {
            let cell = Arc::new(DoubleCell::new([0]));
            let add = |cell: &DoubleCell<1>| cell.replace(|[n]| Ok::<_, ()>(Some([n + 1])));
            let other = {
                let cell = Arc::clone(&cell);
                thread::spawn(move || add(&cell))
            };
            assert_eq!((add(&cell), other.join().unwrap()), (Ok(()), Ok(())));
            assert_eq!(cell.read(), [2]);
        });
    }
}
