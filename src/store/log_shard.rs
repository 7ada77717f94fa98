//! A shard of the log table: lists by tag, bounded in keys and in times. Whoever calls holds its lock.
//!
//! An empty list is the same as none. All lists have the same window, so the key that was added to longest ago is the first to go idle: whoever
//! needs room looks at the oldest.

use std::collections::HashMap;

use super::recency::{Place, Recency};
use crate::algorithm::Log;

/// How much may be held, and what to do when it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// After so many nanoseconds what was added does not count any more.
    pub(crate) window: u64,
    pub(crate) max_keys: usize,
    pub(crate) max_times: usize,
    pub(crate) forget_at_capacity: bool,
}

/// What is to become of a key's list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Keep,
    /// Add so many tokens now.
    Add(u64),
    /// Add so many tokens as of a time that is still to come.
    AddAhead {
        time: u64,
        tokens: u64,
    },
    /// Take so many of those back that were added at a time, and add so many to them.
    Settle {
        time: u64,
        less: u64,
        more: u64,
    },
    /// Take so many back, the newest first.
    TakeBack(u64),
}

/// The key is new, and there is no room for it until the key that was added to at `oldest` goes idle.
#[derive(Debug)]
pub(crate) struct NoRoom {
    pub(crate) oldest: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Shard {
    bounds: Bounds,
    places: HashMap<u64, Place, ahash::RandomState>,
    keys: Recency<Key>,
    /// The latest time at which anything was decided here. Nobody is decided earlier: a key that was forgotten because it was idle then
    /// must not be found fresh by a caller who took its time before.
    latest: u64,
    /// Times that all lists together have memory for.
    times: usize,
    /// Where the search for the smallest debt goes on.
    hand: usize,
    forced: u64,
}

#[derive(Debug)]
struct Key {
    tag: u64,
    log: Log,
}

impl Shard {
    pub(super) fn new(bounds: Bounds) -> Shard {
        let (places, keys) = (HashMap::default(), Recency::new());
        Shard { bounds, places, keys, latest: 0, times: 0, hand: 0, forced: 0 }
    }

    /// See [`LogTable::apply`](super::LogTable::apply).
    pub(super) fn apply<T>(
        &mut self,
        tag: u64,
        now: u64,
        decide: impl FnOnce(&Log) -> Change,
        tell: impl FnOnce(&Log) -> T,
    ) -> Result<T, NoRoom> {
        self.latest = self.latest.max(now);
        let known = self.places.get(&tag).copied();
        if let Some(place) = known {
            self.pass(place);
        }
        let change = decide(known.map_or(&Log::default(), |place| &self.keys.get(place).log));
        match (known, change) {
            (_, Change::Keep) | (None, Change::TakeBack(_) | Change::Settle { .. }) => {}
            (_, Change::Add(tokens)) => self.add(tag, known, self.latest, tokens)?,
            (_, Change::AddAhead { time, tokens }) => self.add(tag, known, time.max(self.latest), tokens)?,
            (Some(place), Change::TakeBack(tokens)) => self.keys.get_mut(place).log.take_back(tokens),
            (Some(place), Change::Settle { time, less, more }) => {
                self.keys.get_mut(place).log.settle(time, less, more);
            }
        }
        Ok(self.tell_and_tidy(tag, tell))
    }

    /// Adds tokens to a key, known or not.
    fn add(&mut self, tag: u64, known: Option<Place>, time: u64, tokens: u64) -> Result<(), NoRoom> {
        if tokens == 0 {
            return Ok(());
        }
        if let Some(place) = known {
            self.add_to_known(tag, place, time, tokens);
        } else {
            let place = self.insert(tag)?;
            self.keys.get_mut(place).log.add(time, tokens);
        }
        Ok(())
    }

    fn add_to_known(&mut self, tag: u64, place: Place, time: u64, tokens: u64) {
        self.keys.renew(place);
        self.times -= self.keys.get_mut(place).log.shrink();
        let full = self.keys.get(place).log.must_grow(time);
        if full {
            self.make_room_for_times(tag);
        }
        // Its place may have changed since.
        let Some(place) = self.places.get(&tag).copied() else { return };
        if full && !self.grow(place) {
            self.keys.get_mut(place).log.add_to_newest(time, tokens);
        } else {
            self.keys.get_mut(place).log.add(time, tokens);
        }
    }

    /// A place for a new key, with memory for one time.
    fn insert(&mut self, tag: u64) -> Result<Place, NoRoom> {
        // Two for one, so that idle keys become fewer although nobody sweeps them.
        let _ = self.remove_idle() && self.remove_idle();
        if self.is_full() {
            self.forget_smallest_debt(tag);
        }
        if self.is_full() {
            let oldest = self.keys.oldest().and_then(|place| self.keys.get(place).log.newest());
            return Err(NoRoom { oldest });
        }
        let place = self.keys.push(Key { tag, log: Log::default() });
        self.places.insert(tag, place);
        self.grow(place);
        Ok(place)
    }

    fn is_full(&self) -> bool {
        self.keys.len() >= self.bounds.max_keys || self.times >= self.bounds.max_times
    }

