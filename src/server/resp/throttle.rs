//! [`Throttle`]: `CL.THROTTLE`, as the Redis module `redis-cell` understands it.

use std::borrow::Cow;
use std::fmt;
use std::mem;
use std::time::Duration;

use super::reply::Replies;
use super::request::{Arguments, excerpt, number};
use crate::policy::AlgorithmName;
use crate::quota::{Quota, QuotaError};
use crate::server::caller::{Answer, Ask, CallerError, CallerLimit};

/// `CL.THROTTLE <key> <max_burst> <count per period> <period> [<quantity>]`
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Throttle<'a> {
    pub(crate) key: Cow<'a, [u8]>,
    pub(crate) limit: CallerLimit,
    /// Zero looks only.
    pub(crate) quantity: u64,
}

/// Why it is no request. What `redis-cell` has words for is told in its words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ThrottleError {
    Usage,
    NotANumber(String),
    ZeroRate,
    TooSmall { argument: &'static str, value: i64, least: i64 },
    Quota(QuotaError),
}

impl fmt::Display for ThrottleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ThrottleError::Usage => f.write_str(
                "Cell error: Store error: Usage: cl.throttle <key> <max_burst> <count per period> <period> [<quantity>]",
            ),
            ThrottleError::NotANumber(text) => {
                write!(f, "Cell error: Store error: Couldn't parse as integer: {text}")
            }
            ThrottleError::ZeroRate => f.write_str("Cell error: Store error: Zero rates are not supported"),
            ThrottleError::TooSmall { argument, value, least } => {
                write!(f, "ERR {argument} is {value}: it must be at least {least}")
            }
            ThrottleError::Quota(error) => write!(f, "ERR count per period: {error}"),
        }
    }
}

impl<'a> Throttle<'a> {
    /// What a request with these arguments asks, its name the first of them.
    pub(crate) fn read(arguments: &mut Arguments<'a>) -> Result<Throttle<'a>, ThrottleError> {
        if !matches!(arguments.len(), 5 | 6) {
            return Err(ThrottleError::Usage);
        }
        let (max_burst, count, period) =
            (integer(&arguments[2])?, integer(&arguments[3])?, integer(&arguments[4])?);
        let quantity = arguments.get(5).map_or(Ok(1), |quantity| integer(quantity))?;
        if count == 0 || period == 0 {
            return Err(ThrottleError::ZeroRate);
        }
        // With -1 the limit is zero, and all is refused.
        let capacity = at_least(-1, "max_burst", max_burst)?.saturating_add(1).unsigned_abs();
        let count = at_least(1, "count per period", count)?.unsigned_abs();
        let period = Duration::from_secs(at_least(1, "period", period)?.unsigned_abs());
        let quantity = at_least(0, "quantity", quantity)?.unsigned_abs();
        let quota = Quota::new(count, period).map_err(ThrottleError::Quota)?.burst(capacity);
        let limit = CallerLimit { algorithm: AlgorithmName::Gcra, quota };
        Ok(Throttle { key: mem::take(&mut arguments[1]), limit, quantity })
    }
}

impl Throttle<'_> {
    pub(crate) fn as_ask(&self) -> Ask<'_> {
        Ask { key: &self.key, limit: self.limit, cost: self.quantity }
    }
}

fn integer(argument: &[u8]) -> Result<i64, ThrottleError> {
    number(argument).ok_or_else(|| ThrottleError::NotANumber(excerpt(argument)))
}

fn at_least(least: i64, argument: &'static str, value: i64) -> Result<i64, ThrottleError> {
    if value < least { Err(ThrottleError::TooSmall { argument, value, least }) } else { Ok(value) }
}

/// Writes what a check has told.
pub(crate) fn write_answer(told: &Result<Answer, CallerError>, replies: &mut Replies) {
    match told {
        Ok(answer) => {
            let retry_after = match answer.retry_after {
                Some(wait) if !answer.allowed => whole_seconds(wait),
                // There is nothing to wait for, or no wait is enough.
                _ => -1,
            };
            replies.array(5);
            replies.integer(i64::from(!answer.allowed));
            replies.integer(clamp(answer.limit));
            replies.integer(clamp(answer.remaining));
            replies.integer(retry_after);
            replies.integer(whole_seconds(answer.reset_after));
        }
        Err(error) => replies.error(format_args!("ERR {error}")),
    }
}

/// Rounded up, so that nobody comes back too early. (`redis-cell` rounds what is below a millisecond down.)
fn whole_seconds(wait: Duration) -> i64 {
    clamp(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)))
}

fn clamp(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Answer = Answer {
        allowed: true,
        limit: 16,
        remaining: 15,
        reset_after: Duration::from_secs(2),
        retry_after: Some(Duration::ZERO),
        delay: Duration::ZERO,
        source: None,
    };

    fn written(told: &Result<Answer, CallerError>) -> String {
        let mut replies = Replies::default();
        write_answer(told, &mut replies);
        String::from_utf8(replies.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn an_answer_is_five_numbers_and_nothing_is_to_be_waited_for_if_it_was_allowed() {
        assert_eq!(written(&Ok(ALLOWED)), "*5\r\n:0\r\n:16\r\n:15\r\n:-1\r\n:2\r\n");
    }

    #[test]
    fn waits_are_rounded_up_to_seconds_and_never_fitting_is_minus_one() {
        let denied = Answer { allowed: false, remaining: 0, ..ALLOWED };
        let wait = |nanos| Some(Duration::from_nanos(nanos));
        for (retry_after, told) in
            [(wait(1), 1), (wait(1_000_000_000), 1), (wait(1_000_000_001), 2), (None, -1)]
        {
            let answer = Answer { retry_after, ..denied };
            assert_eq!(written(&Ok(answer)), format!("*5\r\n:1\r\n:16\r\n:0\r\n:{told}\r\n:2\r\n"));
        }
    }

    #[test]
    fn numbers_beyond_the_protocol_are_its_largest() {
        let answer = Answer { limit: u64::MAX, reset_after: Duration::MAX, ..ALLOWED };
        let most = i64::MAX;
        assert_eq!(written(&Ok(answer)), format!("*5\r\n:0\r\n:{most}\r\n:15\r\n:-1\r\n:{most}\r\n"));
    }

    #[test]
    fn why_a_limit_is_not_asked_is_told() {
        let told = written(&Err(CallerError::Off));
        assert!(told.starts_with("-ERR limits chosen by callers are switched off"), "{told}");
    }
}
