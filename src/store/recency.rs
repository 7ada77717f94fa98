//! [`Recency`]: items in the order in which they were last renewed, close together in memory.

/// Where an item is. It changes when another one is removed.
pub(super) type Place = u32;

/// No place: the end of the chain.
const NOWHERE: Place = Place::MAX;

/// At most 2^32 - 1 items, linked from the oldest to the newest. Every operation is O(1).
#[derive(Debug)]
pub(super) struct Recency<T> {
    items: Vec<Linked<T>>,
    oldest: Place,
    newest: Place,
}

#[derive(Debug)]
struct Linked<T> {
    item: T,
    older: Place,
    newer: Place,
}

impl<T> Recency<T> {
    /// Bytes of an item.
    pub(super) const ITEM_BYTES: usize = size_of::<Linked<T>>();

    pub(super) fn new() -> Recency<T> {
        Recency { items: Vec::new(), oldest: NOWHERE, newest: NOWHERE }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// How many items there is memory for.
    pub(super) fn capacity(&self) -> usize {
        self.items.capacity()
    }

    pub(super) fn oldest(&self) -> Option<Place> {
        (self.oldest != NOWHERE).then_some(self.oldest)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().map(|linked| &linked.item)
    }

    pub(super) fn get(&self, place: Place) -> &T {
        &self.items[place as usize].item
    }

    pub(super) fn get_mut(&mut self, place: Place) -> &mut T {
        &mut self.items[place as usize].item
    }

    /// Adds an item as the newest.
    pub(super) fn push(&mut self, item: T) -> Place {
        #[expect(clippy::cast_possible_truncation, reason = "its users hold fewer than 2^32 - 1 items")]
        let place = self.items.len() as Place;
        if self.items.len() == self.items.capacity() {
            // By a half and not twofold, for the bound on memory that `SlidingLog` states.
            self.items.reserve_exact((self.items.len() / 2).max(4));
        }
        self.items.push(Linked { item, older: NOWHERE, newer: NOWHERE });
        self.link_newest(place);
        place
    }

    /// Makes an item the newest.
    pub(super) fn renew(&mut self, place: Place) {
        if self.newest != place {
            self.unlink(place);
            self.link_newest(place);
        }
    }

    /// Removes an item. The last one moves to its place, if it was not the last itself.
    pub(super) fn remove(&mut self, place: Place) -> T {
        self.unlink(place);
        let removed = self.items.swap_remove(place as usize).item;
        if let Some(Linked { older, newer, .. }) = self.items.get(place as usize) {
            let (older, newer) = (*older, *newer);
            *self.newer_of(older) = place;
            *self.older_of(newer) = place;
        }
        removed
    }

    fn link_newest(&mut self, place: Place) {
        let older = self.newest;
        let linked = &mut self.items[place as usize];
        (linked.older, linked.newer) = (older, NOWHERE);
        *self.newer_of(older) = place;
        self.newest = place;
    }

    fn unlink(&mut self, place: Place) {
        let Linked { older, newer, .. } = self.items[place as usize];
        *self.newer_of(older) = newer;
        *self.older_of(newer) = older;
    }

    /// What is newer than an item; before the oldest the chain begins.
    fn newer_of(&mut self, place: Place) -> &mut Place {
        if place == NOWHERE { &mut self.oldest } else { &mut self.items[place as usize].newer }
    }

    /// What is older than an item; after the newest the chain ends.
    fn older_of(&mut self, place: Place) -> &mut Place {
        if place == NOWHERE { &mut self.newest } else { &mut self.items[place as usize].older }
    }
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Op {
        Push,
        Renew(usize),
        Remove(usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        let any_item = || any::<usize>();
        prop_oneof![
            3 => Just(Op::Push),
            3 => any_item().prop_map(Op::Renew),
            2 => any_item().prop_map(Op::Remove),
        ]
    }

    fn place_of(recency: &Recency<usize>, item: usize) -> Place {
        let place = recency.iter().position(|other| *other == item).unwrap();
        Place::try_from(place).unwrap()
    }

    /// From the oldest on.
    fn in_order(recency: &Recency<usize>) -> Vec<usize> {
        let next = |place: &Place| {
            let newer = recency.items[*place as usize].newer;
            (newer != NOWHERE).then_some(newer)
        };
        std::iter::successors(recency.oldest(), next).map(|place| *recency.get(place)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn items_are_in_the_order_in_which_they_were_renewed(ops in vec(op(), 1..100)) {
            let (mut recency, mut model) = (Recency::new(), Vec::new());
            for (number, op) in ops.into_iter().enumerate() {
                match op {
                    Op::Push => {
                        let place = recency.push(number);
                        prop_assert_eq!(*recency.get(place), number);
                        model.push(number);
                    }
                    Op::Renew(_) | Op::Remove(_) if model.is_empty() => {}
                    Op::Renew(index) => {
                        let item = model.remove(index % model.len());
                        recency.renew(place_of(&recency, item));
                        model.push(item);
                    }
                    Op::Remove(index) => {
                        let item = model.remove(index % model.len());
                        prop_assert_eq!(recency.remove(place_of(&recency, item)), item);
                    }
                }
                prop_assert_eq!(in_order(&recency), model.clone());
                prop_assert_eq!(recency.newest, model.last().map_or(NOWHERE, |item| place_of(&recency, *item)));
            }
        }
    }
}
