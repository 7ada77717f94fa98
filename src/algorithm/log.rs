//! [`Log`]: what one key was admitted, and when.

use std::collections::VecDeque;

use super::token_clock::MAX_VALUE;

/// Tokens by time, oldest first; those of one time are one run.
///
/// A run holds the sum of all tokens up to it, so that every question is a binary search: how many are out of the window, when enough of
/// them will be, where a refund ends.
#[derive(Debug, Default)]
pub(crate) struct Log {
    runs: VecDeque<Run>,
    /// The sum up to the last run that was dropped.
    dropped: u64,
}

/// Tokens of one time.
#[derive(Clone, Copy, Debug)]
struct Run {
    time: u64,
    /// The sum of all tokens so far. It wraps; differences of two sums do not, since no more than [`MAX_VALUE`] tokens count at once.
    sum: u64,
}

impl Log {
    /// The bytes of a run.
    pub(crate) const RUN_BYTES: usize = size_of::<Run>();

    /// Tokens that count. O(1).
    pub(crate) fn tokens(&self) -> u64 {
        self.runs.back().map_or(0, |newest| self.tokens_up_to(newest))
    }

    fn tokens_up_to(&self, run: &Run) -> u64 {
        run.sum.wrapping_sub(self.dropped)
    }

    /// When it was last added to; `None` when nothing counts.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.runs.back().map(|run| run.time)
    }

    /// The time of the run with which, counted from the oldest, so many tokens are reached; `None` when there are fewer. O(log runs).
    pub(crate) fn time_of(&self, tokens: u64) -> Option<u64> {
        let run = self.runs.partition_point(|run| self.tokens_up_to(run) < tokens);
        self.runs.get(run).map(|run| run.time)
    }

    /// What counts: times and tokens, the oldest first.
    #[cfg(feature = "serde")]
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut before = self.dropped;
        self.runs
            .iter()
            .map(move |run| (run.time, run.sum.wrapping_sub(std::mem::replace(&mut before, run.sum))))
    }

    /// Drops what was added at `time` or before. O(log runs).
    pub(crate) fn drop_until(&mut self, time: u64) {
        // Mostly nothing has passed since somebody looked.
        if self.runs.front().is_none_or(|oldest| oldest.time > time) {
            return;
        }
        let count = self.runs.partition_point(|run| run.time <= time);
        if let Some(last) = count.checked_sub(1).and_then(|last| self.runs.get(last)) {
            self.dropped = last.sum;
            // Runs need no dropping, so this moves the beginning and nothing else.
            self.runs.drain(..count);
        }
    }

    /// Whether to add at `time` takes a run more than there is memory for.
    pub(crate) fn must_grow(&self, time: u64) -> bool {
        self.newest().is_none_or(|newest| newest < time) && self.runs.len() == self.runs.capacity()
    }

    /// Adds tokens at `time`, not before the newest run. There are never more than [`MAX_VALUE`] in all; what is beyond that is as if it had
    /// not been asked for.
    pub(crate) fn add(&mut self, time: u64, tokens: u64) {
        let sum = self.sum_with(tokens);
        match self.runs.back_mut() {
            Some(newest) if newest.time >= time || newest.sum == sum => newest.sum = sum,
            _ => self.runs.push_back(Run { time, sum }),
        }
    }

    /// Adds tokens at `time` to the newest run, which from then on counts as of that time: nothing counts shorter for it, and it takes no memory.
    pub(crate) fn add_to_newest(&mut self, time: u64, tokens: u64) {
        let sum = self.sum_with(tokens);
        match self.runs.back_mut() {
            Some(newest) if newest.sum != sum => *newest = Run { time: newest.time.max(time), sum },
            _ => {}
        }
    }

    fn sum_with(&self, tokens: u64) -> u64 {
        let before = self.tokens();
        self.dropped.wrapping_add(before + tokens.min(MAX_VALUE - before))
    }

    /// Takes tokens back, the newest first. O(log runs).
    pub(crate) fn take_back(&mut self, tokens: u64) {
        let left = self.tokens().saturating_sub(tokens);
        if left == 0 {
            self.runs.clear();
            return;
        }
        let last = self.runs.partition_point(|run| self.tokens_up_to(run) < left);
        self.runs.truncate(last + 1);
        let sum = self.dropped.wrapping_add(left);
        if let Some(newest) = self.runs.back_mut() {
            newest.sum = sum;
        }
    }

    /// What tells the newest run from all others: when it was added, and all that was ever added up to it. `None` when nothing counts.
    pub(crate) fn newest_mark(&self) -> Option<(u64, u64)> {
        self.runs.back().map(|run| (run.time, run.sum))
    }

    /// Whether something was added at `time`.
    pub(crate) fn has(&self, time: u64) -> bool {
        self.runs.binary_search_by_key(&time, |run| run.time).is_ok()
    }

    /// Takes `less` tokens of what was added at `time`, but no more than that was, and adds `more` to it. O(runs).
    pub(crate) fn settle(&mut self, time: u64, less: u64, more: u64) {
        let Ok(place) = self.runs.binary_search_by_key(&time, |run| run.time) else { return };
        let before = place.checked_sub(1).map_or(self.dropped, |place| self.runs[place].sum);
        let count = self.runs[place].sum.wrapping_sub(before);
        let less = less.min(count);
        let more = more.min(MAX_VALUE - self.tokens());
        for run in self.runs.range_mut(place..) {
            run.sum = run.sum.wrapping_sub(less).wrapping_add(more);
        }
        if count == less && more == 0 {
            self.runs.remove(place);
        }
    }

    /// How many runs there is memory for.
    pub(crate) fn capacity(&self) -> usize {
        self.runs.capacity()
    }

    /// Doubles the memory, but by no more than `room` runs; by how many.
    pub(crate) fn grow(&mut self, room: usize) -> usize {
        let capacity = self.capacity();
        let more = capacity.max(1).min(room);
        self.runs.reserve_exact(capacity - self.runs.len() + more);
        self.capacity() - capacity
    }

    /// Gives memory back when three quarters of it are free, so that a long list that is over is not paid for any more; how much.
    pub(crate) fn shrink(&mut self) -> usize {
        // Below this, what is saved is less than what an allocation costs.
        const SMALL: usize = 16;
        let capacity = self.capacity();
        if capacity > SMALL && self.runs.len() <= capacity / 4 {
            self.runs.shrink_to(capacity / 2);
        }
        capacity - self.capacity()
    }
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Op {
        Add { later: u64, tokens: u64 },
        AddToNewest { later: u64, tokens: u64 },
        TakeBack(u64),
        DropUntil { ago: u64 },
        Shrink,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            6 => (0..3_u64, 1..5_u64).prop_map(|(later, tokens)| Op::Add { later, tokens }),
            1 => (0..3_u64, 1..5_u64).prop_map(|(later, tokens)| Op::AddToNewest { later, tokens }),
            2 => (0..12_u64).prop_map(Op::TakeBack),
            1 => Just(Op::TakeBack(u64::MAX)),
            2 => (0..20_u64).prop_map(|ago| Op::DropUntil { ago }),
            1 => Just(Op::Shrink),
            1 => (0..2_u64).prop_map(|later| Op::Add { later, tokens: u64::MAX }),
        ]
    }

    /// One entry for each time, whose tokens stand on their own.
    #[derive(Default)]
    struct Model(Vec<(u64, u64)>);

    impl Model {
        fn tokens(&self) -> u64 {
            self.0.iter().map(|(_, tokens)| tokens).sum()
        }

        fn add(&mut self, time: u64, tokens: u64) {
            let tokens = tokens.min(MAX_VALUE - self.tokens());
            match self.0.last_mut() {
                Some((newest, sum)) if *newest == time => *sum += tokens,
                _ if tokens > 0 => self.0.push((time, tokens)),
                _ => {}
            }
        }

        fn take_back(&mut self, mut tokens: u64) {
            while let Some((_, newest)) = self.0.last_mut() {
                if *newest > tokens {
                    *newest -= tokens;
                    return;
                }
                tokens -= *newest;
                self.0.pop();
            }
        }

        fn time_of(&self, tokens: u64) -> Option<u64> {
            let mut sum = 0;
            self.0.iter().find_map(|(time, more)| {
                sum += more;
                (sum >= tokens).then_some(*time)
            })
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_log_is_a_list_of_times_and_tokens(ops in vec(op(), 1..200)) {
            let (mut log, mut model, mut now) = (Log::default(), Model::default(), 100);
            for op in ops {
                match op {
                    Op::Add { later, tokens } => {
                        now += later;
                        log.add(now, tokens);
                        model.add(now, tokens);
                    }
                    Op::AddToNewest { later, tokens } => {
                        now += later;
                        log.add_to_newest(now, tokens);
                        let full = model.tokens() == MAX_VALUE;
                        if let Some((time, _)) = model.0.last_mut().filter(|_| !full) {
                            *time = now;
                            model.add(now, tokens);
                        }
                    }
                    Op::TakeBack(tokens) => {
                        log.take_back(tokens);
                        model.take_back(tokens);
                    }
                    Op::DropUntil { ago } => {
                        log.drop_until(now - ago);
                        model.0.retain(|(time, _)| *time > now - ago);
                    }
                    Op::Shrink => {
                        log.shrink();
                    }
                }
                prop_assert_eq!(log.tokens(), model.tokens());
                prop_assert_eq!(log.newest(), model.0.last().map(|(time, _)| *time));
                prop_assert_eq!(log.runs.len(), model.0.len());
                for tokens in 1..30 {
                    prop_assert_eq!(log.time_of(tokens), model.time_of(tokens));
                }
            }
        }
    }

    #[test]
    fn memory_grows_by_doubling_up_to_what_is_allowed_and_is_given_back() {
        let mut log = Log::default();
        for time in 0..100 {
            if log.must_grow(time) {
                let grown = log.grow(100 - log.capacity());
                assert!(grown > 0);
            }
            log.add(time, 1);
            assert!(log.capacity() <= (2 * log.runs.len()).min(100));
        }
        log.drop_until(95);
        assert_eq!((log.shrink(), log.capacity()), (50, 50));
    }
}
