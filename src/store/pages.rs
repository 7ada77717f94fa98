//! Pages: 64 lines of four slots, with a lock for whoever inserts; added in growing chunks, never moved or freed.

use std::fmt;

use super::slot::{Pending, Slot};
use super::table::Rule;
use crate::sync::{AtomicU64, Mutex, OnceLock, Ordering};

/// Slots of one cache line: 4 × 16 bytes.
#[repr(align(64))]
#[derive(Debug)]
pub(crate) struct Line<const SLOTS: usize> {
    pub(super) slots: [Slot; SLOTS],
}

impl<const SLOTS: usize> Line<SLOTS> {
    /// Applies `rule` to the key of `tag`, whose home line this is: the common case, to be inlined. `None`, and nothing done, if
    /// the key is not here.
    #[inline(always)]
    pub(crate) fn hit<R: Rule>(&self, tag: u64, rule: &R) -> Option<R::Answer> {
        self.slots.iter().find(|slot| slot.seems_owned_by(tag))?.hit(tag, rule)
    }

    /// Decides by `rule` for the key of `tag`, whose home line this is, and leaves it to the caller to write. `None` if the key is
    /// not here, or is being spent from at this moment.
    #[inline(always)]
    pub(crate) fn look<R: Rule>(&self, tag: u64, rule: &R) -> Option<(R::Answer, Option<Pending<'_>>)> {
        self.slots.iter().find(|slot| slot.seems_owned_by(tag))?.look(tag, rule)
    }

    /// The slot of a key that has one here.
    pub(super) fn find(&self, tag: u64) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.seems_owned_by(tag) && !slot.word().is_vacant())
    }

    /// A slot that is nobody's.
    pub(super) fn vacant(&self) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.word().is_vacant())
    }

    /// Loads something of the line, to have it near.
    #[inline]
    pub(crate) fn touch(&self) -> bool {
        self.slots[0].seems_owned_by(0)
    }
}

/// One page's slots.
pub(super) type Lines<const LINES: usize, const SLOTS: usize> = [Line<SLOTS>; LINES];

/// What is known of a page, under its lock.
#[derive(Debug, Default)]
pub(super) struct PageState {
    /// The highest value that was forgotten here because it was idle. Somebody has seen the clock there, so a caller
    /// whose reading is older starts from here; otherwise it would find a forgotten key fresh in the past.
    pub(super) forgotten_below: u64,
    /// Keys forgotten by force.
    pub(super) forced: u64,
    /// How many leading bits all tags of this page share.
    pub(super) depth: u32,
}

/// What goes with a page's slots.
#[derive(Debug)]
pub(super) struct Head {
    /// A bit for every line: whether a key whose home it is may be in a later line of its window. Most lines never
    /// overflow, so most newcomers are known to be new after a look at one line.
    overflowed: AtomicU64,
    pub(super) state: Mutex<PageState>,
}

impl Head {
    fn new() -> Head {
        Head { overflowed: AtomicU64::new(0), state: Mutex::new(PageState::default()) }
    }

    /// Relaxed: who sees no bit where there is one now does not find the key, and asks again under the lock.
    pub(super) fn has_overflowed(&self, line: usize) -> bool {
        self.overflowed.load(Ordering::Relaxed) >> (line % 64) & 1 == 1
    }

    /// For holders of the lock: all bits. Relaxed: see `has_overflowed`.
    pub(super) fn set_overflowed(&self, lines: u64) {
        self.overflowed.store(lines, Ordering::Relaxed);
    }

    /// For holders of the lock. Relaxed: see `has_overflowed`.
    pub(super) fn note_overflow(&self, line: usize, overflowed: bool) {
        let others = self.overflowed.load(Ordering::Relaxed) & !(1 << (line % 64));
        self.overflowed.store(others | u64::from(overflowed) << (line % 64), Ordering::Relaxed);
    }
}

/// Where a page is: its chunk's number, and in the last six bits its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageId(u32);

impl PageId {
    pub(super) const FIRST: PageId = PageId(0);

    /// The page that was added as the `n`th, from 0.
    ///
    /// Pages 0, 1, 2-3, 4-7, ... 32-63 are a chunk each, so that a small limiter stays small; from there on every 64 pages
    /// are one: 256 KiB, which takes tens of microseconds to clear, and few enough chunks that their addresses
    /// stay in the first-level cache.
    pub(super) fn nth(n: u32) -> PageId {
        if n >= FULL_CHUNK {
            return PageId(n + (SMALL_CHUNKS - 1) * FULL_CHUNK);
        }
        let chunk = u32::BITS - n.leading_zeros();
        let first = if chunk == 0 { 0 } else { 1 << (chunk - 1) };
        PageId(chunk * FULL_CHUNK + n - first)
    }

    pub(super) fn from_bits(bits: u32) -> PageId {
        PageId(bits)
    }

    pub(super) fn bits(self) -> u32 {
        self.0
    }

    #[inline]
    fn chunk(self) -> usize {
        (self.0 / FULL_CHUNK) as usize
    }

    #[inline]
    fn offset(self) -> usize {
        (self.0 % FULL_CHUNK) as usize
    }
}

const FULL_CHUNK: u32 = 64;
/// Chunks before the first full one: 1 + log2 of [`FULL_CHUNK`].
const SMALL_CHUNKS: u32 = 7;

