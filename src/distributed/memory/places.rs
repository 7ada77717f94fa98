//! Places that are held until a time unless they are renewed: `places.lua` in Rust.

use std::collections::BTreeMap;

use super::count::standing;
use super::state::State;
use crate::distributed::reply::Standing;

/// A limit's holders, by when they have left.
#[derive(Debug)]
pub(super) struct Places {
    limit: i64,
    hold: i64,
    now: i64,
    /// Only who holds a place now, and for no longer than a hold.
    holders: BTreeMap<u128, i64>,
    mended: bool,
}

impl Places {
    pub(super) fn read(limit: i64, hold: i64, stored: Option<&State>, now: i64) -> Places {
        let mut places = Places { limit, hold, now, holders: BTreeMap::new(), mended: false };
        if let Some(State::Holders(holders)) = stored {
            for (holder, until) in holders.iter().filter(|(_, until)| **until > now) {
                // After a step back nobody holds for longer than a hold.
                places.mended |= *until > now + hold;
                places.holders.insert(*holder, (*until).min(now + hold));
            }
        }
        places
    }

    pub(super) fn mended(&self) -> bool {
        self.mended
    }

    /// Whether the holder has one now.
    pub(super) fn acquire(&mut self, holder: u128) -> bool {
        let free = self.count() < self.limit || self.holders.contains_key(&holder);
        if free {
            self.holders.insert(holder, self.now + self.hold);
        }
        free
    }

    /// Whether the holder still has one.
    pub(super) fn renew(&mut self, holder: u128) -> bool {
        let last = self.now + self.hold;
        self.holders.get_mut(&holder).map(|until| *until = last).is_some()
    }

    pub(super) fn release(&mut self, holder: u128) {
        self.holders.remove(&holder);
    }

    pub(super) fn standing(&self) -> Standing {
        let mut ends: Vec<i64> = self.holders.values().copied().collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let reset = ends.first().map_or(0, |last| last - self.now);
        let place = usize::try_from(self.limit).unwrap_or(usize::MAX).checked_sub(1);
        let retry = place.map(|place| ends.get(place).map_or(0, |end| end - self.now));
        standing(self.limit - self.count(), retry, reset)
    }

    pub(super) fn stored(&self) -> Option<(State, i64)> {
        let last = self.holders.values().max()?;
        Some((State::Holders(self.holders.clone()), last - self.now))
    }

    pub(super) fn count(&self) -> i64 {
        i64::try_from(self.holders.len()).unwrap_or(i64::MAX)
    }
}
