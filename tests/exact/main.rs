//! Every algorithm against an exact model, written from its documentation: random traces in which all that a limiter tells must agree.
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too, to fail is to panic")]
#![allow(unreachable_pub, reason = "modules of one test program")]

#[path = "../model/mod.rs"]
mod model;
mod pair;
mod rules;
#[path = "../model/strategies.rs"]
mod strategies;

use std::time::Duration;

use proptest::prelude::*;
use tollgate::{
    BuildError, FixedWindow, LeakyBucket, Limiter, PerCall, Quota, SlidingLog, SlidingWindow, TokenBucket,
};

use pair::{Calls, Op, Pair, ops};
use rules::{Fixed, Log, Sliding, Times, Tokens};
use strategies::{cases, magnitude, quota};

const YEAR: u64 = 31_557_600 * 1_000_000_000;
const LONGEST_WINDOW: u64 = 100 * YEAR;

/// Windows of any length, everyday ones among them.
fn window() -> impl Strategy<Value = u64> {
    let everyday = prop::sample::select(vec![1_u64, 60, 900, 3_600, 86_400]);
    prop_oneof![
        everyday.prop_map(|seconds| seconds * 1_000_000_000),
        magnitude().prop_map(|nanos| nanos.clamp(1, LONGEST_WINDOW)),
        1..20_u64,
    ]
}

/// A limit of any magnitude, mostly small.
fn limit() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..12_u64, 1 => magnitude()]
}

/// When a limiter is built: anywhere in a window, in the first twenty years of its clock.
fn start() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), magnitude().prop_map(|nanos| nanos % (20 * YEAR))]
}

/// Windows are told apart for 30 years after the build.
fn until(start: u64) -> u64 {
    start + 29 * YEAR
}

