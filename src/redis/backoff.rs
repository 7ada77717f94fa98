//! [`Backoff`]: how long to wait before the next attempt.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The first wait is at most this: longer than a connection within a data centre takes.
const FIRST: Duration = Duration::from_millis(50);
/// No wait is longer: a server that is back is noticed within half a second, well within the second that is promised.
const LONGEST: Duration = Duration::from_millis(500);

/// How long to wait before the next attempt: twice as long each time, and anything from nothing to that, so that many
/// nodes do not all come at once.
#[derive(Debug)]
pub(super) struct Backoff {
    bound: Duration,
}

impl Backoff {
    /// Longer than this is not worth a wait before the first new attempt.
    pub(super) const LONGEST: Duration = LONGEST;

    pub(super) fn new() -> Backoff {
        Backoff { bound: FIRST }
    }

    pub(super) fn next(&mut self) -> Duration {
        let wait = up_to(self.bound);
        self.bound = (self.bound * 2).min(LONGEST);
        wait
    }
}

/// Any duration up to this.
pub(super) fn up_to(bound: Duration) -> Duration {
    // A new state hashes nothing to a number that nobody can foresee.
    let random = RandomState::new().hash_one(()) >> 32;
    #[allow(clippy::cast_possible_truncation, reason = "the high half of a u64 fits a u32")]
    let random = random as u32;
    bound.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_second_and_no_further() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..200).map(|_| backoff.next()).collect();
        assert!(waits[0] <= FIRST);
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert!(waits.iter().any(|wait| *wait > LONGEST / 2), "{waits:?}");
        assert!(waits[10..].iter().any(|wait| *wait < LONGEST / 2), "{waits:?}");
    }
}
