//! Every limiter against an exact model: whatever is done to it, every decision and every figure is the model's.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::pair::Pair;
use crate::model::pairs;
use crate::model::trace::Op;
use crate::strategies::{cases, limit, op, quota, start, window};

/// Few keys, so that they meet again and again.
fn ops() -> impl Strategy<Value = Vec<Op>> {
    vec(op(5), 1..120)
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

    #[test]
    fn a_token_bucket_that_is_refilled_evenly_is_a_token_axis(quota in quota(), start in start(), ops in ops()) {
        let mut pair = pairs::token_bucket(quota, start);
        pair.run(&ops);
        pair.compare_len();
    }

    #[test]
    fn a_token_bucket_that_is_refilled_at_once_is_a_staircase_of_the_clock(
        quota in quota(), start in start(), ops in ops(),
    ) {
        let mut pair = pairs::staircase(quota, start);
        pair.run(&ops);
        pair.compare_len();
    }

    #[test]
    fn a_leaky_bucket_is_a_token_axis_that_tells_when_to_go(rate in quota(), start in start(), ops in ops()) {
        let mut pair = pairs::leaky_bucket(rate, start);
        pair.run(&ops);
        pair.compare_len();
    }

    #[test]
    fn a_fixed_window_is_a_count_for_each_window_of_the_clock(
        limit in limit(), window in window(), start in start(), ops in ops(),
    ) {
        let mut pair = pairs::fixed_window(limit, window, start);
        pair.run(&ops);
        pair.compare_len();
    }

    #[test]
    fn a_sliding_window_weighs_the_last_one_exactly(
        limit in limit(), window in window(), start in start(), ops in ops(),
    ) {
        let mut pair = pairs::sliding_window(limit, window, start);
        pair.run(&ops);
        pair.compare_len();
    }

    #[test]
    fn a_log_is_a_list_of_what_was_spent_when(
        limit in limit(), window in window(), start in start(), ops in ops(),
    ) {
        let mut pair = pairs::sliding_log(limit, window, start);
        pair.run(&ops);
        pair.compare_len();
    }

    #[test]
    fn a_quota_for_each_call_is_a_time_at_which_a_key_is_full(
        otherwise in quota(), start in start(), ops in ops(),
    ) {
        let mut pair = pairs::per_call(otherwise, start);
        pair.run(&ops);
        pair.compare_len();
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
        pair.compare_len();
        prop_assert_eq!(pair.limiter.stats().forgotten, 0);
    }
}
