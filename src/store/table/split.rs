//! How a page of the word table becomes two: its keys part by the next bit of their tags, and come nearer to their home lines.

use super::WordTable;
use crate::store::directory::Directory;
use crate::store::pages::{PageId, PageState};
use crate::sync::Ordering;

/// What a split did. A call splits again only after one that parted keys, which makes a second split as rare as 32 random
/// bits that agree; a hasher whose leading bits do not differ gets one split a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Split {
    Worthwhile,
    Useless,
    Impossible,
}

impl<const LINES: usize, const SLOTS: usize, const WINDOW: usize> WordTable<LINES, SLOTS, WINDOW> {
    /// Splits unless the last split of this call was none or useless.
    pub(super) fn split_again(
        &self,
        page: PageId,
        state: &mut PageState,
        tag: u64,
        position: u64,
        last: &mut Split,
    ) -> bool {
        if *last == Split::Worthwhile {
            *last = self.split(page, state, tag, position);
            return *last != Split::Impossible;
        }
        false
    }

    /// Moves half of a page's keys to a new page.
    fn split(&self, page: PageId, state: &mut PageState, tag: u64, position: u64) -> Split {
        // Before the lock: at capacity every newcomer comes here, and must not wait for the others.
        if !self.can_split(state.depth) {
            return Split::Impossible;
        }
        let _growth = self.growth.lock();
        if !self.can_split(state.depth) {
            return Split::Impossible;
        }
        let count = self.page_count.load(Ordering::Relaxed);
        let new = PageId::nth(count);
        let mut new_state = self.pages.head(new).state.lock();
        let parted = self.move_upper_half(page, state, new, position);
        self.bring_home(page);
        self.bring_home(new);
        new_state.depth = state.depth + 1;
        new_state.forgotten_below = state.forgotten_below;
        drop(new_state);
        self.directory.split(tag, state.depth, new);
        state.depth += 1;
        self.page_count.store(count + 1, Ordering::Relaxed);
        if parted { Split::Worthwhile } else { Split::Useless }
    }

    /// Whether a page whose tags share `depth` bits may split.
    ///
    /// Random tags never need more bits than number the pages (simulated: 2500 tables of up to 200 000 keys). A hasher whose
    /// leading bits hardly differ would go on doubling the directory for nothing; three bits more are enough patience.
    fn can_split(&self, depth: u32) -> bool {
        const SPARE_BITS: u32 = 3;
        let pages = self.page_count.load(Ordering::Relaxed);
        pages < self.max_pages
            && depth < Directory::DEEPEST.min(u32::BITS - pages.leading_zeros() + SPARE_BITS)
    }

    /// Moves the busy keys whose next tag bit is set to the same place in `new`, where nobody else is yet; forgets those
    /// that are idle. A key is nowhere for a moment: whoever looks for it finds its slot vacant and waits on the lock.
    ///
    /// Whether it found keys on both sides.
    fn move_upper_half(&self, page: PageId, state: &mut PageState, new: PageId, position: u64) -> bool {
        let (mut left, mut stayed) = (false, false);
        for (from, to) in self.slots(page).zip(self.slots(new)) {
            let tag = from.tag();
            if (tag << state.depth) >> 63 == 0 {
                stayed |= !from.word().is_vacant();
                continue;
            }
            let value = from.take();
            left |= value != 0;
            if value > position {
                to.give_to(tag, value);
            } else {
                state.forgotten_below = state.forgotten_below.max(value);
            }
        }
        left && stayed
    }

    /// Moves the keys that are beyond their home line as near to it as there is room now. Keys in their home lines are found
    /// without a lock and with one cache miss.
    fn bring_home(&self, page: PageId) {
        let lines = self.pages.lines(page);
        let mut overflowed = 0;
        for (line, slots) in lines.iter().map(|line| &line.slots).enumerate() {
            for slot in slots {
                let tag = slot.tag();
                if slot.word().is_vacant() || line == Self::home_line(tag) {
                    continue;
                }
                let mut nearer = Self::window(tag).take_while(|near| *near != line);
                let place = nearer.find_map(|near| Some((near, lines[near].vacant()?)));
                if let Some((_, vacant)) = place {
                    vacant.give_to(tag, slot.take());
                }
                if place.is_none_or(|(near, _)| near != Self::home_line(tag)) {
                    overflowed |= 1 << Self::home_line(tag);
                }
            }
        }
        self.pages.head(page).set_overflowed(overflowed);
    }
}
