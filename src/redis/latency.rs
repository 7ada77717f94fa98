//! [`OperationLatency`]: how long the store takes, by operation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::distributed::Operation;

/// How long operations of one kind took, from being asked to the answer, failures included that were sent.
///
/// [`RedisBackend::latency`](super::RedisBackend::latency) tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationLatency {
    /// Which, as [`Operation::as_str`].
    pub operation: &'static str,
    /// How many.
    pub count: u64,
    /// Half of them took at most this, by 7 % too long at most.
    pub p50: Duration,
    /// 99 % of them took at most this, likewise.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// Buckets between two powers of two: no bucket is wider than a 16th of what is in it.
const SHARES: u64 = 16;
const SHARE_BITS: u32 = SHARES.ilog2();
/// Ten seconds in microseconds: no deadline of a check is that far. Longer ones count as this.
const LONGEST: u64 = 10_000_000;
const BUCKETS: usize = bucket(LONGEST) + 1;

/// All that there are: a table of one word for each, so that recording takes no lock.
const OPERATIONS: [&str; 11] =
    ["check", "peek", "charge", "refund", "reset", "acquire", "renew", "release", "lease", "return", "hello"];

/// How long the store takes, by operation.
pub(super) struct Latencies {
    histograms: Box<[Histogram; OPERATIONS.len()]>,
    #[cfg(feature = "metrics")]
    metrics: Vec<metrics::Histogram>,
}

impl Latencies {
    /// With the feature `metrics` they are histograms of the current recorder, too.
    pub(super) fn new() -> Latencies {
        Latencies {
            histograms: Box::new(std::array::from_fn(|_| Histogram::default())),
            #[cfg(feature = "metrics")]
            metrics: crate::observe::store_durations("redis", &OPERATIONS),
        }
    }

    pub(super) fn record(&self, operation: &Operation, duration: Duration) {
        let name = operation.as_str();
        let Some(index) = OPERATIONS.iter().position(|known| *known == name) else { return };
        self.histograms[index].record(duration);
        #[cfg(feature = "metrics")]
        self.metrics[index].record(duration);
    }

    pub(super) fn read(&self) -> Vec<OperationLatency> {
        let all = OPERATIONS.iter().zip(self.histograms.iter());
        all.filter_map(|(operation, histogram)| histogram.read(operation)).collect()
    }
}

/// Counts by logarithm, each power of two in equal shares.
struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    max: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: std::array::from_fn(|_| AtomicU64::new(0)), max: AtomicU64::new(0) }
    }
}

impl Histogram {
    fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros.min(LONGEST))].fetch_add(1, Ordering::Relaxed);
        self.max.fetch_max(micros, Ordering::Relaxed);
    }

    /// `None` if nothing was recorded.
    fn read(&self, operation: &'static str) -> Option<OperationLatency> {
        let counts: Vec<_> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let count: u64 = counts.iter().sum();
        let max = self.max.load(Ordering::Relaxed);
        let quantile = |percent: u64| {
            let rank = (count * percent).div_ceil(100);
            let mut seen = 0;
            let within = counts.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            // The last bucket has whatever is longer, too.
            let micros = within.filter(|index| index + 1 < BUCKETS).map_or(max, |index| top(index).min(max));
            Duration::from_micros(micros)
        };
        (count > 0).then(|| OperationLatency {
            operation,
            count,
            p50: quantile(50),
            p99: quantile(99),
            max: Duration::from_micros(max),
        })
    }
}

/// Which bucket so many microseconds are in.
#[allow(clippy::cast_possible_truncation, reason = "there are a few hundred buckets")]
const fn bucket(micros: u64) -> usize {
    if micros < SHARES {
        return micros as usize;
    }
    let power = micros.ilog2() - SHARE_BITS;
    (power as u64 * SHARES + (micros >> power)) as usize
}

/// The most microseconds that are in a bucket.
fn top(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * SHARES {
        return bucket;
    }
    let power = bucket / SHARES - 1;
    ((bucket % SHARES + SHARES + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_in_a_bucket_whose_top_is_at_most_a_16th_above_it() {
        for micros in (0..4_096).chain((4_096..=LONGEST).step_by(997)) {
            let top = top(bucket(micros));
            assert!(top >= micros && top <= micros + micros / 16, "{micros}: {top}");
        }
    }

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for index in 1..BUCKETS {
            assert_eq!(bucket(top(index - 1) + 1), index);
        }
    }

    #[test]
    fn quantiles_are_of_what_was_recorded() {
        let histogram = Histogram::default();
        assert_eq!(histogram.read("check"), None);
        for millis in 1..=100 {
            histogram.record(Duration::from_millis(millis));
        }
        histogram.record(Duration::from_secs(3_600));
        let read = histogram.read("check").unwrap();
        assert_eq!((read.count, read.max), (101, Duration::from_secs(3_600)));
        let about =
            |duration: Duration, millis: f64| (duration.as_secs_f64() * 1e3 / millis - 1.0).abs() < 0.07;
        assert!(about(read.p50, 51.0) && about(read.p99, 100.0), "{read:?}");
    }
}
