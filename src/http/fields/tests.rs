//! What each dialect says, in examples, and for any reports by the parser of the `sfv` crate.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use proptest::option;
use proptest::prelude::*;
use sfv::{BareItem, Dictionary, Item, List, ListEntry, Parser};

use super::structured::LARGEST_INTEGER;
use super::{HeaderDialect, retry_after, write, write_retry_after};
use crate::http::{LimitReport, Unit};

const DIALECTS: [HeaderDialect; 5] = [
    HeaderDialect::Draft11,
    HeaderDialect::Draft07,
    HeaderDialect::Draft06,
    HeaderDialect::XDelta,
    HeaderDialect::XEpoch,
];

/// Half a second past, so that points in time must be rounded.
const NOW: Duration = Duration::from_millis(1_000_000_500);

/// 100 a minute, of which 50 are left.
fn user() -> LimitReport {
    LimitReport {
        name: "user".into(),
        unit: Unit::Rate,
        limit: 100,
        window: Some(Duration::from_secs(60)),
        remaining: 50,
        reset_after: Duration::from_millis(29_700),
        retry_after: Some(Duration::ZERO),
        refuses: false,
    }
}

/// 1000 an hour, nearly all left.
fn tenant() -> LimitReport {
    LimitReport {
        name: "tenant".into(),
        limit: 1000,
        window: Some(Duration::from_secs(3600)),
        remaining: 999,
        reset_after: Duration::from_millis(3_600),
        ..user()
    }
}

/// Eight at once.
fn uploads() -> LimitReport {
    LimitReport {
        name: "uploads".into(),
        unit: Unit::Concurrency,
        limit: 8,
        window: None,
        remaining: 3,
        reset_after: Duration::ZERO,
        retry_after: Some(Duration::ZERO),
        refuses: false,
    }
}

/// The same limit, refusing.
fn refusing(report: LimitReport, retry_after: Option<Duration>) -> LimitReport {
    LimitReport { remaining: 0, reset_after: Duration::from_secs(60), retry_after, refuses: true, ..report }
}

fn headers(dialect: HeaderDialect, reports: &[LimitReport]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let refused = reports.iter().any(|report| report.refuses);
    write(dialect, reports, refused, NOW, &mut headers);
    if refused {
        write_retry_after(reports, &mut headers);
    }
    headers
}

/// The fields as in a response, in the order of their names.
fn fields(dialect: HeaderDialect, reports: &[LimitReport]) -> Vec<String> {
    let headers = headers(dialect, reports);
    let mut fields: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    fields.sort();
    fields
}

const MILLIS_4200: Option<Duration> = Some(Duration::from_millis(4_200));

