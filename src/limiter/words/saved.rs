//! Words in a snapshot.

use super::{Words, write};
use crate::algorithm::{MAX_VALUE, Pause, Resume};
use crate::build_error::BuildError;
use crate::limiter::AtCapacity;
use crate::limiter::engine::Keys;
use crate::limiter::snapshot::{Saved, Snapshots};
use crate::snapshot_error::SnapshotError;
use crate::store::Outcome;

impl<A: Resume> Snapshots for A {
    fn saved_name(&self) -> &'static str {
        self.name()
    }

    fn save(&self, keys: &Words, now: u64) -> Saved {
        let (position, origin) = self.origin(now);
        let mut keys = keys.table.busy(position);
        for (_, value) in &mut keys {
            *value -= position;
        }
        Saved::Words { origin, keys }
    }

    fn restore(
        &mut self,
        saved: Saved,
        pause: Pause,
        max_keys: usize,
        at_capacity: AtCapacity,
    ) -> Result<Words, BuildError> {
        let Saved::Words { origin, mut keys } = saved else {
            return Err(BuildError::Snapshot(SnapshotError::Damaged));
        };
        let shift = self.resume(pause, &origin)?;
        let reading = self.read(pause.until().now());
        let position = self.position(&reading);
        keys.retain_mut(|(_, value)| match shift.of(*value) {
            Some(ahead) => {
                *value = position.saturating_add(ahead).min(MAX_VALUE);
                *value > position
            }
            None => false,
        });
        // Where there is no room for all, the largest debts stay: what comes later takes the place of the smallest, or
        // finds none left.
        keys.sort_unstable_by_key(|(_, value)| self.debt(&reading, *value));
        if at_capacity != AtCapacity::ForgetSmallestDebt {
            keys.reverse();
        }
        let words = <Words as Keys<A>>::new(self, max_keys, at_capacity);
        for (tag, value) in &keys {
            // A key that was moved while it was saved may be there twice.
            let outcome = words.apply(self, *tag, reading, |_, _, known| write(known, known.max(*value), ()));
            if let Outcome::NoRoom { .. } = outcome
                && at_capacity == AtCapacity::DenyNew
            {
                let error = SnapshotError::TooManyKeys { keys: keys.len(), max_keys };
                return Err(BuildError::Snapshot(error));
            }
        }
        Ok(words)
    }
}
