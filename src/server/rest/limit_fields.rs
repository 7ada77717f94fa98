//! [`LimitFields`]: a limit as callers write it, in one of three shapes.

use std::time::Duration;

use crate::policy::AlgorithmName;
use crate::quota::{Quota, QuotaError};
use crate::server::caller::CallerLimit;

/// The fields of a limit as they were given. `rate` and `interval` go together, `capacity` and `refill_rate`, and `limit` and `window`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct LimitFields {
    pub(super) algorithm: Option<AlgorithmName>,
    pub(super) rate: Option<u64>,
    pub(super) interval: Option<f64>,
    pub(super) burst: Option<u64>,
    pub(super) capacity: Option<u64>,
    pub(super) refill_rate: Option<f64>,
    pub(super) limit: Option<u64>,
    pub(super) window: Option<f64>,
}

/// A field that is wrong, and what to change.
#[derive(Debug, PartialEq)]
pub(super) struct WrongField {
    /// Its name.
    pub(super) field: &'static str,
    /// What is wrong with it.
    pub(super) message: String,
}

fn wrong<T>(field: &'static str, message: impl Into<String>) -> Result<T, WrongField> {
    Err(WrongField { field, message: message.into() })
}

/// A way to write a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    RateAndInterval,
    CapacityAndRefill,
    LimitAndWindow,
}

impl Shape {
    const ALL: [Shape; 3] = [Shape::RateAndInterval, Shape::CapacityAndRefill, Shape::LimitAndWindow];

    /// The fields that it must have.
    fn fields(self) -> [&'static str; 2] {
        match self {
            Shape::RateAndInterval => ["rate", "interval"],
            Shape::CapacityAndRefill => ["capacity", "refill_rate"],
            Shape::LimitAndWindow => ["limit", "window"],
        }
    }

    /// What the parts of a limit are called in this shape: how much, in what time, and how much at once.
    pub(super) fn name_of(self, part: &'static str) -> &'static str {
        match (self, part) {
            (Shape::CapacityAndRefill, "rate" | "interval" | "window" | "count" | "period") => "refill_rate",
            (Shape::CapacityAndRefill, "burst" | "limit") => "capacity",
            (Shape::RateAndInterval, "limit" | "count") => "rate",
            (Shape::RateAndInterval, "window" | "period") => "interval",
            (Shape::LimitAndWindow, "rate" | "burst" | "count") => "limit",
            (Shape::LimitAndWindow, "interval" | "period") => "window",
            (_, other) => other,
        }
    }
}

impl LimitFields {
    /// Whether none is given.
    pub(super) fn are_none(&self) -> bool {
        *self == LimitFields::default()
    }

    /// In which shape it is written.
    pub(super) fn shape(&self) -> Result<Shape, WrongField> {
        let given = [
            self.rate.is_some() || self.interval.is_some() || self.burst.is_some(),
            self.capacity.is_some() || self.refill_rate.is_some(),
            self.limit.is_some() || self.window.is_some(),
        ];
        let mut shapes = Shape::ALL.into_iter().zip(given).filter(|(_, given)| *given);
        let Some((shape, _)) = shapes.next() else {
            return wrong(
                "rate",
                "there is no limit: send rate and interval, capacity and refill_rate, or limit and window",
            );
        };
        match shapes.next() {
            None => Ok(shape),
            Some((other, _)) => {
                let ([one, two], [field, _]) = (shape.fields(), other.fields());
                wrong(field, format!("goes with other fields than {one} and {two}: send one limit"))
            }
        }
    }

    /// The limit that they make.
    ///
    /// # Errors
    ///
    /// The field that is wrong.
    pub(super) fn limit(&self) -> Result<CallerLimit, WrongField> {
        let shape = self.shape()?;
        let algorithm = self.algorithm_of(shape)?;
        let quota = match shape {
            Shape::RateAndInterval => {
                let quota = quota(
                    needed("rate", self.rate)?,
                    "rate",
                    needed("interval", self.interval)?,
                    "interval",
                )?;
                self.burst.map_or(quota, |burst| quota.burst(burst))
            }
            Shape::CapacityAndRefill => {
                let capacity = needed("capacity", self.capacity)?;
                refill(needed("refill_rate", self.refill_rate)?)?.burst(capacity)
            }
            Shape::LimitAndWindow => {
                quota(needed("limit", self.limit)?, "limit", needed("window", self.window)?, "window")?
            }
        };
        Ok(CallerLimit { algorithm, quota })
    }

