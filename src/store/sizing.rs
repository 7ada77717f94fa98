//! How many pages a table needs for the keys that it shall hold.

use super::table::WordTable;

/// Busy keys that a page surely holds. Pages split one by one as their windows fill up, so their number varies: in 2500
/// simulated tables, from 20 to 200 000 keys, none had fewer than 111 keys a page beyond the first four pages.
const KEYS_PER_PAGE: usize = 100;
const SPARE_PAGES: u32 = 4;

impl WordTable {
    /// A table that surely holds `max_keys` busy keys; at most 2^32 / 100 + 4 pages.
    pub(crate) fn for_keys(max_keys: usize, forget_at_capacity: bool) -> WordTable {
        let max_pages =
            u32::try_from(max_keys.div_ceil(KEYS_PER_PAGE)).unwrap_or(u32::MAX - SPARE_PAGES) + SPARE_PAGES;
        WordTable::new(max_pages, forget_at_capacity)
    }
}
