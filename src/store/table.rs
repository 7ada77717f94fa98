//! The word table: find a key's word and change it without a lock; insert and forget under a page's lock.

mod split;

use std::fmt;

use super::directory::Directory;
use super::pages::{Line, PageId, PageState, Pages};
use super::slot::{Slot, Word};
use crate::sync::{AtomicU32, Mutex, Ordering};
use split::Split;

/// What is to be done with one key's value.
pub(crate) trait Rule {
    /// What the caller is told.
    type Answer;

    /// Decides for a key at `value`; 0 is a key without a word. `forgotten_below` is 0, or a position that somebody has
    /// already seen: a caller whose reading is older must start from there.
    fn decide(&self, value: u64, forgotten_below: u64) -> Step<Self::Answer>;

    /// The value at or below which a key is idle.
    fn position(&self) -> u64;

    /// What is lost when a key at `value` is forgotten by force.
    fn debt(&self, value: u64) -> u64;
}

/// A rule's decision.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// Write this value, then answer. 0 forgets the key.
    Write(u64, T),
    /// Write nothing.
    Keep(T),
}

/// What became of a rule.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    /// The answer, and the `forgotten_below` that it was decided with.
    Done(T, u64),
    /// The key is new, its window is full of busy keys, no page can be added and none may be forgotten. `soonest` is
    /// the smallest value in the window.
    NoRoom { soonest: u64 },
}

/// Numbers about a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableStats {
    pub(crate) live: usize,
    pub(crate) pages: usize,
    pub(crate) splits: u64,
    pub(crate) forced: u64,
    pub(crate) bytes: usize,
}

/// Words by tag.
///
/// The parameters are lines of a page, slots of a line, and lines of a window. 64 × 4 × 16 bytes are a page of 4 KiB. A
/// key's home line is one of 64; its window is that line and the next 7, wrapping within the page: the shortest window
/// that stays at 28 bytes a key on average and 33 at the worst population (simulated for 0.7 to 2.8 million keys; 4
/// lines: 34 and 34, 6 lines: 30 and 33).
pub(crate) struct WordTable<const LINES: usize = 64, const SLOTS: usize = 4, const WINDOW: usize = 8> {
    directory: Directory,
    pages: Pages<LINES, SLOTS>,
    max_pages: u32,
    forget_at_capacity: bool,
    /// How many pages there are. Relaxed throughout: a new page is reached through the directory, not by counting, and who
    /// counts one too few misses what has only just come.
    page_count: AtomicU32,
    /// Held to add a page. Locked after a page, never before one.
    growth: Mutex<()>,
}

/// Where a key without a word could go.
struct Place<'a> {
    line: usize,
    slot: &'a Slot,
    word: Word,
}

impl<const LINES: usize, const SLOTS: usize, const WINDOW: usize> WordTable<LINES, SLOTS, WINDOW> {
    pub(crate) fn new(max_pages: u32, forget_at_capacity: bool) -> Self {
        let max_pages = max_pages.max(1);
        WordTable {
            directory: Directory::new(),
            pages: Pages::new(max_pages),
            max_pages,
            forget_at_capacity,
            page_count: AtomicU32::new(1),
            growth: Mutex::new(()),
        }
    }

    /// Applies `rule` to the key of `tag`. O(1): one window is searched, and for a newcomer a page may be split (see [`Split`]).
    pub(crate) fn apply<R: Rule>(&self, tag: u64, rule: &R) -> Outcome<R::Answer> {
        match self.home(tag).hit(tag, rule) {
            Some(answer) => Outcome::Done(answer, 0),
            None => self.apply_beyond_home(tag, rule),
        }
    }

    /// The line to look at first; it may be loaded before it is needed.
    #[inline(always)]
    pub(crate) fn home(&self, tag: u64) -> &Line<SLOTS> {
        &self.pages.lines(self.directory.page_of(tag))[Self::home_line(tag)]
    }

    /// Applies a rule that would write nothing for a new key, so that one that is not found needs no lock. A key that a split is
    /// moving at this moment is not found either.
    pub(crate) fn apply_if_known<R: Rule>(&self, tag: u64, rule: &R) -> Option<R::Answer> {
        let page = self.directory.page_of(tag);
        let overflowed = self.pages.head(page).has_overflowed(Self::home_line(tag));
        let slot = if overflowed { self.find(page, tag) } else { self.home(tag).find(tag) };
        slot?.hit(tag, rule)
    }

