//! [`Reorder`]: puts what comes slightly out of order back in order, in bounded memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::time::UnixNanos;

/// Holds items back for a span of time, and lets them go sorted by time.
///
/// An item that comes at most the span after a later one is put in its place. One that comes after its place was
/// let go is *late*: it is placed at the time reached by then. So what is let go never steps back in time. Items
/// of the same time keep the order in which they came.
#[derive(Debug)]
pub(super) struct Reorder<T> {
    span: u64,
    most: usize,
    /// The earliest first; of equals the one that came first, which its number tells.
    held: BinaryHeap<Reverse<(UnixNanos, u64, T)>>,
    pushed: u64,
    newest: UnixNanos,
    /// The time of the item let go last: nothing can be placed before it.
    reached: UnixNanos,
    late: u64,
    longest_delay: u64,
}

impl<T: Ord> Reorder<T> {
    /// Holds items for `span` nanoseconds, and never more than `most` of them: beyond that the oldest goes early.
    pub(super) fn new(span: u64, most: usize) -> Reorder<T> {
        Reorder {
            span,
            most,
            held: BinaryHeap::new(),
            pushed: 0,
            newest: 0,
            reached: 0,
            late: 0,
            longest_delay: 0,
        }
    }

    /// Takes an item in.
    pub(super) fn push(&mut self, time: UnixNanos, item: T) {
        if time < self.reached {
            self.late += 1;
            self.longest_delay = self.longest_delay.max(self.newest - time);
        }
        self.newest = self.newest.max(time);
        self.held.push(Reverse((time.max(self.reached), self.pushed, item)));
        self.pushed += 1;
    }

    /// The next item that need not wait any longer, with its time.
    pub(super) fn next_due(&mut self) -> Option<(UnixNanos, T)> {
        let Reverse((oldest, ..)) = self.held.peek()?;
        let due = *oldest < self.newest.saturating_sub(self.span) || self.held.len() > self.most;
        if due { self.next() } else { None }
    }

    /// The next item, due or not: for the end of the input.
    pub(super) fn next(&mut self) -> Option<(UnixNanos, T)> {
        let Reverse((time, _, item)) = self.held.pop()?;
        self.reached = time;
        Some((time, item))
    }

    /// How many items came too late for their place.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    /// The span, in nanoseconds, that would have placed every late item.
    pub(super) fn longest_delay(&self) -> u64 {
        self.longest_delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything let go for these times, each item being its position in the input.
    fn reorder(reorder: &mut Reorder<usize>, times: &[u64]) -> Vec<(u64, usize)> {
        let mut placed = Vec::new();
        for (item, time) in times.iter().enumerate() {
            reorder.push(*time, item);
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
        for time in (0..100).rev() {
            held.push(time, ());
            while held.next_due().is_some() {}
            assert!(held.held.len() <= 3);
        }
        assert_eq!(held.late(), 96);
    }

    #[test]
    fn one_item_from_the_far_future_does_not_stop_the_rest() {
        let mut held = Reorder::new(10, 100);
        let placed = reorder(&mut held, &[5, u64::MAX, 6, 7, 8]);
        assert_eq!(placed, [(5, 0), (6, 2), (7, 3), (8, 4), (u64::MAX, 1)]);
        assert_eq!(held.late(), 0);
    }
}