/// How many pages a chunk has at most, and how many there are before it.
fn chunk_pages(chunk: u32) -> (u32, u32) {
    match chunk {
        0 => (1, 0),
        _ if chunk < SMALL_CHUNKS => (1 << (chunk - 1), 1 << (chunk - 1)),
        _ => (FULL_CHUNK, (chunk - SMALL_CHUNKS + 1) * FULL_CHUNK),
    }
}

/// One chunk's share of something that every page has, made when it is first asked for.
type Chunk<T> = OnceLock<Box<[T]>>;

/// Chunks that are far from the first, made when one of them is first asked for.
type Segment<T> = OnceLock<Box<[Chunk<T>]>>;

/// Something that every page has, by chunk.
///
/// The first chunks, enough for some four million keys, are a table that is there from the start. Those beyond are in
/// segments made when needed, so that an empty limiter is small however many keys it is prepared for. The way to them goes
/// through the failing side of the bounds check that indexing needs anyway.
struct Chunks<T> {
    near: Box<[Chunk<T>]>,
    far: Box<[Segment<T>]>,
}

impl<T> Chunks<T> {
    /// 512 chunks of 24 bytes are 12 KiB.
    const NEAR: usize = 512;
    /// 24 KiB, once in 65 536 pages or 268 MB.
    const SEGMENT: usize = 1024;

    fn new(chunks: usize) -> Chunks<T> {
        let far = chunks.saturating_sub(Self::NEAR).div_ceil(Self::SEGMENT);
        Chunks {
            near: (0..chunks.min(Self::NEAR)).map(|_| OnceLock::new()).collect(),
            far: (0..far).map(|_| OnceLock::new()).collect(),
        }
    }

    #[inline(always)]
    fn chunk(&self, chunk: usize) -> &Chunk<T> {
        match self.near.get(chunk) {
            Some(chunk) => chunk,
            None => self.far_chunk(chunk - Self::NEAR),
        }
    }

    #[inline(never)]
    fn far_chunk(&self, chunk: usize) -> &Chunk<T> {
        let segment = || (0..Self::SEGMENT).map(|_| OnceLock::new()).collect();
        &self.far[chunk / Self::SEGMENT].get_or_init(segment)[chunk % Self::SEGMENT]
    }

    fn bytes(&self) -> usize {
        let segments = self.far.iter().filter_map(|segment| segment.get());
        let chunks = self.near.iter().chain(segments.clone().flatten()).filter_map(|chunk| chunk.get());
        size_of_val(&*self.near)
            + size_of_val(&*self.far)
            + segments.map(|segment| size_of_val(&**segment)).sum::<usize>()
            + chunks.map(|chunk| size_of_val(&**chunk)).sum::<usize>()
    }
}

/// All pages of a table.
pub(super) struct Pages<const LINES: usize, const SLOTS: usize> {
    max: u32,
    lines: Chunks<Lines<LINES, SLOTS>>,
    heads: Chunks<Head>,
}

impl<const LINES: usize, const SLOTS: usize> Pages<LINES, SLOTS> {
    /// Room for `max` pages; none of them is there yet.
    pub(super) fn new(max: u32) -> Pages<LINES, SLOTS> {
        let chunks = PageId::nth(max.saturating_sub(1)).chunk() + 1;
        Pages { max, lines: Chunks::new(chunks), heads: Chunks::new(chunks) }
    }

    /// A page's slots. Its chunk is made when it is first asked for.
    #[inline(always)]
    pub(super) fn lines(&self, page: PageId) -> &Lines<LINES, SLOTS> {
        &self.lines.chunk(page.chunk()).get_or_init(|| self.new_lines(page))[page.offset()]
    }

    #[inline]
    pub(super) fn head(&self, page: PageId) -> &Head {
        &self.heads.chunk(page.chunk()).get_or_init(|| self.new_heads(page))[page.offset()]
    }

    #[cold]
    #[inline(never)]
    fn new_lines(&self, page: PageId) -> Box<[Lines<LINES, SLOTS>]> {
        let line = |_| Line { slots: std::array::from_fn(|_| Slot::vacant()) };
        (0..self.chunk_size(page)).map(|_| std::array::from_fn(line)).collect()
    }

    #[cold]
    #[inline(never)]
    fn new_heads(&self, page: PageId) -> Box<[Head]> {
        (0..self.chunk_size(page)).map(|_| Head::new()).collect()
    }

    /// How many pages `page`'s chunk needs: the last one stops at the maximum.
    fn chunk_size(&self, page: PageId) -> u32 {
        let (pages, before) = chunk_pages(page.0 / FULL_CHUNK);
        pages.min(self.max - before)
    }

    /// Bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        self.lines.bytes() + self.heads.bytes()
    }
}

impl<const LINES: usize, const SLOTS: usize> fmt::Debug for Pages<LINES, SLOTS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use super::{PageId, chunk_pages};

    #[test]
    fn pages_fill_their_chunks_one_after_the_other_without_a_gap() {
        let mut n = 0;
        for chunk in 0..100 {
            let (pages, before) = chunk_pages(chunk);
            assert_eq!(before, n);
            for offset in 0..pages {
                let id = PageId::nth(n);
                assert_eq!((id.chunk(), id.offset()), (chunk as usize, offset as usize));
                n += 1;
            }
        }
        assert_eq!(PageId::nth(0), PageId::FIRST);
    }
}
