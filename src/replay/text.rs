//! How the values of a report are written for people.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use jiff::Timestamp;

use super::time::{UnixNanos, timestamp};

/// `1,234`.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count without a share, in line with those that have one.
pub(super) fn count(value: u64) -> String {
    format!("{}        ", number(value))
}

/// `1,234  56.7%`: a count and its share of the whole.
pub(super) fn share(part: u64, whole: u64) -> String {
    format!("{} {:>7}", number(part), percent(part, whole))
}

/// A share to a tenth of a percent, where only nothing is `0.0%` and only everything `100.0%`.
#[expect(clippy::cast_precision_loss, reason = "a tenth of a percent is shown")]
pub(super) fn percent(part: u64, whole: u64) -> String {
    let percent = if part == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 };
    if part > 0 && percent < 0.05 {
        "<0.1%".to_owned()
    } else if part < whole && percent >= 99.95 {
        ">99.9%".to_owned()
    } else {
        format!("{percent:.1}%")
    }
}

/// `3 d 4 h`, `1 h 30 min`, `2 min 5 s`, `1.5 s`, `20 ms`: to the millisecond below a minute, else the two largest units.
pub(super) fn duration(time: Duration) -> String {
    const UNITS: [(u128, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let millis = (time.as_nanos() + 500_000) / 1_000_000;
    let seconds = millis / 1_000;
    if (1..1_000).contains(&millis) {
        return format!("{millis} ms");
    }
    if seconds < 60 {
        let text = format!("{seconds}.{:03}", millis % 1_000);
        return format!("{} s", text.trim_end_matches('0').trim_end_matches('.'));
    }
    let mut rest = seconds;
    let mut text = String::new();
    for (unit, name) in UNITS.into_iter().skip_while(|(unit, _)| seconds < *unit).take(2) {
        let times = rest / unit;
        rest %= unit;
        if times > 0 {
            // Writing to a string cannot fail.
            let _ = write!(text, " {times} {name}");
        }
    }
    text.trim_start().to_owned()
}

/// `2015-05-17 10:05:03`, in UTC.
pub(super) fn date(time: Timestamp) -> impl Display {
    time.strftime("%Y-%m-%d %H:%M:%S")
}

/// A point on an axis of this length in nanoseconds, in UTC: `10:05:03.250`, `10:05`, `May 17 10:05`, `2015-05-17`.
pub(super) fn clock_time(time: UnixNanos, axis: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    let form = match axis / SECOND {
        0..10 => "%H:%M:%S%.3f",
        10..600 => "%H:%M:%S",
        600..86_400 => "%H:%M",
        86_400..2_592_000 => "%b %-d %H:%M",
        _ => "%Y-%m-%d",
    };
    timestamp(time).map_or_else(String::new, |time| time.strftime(form).to_string())
}

/// Whoever sends a request writes into the log. Nothing of it may steer the terminal.
pub(super) fn printable(text: &str) -> String {
    let mut printable = String::new();
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => printable.push(character),
            other => printable.extend(other.escape_debug()),
        }
    }
    printable
}

/// At most `width` characters, with the middle left out: long paths differ at their ends.
pub(super) fn shorten(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let start = width / 2;
    let end = width - start - 1;
    text.chars().take(start).chain(['…']).chain(text.chars().skip(length - end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let grouped = [0, 999, 1_000, 12_345, 123_456, 1_234_567].map(number);
        assert_eq!(grouped, ["0", "999", "1,000", "12,345", "123,456", "1,234,567"]);
    }

    #[test]
    fn a_share_is_zero_or_a_hundred_only_when_it_is() {
        assert_eq!(percent(0, 0), "0.0%");
        assert_eq!(percent(0, 10_000), "0.0%");
        assert_eq!(percent(1, 10_000), "<0.1%");
        assert_eq!(percent(5, 10_000), "0.1%");
        assert_eq!(percent(9_999, 10_000), ">99.9%");
        assert_eq!(percent(10_000, 10_000), "100.0%");
    }

    #[test]
    fn counts_with_and_without_a_share_end_in_the_same_column() {
        assert_eq!(share(1_234, 2_468), "1,234   50.0%");
        assert_eq!(count(1_234).len(), share(1_234, 1_234).len());
    }

    #[test]
    fn durations_show_their_two_largest_units() {
        let text = |seconds: f64| duration(Duration::from_secs_f64(seconds));
        assert_eq!(text(0.0), "0 s");
        assert_eq!(text(0.02), "20 ms");
        assert_eq!(text(3.6), "3.6 s");
        assert_eq!(text(20.0), "20 s");
        assert_eq!(text(60.0), "1 min");
        assert_eq!(text(125.9), "2 min 5 s");
        assert_eq!(text(3_605.0), "1 h");
        assert_eq!(text(299_156.0), "3 d 11 h");
        assert_eq!(duration(Duration::from_nanos(59_999_999_999)), "1 min");
        assert_eq!(duration(Duration::from_nanos(10)), "0 s");
    }

    #[test]
    fn the_longer_an_axis_the_coarser_its_times() {
        let text = |seconds: u64| clock_time(1_431_857_103_250_000_000, seconds * 1_000_000_000);
        let texts = [5, 60, 3_600, 200_000, 3_000_000].map(text);
        assert_eq!(texts, ["10:05:03.250", "10:05:03", "10:05", "May 17 10:05", "2015-05-17"]);
    }

    #[test]
    fn what_would_steer_a_terminal_is_escaped_and_the_rest_is_not() {
        assert_eq!(printable("/é/\"a\"'\\x20"), "/é/\"a\"'\\x20");
        assert_eq!(printable("\u{1b}[31m\u{202e}\n"), r"\u{1b}[31m\u{202e}\n");
    }

    #[test]
    fn long_texts_lose_their_middle() {
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("abcdefg", 6), "abc…fg");
    }
}
