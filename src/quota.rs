//! [`Quota`]: how many, in what time, and how many at once; and its one-line text form.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Nanoseconds in a second, the unit in which rates are bounded.
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The longest period: 100 years of 365.25 days, in nanoseconds.
pub(crate) const MAX_PERIOD_NANOS: u64 = 36_525 * 86_400 * NANOS_PER_SECOND;

/// The highest rate, in tokens per second: what [`Quota::per_second`] can be given, so that it cannot fail.
pub(crate) const MAX_TOKENS_PER_SECOND: u64 = u32::MAX as u64;

/// The largest burst: half of the 60-bit axis on which a key's tokens are counted, so that the other half is
/// left for time to pass.
pub(crate) const MAX_CAPACITY: u64 = 1 << 59;

/// The units of the text form, longest first. The first name of each is the one that is printed.
const UNITS: [(u64, &[&str]); 7] = [
    (86_400 * NANOS_PER_SECOND, &["d", "day", "days"]),
    (3_600 * NANOS_PER_SECOND, &["h", "hr", "hour", "hours"]),
    (60 * NANOS_PER_SECOND, &["min", "m", "minute", "minutes"]),
    (NANOS_PER_SECOND, &["s", "sec", "second", "seconds"]),
    (1_000_000, &["ms", "millisecond", "milliseconds"]),
    (1_000, &["us", "µs", "microsecond", "microseconds"]),
    (1, &["ns", "nanosecond", "nanoseconds"]),
];

/// How many tokens come back in what time, and how many a key may spend at once.
///
/// A key starts full, with [`capacity`](Quota::capacity) tokens, and regains `count` tokens every `period`,
/// evenly, one token at a time, never above full. So in any window of length `W` a key is admitted at most
/// `capacity + count / period × W` tokens.
///
/// A quota is a plain value: `Copy`, `const`, made of integers.
///
/// ```
/// use std::time::Duration;
/// use tollgate::Quota;
///
/// const API: Quota = Quota::per_second(10).burst(20);
/// assert_eq!(API.capacity(), 20);
/// assert_eq!(API.to_string(), "10/s burst 20");
///
/// let slow = Quota::new(5, Duration::from_secs(2))?;
/// assert_eq!(slow, "5/2s".parse()?);
/// # Ok::<(), tollgate::QuotaError>(())
/// ```
///
/// # Text form
///
/// `COUNT/PERIOD` or `COUNT/PERIOD burst BURST`, where a period is a unit (`ns`, `us`, `ms`, `s`, `min`, `h`,
/// `d`, or its English name) with an optional whole number before it: `10/s`, `100/min`, `5/2s`,
/// `1000/h burst 50`. Spaces around the parts do not matter. Printing and parsing round-trip.
///
/// # Zero
///
/// A count or burst of zero is a legal quota that admits nothing: its capacity is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    count: u64,
    period_nanos: u64,
    capacity: u64,
}

impl Quota {
    /// `count` tokens per second, with a burst of the same size.
    #[must_use]
    pub const fn per_second(count: u32) -> Quota {
        Quota::from_parts(count as u64, NANOS_PER_SECOND)
    }

    /// `count` tokens per minute, with a burst of the same size.
    #[must_use]
    pub const fn per_minute(count: u32) -> Quota {
        Quota::from_parts(count as u64, 60 * NANOS_PER_SECOND)
    }

    /// `count` tokens per hour, with a burst of the same size.
    #[must_use]
    pub const fn per_hour(count: u32) -> Quota {
        Quota::from_parts(count as u64, 3_600 * NANOS_PER_SECOND)
    }

    /// `count` tokens per day of 24 hours, with a burst of the same size.
    #[must_use]
    pub const fn per_day(count: u32) -> Quota {
        Quota::from_parts(count as u64, 86_400 * NANOS_PER_SECOND)
    }