    fn algorithm_of(&self, shape: Shape) -> Result<AlgorithmName, WrongField> {
        let counts_in_windows = shape == Shape::LimitAndWindow;
        match self.algorithm {
            Some(algorithm) if algorithm.has_burst() != counts_in_windows => Ok(algorithm),
            Some(algorithm) => {
                let of_its_own = if counts_in_windows { "rate and interval" } else { "limit and window" };
                wrong("algorithm", format!("{algorithm} takes {of_its_own}, in seconds"))
            }
            None if counts_in_windows => {
                wrong("algorithm", "which windows? Send fixed_window, sliding_window or sliding_log")
            }
            None => Ok(AlgorithmName::default()),
        }
    }
}

fn needed<T>(field: &'static str, value: Option<T>) -> Result<T, WrongField> {
    value.map_or_else(|| wrong(field, "is missing"), Ok)
}

/// So many in so many seconds.
fn quota(
    count: u64,
    count_field: &'static str,
    seconds: f64,
    time_field: &'static str,
) -> Result<Quota, WrongField> {
    let Ok(period) = Duration::try_from_secs_f64(seconds) else {
        return wrong(
            time_field,
            format!("{seconds:?} is not a time: send seconds, above 0 and at most 3155760000"),
        );
    };
    Quota::new(count, period).map_err(|error| {
        let field = if matches!(error, QuotaError::Period { .. }) { time_field } else { count_field };
        WrongField { field, message: error.to_string() }
    })
}

/// So many decimals of a rate are taken as they are written; finer ones are beyond what a nanosecond can tell.
const DECIMALS: usize = 9;

/// So many a second, which may be a fraction: `2.5` is 5 in two seconds.
fn refill(per_second: f64) -> Result<Quota, WrongField> {
    let unfit = || {
        wrong(
            "refill_rate",
            format!("{per_second:?} is not a rate: send tokens per second, from 0 to 4294967295"),
        )
    };
    if !(per_second >= 0.0 && per_second <= f64::from(u32::MAX)) {
        return unfit();
    }
    // The shortest decimal that is this number: what was written.
    let written = per_second.to_string();
    let (whole, decimals) = written.split_once('.').unwrap_or((&written, ""));
    let quota = if decimals.len() <= DECIMALS {
        // At most 10 digits before the point, and 9 behind it.
        let Ok(count) = format!("{whole}{decimals}").parse::<u64>() else { return unfit() };
        let seconds = 10_u64.pow(u32::try_from(decimals.len()).unwrap_or_default());
        let common = greatest_common_divisor(count, seconds).max(1);
        Quota::new(count / common, Duration::from_secs(seconds / common))
    } else {
        // Rounded up: never faster than asked for.
        let nanos = (1e9 / per_second).ceil();
        Quota::new(1, Duration::try_from_secs_f64(nanos / 1e9).unwrap_or(Duration::MAX))
    };
    quota.map_err(|error| WrongField { field: "refill_rate", message: error.to_string() })
}

fn greatest_common_divisor(mut one: u64, mut other: u64) -> u64 {
    while other > 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rate: u64, interval: f64) -> LimitFields {
        LimitFields { rate: Some(rate), interval: Some(interval), ..LimitFields::default() }
    }

    #[test]
    fn each_shape_is_a_limit() {
        let limit = |fields: LimitFields| {
            fields.limit().map(|limit| (limit.algorithm.as_str(), limit.quota.to_string()))
        };
        assert_eq!(limit(rate(5, 0.5)), Ok(("gcra", "5/500ms".to_owned())));
        assert_eq!(
            limit(LimitFields { burst: Some(9), ..rate(5, 60.0) }),
            Ok(("gcra", "5/min burst 9".to_owned()))
        );
        let bucket = LimitFields { capacity: Some(10), refill_rate: Some(2.5), ..LimitFields::default() };
        let bucket = LimitFields { algorithm: Some(AlgorithmName::TokenBucket), ..bucket };
        assert_eq!(limit(bucket), Ok(("token_bucket", "5/2s burst 10".to_owned())));
        let window = LimitFields { limit: Some(7), window: Some(3600.0), ..LimitFields::default() };
        let window = LimitFields { algorithm: Some(AlgorithmName::SlidingLog), ..window };
        assert_eq!(limit(window), Ok(("sliding_log", "7/h".to_owned())));
    }

    #[test]
    fn a_limit_that_makes_no_sense_names_its_field() {
        let field = |fields: LimitFields| fields.limit().unwrap_err().field;
        assert_eq!(field(LimitFields::default()), "rate");
        assert_eq!(field(rate(5, -1.0)), "interval");
        assert_eq!(field(rate(5, 0.0)), "interval");
        assert_eq!(field(rate(5, 1e300)), "interval");
        assert_eq!(field(rate(u64::MAX, 1.0)), "rate");
        assert_eq!(field(LimitFields { interval: None, ..rate(5, 1.0) }), "interval");
        assert_eq!(field(LimitFields { capacity: Some(1), ..rate(5, 1.0) }), "capacity");
        assert_eq!(
            field(LimitFields { algorithm: Some(AlgorithmName::SlidingLog), ..rate(5, 1.0) }),
            "algorithm"
        );
        let window = LimitFields { limit: Some(7), window: Some(1.0), ..LimitFields::default() };
        assert_eq!(field(window), "algorithm");
    }

    #[test]
    fn refill_rates_are_what_was_written() {
        let quota = |rate: f64| refill(rate).unwrap().to_string();
        assert_eq!(quota(10.0), "10/s");
        assert_eq!(quota(0.1), "1/10s");
        assert_eq!(quota(1000.0 / 60.0), "1/60ms");
        assert_eq!(quota(1.0 / 3.0), "1/3s");
        assert_eq!(refill(0.0).unwrap().capacity(), 0);
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e10, 1e-300] {
            assert_eq!(refill(wrong).unwrap_err().field, "refill_rate", "{wrong}");
        }
    }
}
