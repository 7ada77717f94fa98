//! The limiter against an exact model: whatever is done to it, every decision and every figure is the model's.

mod model;
#[path = "model/strategies.rs"]
mod strategies;

use model::trace::{Op, Pair};
use proptest::collection::vec;
use proptest::prelude::*;
use strategies::{cases, magnitude, op, quota};

/// When a limiter is built: mostly at once, sometimes late.
fn start() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), magnitude()]
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn a_few_keys_are_limited_exactly_as_the_model_says(
        quota in quota(),
        max_keys in prop::sample::select(vec![1, 100, 10_000]),
        start in start(),
        ops in vec(op(6), 1..120),
    ) {
        Pair::new(quota, max_keys, start).run(&ops);
    }
}

proptest! {
    #![proptest_config(cases(8))]

    /// Pages split, and idle keys' places are taken by others: none of it shows.
    #[test]
    fn many_keys_are_limited_exactly_as_the_model_says(
        quota in quota(),
        first in prop::sample::select(vec![50, 500, 2_000]),
        ops in vec(op(2_000), 1..120),
    ) {
        let mut pair = Pair::new(quota, 2_000, 0);
        pair.apply(&Op::CheckMany { keys: (0..first).collect() });
        pair.run(&ops);
        prop_assert_eq!(pair.limiter.len(), pair.model.len());
        prop_assert_eq!(pair.limiter.stats().forgotten, 0);
    }
}