    /// `count` tokens per `period`, with a burst of the same size.
    ///
    /// `period` is from 1 ns to 100 years (of 365.25 days), and `count / period` at most 2³² − 1 tokens a second.
    ///
    /// # Errors
    ///
    /// [`QuotaError::Period`] or [`QuotaError::Rate`] when outside these ranges.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tollgate::{Quota, QuotaError};
    ///
    /// const MONTHLY: Quota = match Quota::new(1, Duration::from_secs(30 * 86_400)) {
    ///     Ok(quota) => quota,
    ///     Err(_) => panic!("out of range"),
    /// };
    /// assert_eq!(MONTHLY.count(), 1);
    /// assert!(matches!(Quota::new(1, Duration::ZERO), Err(QuotaError::Period { .. })));
    /// ```
    pub const fn new(count: u64, period: Duration) -> Result<Quota, QuotaError> {
        let nanos = period.as_nanos();
        if nanos == 0 || nanos > MAX_PERIOD_NANOS as u128 {
            return Err(QuotaError::Period { period });
        }
        if count as u128 * NANOS_PER_SECOND as u128 > MAX_TOKENS_PER_SECOND as u128 * nanos {
            return Err(QuotaError::Rate { count, period });
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_PERIOD_NANOS, checked above")]
        Ok(Quota::from_parts(count, nanos as u64))
    }

    /// The same rate with room for `burst` tokens at once instead of `count`.
    ///
    /// Zero admits nothing. A burst above 2⁵⁹ counts as 2⁵⁹, the largest that a key's word can hold, and on a
    /// quota of zero tokens it stays zero.
    ///
    /// ```
    /// use tollgate::Quota;
    ///
    /// assert_eq!(Quota::per_second(10).burst(1).capacity(), 1);
    /// assert_eq!(Quota::per_second(10).burst(u64::MAX).capacity(), 1 << 59);
    /// ```
    #[must_use]
    pub const fn burst(mut self, burst: u64) -> Quota {
        self.capacity = if self.count == 0 { 0 } else { min(burst, MAX_CAPACITY) };
        self
    }

    /// Tokens that come back every [`period`](Quota::period).
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The time in which [`count`](Quota::count) tokens come back.
    #[must_use]
    pub const fn period(&self) -> Duration {
        Duration::from_nanos(self.period_nanos)
    }

    /// The most tokens a key can hold, and so the most it can spend at once: the burst.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(crate) const fn period_nanos(&self) -> u64 {
        self.period_nanos
    }

    /// The time in which an empty key becomes full, rounded up; `None` if it never does.
    pub(crate) fn refill_time(&self) -> Option<Duration> {
        let all = u128::from(self.capacity) * u128::from(self.period_nanos);
        let nanos = all.div_ceil(u128::from(self.count).max(1));
        (self.count > 0).then_some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// A quota from the numbers of another one.
    pub(crate) const fn from_words(count: u64, period_nanos: u64, capacity: u64) -> Quota {
        Quota { count, period_nanos, capacity }
    }

    const fn from_parts(count: u64, period_nanos: u64) -> Quota {
        Quota { count, period_nanos, capacity: min(count, MAX_CAPACITY) }
    }
}

/// `u64::min` is not yet callable in constants.
const fn min(a: u64, b: u64) -> u64 {
    if a < b { a } else { b }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.count)?;
        for (nanos, names) in UNITS {
            if self.period_nanos.is_multiple_of(nanos) {
                let times = self.period_nanos / nanos;
                if times != 1 {
                    write!(f, "{times}")?;
                }
                f.write_str(names[0])?;
                break;
            }
        }
        if self.capacity != min(self.count, MAX_CAPACITY) {
            write!(f, " burst {}", self.capacity)?;
        }
        Ok(())
    }
}

impl FromStr for Quota {
    type Err = QuotaError;

    fn from_str(text: &str) -> Result<Quota, QuotaError> {
        let syntax = |problem| QuotaError::Syntax { text: Excerpt::of(text), problem };
        let (rate, burst) = match text.split_once("burst") {
            Some((rate, burst)) => (rate, Some(whole_number(burst, "burst").map_err(syntax)?)),
            None => (text, None),
        };
        let (count, period) = rate.split_once('/').ok_or_else(|| syntax(QuotaSyntax::NoSlash))?;
        let count = whole_number(count, "count").map_err(syntax)?;
        let quota = Quota::new(count, parse_period(period).map_err(syntax)?)?;
        Ok(match burst {
            Some(burst) => quota.burst(burst),
            None => quota,
        })
    }
}

/// `2s`, `min`, `90 seconds`: an optional whole number and a unit.
fn parse_period(text: &str) -> Result<Duration, QuotaSyntax> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (times, unit) = text.split_at(digits);
    let times = if times.is_empty() { 1 } else { whole_number(times, "period")? };
    let unit = unit.trim();
    let (nanos, _) = UNITS
        .iter()
        .find(|(_, names)| names.iter().any(|name| name.eq_ignore_ascii_case(unit)))
        .ok_or(QuotaSyntax::Unit)?;
    // A product beyond 64 bits is a period beyond 100 years: saturating keeps it out of range, which is reported.
    Ok(Duration::from_nanos(times.saturating_mul(*nanos)))
}

/// Plain decimal digits: no sign, no point, no separators.
fn whole_number(text: &str, field: &'static str) -> Result<u64, QuotaSyntax> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(QuotaSyntax::Number { field });
    }
    text.parse().map_err(|_| QuotaSyntax::TooLarge { field })
}

