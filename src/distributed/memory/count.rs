//! [`Count`]: what the rules have in common, and the arithmetic of the scripts' prelude.
//!
//! All of this is the scripts in Rust, function by function and with the same integers, so that one can be held against the other.

use std::time::Duration;

use super::state::State;
use crate::distributed::reply::Standing;

/// A key's count at one moment.
pub(super) trait Count {
    /// Whether it was stored by a future that the clock cannot have seen, and corrected.
    fn mended(&self) -> bool {
        false
    }

    /// Takes tokens, or gives them back if there are fewer than none.
    fn spend(&mut self, tokens: i64);

    /// What is left, and how long until a cost fits.
    fn standing(&self, cost: i64) -> Standing;

    /// What to store and for how many microseconds, unless it is as good as nothing.
    fn stored(&self) -> Option<(State, i64)>;
}

/// A standing in the scripts' numbers: microseconds, and no wait is for ever.
pub(super) fn standing(remaining: i64, retry: Option<i64>, reset: i64) -> Standing {
    Standing::new(remaining.max(0).unsigned_abs(), retry.map(micros), micros(reset))
}

fn micros(number: i64) -> Duration {
    Duration::from_micros(number.max(0).unsigned_abs())
}

/// A quotient rounded up; the divisor is positive.
pub(super) fn ceil(dividend: i64, divisor: i64) -> i64 {
    dividend.div_euclid(divisor) + i64::from(dividend.rem_euclid(divisor) > 0)
}
