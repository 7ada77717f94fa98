//! [`parse_time`] and [`parse_clf_time`]: the ways in which logs write a time.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// A time: nanoseconds since the beginning of 1970 in UTC.
pub type UnixNanos = u64;

pub(super) const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The end of 2099. One line with a broken date must not stretch the replay beyond what a limiter can count.
const END: i128 = 4_102_444_800 * NANOS_PER_SECOND as i128;

/// Numbers are told apart by their size. From 1973 on no two of these units overlap: a hundred billion seconds
/// are the year 5138, and as many milliseconds, or any larger unit's number, are 1973.
const UNITS: [(u64, u64); 4] = [
    (100_000_000_000, NANOS_PER_SECOND),
    (100_000_000_000_000, 1_000_000),
    (100_000_000_000_000_000, 1_000),
    (u64::MAX, 1),
];

/// The time for printing. Every time of a log has one.
pub(super) fn timestamp(nanos: UnixNanos) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(nanos)).ok()
}

/// Why a text is no time of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeError {
    /// It has another form, or there is no such date.
    Form,
    /// It is a time outside 1970 to 2099.
    Year,
}

/// Reads RFC 3339 with any offset, Unix time (in seconds, or by its size milli-, micro- or nanoseconds; with or
/// without a fraction), or the time of the Common Log Format. A date and time without an offset is UTC.
///
/// # Errors
///
/// [`TimeError`].
pub(super) fn parse_time(text: &[u8]) -> Result<UnixNanos, TimeError> {
    let text = text.trim_ascii();
    if text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        return parse_number(text);
    }
    if text.starts_with(b"[") || text.get(2) == Some(&b'/') {
        let inside = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]"));
        return parse_clf_time(inside.unwrap_or(text));
    }
    // A date alone would be taken for its midnight.
    let text = str::from_utf8(text).ok().filter(|text| text.contains(':')).ok_or(TimeError::Form)?;
    let parsed = text.parse::<Timestamp>().ok().or_else(|| {
        let local = text.parse::<DateTime>().ok()?;
        TimeZone::UTC.to_timestamp(local).ok()
    });
    in_range(parsed.ok_or(TimeError::Form)?.as_nanosecond())
}

/// Reads `17/May/2015:10:05:03 +0000`.
///
/// # Errors
///
/// [`TimeError`].
pub(super) fn parse_clf_time(text: &[u8]) -> Result<UnixNanos, TimeError> {
    let parsed = str::from_utf8(text)
        .ok()
        .and_then(|text| strtime::parse("%d/%b/%Y:%H:%M:%S %z", text).ok())
        .and_then(|time| time.to_timestamp().ok());
    in_range(parsed.ok_or(TimeError::Form)?.as_nanosecond())
}

/// Unix time: digits, and a fraction after a point.
fn parse_number(text: &[u8]) -> Result<UnixNanos, TimeError> {
    let mut parts = text.split(|byte| *byte == b'.');
    let whole = parts.next().filter(|whole| !whole.is_empty()).ok_or(TimeError::Form)?;
    let fraction = parts.next().unwrap_or(b"0");
    if parts.next().is_some() || fraction.is_empty() {
        return Err(TimeError::Form);
    }
    // What does not fit is a time beyond any year.
    let whole: u64 = str::from_utf8(whole).unwrap_or_default().parse().map_err(|_| TimeError::Year)?;
    let (_, unit) = UNITS.into_iter().find(|(end, _)| whole < *end).unwrap_or((u64::MAX, 1));
    let mut nanos = 0;
    let mut digit_worth = unit / 10;
    for digit in fraction {
        nanos += digit_worth * u64::from(digit - b'0');
        digit_worth /= 10;
    }
    in_range(i128::from(whole) * i128::from(unit) + i128::from(nanos))
}

fn in_range(nanos: i128) -> Result<UnixNanos, TimeError> {
    if (0..END).contains(&nanos) {
        u64::try_from(nanos).map_err(|_| TimeError::Year)
    } else {
        Err(TimeError::Year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<UnixNanos, TimeError> {
        parse_time(text.as_bytes())
    }

    #[test]
    fn every_way_to_write_a_time_gives_the_same() {
        for text in [
            "2015-05-17T10:05:03.25Z",
            "2015-05-17T12:05:03.250000+02:00",
            "2015-05-17 04:35:03.25-05:30",
            "2015-05-17 10:05:03.25",
            "2015-05-17T10:05:03,25Z",
            "1431857103.25",
            "1431857103250",
            "1431857103250.0",
            "1431857103250000",
            "1431857103250000000",
            " 1431857103.250000000999 ",
        ] {
            assert_eq!(parse(text), Ok(1_431_857_103_250_000_000), "{text}");
        }
        for text in ["17/May/2015:10:05:03 +0000", "[17/May/2015:12:05:03 +0200]", "1431857103"] {
            assert_eq!(parse(text), Ok(1_431_857_103_000_000_000), "{text}");
        }
    }

    #[test]
    fn nanoseconds_are_kept() {
        for text in ["1431857103.123456789", "1431857103123.456789", "2015-05-17T10:05:03.123456789Z"] {
            assert_eq!(parse(text), Ok(1_431_857_103_123_456_789), "{text}");
        }
    }

    #[test]
    fn years_beyond_1970_to_2099_are_none() {
        assert_eq!(parse("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(parse("2099-12-31T23:59:59.999999999Z"), Ok(4_102_444_799_999_999_999));
        for text in [
            "1969-12-31T23:59:59.999Z",
            "2100-01-01T00:00:00Z",
            "4102444800",
            "99999999999",
            "18446744073709551615",
            "99999999999999999999999999",
        ] {
            assert_eq!(parse(text), Err(TimeError::Year), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "1.2.3",
            "-1",
            "+1",
            "1e9",
            "now",
            "2015-05-17",
            "2015-02-30T00:00:00Z",
            "[1]",
        ] {
            assert_eq!(parse(text), Err(TimeError::Form), "{text}");
        }
        assert_eq!(parse_time(b"\xff"), Err(TimeError::Form));
    }
}