#[test]
fn draft_11_names_every_limit() {
    assert_eq!(
        fields(HeaderDialect::Draft11, &[user()]),
        [r#"ratelimit-policy: "user";q=100;w=60"#, r#"ratelimit: "user";r=50;t=30"#]
    );
    assert_eq!(
        fields(HeaderDialect::Draft11, &[user(), tenant(), uploads()]),
        [
            r#"ratelimit-policy: "user";q=100;w=60, "tenant";q=1000;w=3600, "uploads";q=8;qu="concurrent-requests""#,
            r#"ratelimit: "user";r=50;t=30, "tenant";r=999;t=3597, "uploads";r=3"#,
        ]
    );
}

#[test]
fn draft_11_gives_the_wait_of_limits_that_refuse_and_no_later_window() {
    assert_eq!(
        fields(HeaderDialect::Draft11, &[refusing(user(), MILLIS_4200), tenant()]),
        [
            r#"ratelimit-policy: "user";q=100;w=60, "tenant";q=1000;w=3600"#,
            r#"ratelimit: "user";r=0;t=5, "tenant";r=999"#,
            "retry-after: 5",
        ]
    );
    assert_eq!(
        fields(
            HeaderDialect::Draft11,
            &[refusing(user(), MILLIS_4200), refusing(tenant(), Some(Duration::from_secs(90)))]
        )[1..],
        [r#"ratelimit: "user";r=0;t=5, "tenant";r=0;t=90"#, "retry-after: 90"]
    );
}

#[test]
fn draft_11_of_a_concurrency_limit_that_refuses_says_one_second() {
    assert_eq!(
        fields(HeaderDialect::Draft11, &[refusing(uploads(), Some(Duration::ZERO))]),
        [
            r#"ratelimit-policy: "uploads";q=8;qu="concurrent-requests""#,
            r#"ratelimit: "uploads";r=0;t=1"#,
            "retry-after: 1",
        ]
    );
}

#[test]
fn a_request_that_never_fits_is_not_told_to_come_back() {
    let never = LimitReport { remaining: 50, ..refusing(user(), None) };
    assert_eq!(
        fields(HeaderDialect::Draft11, &[never.clone(), refusing(tenant(), MILLIS_4200)])[1..],
        [r#"ratelimit: "user";r=50;t=30, "tenant";r=0;t=5"#]
    );
    let never = [never];
    assert_eq!(
        fields(HeaderDialect::Draft07, &never),
        ["ratelimit-policy: 100;w=60", "ratelimit: limit=100, remaining=50, reset=30"]
    );
    assert_eq!(
        fields(HeaderDialect::Draft06, &never),
        [
            "ratelimit-limit: 100",
            "ratelimit-policy: 100;w=60",
            "ratelimit-remaining: 50",
            "ratelimit-reset: 30"
        ]
    );
    assert_eq!(
        fields(HeaderDialect::XDelta, &never),
        ["x-ratelimit-limit: 100", "x-ratelimit-remaining: 50", "x-ratelimit-reset: 60"]
    );
}

#[test]
fn draft_07_shows_the_limit_that_binds_and_all_policies() {
    assert_eq!(
        fields(HeaderDialect::Draft07, &[user()]),
        ["ratelimit-policy: 100;w=60", "ratelimit: limit=100, remaining=50, reset=30"]
    );
    assert_eq!(
        fields(HeaderDialect::Draft07, &[tenant(), user(), uploads()]),
        ["ratelimit-policy: 1000;w=3600, 100;w=60", "ratelimit: limit=100, remaining=50, reset=30"]
    );
    assert_eq!(
        fields(HeaderDialect::Draft07, &[user(), refusing(tenant(), MILLIS_4200)]),
        [
            "ratelimit-policy: 100;w=60, 1000;w=3600",
            "ratelimit: limit=1000, remaining=0, reset=5",
            "retry-after: 5",
        ]
    );
}

#[test]
fn drafts_06_and_07_have_no_policy_for_a_concurrency_limit() {
    assert_eq!(fields(HeaderDialect::Draft07, &[uploads()]), ["ratelimit: limit=8, remaining=3, reset=1"]);
    assert_eq!(
        fields(HeaderDialect::Draft06, &[refusing(uploads(), Some(Duration::ZERO))]),
        ["ratelimit-limit: 8", "ratelimit-remaining: 0", "ratelimit-reset: 1", "retry-after: 1"]
    );
}

#[test]
fn draft_06_shows_the_limit_that_binds_and_all_policies() {
    assert_eq!(
        fields(HeaderDialect::Draft06, &[user(), tenant()]),
        [
            "ratelimit-limit: 100",
            "ratelimit-policy: 100;w=60, 1000;w=3600",
            "ratelimit-remaining: 50",
            "ratelimit-reset: 30",
        ]
    );
    assert_eq!(
        fields(HeaderDialect::Draft06, &[refusing(user(), MILLIS_4200)]),
        [
            "ratelimit-limit: 100",
            "ratelimit-policy: 100;w=60",
            "ratelimit-remaining: 0",
            "ratelimit-reset: 5",
            "retry-after: 5",
        ]
    );
}

#[test]
fn x_fields_count_to_the_full_limit_in_seconds_rounded_up() {
    assert_eq!(
        fields(HeaderDialect::XDelta, &[tenant(), user()]),
        ["x-ratelimit-limit: 100", "x-ratelimit-remaining: 50", "x-ratelimit-reset: 30"]
    );
    // 1,000,000.5 s + 29.7 s.
    assert_eq!(fields(HeaderDialect::XEpoch, &[user()])[2], "x-ratelimit-reset: 1000031");
    assert_eq!(
        fields(HeaderDialect::XDelta, &[user(), refusing(tenant(), Some(Duration::from_secs(90)))]),
        ["retry-after: 90", "x-ratelimit-limit: 1000", "x-ratelimit-remaining: 0", "x-ratelimit-reset: 90",]
    );
}

#[test]
fn x_fields_of_a_concurrency_limit_do_not_send_clients_back_at_once() {
    let refused = LimitReport { reset_after: Duration::ZERO, ..refusing(uploads(), Some(Duration::ZERO)) };
    assert_eq!(
        fields(HeaderDialect::XDelta, std::slice::from_ref(&refused)),
        ["retry-after: 1", "x-ratelimit-limit: 8", "x-ratelimit-remaining: 0", "x-ratelimit-reset: 1"]
    );
    assert_eq!(fields(HeaderDialect::XEpoch, &[refused])[3], "x-ratelimit-reset: 1000001");
}

#[test]
fn a_limit_of_zero_is_never_full_again() {
    let closed = LimitReport { limit: 0, reset_after: Duration::MAX, ..refusing(user(), None) };
    let closed = [LimitReport { reset_after: Duration::MAX, ..closed }];
    assert_eq!(
        fields(HeaderDialect::Draft11, &closed),
        [r#"ratelimit-policy: "user";q=0;w=60"#, r#"ratelimit: "user";r=0;t=1"#]
    );
    assert_eq!(fields(HeaderDialect::XDelta, &closed), ["x-ratelimit-limit: 0", "x-ratelimit-remaining: 0"]);
    assert_eq!(fields(HeaderDialect::XEpoch, &closed), ["x-ratelimit-limit: 0", "x-ratelimit-remaining: 0"]);
}

#[test]
fn quotes_and_backslashes_in_names_are_escaped() {
    let report = LimitReport { name: r#"a"b\c"#.into(), ..user() };
    assert_eq!(fields(HeaderDialect::Draft11, &[report])[1], r#"ratelimit: "a\"b\\c";r=50;t=30"#);
}

#[test]
fn windows_below_a_second_are_announced_as_one() {
    let report = LimitReport { window: Some(Duration::from_millis(100)), ..user() };
    assert_eq!(
        fields(HeaderDialect::Draft11, &[report]),
        [r#"ratelimit-policy: "user";q=100;w=1"#, r#"ratelimit: "user";r=50;t=1"#]
    );
}

#[test]
fn without_limits_there_are_no_fields() {
    for dialect in DIALECTS {
        assert_eq!(fields(dialect, &[]), [""; 0]);
    }
}

#[test]
fn draft_11_joins_the_fields_of_a_layer_further_in() {
    let mut headers = HeaderMap::new();
    write(HeaderDialect::Draft11, &[user()], false, NOW, &mut headers);
    write(HeaderDialect::Draft11, &[tenant()], false, NOW, &mut headers);
    let values: Vec<_> = headers.get_all("ratelimit").iter().collect();
    assert_eq!(values, [r#""user";r=50;t=30"#, r#""tenant";r=999;t=3597"#]);
}

#[test]
fn fields_that_two_dialects_share_are_the_later_ones() {
    let mut headers = HeaderMap::new();
    for dialect in [HeaderDialect::Draft07, HeaderDialect::Draft11] {
        write(dialect, &[user()], false, NOW, &mut headers);
    }
    assert_eq!(headers.get_all("ratelimit").iter().collect::<Vec<_>>(), [r#""user";r=50;t=30"#]);
    write(HeaderDialect::Draft07, &[user()], false, NOW, &mut headers);
    let values: Vec<_> = headers.get_all("ratelimit").iter().collect();
    assert_eq!(values, ["limit=100, remaining=50, reset=30"]);
}

#[test]
fn a_response_that_is_full_of_fields_is_left_as_it_is() {
    let mut headers = HeaderMap::new();
    let mut number = 0;
    while headers
        .try_append(format!("x-{number}").parse::<http::HeaderName>().unwrap(), HeaderValue::from(number))
        .is_ok()
    {
        number += 1;
    }
    let before = headers.len();
    for dialect in DIALECTS {
        write(dialect, &[user()], true, NOW, &mut headers);
    }
    write_retry_after(&[refusing(user(), MILLIS_4200)], &mut headers);
    assert_eq!(headers.len(), before);
}

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
        LimitReport { name: name.into(), unit, limit, window, remaining, reset_after, retry_after, refuses }
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
