//! Quotas: their text form, what is out of range, and what the errors say.

use std::time::Duration;

use proptest::prelude::*;
use tollgate::{Clock, Gcra, Limiter, Quota, QuotaError, QuotaSyntax};

use crate::strategies::{cases, quota};

/// A quota is made at compile time.
const TIERS: [Quota; 3] =
    [Quota::per_second(10), Quota::per_minute(100).burst(5), Quota::per_day(1).burst(u64::MAX)];

const CAPACITY: u64 = TIERS[1].capacity();

#[test]
fn constants_are_quotas() {
    assert_eq!(TIERS.map(|quota| quota.capacity()), [10, 5, 1 << 59]);
    assert_eq!(CAPACITY, 5);
}

#[test]
fn text_is_what_the_documentation_says() {
    let cases = [
        ("10/s", 10, 1_000_000_000, 10),
        ("100/min", 100, 60_000_000_000, 100),
        ("5/2s", 5, 2_000_000_000, 5),
        ("1000/h burst 50", 1_000, 3_600_000_000_000, 50),
        ("  7 / 90 seconds   burst   3 ", 7, 90_000_000_000, 3),
        ("1/30d", 1, 30 * 86_400_000_000_000, 1),
        ("4/ns burst 18446744073709551615", 4, 1, 1 << 59),
        ("3/250ms", 3, 250_000_000, 3),
        ("3/µs", 3, 1_000, 3),
        ("0/s", 0, 1_000_000_000, 0),
        ("0/s burst 9", 0, 1_000_000_000, 0),
        ("6/HOUR", 6, 3_600_000_000_000, 6),
    ];
    for (text, count, nanos, capacity) in cases {
        let quota: Quota = text.parse().unwrap();
        assert_eq!(
            (quota.count(), quota.period(), quota.capacity()),
            (count, Duration::from_nanos(nanos), capacity),
            "{text}"
        );
    }
}

#[test]
fn a_quota_prints_in_its_longest_whole_unit_and_its_burst_only_if_it_has_one_of_its_own() {
    for text in
        ["10/s", "5/2s", "1/90s", "100/min", "1000/h burst 50", "7/36525d", "3/1001ns burst 0", "0/s", "4/ns"]
    {
        assert_eq!(text.parse::<Quota>().unwrap().to_string(), text);
    }
    assert_eq!("1/120s".parse::<Quota>().unwrap().to_string(), "1/2min");
}

#[test]
fn every_unit_has_the_names_the_documentation_gives_it() {
    let units = [
        (1, "ns nanosecond nanoseconds"),
        (1_000, "us microsecond microseconds"),
        (1_000_000, "ms millisecond milliseconds"),
        (1_000_000_000, "s second seconds"),
        (60_000_000_000, "min minute minutes"),
        (3_600_000_000_000, "h hour hours"),
        (86_400_000_000_000, "d day days"),
    ];
    for (nanos, names) in units {
        for name in names.split(' ') {
            let quota: Quota = format!("1/{name}").parse().unwrap();
            assert_eq!(quota.period(), Duration::from_nanos(nanos), "{name}");
        }
        assert_eq!(
            Quota::new(1, Duration::from_nanos(nanos)).unwrap().to_string(),
            format!("1/{}", names.split(' ').next().unwrap())
        );
    }
}

#[test]
fn text_that_is_no_quota_is_refused_with_the_part_that_is_wrong() {
    let cases = [
        ("", QuotaSyntax::NoSlash),
        ("10", QuotaSyntax::NoSlash),
        ("/s", QuotaSyntax::Number { field: "count" }),
        ("ten/s", QuotaSyntax::Number { field: "count" }),
        ("-1/s", QuotaSyntax::Number { field: "count" }),
        ("+1/s", QuotaSyntax::Number { field: "count" }),
        ("1.5/s", QuotaSyntax::Number { field: "count" }),
        ("1_000/s", QuotaSyntax::Number { field: "count" }),
        ("10/s burst", QuotaSyntax::Number { field: "burst" }),
        ("10/s burst many", QuotaSyntax::Number { field: "burst" }),
        ("10/s burst 5 burst 6", QuotaSyntax::Number { field: "burst" }),
        ("10/", QuotaSyntax::Unit),
        ("10/5", QuotaSyntax::Unit),
        ("10/fortnight", QuotaSyntax::Unit),
        ("10/s/s", QuotaSyntax::Unit),
        ("10/s 5", QuotaSyntax::Unit),
        ("18446744073709551616/s", QuotaSyntax::TooLarge { field: "count" }),
        ("1/18446744073709551616s", QuotaSyntax::TooLarge { field: "period" }),
        ("1/s burst 18446744073709551616", QuotaSyntax::TooLarge { field: "burst" }),
    ];
    for (text, problem) in cases {
        let error = text.parse::<Quota>().unwrap_err();
        let QuotaError::Syntax { text: quoted, problem: found } = error else { panic!("{error:?}") };
        assert_eq!((quoted.to_string().as_str(), found), (text, problem));
        assert!(error.to_string().contains(&format!("\"{text}\"")), "{error}");
    }
}

