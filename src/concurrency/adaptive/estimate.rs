//! The estimate: what the rule has learnt so far, kept within its bounds.

use super::rule::real;
use super::{LimitRule, Sample};

/// The rule, and where it has taken the limit. The estimate has a fraction; the limit in force is what is below it.
#[derive(Debug)]
pub(super) struct Estimate {
    rule: Box<dyn LimitRule>,
    value: f64,
    min: f64,
    max: f64,
}

impl Estimate {
    /// Requires `1 <= min <= initial <= max`, all at most 2³⁰.
    pub(super) fn new(rule: Box<dyn LimitRule>, initial: usize, min: usize, max: usize) -> Estimate {
        Estimate { rule, value: real(initial), min: real(min), max: real(max) }
    }

    /// Learns from one request that has returned.
    pub(super) fn learn(&mut self, sample: &Sample) {
        let next = self.rule.update(self.value, sample);
        // A rule of the user's own may divide by zero.
        if !next.is_nan() {
            self.value = next.clamp(self.min, self.max);
        }
    }

    /// The limit that this estimate stands for.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 2^30")]
    pub(super) fn limit(&self) -> u32 {
        self.value as u32
    }
}
