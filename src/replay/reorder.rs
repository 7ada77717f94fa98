//! [`Reorder`]: puts what comes slightly out of order back in order, in bounded memory.

use std::collections::{BTreeMap, VecDeque};

/// Holds items back for a span of time, and lets them go sorted by time.
///
/// An item that comes at most the span after a later one is put in its place. One that comes after its place was
/// let go is *late*: it is placed at the time reached by then. So what is let go never steps back in time. Items
/// of the same second keep the order in which they came.
#[derive(Debug)]
pub(super) struct Reorder<T> {
    span: i64,
    most: usize,
    /// By second, because servers log whole seconds: few entries, each with many items.
    held: BTreeMap<i64, VecDeque<T>>,
    count: usize,
    newest: i64,
    /// The time of the item let go last: nothing can be placed before it.
    reached: i64,
    late: u64,
    longest_delay: u64,
}

impl<T> Reorder<T> {
    /// Holds items for `span` seconds, and never more than `most` of them: beyond that the oldest goes early.
    pub(super) fn new(span: i64, most: usize) -> Reorder<T> {
        Reorder {
            span,
            most,
            held: BTreeMap::new(),
            count: 0,
            newest: i64::MIN,
            reached: i64::MIN,
            late: 0,
            longest_delay: 0,
        }
    }

    /// Takes an item in.
    pub(super) fn push(&mut self, second: i64, item: T) {
        if second < self.reached {
            self.late += 1;
            self.longest_delay = self.longest_delay.max(self.newest.abs_diff(second));
        }
        self.newest = self.newest.max(second);
        self.held.entry(second.max(self.reached)).or_default().push_back(item);
        self.count += 1;
    }

    /// The next item that need not wait any longer, with its time.
    pub(super) fn next_due(&mut self) -> Option<(i64, T)> {
        let oldest = *self.held.keys().next()?;
        let due = oldest < self.newest.saturating_sub(self.span) || self.count > self.most;
        if due { self.next() } else { None }
    }

    /// The next item, due or not: for the end of the input.
    pub(super) fn next(&mut self) -> Option<(i64, T)> {
        let mut first = self.held.first_entry()?;
        let second = *first.key();
        let item = first.get_mut().pop_front();
        if first.get().is_empty() {
            first.remove();
        }
        self.reached = second;
        self.count -= 1;
        Some((second, item?))
    }

    /// How many items came too late for their place.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    /// The span, in seconds, that would have placed every late item.
    pub(super) fn longest_delay(&self) -> u64 {
        self.longest_delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything let go for these times, each item being its position in the input.
    fn reorder(reorder: &mut Reorder<usize>, seconds: &[i64]) -> Vec<(i64, usize)> {
        let mut placed = Vec::new();
        for (item, second) in seconds.iter().enumerate() {
            reorder.push(*second, item);
            placed.extend(std::iter::from_fn(|| reorder.next_due()));
        }
        placed.extend(std::iter::from_fn(|| reorder.next()));
        placed
    }

    #[test]
    fn within_the_span_everything_is_sorted_and_equals_keep_their_order() {
        let mut held = Reorder::new(10, 100);
        let placed = reorder(&mut held, &[5, 15, 5, 6, 16, 16, 6]);
        assert_eq!(placed, [(5, 0), (5, 2), (6, 3), (6, 6), (15, 1), (16, 4), (16, 5)]);
        assert_eq!(held.late(), 0);
    }

    #[test]
    fn an_item_past_its_place_is_late_and_placed_at_the_time_reached() {
        let mut held = Reorder::new(10, 100);
        let placed = reorder(&mut held, &[5, 8, 20, 5, 30]);
        assert_eq!(placed, [(5, 0), (8, 1), (8, 3), (20, 2), (30, 4)]);
        assert_eq!((held.late(), held.longest_delay()), (1, 15));
        let placed = reorder(&mut Reorder::new(15, 100), &[5, 8, 20, 5, 30]);
        assert_eq!(placed, [(5, 0), (5, 3), (8, 1), (20, 2), (30, 4)]);
    }

    #[test]
    fn an_item_beyond_the_span_whose_place_is_still_free_is_not_late() {
        let mut held = Reorder::new(10, 100);
        assert_eq!(reorder(&mut held, &[5, 30, 6]), [(5, 0), (6, 2), (30, 1)]);
        assert_eq!(held.late(), 0);
    }

    #[test]
    fn never_more_items_are_held_than_allowed() {
        let mut held = Reorder::new(1_000, 3);
        for second in (0..100).rev() {
            held.push(second, ());
            while held.next_due().is_some() {}
            assert!(held.count <= 3);
        }
        assert_eq!(held.late(), 96);
    }

    #[test]
    fn one_item_from_the_far_future_does_not_stop_the_rest() {
        let mut held = Reorder::new(10, 100);
        let placed = reorder(&mut held, &[5, i64::MAX, 6, 7, 8]);
        assert_eq!(placed, [(5, 0), (6, 2), (7, 3), (8, 4), (i64::MAX, 1)]);
        assert_eq!(held.late(), 0);
    }
}