/// The limit after an attempt to change it to `new`.
fn after_setting(old: u64, new: u64, most: u64, result: Result<(), BuildError>) -> u64 {
    match result {
        Ok(()) => {
            assert!(new <= most);
            new
        }
        Err(error) => {
            assert_eq!(error, BuildError::LimitTooLarge { limit: new, max: most });
            old
        }
    }
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn a_fixed_window_is_a_count_for_each_window_of_the_clock(
        window in window(), limit in limit(), start in start(), ops in ops(),
    ) {
        let rule = Fixed { limit: 0, window };
        let rule = Fixed { limit: limit.min(rule.most()), ..rule };
        let calls = Calls::plain(|limiter: &Limiter<FixedWindow>, rule: &mut Fixed, _, limit, _| {
            rule.limit = after_setting(rule.limit, limit, rule.most(), limiter.set_limit(limit));
        });
        let algorithm = FixedWindow::new(rule.limit, Duration::from_nanos(window));
        let mut pair = Pair::new(start, algorithm, rule, calls, window, until(start));
        pair.run(&ops);
        pair.compare_len();
    }

    #[test]
    fn a_sliding_window_weighs_the_last_one_exactly(
        window in window(), limit in limit(), start in start(), ops in ops(),
    ) {
        let rule = Sliding { limit: 0, window };
        let rule = Sliding { limit: limit.min(rule.most()), ..rule };
        let calls = Calls::plain(|limiter: &Limiter<SlidingWindow>, rule: &mut Sliding, _, limit, _| {
            rule.limit = after_setting(rule.limit, limit, rule.most(), limiter.set_limit(limit));
        });
        let algorithm = SlidingWindow::new(rule.limit, Duration::from_nanos(window));
        let mut pair = Pair::new(start, algorithm, rule, calls, window, until(start));
        pair.run(&ops);
        // A key that was refunded in full counts as live until its window has passed twice.
        if !ops.iter().any(|op| matches!(op, Op::Refund { .. })) {
            pair.compare_len();
        }
    }

    #[test]
    fn a_log_is_a_list_of_what_was_spent_when(
        window in window(), limit in limit(), start in start(), ops in ops(),
    ) {
        /// Of a limiter for a thousand keys, which has one shard.
        const MOST: u64 = 8_000_000;
        let rule = Log { limit: limit.min(MOST), window };
        let calls = Calls::plain(|limiter: &Limiter<SlidingLog>, rule: &mut Log, _, limit, _| {
            rule.limit = after_setting(rule.limit, limit, MOST, limiter.set_limit(limit));
        });
        let algorithm = SlidingLog::new(rule.limit, Duration::from_nanos(window));
        // A log's time does not end.
        let mut pair = Pair::new(start, algorithm, rule, calls, window, u64::MAX);
        pair.run(&ops);
        pair.compare_len();
    }

    #[test]
    fn a_token_bucket_that_is_refilled_evenly_is_a_token_axis(
        quota in quota(), start in start(), ops in ops(),
    ) {
        let algorithm = TokenBucket::new(quota.capacity()).refill(quota.count(), quota.period());
        let rule = Tokens::evenly(quota, start);
        let mut pair = Pair::new(start, algorithm, rule, Calls { change_looks: true, ..Calls::plain(set_quota) }, nanos(quota.period()), u64::MAX);
        pair.run(&ops);
        pair.compare_len();
    }

    #[test]
    fn a_token_bucket_that_is_refilled_at_once_is_a_staircase_of_unix_time(
        quota in quota(), start in start(), ops in ops(),
    ) {
        let algorithm = TokenBucket::new(quota.capacity()).refill(quota.count(), quota.period()).refill_at_once();
        let rule = Tokens::at_once(quota, start);
        let mut pair = Pair::new(start, algorithm, rule, Calls { change_looks: true, ..Calls::plain(set_quota) }, nanos(quota.period()), u64::MAX);
        pair.run(&ops);
        pair.compare_len();
    }

    #[test]
    fn a_leaky_bucket_is_a_token_axis_that_tells_when_to_go(
        quota in quota(), start in start(), ops in ops(),
    ) {
        // One goes at once, so there is no bucket without a place.
        let quota = quota.burst(quota.capacity().max(1));
        let algorithm = LeakyBucket::new(quota, quota.capacity().saturating_sub(1));
        let interval = nanos(quota.period()) / quota.count().max(1);
        let calls = Calls::plain(|_: &Limiter<LeakyBucket>, _: &mut Tokens, _, _, _| {});
        let mut pair = Pair::new(start, algorithm, Tokens::queue(quota, start), calls, interval.max(1), u64::MAX);
        pair.run(&ops);
        pair.compare_len();
    }

    #[test]
    fn a_quota_for_each_call_is_a_time_at_which_a_key_is_full(
        first in quota(), start in start(), ops in ops(),
    ) {
        let calls = Calls {
            check: |limiter: &Limiter<PerCall>, rule: &Times, key, cost| limiter.check_with(&key, rule.quota, cost),
            check_many: |limiter, rule, keys| keys.iter().map(|key| limiter.check_with(key, rule.quota, 1)).collect(),
            charge: |limiter: &Limiter<PerCall>, rule: &Times, key, tokens| {
                if tokens == 0 { limiter.peek_with(&key, rule.quota) } else { limiter.charge_with(&key, rule.quota, tokens) }
            },
            refund: |limiter: &Limiter<PerCall>, rule: &Times, key, tokens| limiter.refund_with(&key, rule.quota, tokens),
            change_looks: false,
            change: |_: &Limiter<PerCall>, rule: &mut Times, _, amount, choice| rule.quota = related(rule.quota, amount, choice),
        };
        let rule = Times { quota: first, start };
        let period = nanos(first.period()) / first.count().max(1);
        let mut pair = Pair::new(start, PerCall::new(), rule, calls, period.max(1), u64::MAX);
        pair.run(&ops);
        pair.compare_len();
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap()
}

/// Another quota that has something to do with this one: another rate, another period, another burst.
fn related(old: Quota, burst: u64, choice: u8) -> Quota {
    let (low, high) = (u64::from(choice % 16), u32::from(choice / 16));
    let count =
        u64::try_from((u128::from(old.count()) * u128::from(low + 1) / 4).min(u64::MAX.into())).unwrap();
    let period = old.period() / (high % 5 + 1) * (high % 3 + 1);
    Quota::new(count, period).unwrap_or(old).burst(burst)
}

fn set_quota(limiter: &Limiter<TokenBucket>, rule: &mut Tokens, now: u64, amount: u64, choice: u8) {
    let quota = related(rule.quota(), amount, choice);
    let changed = rule.requote(quota, now);
    assert_eq!(limiter.set_quota(quota).is_ok(), changed, "{quota:?}");
}
