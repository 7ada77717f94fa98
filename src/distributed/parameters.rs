//! [`Parameters`]: a rule in the integers by which stores count.

use std::time::Duration;

use super::lease::{LeaseSettings, LeaseTerms};
use super::rule::Rule;
use super::rule_error::RuleError;
use crate::quota::Quota;

/// GCRA's ticks in a microsecond: with 16 the rate of 100 000 tokens a second is whole, and a thousand is met within 62 ppm, while
/// 2⁵³ ticks are 17.8 years.
pub(crate) const TICKS: i64 = 16;

/// GCRA's ticks count from 2025-01-01, in microseconds of Unix time: later than 1970, so that they last longer.
pub(crate) const EPOCH: i64 = 1_735_689_600_000_000;

/// A bucket's level is between a debt and a limit of so much, so that the way from one to the other is below 2⁵³.
const MOST_LEVEL: u128 = 1 << 52;

/// A sliding window weighs up to two limits in the window before, two in this one and a cost of another: below 2⁵³ all together.
const MOST_WEIGHT: u128 = 1 << 50;

/// Finer units are tried first: microseconds, milliseconds, seconds.
const UNITS: [i64; 3] = [1, 1_000, 1_000_000];

/// A rule in the integers by which stores count: times are microseconds unless they say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parameters {
    Gcra {
        limit: i64,
        /// Ticks between two tokens, at least 1.
        interval: i64,
    },
    TokenBucket {
        limit: i64,
        /// Parts that make a token, at least 1.
        token: i64,
        /// Parts that come back every unit, at least 1.
        refill: i64,
        unit: i64,
    },
    FixedWindow {
        limit: i64,
        window: i64,
    },
    SlidingWindow {
        limit: i64,
        window: i64,
        /// By which the weight of the previous window falls; it divides the window.
        unit: i64,
    },
    SlidingLog {
        limit: i64,
        window: i64,
    },
    Leased(LeaseTerms),
    Concurrency {
        limit: i64,
        hold: i64,
    },
}

impl Parameters {
    pub(crate) fn of(rule: &Rule) -> Result<Parameters, RuleError> {
        match *rule {
            Rule::Gcra(quota) => gcra(quota),
            Rule::TokenBucket(quota) => {
                let [limit, token, refill, unit] = bucket(quota)?;
                Ok(Parameters::TokenBucket { limit, token, refill, unit })
            }
            Rule::Leased { quota, life } => leased(quota, life),
            Rule::FixedWindow { limit, window } => {
                Ok(Parameters::FixedWindow { limit: tokens(limit)?, window: micros("window", window)? })
            }
            Rule::SlidingWindow { limit, window } => sliding_window(limit, window),
            Rule::SlidingLog { limit, window } => {
                let limit = at_most(limit, Rule::LARGEST_LOG)?;
                Ok(Parameters::SlidingLog { limit, window: micros("window", window)? })
            }
            Rule::Concurrency { places, hold } => {
                Ok(Parameters::Concurrency { limit: tokens(places)?, hold: micros("hold", hold)? })
            }
        }
    }

    /// What the state of a key depends on, and so a part of its name: after a change of anything else the count goes on.
    pub(crate) fn scale(&self) -> String {
        match self {
            Parameters::Gcra { .. } => "gcra".into(),
            Parameters::TokenBucket { token, unit, .. } => format!("bucket:{token}:{unit}"),
            Parameters::Leased(LeaseTerms { token, unit, life, .. }) => {
                format!("leased:{token}:{unit}:{life}")
            }
            Parameters::FixedWindow { window, .. } => format!("fixed:{window}"),
            Parameters::SlidingWindow { window, .. } => format!("sliding:{window}"),
            Parameters::SlidingLog { window, .. } => format!("log:{window}"),
            Parameters::Concurrency { hold, .. } => format!("places:{hold}"),
        }
    }
}