    /// Makes room for more times of a key, if that can be had.
    fn make_room_for_times(&mut self, tag: u64) {
        // Each removal is a key's; with more than these in one call others would wait long for the lock.
        const PATIENCE: usize = 32;
        let wanted = self.places.get(&tag).map_or(0, |place| self.keys.get(*place).log.capacity());
        let is_short = |shard: &Shard| shard.bounds.max_times - shard.times < wanted;
        for _ in 0..PATIENCE {
            if !is_short(self) || !self.remove_idle() {
                break;
            }
        }
        if self.times == self.bounds.max_times {
            self.forget_smallest_debt(tag);
        }
    }

    /// Gives a list memory for more times, as far as there is room; whether there was any.
    fn grow(&mut self, place: Place) -> bool {
        let room = self.bounds.max_times.saturating_sub(self.times);
        let grown = self.keys.get_mut(place).log.grow(room);
        self.times += grown;
        grown > 0
    }

    /// Drops what is out of the window.
    fn pass(&mut self, place: Place) {
        if let Some(passed) = self.latest.checked_sub(self.bounds.window) {
            self.keys.get_mut(place).log.drop_until(passed);
        }
    }

    /// Removes the oldest key if it is idle. One whose slot is still to come is not the first to go idle: it counts as new, or it would
    /// keep all that are behind it.
    fn remove_idle(&mut self) -> bool {
        let Some(oldest) = self.keys.oldest() else { return false };
        self.pass(oldest);
        let newest = self.keys.get(oldest).log.newest();
        match newest {
            None => self.remove(oldest),
            Some(time) if time > self.latest => self.keys.renew(oldest),
            Some(_) => {}
        }
        newest.is_none()
    }

    /// Forgets the key that has the fewest tokens of the next few, but not the one of `tag`. Who has none (after a refund a key may be idle before
    /// its turn) gives way in any case, others only if that is wanted.
    fn forget_smallest_debt(&mut self, tag: u64) {
        // As many as a window of the word table has slots.
        const LOOK_AT: usize = 32;
        let (mut least, count) = (None, self.keys.len());
        for _ in 0..LOOK_AT.min(count) {
            self.hand = (self.hand + 1) % count;
            // Fewer than 2^32, as places are.
            let Ok(place) = Place::try_from(self.hand) else { continue };
            self.pass(place);
            let Key { tag: owner, log } = self.keys.get(place);
            if *owner != tag && least.is_none_or(|(tokens, _)| log.tokens() < tokens) {
                least = Some((log.tokens(), place));
            }
        }
        if let Some((tokens, place)) = least
            && (tokens == 0 || self.bounds.forget_at_capacity)
        {
            self.forced += u64::from(tokens > 0);
            self.remove(place);
        }
    }

    /// Tells what `tell` makes of a list, and removes it if it is empty.
    fn tell_and_tidy<T>(&mut self, tag: u64, tell: impl FnOnce(&Log) -> T) -> T {
        let Some(place) = self.places.get(&tag).copied() else { return tell(&Log::default()) };
        let told = tell(&self.keys.get(place).log);
        if self.keys.get(place).log.tokens() == 0 {
            self.remove(place);
        }
        told
    }

    /// Forgets a key.
    pub(super) fn forget(&mut self, tag: u64) {
        if let Some(place) = self.places.get(&tag).copied() {
            self.remove(place);
        }
    }

    /// Forgets every key.
    pub(super) fn clear(&mut self) {
        while let Some(oldest) = self.keys.oldest() {
            self.remove(oldest);
        }
    }

    fn remove(&mut self, place: Place) {
        let Key { tag, log } = self.keys.remove(place);
        self.places.remove(&tag);
        self.times -= log.capacity();
        if (place as usize) < self.keys.len() {
            self.places.insert(self.keys.get(place).tag, place);
        }
    }

    /// The keys of which something counts at `now`, each by when it was last added to.
    pub(super) fn live(&self, now: u64) -> impl Iterator<Item = u64> {
        let passed = now.max(self.latest).checked_sub(self.bounds.window);
        let newest = self.keys.iter().filter_map(|key| key.log.newest());
        newest.filter(move |newest| passed.is_none_or(|time| *newest > time))
    }

    /// The keys of which something counts at `now`, with what counts.
    #[cfg(feature = "serde")]
    pub(super) fn lists(&self, now: u64) -> impl Iterator<Item = (u64, Vec<(u64, u64)>)> {
        let passed = now.max(self.latest).checked_sub(self.bounds.window);
        let counts = move |(time, _): &(u64, u64)| passed.is_none_or(|passed| *time > passed);
        let lists =
            self.keys.iter().map(move |key| (key.tag, key.log.runs().filter(counts).collect::<Vec<_>>()));
        lists.filter(|(_, runs)| !runs.is_empty())
    }

    pub(super) fn forced(&self) -> u64 {
        self.forced
    }

