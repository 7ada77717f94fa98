//! Pages: 64 lines of four slots, with a lock for whoever inserts; added in growing chunks, never moved or freed.

use std::fmt;

use super::slot::Slot;
use crate::sync::{Mutex, OnceLock};

/// Slots of one cache line: 4 × 16 bytes.
#[repr(align(64))]
#[derive(Debug)]
pub(crate) struct Line<const SLOTS: usize> {
    pub(super) slots: [Slot; SLOTS],
}

impl<const SLOTS: usize> Line<SLOTS> {
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

struct Chunk<const LINES: usize, const SLOTS: usize> {
    lines: Box<[Lines<LINES, SLOTS>]>,
    states: Box<[Mutex<PageState>]>,
}

/// All pages of a table, by number.
///
/// Page numbers 0, 1, 2-3, 4-7, ... 32-63 are a chunk each, so that a small limiter stays small; from 64 on every 64 pages
/// are one: 256 KiB, which takes tens of microseconds to clear, and few enough chunks that their addresses stay
/// in the first-level cache.
pub(super) struct Pages<const LINES: usize, const SLOTS: usize> {
    chunks: Box<[OnceLock<Chunk<LINES, SLOTS>>]>,
}

const FULL_CHUNK: usize = 64;
/// Chunks before the first full one: 1 + log2 of [`FULL_CHUNK`].
const SMALL_CHUNKS: usize = 7;

/// Which chunk a page is in, and where.
#[inline]
fn place(page: usize) -> (usize, usize) {
    if page >= FULL_CHUNK {
        return (SMALL_CHUNKS - 1 + page / FULL_CHUNK, page % FULL_CHUNK);
    }
    let chunk = (usize::BITS - page.leading_zeros()) as usize;
    (chunk, page - first_of_small(chunk))
}

fn first_of_small(chunk: usize) -> usize {
    if chunk == 0 { 0 } else { 1 << (chunk - 1) }
}

fn chunk_pages(chunk: usize) -> usize {
    if chunk >= SMALL_CHUNKS { FULL_CHUNK } else { first_of_small(chunk).max(1) }
}

impl<const LINES: usize, const SLOTS: usize> Pages<LINES, SLOTS> {
    /// Room for `max` pages; none of them is there yet.
    pub(super) fn new(max: usize) -> Pages<LINES, SLOTS> {
        let (last, _) = place(max.max(1) - 1);
        Pages { chunks: (0..=last).map(|_| OnceLock::new()).collect() }
    }

    /// A page's slots. Its chunk is made when it is first asked for.
    #[inline]
    pub(super) fn lines(&self, page: usize) -> &Lines<LINES, SLOTS> {
        let (chunk, offset) = place(page);
        &self.chunk(chunk).lines[offset]
    }

    pub(super) fn state(&self, page: usize) -> &Mutex<PageState> {
        let (chunk, offset) = place(page);
        &self.chunk(chunk).states[offset]
    }

    /// Bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        let made = |(i, chunk): (usize, &OnceLock<_>)| chunk.get().map_or(0, |_| chunk_pages(i));
        let pages: usize = self.chunks.iter().enumerate().map(made).sum();
        std::mem::size_of_val(&*self.chunks) + pages * Self::page_bytes()
    }

    /// Bytes of one page and its lock.
    pub(super) const fn page_bytes() -> usize {
        size_of::<Lines<LINES, SLOTS>>() + size_of::<Mutex<PageState>>()
    }

    #[inline]
    fn chunk(&self, chunk: usize) -> &Chunk<LINES, SLOTS> {
        self.chunks[chunk].get_or_init(|| Chunk::new(chunk_pages(chunk)))
    }
}

impl<const LINES: usize, const SLOTS: usize> Chunk<LINES, SLOTS> {
    #[cold]
    fn new(pages: usize) -> Self {
        let line = |_| Line { slots: std::array::from_fn(|_| Slot::vacant()) };
        Chunk {
            lines: (0..pages).map(|_| std::array::from_fn(line)).collect(),
            states: (0..pages).map(|_| Mutex::new(PageState::default())).collect(),
        }
    }
}

impl<const LINES: usize, const SLOTS: usize> fmt::Debug for Pages<LINES, SLOTS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}
