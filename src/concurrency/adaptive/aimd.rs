//! [`Aimd`]: up by one while all is well, down by a ratio when it is not.

use std::time::Duration;

use super::rule::real;
use super::{AdaptiveError, LimitRule, Sample};

/// Additive increase, multiplicative decrease: the limit rises by one with each success and falls by a ratio with each
/// overload.
///
/// Choose it where overload shows itself: the callee refuses (`503`, `RESOURCE_EXHAUSTED`), or answers later than a
/// [`timeout`](Aimd::timeout) that you can name. Where latency is the only sign and its normal value is not known,
/// choose [`Gradient2`](super::Gradient2).
///
/// # The rule
///
/// For each request that returns, with its round-trip time and the number that were in flight when it was admitted:
///
/// ```text
/// overload, or round trip > timeout:   limit = floor(limit × backoff_ratio)
/// otherwise, if in flight × 2 ≥ limit: limit = limit + 1
/// otherwise:                           limit stays (less than half of it is in use, so nothing shows that more would do)
/// ```
///
/// and then clamped to the minimum and maximum. This is the rule of Netflix's
/// [concurrency-limits](https://github.com/Netflix/concurrency-limits) (`AIMDLimit`), with its defaults.
///
/// # Where it ends
///
/// Each success raises the limit, so it can double in one round trip; each overload lowers it, so that many at once take it
/// down to the minimum. Under steady pressure it swings, about the point where overload begins to show: in a simulation
/// of a server offered twice what it can do, with a timeout of three service times, between a tenth and six times
/// what the server works on at once, and the server idled a fifth of the time. A minimum near what the callee surely
/// stands keeps it busy.
///
/// ```
/// use std::time::Duration;
/// use tollgate::concurrency::{AdaptiveConcurrency, Aimd, Outcome};
///
/// let rule = Aimd::new().timeout(Duration::from_millis(500));
/// let limit = AdaptiveConcurrency::builder(rule).initial(50).build()?;
/// limit.try_acquire()?.finish(Outcome::Overload);
/// assert_eq!(limit.limit(), 45);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a rule does nothing until a limit is built with it"]
pub struct Aimd {
    backoff_ratio: f64,
    timeout: Duration,
}

impl Aimd {
    /// The rule with its published defaults: a backoff ratio of 0.9 and a timeout of 5 seconds.
    pub fn new() -> Aimd {
        Aimd { backoff_ratio: 0.9, timeout: Duration::from_secs(5) }
    }

    /// What remains of the limit after an overload; default 0.9, from 0.5 to below 1, as published.
    pub fn backoff_ratio(mut self, backoff_ratio: f64) -> Aimd {
        self.backoff_ratio = backoff_ratio;
        self
    }

    /// A round trip longer than this counts as an overload, whatever its outcome; default 5 s, more than zero.
    pub fn timeout(mut self, timeout: Duration) -> Aimd {
        self.timeout = timeout;
        self
    }
}

impl Default for Aimd {
    /// [`Aimd::new`].
    fn default() -> Aimd {
        Aimd::new()
    }
}

impl LimitRule for Aimd {
    fn validate(&self) -> Result<(), AdaptiveError> {
        if !(0.5..1.0).contains(&self.backoff_ratio) {
            let value = self.backoff_ratio.to_string();
            return Err(AdaptiveError::Parameter {
                field: "backoff_ratio",
                value,
                allowed: "0.5 to below 1",
            });
        }
        if self.timeout.is_zero() {
            let value = format!("{:?}", self.timeout);
            return Err(AdaptiveError::Parameter { field: "timeout", value, allowed: "1ns or more" });
        }
        Ok(())
    }

    fn update(&mut self, estimate: f64, sample: &Sample) -> f64 {
        if sample.overload || sample.round_trip > self.timeout {
            (estimate * self.backoff_ratio).floor()
        } else if real(sample.in_flight) * 2.0 >= estimate {
            estimate + 1.0
        } else {
            estimate
        }
    }
}