    /// Bytes allocated; those of the map are worked out from its capacity.
    pub(super) fn bytes(&self) -> usize {
        // At most 7 of 8 places are filled, there is a power of two of them, and each has a byte of its own.
        let places = (self.places.capacity() * 8).div_ceil(7).next_power_of_two();
        let map = if self.places.capacity() == 0 { 0 } else { places * (size_of::<(u64, Place)>() + 1) };
        map + self.keys.capacity() * Recency::<Key>::ITEM_BYTES + self.times * Log::RUN_BYTES
    }
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use std::collections::HashMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const WINDOW: u64 = 20;
    const LIMIT: u64 = 4;

    #[derive(Clone, Debug)]
    enum Op {
        Spend { tag: u64, cost: u64 },
        Charge { tag: u64, tokens: u64 },
        TakeBack { tag: u64, tokens: u64 },
        Forget(u64),
        Clear,
        Wait(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        let tag = || 0..12_u64;
        prop_oneof![
            8 => (tag(), 0..4_u64).prop_map(|(tag, cost)| Op::Spend { tag, cost }),
            2 => (tag(), prop_oneof![0..9_u64, Just(u64::MAX)]).prop_map(|(tag, tokens)| Op::Charge { tag, tokens }),
            2 => (tag(), prop_oneof![0..9_u64, Just(u64::MAX)]).prop_map(|(tag, tokens)| Op::TakeBack { tag, tokens }),
            1 => tag().prop_map(Op::Forget),
            1 => Just(Op::Clear),
            8 => prop_oneof![0..4_u64, 0..2 * WINDOW].prop_map(Op::Wait),
        ]
    }

    fn spend(shard: &mut Shard, tag: u64, now: u64, cost: u64) -> bool {
        let mut fits = false;
        let decide = |log: &Log| {
            fits = log.tokens() + cost <= LIMIT;
            if fits { Change::Add(cost) } else { Change::Keep }
        };
        shard.apply(tag, now, decide, |_| ()).is_ok() && fits
    }

    /// Every key has its place, and all memory is counted once.
    fn assert_consistent(shard: &Shard) {
        assert_eq!(shard.places.len(), shard.keys.len());
        for (tag, place) in &shard.places {
            assert_eq!(shard.keys.get(*place).tag, *tag);
        }
        assert_eq!(shard.times, shard.keys.iter().map(|key| key.log.capacity()).sum::<usize>());
        assert!(shard.times <= shard.bounds.max_times && shard.keys.len() <= shard.bounds.max_keys);
        assert!(shard.keys.iter().all(|key| key.log.newest().is_some()), "an empty list is none");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Bounds so small that somebody is always in the way. Nobody is forgotten, so nobody is ever admitted more than the limit.
        #[test]
        fn books_are_kept_and_limits_hold_at_the_bounds(
            ops in vec(op(), 1..200), max_keys in 1..8_usize, max_times in 1..20_usize, forget in any::<bool>(),
        ) {
            let bounds = Bounds { window: WINDOW, max_keys, max_times, forget_at_capacity: forget };
            let (mut shard, mut now) = (Shard::new(bounds), 0);
            let mut admitted: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
            for op in ops {
                match op {
                    Op::Spend { tag, cost } => {
                        if spend(&mut shard, tag, now, cost) {
                            admitted.entry(tag).or_default().push((now, cost));
                            let recent = admitted[&tag].iter().filter(|(time, _)| time + WINDOW > now);
                            let sum: u64 = recent.map(|(_, cost)| cost).sum();
                            prop_assert!(forget && shard.forced > 0 || sum <= LIMIT);
                        }
                    }
                    Op::Charge { tag, tokens } => {
                        let _ = shard.apply(tag, now, |_| Change::Add(tokens), |_| ());
                    }
                    Op::TakeBack { tag, tokens } => {
                        let _ = shard.apply(tag, now, |_| Change::TakeBack(tokens), |_| ());
                        admitted.remove(&tag);
                    }
                    Op::Forget(tag) => {
                        shard.forget(tag);
                        admitted.remove(&tag);
                    }
                    Op::Clear => {
                        shard.clear();
                        admitted.clear();
                    }
                    Op::Wait(nanos) => now += nanos,
                }
                assert_consistent(&shard);
            }
            prop_assert!(forget || shard.forced == 0);
        }
    }

    /// A slot that was taken for next year was the oldest of its shard until then, and whoever went idle behind it stayed.
    #[test]
    fn a_slot_far_ahead_does_not_keep_idle_keys() {
        let bounds = Bounds { window: WINDOW, max_keys: 1_000, max_times: 1_000, forget_at_capacity: false };
        let mut shard = Shard::new(bounds);
        let ahead = Change::AddAhead { time: 1_000 * WINDOW, tokens: 1 };
        assert!(shard.apply(0, 0, |_| ahead, |_| ()).is_ok());
        for tag in 1..=40 {
            assert!(spend(&mut shard, tag, 0, 1));
        }
        for tag in 41..=80 {
            assert!(spend(&mut shard, tag, WINDOW, 1));
            assert_consistent(&shard);
        }
        assert_eq!(shard.keys.len(), 1 + 40, "the slot, and who has spent since");
    }
}
