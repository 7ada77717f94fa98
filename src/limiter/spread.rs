//! Retries that are spread, so that a crowd that was refused together does not come back together.

use std::cell::Cell;

thread_local! {
    /// How many refusals of this thread were spread. Threads need not agree: each spreads its own evenly.
    static REFUSALS: Cell<u16> = const { Cell::new(0) };
}

/// The number of the next refusal.
#[inline]
pub(super) fn next_count() -> u16 {
    REFUSALS.with(|refusals| refusals.replace(refusals.get().wrapping_add(1)))
}

/// The place of a refusal with this number among so many slots; 0 when there is none to choose from.
#[inline]
pub(super) fn place_of(count: u16, slots: u16) -> u16 {
    if slots <= 1 { 0 } else { count % slots }
}

/// The place of the next refusal among so many slots.
#[inline]
pub(super) fn next_place(slots: u16) -> u16 {
    if slots <= 1 { 0 } else { next_of(slots) }
}

/// Out of line: refusals that are not spread, which are most, do not pay for it.
#[cold]
#[inline(never)]
fn next_of(slots: u16) -> u16 {
    place_of(next_count(), slots)
}
