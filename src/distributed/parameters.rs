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

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where doubles stop being exact.
    const EXACT: i128 = 1 << 53;

    fn rules(limit: u64, time: Duration, count: u64) -> Vec<Rule> {
        let quota = Quota::new(count, time).map(|quota| quota.burst(limit));
        let mut rules = vec![
            Rule::FixedWindow { limit, window: time },
            Rule::SlidingWindow { limit, window: time },
            Rule::SlidingLog { limit, window: time },
            Rule::Concurrency { places: limit, hold: time },
        ];
        rules.extend(quota.into_iter().flat_map(|quota| [Rule::Gcra(quota), Rule::TokenBucket(quota)]));
        rules
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 5_000, ..ProptestConfig::default() })]

        /// The largest numbers that the scripts reach, in 2039.
        #[test]
        fn all_numbers_of_a_valid_rule_are_exact_in_doubles(
            limit in any::<u64>(), less in 0..64_u32, nanos in any::<u64>(), shorter in 0..64_u32, count in 0..1_u64 << 33,
        ) {
            let limit = limit >> less;
            let micros = Duration::from_micros((nanos >> shorter) / 1_000);
            for rule in rules(limit, Duration::from_nanos(nanos >> shorter), count).into_iter().chain(rules(limit, micros, count)) {
                let wide = i128::from;
                let largest = match Parameters::of(&rule) {
                    // Those of leases are tested where they are counted.
                    Err(_) | Ok(Parameters::Leased(_)) => continue,
                    Ok(Parameters::Gcra { limit, interval }) => {
                        let now = (2_177_452_800_000_000 - wide(EPOCH)) * wide(TICKS);
                        prop_assert!(limit == 0 || interval > 0);
                        now + 2 * wide(limit) * wide(interval)
                    }
                    Ok(Parameters::TokenBucket { limit, token, refill, .. }) => {
                        prop_assert!(token > 0 && refill > 0);
                        (2 * wide(limit) * wide(token)).max(wide(token)).max(wide(refill))
                    }
                    Ok(Parameters::SlidingWindow { limit, window, unit }) => {
                        prop_assert_eq!(window % unit, 0);
                        (5 * wide(limit) * wide(window / unit)).max(2_177_452_800_000_000 + 3 * wide(window))
                    }
                    Ok(
                        Parameters::FixedWindow { window: time, .. }
                        | Parameters::SlidingLog { window: time, .. }
                        | Parameters::Concurrency { hold: time, .. },
                    ) => 2_177_452_800_000_000 + 3 * wide(time),
                };
                prop_assert!(largest <= EXACT, "{:?}: {}", rule, largest);
            }
        }
    }

    #[test]
    fn what_is_out_of_range_is_named_with_its_value_and_what_to_change() {
        let quota = |text: &str| text.parse::<Quota>().unwrap();
        let days = |days: u64| Duration::from_secs(days * 86_400);
        let cases = [
            (Rule::Gcra(quota("1500000/s")), "quota 1500000/s is too fast"),
            (Rule::Gcra(quota("1/d burst 401")), "quota 1/d burst 401 takes more than 400 days"),
            (Rule::TokenBucket(quota("1/d burst 401")), "quota 1/d burst 401 takes more than 400 days"),
            (Rule::TokenBucket(quota("99991/399d burst 4000000000")), "takes more than 400 days"),
            (Rule::TokenBucket(quota("4294967291/31536007s burst 4294967291")), "use rounder numbers"),
            (Rule::Gcra(Quota::per_second(9).burst((1 << 32) + 1)), "limit 4294967297 is too large"),
            (Rule::FixedWindow { limit: 1, window: Duration::ZERO }, "window 0ns is out of range"),
            (Rule::FixedWindow { limit: 1, window: days(401) }, "from 1 µs to 400 days"),
            (
                Rule::SlidingLog { limit: 1, window: Duration::from_nanos(1_500) },
                "window 1.5µs is out of range",
            ),
            (Rule::Concurrency { places: 1, hold: days(401) }, "hold 34646400s is out of range"),
            (Rule::SlidingLog { limit: 10_001, window: days(1) }, "at most 10000 fits"),
            (
                Rule::SlidingWindow { limit: 1 << 32, window: days(30) },
                "limit 4294967296 is too large for a sliding window",
            ),
        ];
        for (rule, words) in cases {
            let message = rule.validate().unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn what_people_use_is_in_range() {
        let quotas =
            ["100000/s", "1/365d", "1000003/30d", "1000/s burst 4294967296", "1000000/h", "10/min burst 400"];
        for quota in quotas.map(|text| text.parse::<Quota>().unwrap()) {
            assert_eq!(Rule::Gcra(quota).validate(), Ok(()), "{quota}");
            assert_eq!(Rule::TokenBucket(quota).validate(), Ok(()), "{quota}");
        }
        for limit in [1, 1_000_000] {
            let window = Duration::from_secs(30 * 86_400);
            assert_eq!(Rule::SlidingWindow { limit, window }.validate(), Ok(()));
        }
    }
}