    /// `apply` for a key that was not found in its home line: it is elsewhere in its window, has moved, or is new.
    pub(crate) fn apply_beyond_home<R: Rule>(&self, tag: u64, rule: &R) -> Outcome<R::Answer> {
        let mut split = Split::Worthwhile;
        loop {
            let page = self.directory.page_of(tag);
            let head = self.pages.head(page);
            if head.has_overflowed(Self::home_line(tag))
                && let Some(answer) = self.find(page, tag).and_then(|slot| slot.hit(tag, rule))
            {
                return Outcome::Done(answer, 0);
            }
            let mut state = head.state.lock();
            // The page may have been split since. Its splits happen under the lock just taken, so what the directory
            // says now about this tag stays true while it is held.
            if self.directory.page_of(tag) == page
                && let Some(outcome) = self.apply_locked(page, &mut state, tag, rule, &mut split)
            {
                return outcome;
            }
        }
    }

    /// For holders of the page's lock. `None`: the page was split, look again.
    fn apply_locked<R: Rule>(
        &self,
        page: PageId,
        state: &mut PageState,
        tag: u64,
        rule: &R,
        split: &mut Split,
    ) -> Option<Outcome<R::Answer>> {
        loop {
            let since = state.forgotten_below;
            let position = rule.position().max(since);
            if let Some(slot) = self.find_and_tidy(page, state, tag, position) {
                if let Some(answer) = slot.hit(tag, rule) {
                    return Some(Outcome::Done(answer, 0));
                }
                // Vacated since, by a reset, which takes no lock.
                continue;
            }
            let (value, answer) = match rule.decide(0, since) {
                Step::Keep(answer) | Step::Write(0, answer) => return Some(Outcome::Done(answer, since)),
                Step::Write(value, answer) => (value, answer),
            };
            let place = match self.first_idle(page, tag, position) {
                Some(place) => place,
                None if self.split_again(page, state, tag, position, split) => return None,
                None => self.smallest_debt(page, tag, rule),
            };
            let busy = place.word.value() > position;
            if busy && !self.forget_at_capacity {
                return Some(Outcome::NoRoom { soonest: self.soonest(page, tag) });
            }
            if place.slot.vacate(place.word) {
                if busy {
                    state.forced += 1;
                } else {
                    state.forgotten_below = state.forgotten_below.max(place.word.value());
                }
                if place.line != Self::home_line(tag) {
                    self.pages.head(page).note_overflow(Self::home_line(tag), true);
                }
                place.slot.give_to(tag, value);
                return Some(Outcome::Done(answer, since));
            }
            // Its owner was faster.
        }
    }

    /// The lines a key may be in, nearest first.
    fn window(tag: u64) -> impl Iterator<Item = usize> {
        let home = Self::home_line(tag);
        (0..WINDOW).map(move |i| (home + i) % LINES)
    }

    #[inline(always)]
    fn home_line(tag: u64) -> usize {
        // The directory uses the leading bits, this the trailing ones.
        #[expect(clippy::cast_possible_truncation, reason = "only trailing bits count")]
        let bits = tag as usize;
        bits % LINES
    }

    /// The slot of a key that has one.
    fn find(&self, page: PageId, tag: u64) -> Option<&Slot> {
        let lines = self.pages.lines(page);
        Self::window(tag).find_map(|line| lines[line].find(tag))
    }

    /// `find`, for holders of the page's lock. On the way it forgets idle keys that lie beyond this same home line, and if
    /// none is left there, the line counts as not overflowed again.
    fn find_and_tidy(&self, page: PageId, state: &mut PageState, tag: u64, position: u64) -> Option<&Slot> {
        let (home, head) = (Self::home_line(tag), self.pages.head(page));
        let lines = self.pages.lines(page);
        if !head.has_overflowed(home) {
            return lines[home].find(tag);
        }
        let mut overflowed = false;
        for line in Self::window(tag) {
            for slot in &lines[line].slots {
                let (owner, word) = (slot.tag(), slot.word());
                if word.is_vacant() || Self::home_line(owner) != home {
                    continue;
                }
                if owner == tag {
                    return Some(slot);
                }
                if line == home {
                    continue;
                }
                if word.value() <= position && slot.vacate(word) {
                    state.forgotten_below = state.forgotten_below.max(word.value());
                } else {
                    overflowed = true;
                }
            }
        }
        head.note_overflow(home, overflowed);
        None
    }