fn gcra(quota: Quota) -> Result<Parameters, RuleError> {
    let limit = tokens(quota.capacity())?;
    let ticks = u128::from(quota.period_nanos()) * u128::from(TICKS.unsigned_abs());
    // Nothing comes back of a quota of zero, but nothing was there to be spent either.
    let tokens_of_a_period = u128::from(quota.count().max(1)) * 1_000;
    let interval = ticks.div_ceil(tokens_of_a_period);
    if interval * tokens_of_a_period * 99 > ticks * 100 {
        return Err(RuleError::Interval { quota });
    }
    let longest = Rule::LONGEST.as_micros() * u128::from(TICKS.unsigned_abs());
    if interval.saturating_mul(u128::from(quota.capacity())) > longest {
        return Err(RuleError::Refill { quota });
    }
    match i64::try_from(interval) {
        Ok(interval) if u128::from(interval.unsigned_abs()) <= longest => {
            Ok(Parameters::Gcra { limit, interval })
        }
        // Longer than a full refill may take, so there is no burst.
        _ => Ok(Parameters::Gcra { limit, interval: 1 }),
    }
}

/// The rate is `count × unit / period` tokens in a unit: in lowest terms its denominator is the parts of a token, its numerator how
/// many of them come back. The limit comes first, the unit last.
fn bucket(quota: Quota) -> Result<[i64; 4], RuleError> {
    let limit = tokens(quota.capacity())?;
    if quota.count() == 0 {
        return Ok([limit, 1, 1, 1]);
    }
    let refill_nanos =
        u128::from(quota.capacity()) * u128::from(quota.period_nanos()) / u128::from(quota.count());
    if refill_nanos > Rule::LONGEST.as_nanos() {
        return Err(RuleError::Refill { quota });
    }
    for unit in UNITS {
        let count = u128::from(quota.count()) * u128::from(unit.unsigned_abs()) * 1_000;
        let period = u128::from(quota.period_nanos());
        let common = greatest_common_divisor(count, period);
        let (token, refill) = (period / common, count / common);
        if token.max(refill).max(token * u128::from(quota.capacity())) <= MOST_LEVEL
            && let (Ok(token), Ok(refill)) = (i64::try_from(token), i64::try_from(refill))
        {
            return Ok([limit, token, refill, unit]);
        }
    }
    Err(RuleError::Scale { quota })
}

fn leased(quota: Quota, life: Duration) -> Result<Parameters, RuleError> {
    let [limit, token, refill, unit] = bucket(quota)?;
    let lives = LeaseSettings::SHORTEST_LIFE..=LeaseSettings::LONGEST_LIFE;
    if !lives.contains(&life) {
        return Err(RuleError::Life { life });
    }
    let life = micros("life", life).map_err(|_| RuleError::Life { life })?;
    Ok(Parameters::Leased(LeaseTerms { limit, token, refill, unit, life }))
}

fn sliding_window(limit: u64, window: Duration) -> Result<Parameters, RuleError> {
    let (most, micros) = (tokens(limit)?, micros("window", window)?);
    let fits = |unit: &i64| {
        micros % unit == 0 && u128::from(limit) * u128::from((micros / unit).unsigned_abs()) <= MOST_WEIGHT
    };
    let unit = UNITS.into_iter().find(fits).ok_or(RuleError::Weight { limit, window })?;
    Ok(Parameters::SlidingWindow { limit: most, window: micros, unit })
}

fn tokens(limit: u64) -> Result<i64, RuleError> {
    at_most(limit, Rule::MOST_TOKENS)
}

fn at_most(limit: u64, max: u64) -> Result<i64, RuleError> {
    i64::try_from(limit).ok().filter(|_| limit <= max).ok_or(RuleError::Limit { limit, max })
}

fn micros(field: &'static str, time: Duration) -> Result<i64, RuleError> {
    let whole = time.subsec_nanos().is_multiple_of(1_000) && !time.is_zero() && time <= Rule::LONGEST;
    i64::try_from(time.as_micros()).ok().filter(|_| whole).ok_or(RuleError::Time { field, time })
}

fn greatest_common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}
