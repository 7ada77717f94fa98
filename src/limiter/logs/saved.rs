//! Lists in a snapshot.

use std::time::Duration;

use super::Logs;
use crate::algorithm::{Pause, SlidingLog};
use crate::build_error::BuildError;
use crate::limiter::AtCapacity;
use crate::limiter::engine::Keys;
use crate::limiter::snapshot::{Saved, Snapshots};
use crate::snapshot_error::SnapshotError;
use crate::store::Change;

impl Snapshots for SlidingLog {
    fn saved_name(&self) -> &'static str {
        "sliding_log"
    }

    fn save(&self, keys: &Logs, now: u64) -> Saved {
        let now = self.time(now);
        let mut keys = keys.table.lists(now);
        for (time, _) in keys.iter_mut().flat_map(|(_, runs)| runs) {
            *time = time.saturating_add(self.window_nanos()).saturating_sub(now);
        }
        Saved::Logs { window: self.window_nanos(), keys }
    }

    fn restore(
        &mut self,
        saved: Saved,
        pause: Pause,
        max_keys: usize,
        at_capacity: AtCapacity,
    ) -> Result<Logs, BuildError> {
        let Saved::Logs { window, keys } = saved else {
            return Err(BuildError::Snapshot(SnapshotError::Damaged));
        };
        self.resume(max_keys)?;
        if window != self.window_nanos() {
            let (snapshot, limiter) = (Duration::from_nanos(window), self.window());
            return Err(BuildError::Snapshot(SnapshotError::Window { snapshot, limiter }));
        }
        let now = self.time(pause.until().now());
        let time = |left: u64| {
            let left = left.checked_sub(pause.nanos()).filter(|left| *left > 0)?;
            now.checked_add(left)?.checked_sub(window)
        };
        let runs = |(tag, runs): &(u64, Vec<(u64, u64)>)| {
            let tag = *tag;
            runs.iter()
                .filter_map(move |(left, tokens)| Some((time(*left)?, tag, *tokens)))
                .collect::<Vec<_>>()
        };
        // In the order in which it was spent, so that the lists and their order come to be as they were.
        let mut history: Vec<(u64, u64, u64)> = keys.iter().flat_map(runs).collect();
        history.sort_unstable();
        let logs = Logs::new(self, max_keys, at_capacity);
        for (time, tag, tokens) in history {
            // Slots that are still to come, or a clock that was set back: time has not come to them yet.
            let add = |_: &_| Change::AddAhead { time, tokens };
            let room = logs.table.apply(tag, time.min(now), add, |_| ());
            if room.is_err() && at_capacity == AtCapacity::DenyNew {
                let error = SnapshotError::TooManyKeys { keys: keys.len(), max_keys };
                return Err(BuildError::Snapshot(error));
            }
        }
        Ok(logs)
    }
}
