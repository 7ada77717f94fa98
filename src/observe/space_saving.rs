//! [`SpaceSaving`]: the most frequent of a stream of names, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::limiter::RandomState;

/// The space-saving summary of Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent and Top-k Elements
/// in Data Streams" (2005).
///
/// It counts at most `capacity` names. A name for which there is no place takes over the smallest count, which is then
/// too high for it by no more than that. After `total` names a count is too high by no more than `total / capacity`,
/// and every name that came more often than that is there.
#[derive(Debug)]
pub(super) struct SpaceSaving<N> {
    capacity: usize,
    total: u64,
    /// Where a name's entry is.
    places: HashMap<Arc<N>, usize, RandomState>,
    entries: Vec<Entry<N>>,
    /// The places of all entries, highest count first.
    ranking: Vec<usize>,
}

/// A name and its count.
#[derive(Debug)]
pub(super) struct Entry<N> {
    pub(super) name: Arc<N>,
    pub(super) count: u64,
    /// What others may have contributed to the count.
    pub(super) at_most_too_many_by: u64,
    /// Where the ranking has it.
    rank: usize,
}

// Not derived: that would ask for a name that can be cloned, and only the pointer is.
impl<N> Clone for Entry<N> {
    fn clone(&self) -> Entry<N> {
        Entry { name: Arc::clone(&self.name), ..*self }
    }
}

impl<N: Hash + Eq + Clone> SpaceSaving<N> {
    /// An empty summary with room for so many names, at least one. Memory is taken as names come.
    pub(super) fn new(capacity: usize) -> SpaceSaving<N> {
        let (places, entries, ranking) = (HashMap::default(), Vec::new(), Vec::new());
        SpaceSaving { capacity: capacity.max(1), total: 0, places, entries, ranking }
    }

    /// As it was at first.
    pub(super) fn emptied(&self) -> SpaceSaving<N> {
        SpaceSaving::new(self.capacity)
    }

    /// How many names came.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Counts a name that came. O(log capacity).
    pub(super) fn record(&mut self, name: N) {
        self.total += 1;
        let place = match self.places.get(&name) {
            Some(&place) => place,
            None if self.entries.len() < self.capacity => self.add(name),
            None => self.replace_smallest(name),
        };
        self.raise(place);
    }

    /// The `n` highest counts, highest first.
    pub(super) fn top(&self, n: usize) -> Vec<Entry<N>> {
        self.ranking.iter().take(n).map(|&place| self.entries[place].clone()).collect()
    }

    /// Gives the name an entry that counts nothing yet.
    fn add(&mut self, name: N) -> usize {
        let (name, place) = (Arc::new(name), self.entries.len());
        // Twice what there will be: a table that is at most half full clears the traces of what was removed in place,
        // where a fuller one would grow.
        self.places.reserve(place + 2);
        self.places.insert(Arc::clone(&name), place);
        self.entries.push(Entry { name, count: 0, at_most_too_many_by: 0, rank: place });
        self.ranking.push(place);
        place
    }

    /// Gives the name the entry with the smallest count.
    fn replace_smallest(&mut self, name: N) -> usize {
        let place = self.ranking[self.ranking.len() - 1];
        let entry = &mut self.entries[place];
        self.places.remove(&entry.name);
        // In place, unless somebody still reads the old name.
        *Arc::make_mut(&mut entry.name) = name;
        entry.at_most_too_many_by = entry.count;
        self.places.insert(Arc::clone(&entry.name), place);
        place
    }

    /// Adds one to an entry's count. Swapped with the first of its equals, it stays in order.
    fn raise(&mut self, place: usize) {
        let Entry { count, rank, .. } = self.entries[place];
        let first = self.ranking.partition_point(|&other| self.entries[other].count > count);
        let displaced = self.ranking[first];
        self.ranking.swap(rank, first);
        self.entries[displaced].rank = rank;
        self.entries[place].rank = first;
        self.entries[place].count += 1;
    }
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use super::SpaceSaving;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn counts_are_never_too_low_nor_too_high_by_more_than_said(
            capacity in 0_usize..12,
            // Few names come often and many seldom: a name's number has no more bits than a random number of bits.
            names in vec((0_u32..8, any::<u8>()).prop_map(|(bits, name)| name >> bits), 0..600),
        ) {
            let mut summary = SpaceSaving::new(capacity);
            let mut exact = HashMap::<u8, u64>::new();
            for &name in &names {
                summary.record(name);
                *exact.entry(name).or_default() += 1;
            }

            let room = capacity.max(1);
            let top = summary.top(usize::MAX);
            let share = names.len() as u64 / room as u64;
            prop_assert_eq!(summary.total(), names.len() as u64);
            prop_assert_eq!(top.len(), exact.len().min(room));
            prop_assert_eq!(top.iter().map(|entry| entry.count).sum::<u64>(), names.len() as u64);
            prop_assert!(top.is_sorted_by(|one, next| one.count >= next.count));
            for entry in &top {
                let count = exact[&*entry.name];
                prop_assert!(count <= entry.count && entry.count <= count + entry.at_most_too_many_by);
                prop_assert!(entry.at_most_too_many_by <= share);
            }
            for (name, &count) in &exact {
                prop_assert!(count <= share || top.iter().any(|entry| *entry.name == *name), "{name}: {count}");
            }
            for n in 0..=top.len() {
                prop_assert_eq!(summary.top(n).len(), n);
            }
        }
    }

    #[test]
    fn what_was_read_stays_when_its_entry_is_given_away() {
        let mut summary = SpaceSaving::new(1);
        summary.record("first");
        let read = summary.top(1);
        summary.record("second");
        assert_eq!((*read[0].name, read[0].count), ("first", 1));
        let entry = &summary.top(1)[0];
        assert_eq!((*entry.name, entry.count, entry.at_most_too_many_by), ("second", 2, 1));
    }
}