#[test]
fn a_period_or_rate_out_of_range_is_refused_with_its_value() {
    let century = Duration::from_secs(36_525 * 86_400);
    let long = century + Duration::from_nanos(1);
    for period in [Duration::ZERO, long, Duration::MAX] {
        let error = Quota::new(1, period).unwrap_err();
        assert_eq!(error, QuotaError::Period { period });
        assert!(
            error.to_string().contains("period") && error.to_string().contains(&format!("{period:?}")),
            "{error}"
        );
    }
    assert!(Quota::new(1, century).is_ok());
    let second = Duration::from_secs(1);
    assert!(Quota::new(u32::MAX.into(), second).is_ok());
    let error = Quota::new(1 << 32, second).unwrap_err();
    assert_eq!(error, QuotaError::Rate { count: 1 << 32, period: second });
    assert!(error.to_string().contains("rate 4294967296 per 1s"), "{error}");
    assert!(Quota::new(4, Duration::from_nanos(1)).is_ok());
    assert!(Quota::new(5, Duration::from_nanos(1)).is_err());
    assert_eq!("5/ns".parse::<Quota>(), Quota::new(5, Duration::from_nanos(1)));
    assert!(matches!("1/36526d".parse::<Quota>(), Err(QuotaError::Period { .. })));
    assert!(matches!("1/18446744073709551615d".parse::<Quota>(), Err(QuotaError::Period { .. })));
}

#[test]
fn a_long_text_is_quoted_in_part() {
    let error = "é".repeat(100_000).parse::<Quota>().unwrap_err().to_string();
    assert!(error.len() < 500 && error.contains('…'));
    let whole = "é".repeat(30);
    let error = whole.parse::<Quota>().unwrap_err().to_string();
    assert!(error.contains(&format!("\"{whole}\"")), "{error}");
}

#[test]
fn a_quota_of_any_period_can_be_a_constant() {
    const MONTHLY: Quota = match Quota::new(3, Duration::from_secs(30 * 86_400)) {
        Ok(quota) => quota.burst(9),
        Err(_) => panic!("out of range"),
    };
    assert_eq!(MONTHLY, "3/30d burst 9".parse().unwrap());
}

#[test]
fn zero_quotas_admit_nothing_and_nothing_breaks() {
    for quota in [Quota::per_second(0), Quota::per_second(10).burst(0), Quota::per_day(0).burst(5)] {
        assert_eq!(quota.capacity(), 0);
        let (clock, hand) = Clock::manual();
        let limiter = Limiter::builder(Gcra::new(quota)).clock(clock).build().unwrap();
        for _ in 0..3 {
            let denied = limiter.check("key").unwrap_err();
            assert_eq!((denied.limit(), denied.remaining(), denied.retry_after()), (0, 0, None));
            assert!(limiter.check_n("key", 0).is_ok());
            hand.advance(Duration::from_secs(86_400 * 365));
        }
        assert!(limiter.is_empty());
    }
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn every_quota_is_read_back_as_it_was_printed(quota in quota()) {
        let text = quota.to_string();
        prop_assert_eq!(text.parse(), Ok(quota), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,40}|[0-9]{0,22} ?/ ?[0-9]{0,22} ?(ns|us|ms|s|min|h|d)( burst [0-9]{0,22})?") {
        if let Ok(quota) = text.parse::<Quota>() {
            prop_assert_eq!(quota.to_string().parse(), Ok(quota));
        }
    }
}
