//! What clients read, for any reports: the parser of the `sfv` crate gives back the numbers.

use std::time::Duration;

use http::HeaderMap;
use proptest::option;
use proptest::prelude::*;
use sfv::{BareItem, Dictionary, Item, List, ListEntry, Parser};

use super::structured::LARGEST_INTEGER;
use super::tests::{NOW, headers};
use super::{HeaderDialect, retry_after};
use crate::http::{LimitReport, Unit};

fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0_u64..200, any::<u64>(), Just(u64::MAX), LARGEST_INTEGER - 2..LARGEST_INTEGER + 2]
}

fn any_duration() -> impl Strategy<Value = Duration> {
    let short = (0_u64..100_000_000_000).prop_map(Duration::from_nanos);
    prop_oneof![Just(Duration::ZERO), short, any::<Duration>(), Just(Duration::MAX)]
}

prop_compose! {
    fn any_report()(
        name in "[ -~]{1,64}",
        is_rate in any::<bool>(),
        limit in any_number(),
        window in option::of(any_duration()),
        remaining in any_number(),
        reset_after in any_duration(),
        retry_after in option::of(any_duration()),
        refuses in any::<bool>(),
    ) -> LimitReport {
        let unit = if is_rate { Unit::Rate } else { Unit::Concurrency };
        LimitReport {
            name: name.into(),
            unit,
            cost: 1,
            limit,
            window,
            remaining,
            reset_after,
            retry_after,
            refuses,
            failed: false,
        }
    }
}

fn items(headers: &HeaderMap, name: &str) -> Vec<Item> {
    let Some(value) = headers.get(name) else { return Vec::new() };
    let list: List = Parser::new(value.as_bytes()).parse().unwrap();
    list.into_iter()
        .map(|entry| match entry {
            ListEntry::Item(item) => item,
            ListEntry::InnerList(_) => panic!("an inner list in {value:?}"),
        })
        .collect()
}

fn integer(item: &BareItem) -> u64 {
    u64::try_from(i64::from(item.as_integer().unwrap())).unwrap()
}

fn parameter(item: &Item, key: &str) -> Option<u64> {
    item.params.get(key).map(integer)
}

fn number(headers: &HeaderMap, name: &str) -> u64 {
    let item: Item = Parser::new(headers[name].as_bytes()).parse().unwrap();
    integer(&item.bare_item)
}

