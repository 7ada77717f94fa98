//! The log table: lists by tag, in shards behind locks.

use crossbeam_utils::CachePadded;

use super::log_shard::{Bounds, Change, NoRoom, Shard};
use crate::algorithm::Log;
use crate::sync::Mutex;

/// Lists by tag.
#[derive(Debug)]
pub(crate) struct LogTable {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
}

/// Numbers about a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogStats {
    pub(crate) live: usize,
    pub(crate) forced: u64,
    pub(crate) bytes: usize,
}

impl LogTable {
    /// `bounds` are those of all shards together. Their number is a power of two.
    pub(crate) fn new(shards: usize, bounds: Bounds) -> LogTable {
        // Tags are random: keys spread over the shards with a deviation below the root of their mean. Six times as many more are
        // exceeded once in a thousand million.
        let mean = bounds.max_keys.div_ceil(shards);
        let max_keys = if shards == 1 { mean } else { mean + 6 * mean.isqrt() };
        // Places are numbers of 32 bits.
        let max_keys = max_keys.min(u32::MAX as usize - 1);
        let bounds = Bounds { max_keys, max_times: bounds.max_times / shards, ..bounds };
        let shard = || CachePadded::new(Mutex::new(Shard::new(bounds)));
        LogTable { shards: std::iter::repeat_with(shard).take(shards).collect() }
    }

    /// Applies a change that is decided by looking at the list, and tells what `tell` makes of the list after it.
    ///
    /// Both see what counts at `now`, or at the latest time that anybody who came before had, if that is later.
    pub(crate) fn apply<T>(
        &self,
        tag: u64,
        now: u64,
        decide: impl FnOnce(&Log) -> Change,
        tell: impl FnOnce(&Log) -> T,
    ) -> Result<T, NoRoom> {
        self.shard(tag).lock().apply(tag, now, decide, tell)
    }

    /// Forgets a key.
    pub(crate) fn forget(&self, tag: u64) {
        self.shard(tag).lock().forget(tag);
    }

    /// Forgets every key.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            shard.lock().clear();
        }
    }

    /// What counts at `now`: each key's tag, and its times with so many tokens each, the oldest first.
    #[cfg(feature = "serde")]
    pub(crate) fn lists(&self, now: u64) -> Vec<(u64, Vec<(u64, u64)>)> {
        let mut lists = Vec::new();
        for shard in &self.shards {
            lists.extend(shard.lock().lists(now));
        }
        lists
    }

    /// Whether nothing counts of any key.
    pub(crate) fn is_idle(&self, now: u64) -> bool {
        self.shards.iter().all(|shard| shard.lock().live(now).next().is_none())
    }

    pub(crate) fn stats(&self, now: u64) -> LogStats {
        let mut stats =
            LogStats { bytes: size_of::<LogTable>() + size_of_val(&*self.shards), ..LogStats::default() };
        for shard in &self.shards {
            let shard = shard.lock();
            stats.live += shard.live(now).count();
            stats.forced += shard.forced();
            stats.bytes += shard.bytes();
        }
        stats
    }

    fn shard(&self, tag: u64) -> &Mutex<Shard> {
        // The maps hash tags again, so any bits do.
        const SHIFT: u32 = 32;
        let bits = (tag >> SHIFT) as u32 as usize;
        &self.shards[bits & (self.shards.len() - 1)]
    }
}
