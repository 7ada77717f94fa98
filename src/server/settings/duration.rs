//! Durations in a settings file.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use serde::de::{Deserializer, Error, Visitor};

use crate::quota::Excerpt;

/// Zero or longer.
pub(super) fn any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(Text { shortest: Duration::ZERO, range: "it is negative" })
}

/// Longer than what a timer can tell apart.
pub(super) fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(Text { shortest: Duration::from_millis(1), range: "use at least 1ms" })
}

struct Text {
    shortest: Duration,
    range: &'static str,
}

impl Visitor<'_> for Text {
    type Value = Duration;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a duration as \"30s\" or \"1min\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        let shown = Excerpt::of(text);
        let span: Result<Span, _> = text.parse();
        let duration =
            span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours())).map_err(|_| {
                E::custom(format_args!("{shown:?} is not a duration: write it as 30s, 1min or 31d"))
            })?;
        match Duration::try_from(duration) {
            Ok(duration) if duration >= self.shortest => Ok(duration),
            _ => Err(E::custom(format_args!("{shown:?} is out of range: {}", self.range))),
        }
    }
}