/// The beginning of a text, at most 60 bytes: enough for a message to quote, and `Copy`, so that [`QuotaError`] is too and
/// [`Quota::new`] can be used in constants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Excerpt {
    bytes: [u8; Excerpt::LONGEST],
    len: usize,
    cut: bool,
}

impl Excerpt {
    const LONGEST: usize = 60;

    /// The beginning of this text.
    pub(crate) fn of(text: &str) -> Excerpt {
        let ends = text.char_indices().map(|(start, c)| start + c.len_utf8());
        let len = ends.take_while(|end| *end <= Excerpt::LONGEST).last().unwrap_or(0);
        let mut bytes = [0; Excerpt::LONGEST];
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        Excerpt { bytes, len, cut: len < text.len() }
    }
}

impl fmt::Display for Excerpt {
    /// The text, with `…` where it was cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Cut between characters, so always valid.
        f.write_str(std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default())?;
        f.write_str(if self.cut { "…" } else { "" })
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// Why a quota was refused. The message names the value and says what to change.
///
/// ```
/// use tollgate::{Quota, QuotaError};
///
/// let error = "100/dya".parse::<Quota>().unwrap_err();
/// assert!(error.to_string().contains("the period's unit must be one of"));
/// assert!(matches!(Quota::new(1, std::time::Duration::ZERO), Err(QuotaError::Period { .. })));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuotaError {
    /// The period is zero or longer than 100 years.
    Period {
        /// What was given.
        period: Duration,
    },
    /// More than 2³² − 1 tokens a second.
    Rate {
        /// Tokens per period, as given.
        count: u64,
        /// The period, as given.
        period: Duration,
    },
    /// The text is not of the form `COUNT/PERIOD [burst BURST]`.
    Syntax {
        /// What was given (its beginning, when it is long).
        text: Excerpt,
        /// Which part of it is wrong.
        problem: QuotaSyntax,
    },
    /// A running limiter cannot take this quota: it is too fast, or its burst too large, for the resolution that
    /// was fixed when the limiter was built.
    TooFastForLimiter {
        /// The quota that was refused.
        quota: Quota,
    },
    /// A running limiter cannot take this quota: it is so much slower than the one the limiter was built with
    /// that a token would be counted in steps of more than a microsecond.
    TooSlowForLimiter {
        /// The quota that was refused.
        quota: Quota,
    },
}

/// Which part of a quota's text is wrong.
///
/// ```
/// use tollgate::{Quota, QuotaError, QuotaSyntax};
///
/// let error = "10/fortnight".parse::<Quota>().unwrap_err();
/// assert!(matches!(error, QuotaError::Syntax { problem: QuotaSyntax::Unit, .. }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuotaSyntax {
    /// There is no `/` between count and period.
    NoSlash,
    /// A number is missing, or not a whole number.
    Number {
        /// `count`, `period` or `burst`.
        field: &'static str,
    },
    /// A number does not fit into 64 bits.
    TooLarge {
        /// `count`, `period` or `burst`.
        field: &'static str,
    },
    /// The period's unit is missing or unknown.
    Unit,
}

impl fmt::Display for QuotaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QuotaError::Period { period } => {
                write!(f, "quota period {period:?} is out of range: use 1 ns to 100 years (36525 days)")
            }
            QuotaError::Rate { count, period } => write!(
                f,
                "quota rate {count} per {period:?} is too high: use at most {MAX_TOKENS_PER_SECOND} tokens per second"
            ),
            QuotaError::Syntax { text, problem } => {
                write!(
                    f,
                    "quota {text:?} is not understood: {problem}; write it like 10/s, 5/2s or 1000/h burst 50"
                )
            }
            QuotaError::TooFastForLimiter { quota } => write!(
                f,
                "quota {quota} is too fast or its burst too large for this running limiter: \
                 choose a smaller one, or build a new limiter with it"
            ),
            QuotaError::TooSlowForLimiter { quota } => write!(
                f,
                "quota {quota} is too slow for this running limiter: \
                 choose a faster one, or build a new limiter with it"
            ),
        }
    }
}

impl std::error::Error for QuotaError {}

impl fmt::Display for QuotaSyntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QuotaSyntax::NoSlash => f.write_str("there is no '/' between count and period"),
            QuotaSyntax::Number { field } => write!(f, "the {field} must be a whole number"),
            QuotaSyntax::TooLarge { field } => write!(f, "the {field} is larger than {}", u64::MAX),
            QuotaSyntax::Unit => f.write_str("the period's unit must be one of ns, us, ms, s, min, h, d"),
        }
    }
}