    /// The nearest slot that nobody needs at `position`.
    fn first_idle(&self, page: PageId, tag: u64, position: u64) -> Option<Place<'_>> {
        let lines = self.pages.lines(page);
        for line in Self::window(tag) {
            for slot in &lines[line].slots {
                let word = slot.word();
                if word.value() <= position {
                    return Some(Place { line, slot, word });
                }
            }
        }
        None
    }

    /// The smallest value in the window of a key: whose owner is the first to go idle.
    fn soonest(&self, page: PageId, tag: u64) -> u64 {
        let lines = self.pages.lines(page);
        let slots = Self::window(tag).flat_map(|line| &lines[line].slots);
        slots.map(|slot| slot.word().value()).min().unwrap_or(0)
    }

    fn smallest_debt<R: Rule>(&self, page: PageId, tag: u64, rule: &R) -> Place<'_> {
        let lines = self.pages.lines(page);
        let home = Self::home_line(tag);
        let slot = &lines[home].slots[0];
        let mut least = Place { line: home, slot, word: slot.word() };
        for line in Self::window(tag) {
            for slot in &lines[line].slots {
                let word = slot.word();
                if rule.debt(word.value()) < rule.debt(least.word.value()) {
                    least = Place { line, slot, word };
                }
            }
        }
        least
    }

    /// Forgets every key.
    pub(crate) fn clear(&self) {
        for page in self.pages_and_new_ones() {
            let _state = self.pages.head(page).state.lock();
            for slot in self.slots(page) {
                slot.take();
            }
        }
    }

    /// The tag and the value of every key above `position`. A key that is moved meanwhile may be there twice.
    #[cfg(any(feature = "serde", all(test, tollgate_loom)))]
    pub(crate) fn busy(&self, position: u64) -> Vec<(u64, u64)> {
        let mut keys = Vec::new();
        for page in self.pages_and_new_ones() {
            // Not under the lock, where others would wait for it.
            keys.reserve(LINES * SLOTS);
            // Whose slot it is changes under the lock only. Words change without it, each as a whole.
            let _state = self.pages.head(page).state.lock();
            let all = self.slots(page).map(|slot| (slot.tag(), slot.word().value()));
            keys.extend(all.filter(|(_, value)| *value > position));
        }
        keys
    }

    /// Page after page, to be locked in turn. No key is missed: one that is moved by a split, of which a page that was
    /// passed already knows nothing, goes to a page that is added at the end, and counted before the lock of its old
    /// one is released.
    fn pages_and_new_ones(&self) -> impl Iterator<Item = PageId> {
        (0..).take_while(|n| *n < self.page_count.load(Ordering::Relaxed)).map(PageId::nth)
    }

    /// Whether no key is above `position`.
    pub(crate) fn is_idle(&self, position: u64) -> bool {
        self.pages().all(|n| self.slots(PageId::nth(n)).all(|slot| slot.word().value() <= position))
    }

    /// Counts keys above `position`: all of them up to a thousand pages, beyond that an estimate from a thousand pages
    /// spread evenly.
    pub(crate) fn live(&self, position: u64) -> usize {
        // 1024 pages are 4 MiB to read. When they are filled as usual, with some 150 000 keys, the error is a few in a thousand.
        const SAMPLE: usize = 1024;
        let pages = self.pages();
        let busy = |page| self.slots(page).filter(|slot| slot.word().value() > position).count();
        let step = pages.len().div_ceil(SAMPLE).max(1);
        let sample = pages.len().div_ceil(step);
        let live: usize = pages.clone().step_by(step).map(|n| busy(PageId::nth(n))).sum();
        // In 64 bits: where `usize` has 32, some five million keys would wrap.
        usize::try_from(live as u64 * pages.len() as u64 / sample as u64).unwrap_or(usize::MAX)
    }

    pub(crate) fn stats(&self, position: u64) -> TableStats {
        let pages = self.pages();
        TableStats {
            live: self.live(position),
            pages: pages.len(),
            splits: pages.len() as u64 - 1,
            forced: pages.map(|n| self.pages.head(PageId::nth(n)).state.lock().forced).sum(),
            bytes: size_of::<Self>() + self.directory.bytes() + self.pages.bytes(),
        }
    }

    /// The pages there are, in the order they were added.
    fn pages(&self) -> std::ops::Range<u32> {
        0..self.page_count.load(Ordering::Relaxed)
    }

    fn slots(&self, page: PageId) -> impl Iterator<Item = &Slot> {
        self.pages.lines(page).iter().flat_map(|line| &line.slots)
    }
}

impl<const LINES: usize, const SLOTS: usize, const WINDOW: usize> fmt::Debug
    for WordTable<LINES, SLOTS, WINDOW>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WordTable").field("pages", &self.pages().len()).finish_non_exhaustive()
    }
}