fn seconds_rounded_up(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u64::MAX).min(LARGEST_INTEGER)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_reports_in_draft_11_are_read_back(reports in prop::collection::vec(any_report(), 1..5)) {
        let headers = headers(HeaderDialect::Draft11, &reports);
        let policies = items(&headers, "ratelimit-policy");
        let states = items(&headers, "ratelimit");
        prop_assert_eq!(policies.len(), reports.len());
        prop_assert_eq!(states.len(), reports.len());
        for ((report, policy), state) in reports.iter().zip(&policies).zip(&states) {
            prop_assert_eq!(policy.bare_item.as_string().unwrap().as_str(), &*report.name);
            prop_assert_eq!(state.bare_item.as_string().unwrap().as_str(), &*report.name);
            let quota = parameter(policy, "q").unwrap();
            prop_assert_eq!(quota, report.limit.min(LARGEST_INTEGER));
            let is_rate = report.unit == Unit::Rate;
            let window = report.window.filter(|_| is_rate).map(|window| seconds_rounded_up(window).max(1));
            prop_assert_eq!(parameter(policy, "w"), window);
            let unit = policy.params.get("qu").map(|unit| unit.as_string().unwrap().as_str());
            prop_assert_eq!(unit, (!is_rate).then_some("concurrent-requests"));
            let remaining = parameter(state, "r").unwrap();
            prop_assert_eq!(remaining, report.remaining.min(quota));
            if let Some(effective) = parameter(state, "t") {
                prop_assert!(effective >= 1);
                match (report.refuses, report.retry_after) {
                    (true, Some(wait)) => prop_assert_eq!(effective, seconds_rounded_up(wait).max(1)),
                    // What is left over the effective window is no more than the quota over its own.
                    _ => prop_assert!(
                        u128::from(remaining) * u128::from(window.unwrap()) <= u128::from(effective) * u128::from(quota)
                    ),
                }
            }
        }
    }

    #[test]
    fn retry_after_is_never_zero_nor_before_any_wait_or_effective_window(
        reports in prop::collection::vec(any_report(), 1..5),
    ) {
        let headers = headers(HeaderDialect::Draft11, &reports);
        let waits: Vec<_> =
            reports.iter().filter(|report| report.refuses).map(|report| report.retry_after).collect();
        match headers.contains_key("retry-after").then(|| number(&headers, "retry-after")) {
            Some(seconds) => {
                let longest = waits.iter().map(|wait| seconds_rounded_up(wait.unwrap())).max().unwrap();
                prop_assert_eq!(seconds, longest.max(1));
                for state in items(&headers, "ratelimit") {
                    prop_assert!(parameter(&state, "t").is_none_or(|effective| effective <= seconds));
                }
            }
            None => prop_assert!(waits.is_empty() || waits.contains(&None)),
        }
        prop_assert_eq!(retry_after(&reports).is_some(), headers.contains_key("retry-after"));
    }

    #[test]
    fn any_reports_in_the_dialects_with_room_for_one_are_read_back(
        reports in prop::collection::vec(any_report(), 1..5),
    ) {
        let draft_07 = headers(HeaderDialect::Draft07, &reports);
        let state: Dictionary = Parser::new(draft_07["ratelimit"].as_bytes()).parse().unwrap();
        let entry = |key: &str| match &state[key] {
            ListEntry::Item(item) => integer(&item.bare_item),
            ListEntry::InnerList(_) => panic!("an inner list"),
        };
        let shown = (entry("limit"), entry("remaining"));
        let is_shown = |report: &LimitReport| {
            let limit = report.limit.min(LARGEST_INTEGER);
            shown == (limit, report.remaining.min(limit))
        };
        let any_refuses = reports.iter().any(|report| report.refuses);
        prop_assert!(reports.iter().any(|report| report.refuses == any_refuses && is_shown(report)));
        if let Some(seconds) = retry_after(&reports) {
            prop_assert_eq!(entry("reset"), seconds);
        }

        let draft_06 = headers(HeaderDialect::Draft06, &reports);
        prop_assert_eq!((number(&draft_06, "ratelimit-limit"), number(&draft_06, "ratelimit-remaining")), shown);
        prop_assert_eq!(number(&draft_06, "ratelimit-reset"), entry("reset"));
        let windows = reports.iter().filter(|report| report.unit == Unit::Rate && report.window.is_some());
        let policies = items(&draft_06, "ratelimit-policy");
        prop_assert_eq!(items(&draft_07, "ratelimit-policy"), policies.clone());
        prop_assert_eq!(policies.len(), windows.clone().count());
        for (report, policy) in windows.zip(&policies) {
            prop_assert_eq!(integer(&policy.bare_item), report.limit.min(LARGEST_INTEGER));
            prop_assert_eq!(parameter(policy, "w"), report.window.map(|window| seconds_rounded_up(window).max(1)));
        }

        for dialect in [HeaderDialect::XDelta, HeaderDialect::XEpoch] {
            let headers = headers(dialect, &reports);
            let numbers = (number(&headers, "x-ratelimit-limit"), number(&headers, "x-ratelimit-remaining"));
            prop_assert_eq!(numbers, shown);
            if headers.contains_key("x-ratelimit-reset") {
                let reset = number(&headers, "x-ratelimit-reset");
                let since = if dialect == HeaderDialect::XEpoch { NOW } else { Duration::ZERO };
                let due = retry_after(&reports).unwrap_or(0).saturating_sub(1).saturating_add(since.as_secs());
                prop_assert!(reset >= due.min(LARGEST_INTEGER));
            }
        }
    }
}
