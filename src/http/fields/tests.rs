//! What each dialect says, in examples.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{HeaderDialect, write, write_retry_after};
use crate::http::{LimitReport, Unit};

const DIALECTS: [HeaderDialect; 5] = [
    HeaderDialect::Draft11,
    HeaderDialect::Draft07,
    HeaderDialect::Draft06,
    HeaderDialect::XDelta,
    HeaderDialect::XEpoch,
];

/// Half a second past, so that points in time must be rounded.
pub(super) const NOW: Duration = Duration::from_millis(1_000_000_500);

/// 100 a minute, of which 50 are left.
fn user() -> LimitReport {
    LimitReport {
        name: "user".into(),
        unit: Unit::Rate,
        cost: 1,
        limit: 100,
        window: Some(Duration::from_secs(60)),
        remaining: 50,
        reset_after: Duration::from_millis(29_700),
        retry_after: Some(Duration::ZERO),
        refuses: false,
        failed: false,
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
        cost: 1,
        limit: 8,
        window: None,
        remaining: 3,
        reset_after: Duration::ZERO,
        retry_after: Some(Duration::ZERO),
        refuses: false,
        failed: false,
    }
}

/// The same limit, refusing.
fn refusing(report: LimitReport, retry_after: Option<Duration>) -> LimitReport {
    LimitReport { remaining: 0, reset_after: Duration::from_secs(60), retry_after, refuses: true, ..report }
}

/// The fields of one dialect, and `Retry-After` if a limit refuses.
pub(super) fn headers(dialect: HeaderDialect, reports: &[LimitReport]) -> HeaderMap {
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
fn draft_11_gives_all_windows_where_a_limit_would_refuse_but_the_request_goes_on() {
    let mut headers = HeaderMap::new();
    write(HeaderDialect::Draft11, &[refusing(user(), MILLIS_4200), tenant()], false, NOW, &mut headers);
    assert_eq!(headers["ratelimit"], r#""user";r=0;t=5, "tenant";r=999;t=3597"#);
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
fn of_limits_with_as_much_left_the_one_that_comes_back_slowest_binds() {
    let tenant = LimitReport { remaining: 50, ..tenant() };
    let state = "ratelimit: limit=1000, remaining=50, reset=180";
    assert_eq!(fields(HeaderDialect::Draft07, &[tenant.clone(), user()])[1], state);
    assert_eq!(fields(HeaderDialect::Draft07, &[user(), tenant])[1], state);
}

#[test]
fn a_limit_that_the_request_never_fits_binds_before_one_with_a_wait() {
    let reports = [refusing(tenant(), MILLIS_4200), refusing(user(), None)];
    assert_eq!(fields(HeaderDialect::Draft06, &reports)[0], "ratelimit-limit: 100");
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
fn x_fields_of_a_full_limit_are_reset_now() {
    let full = [LimitReport { remaining: 100, reset_after: Duration::ZERO, ..user() }];
    assert_eq!(fields(HeaderDialect::XDelta, &full)[2], "x-ratelimit-reset: 0");
    assert_eq!(fields(HeaderDialect::XEpoch, &full)[2], "x-ratelimit-reset: 1000001");
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
    let closed = [LimitReport { limit: 0, reset_after: Duration::MAX, ..refusing(user(), None) }];
    assert_eq!(
        fields(HeaderDialect::Draft11, &closed),
        [r#"ratelimit-policy: "user";q=0;w=60"#, r#"ratelimit: "user";r=0;t=60"#]
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
fn of_a_limit_that_could_not_be_checked_clients_are_told_nothing_but_when_to_come_back() {
    let failed = LimitReport { failed: true, ..refusing(user(), MILLIS_4200) };
    for dialect in DIALECTS {
        assert_eq!(fields(dialect, std::slice::from_ref(&failed)), ["retry-after: 5"]);
    }
    let short = [LimitReport { retry_after: Some(Duration::from_secs(1)), ..failed }, tenant()];
    assert_eq!(fields(HeaderDialect::Draft11, &short)[1], r#"ratelimit: "tenant";r=999"#);
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
        .try_append(format!("x-{number}").parse::<HeaderName>().unwrap(), HeaderValue::from(number))
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
