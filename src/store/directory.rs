//! The directory: from a tag's leading bits to the number of its page (extendible hashing).
//!
//! Fagin, Nievergelt, Pippenger, Strong: Extendible Hashing, ACM TODS 4(3), 1979. One array per depth, each twice as long as the one before; a
//! reader that still uses a shorter one finds an older page, does not find its key there, and asks again under that
//! page's lock.

use super::pages::PageId;
use crate::sync::{AtomicU32, OnceLock, Ordering};

#[derive(Debug)]
pub(super) struct Directory {
    depth: AtomicU32,
    /// By depth. Inline, and masked when indexed, because the way to a page is on every check's path.
    levels: [OnceLock<Box<[AtomicU32]>>; LEVELS as usize],
}

/// Pages are numbered by 32 bits.
const LEVELS: u32 = 32;

impl Directory {
    /// The depth of the last level.
    pub(super) const DEEPEST: u32 = LEVELS - 1;

    /// Everything in the first page.
    pub(super) fn new() -> Directory {
        Directory { depth: AtomicU32::new(0), levels: std::array::from_fn(|_| OnceLock::new()) }
    }

    /// The page of `tag`.
    #[inline(always)]
    pub(super) fn page_of(&self, tag: u64) -> PageId {
        // Acquire: pairs with the Release store in `split`, so that the level it names is filled.
        let depth = self.depth.load(Ordering::Acquire);
        // Acquire: pairs with the Release store in `split`, so that keys that moved are found without asking under the lock.
        PageId::from_bits(self.level(depth)[index(tag, depth)].load(Ordering::Acquire))
    }

    /// Gives the upper half of the tags of `tag`'s page, which share `depth` bits, to `page`. One caller at a time.
    pub(super) fn split(&self, tag: u64, depth: u32, page: PageId) {
        // Relaxed: only `split` stores the depth, and its callers hold one lock.
        let mut levels = self.depth.load(Ordering::Relaxed);
        if depth == levels {
            self.double(levels);
            levels += 1;
        }
        let first = (index(tag, depth) * 2 + 1) << (levels - depth - 1);
        let upper = &self.level(levels)[first..first + (1 << (levels - depth - 1))];
        for entry in upper {
            // Release: pairs with the Acquire load in `page_of`.
            entry.store(page.bits(), Ordering::Release);
        }
        // Release: pairs with the Acquire load in `page_of`.
        self.depth.store(levels, Ordering::Release);
    }

    pub(super) fn bytes(&self) -> usize {
        self.levels.iter().filter_map(|level| level.get()).map(|level| size_of_val(&**level)).sum()
    }

    /// Fills the next level with what this one says.
    fn double(&self, depth: u32) {
        let old = self.level(depth);
        // Relaxed: entries are stored by `split` only, whose callers hold one lock.
        let twice = |entry: &AtomicU32| {
            let page = entry.load(Ordering::Relaxed);
            [AtomicU32::new(page), AtomicU32::new(page)]
        };
        self.levels[depth as usize + 1].get_or_init(|| old.iter().flat_map(twice).collect());
    }

    #[inline(always)]
    fn level(&self, depth: u32) -> &[AtomicU32] {
        // Only level 0 is not made by `double`.
        self.levels[(depth % LEVELS) as usize]
            .get_or_init(|| Box::new([AtomicU32::new(PageId::FIRST.bits())]))
    }
}

/// The leading `depth` bits.
#[inline(always)]
fn index(tag: u64, depth: u32) -> usize {
    // In two steps, because a shift by 64 wraps.
    ((tag >> 1) >> (63 - depth)) as usize
}
