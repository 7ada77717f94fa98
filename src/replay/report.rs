//! [`Report`]: what a replay found, as plain values that print as JSON.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::key_table::{KeyId, KeyTable};
use super::log::LogSummary;
use super::series::Series;
use super::simulate::{SimulatedLimit, Simulation};
use super::time::timestamp;
use crate::policy::AlgorithmName;

/// How many of the most refused keys are reported for each limit or policy.
pub(super) const TOP: usize = 10;

/// Into how many buckets at most the time is divided for programs and pictures: a few pixels each.
const MOST_BUCKETS: usize = 240;

/// What was in the log, and what each limit would have done to it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What the log held.
    #[serde(flatten)]
    pub log: LogSummary,
    /// What each limit would have done, in the order given.
    pub limits: Vec<LimitReport>,
    /// Requests and refusals over time; none when there was no request.
    pub over_time: Option<OverTime>,
    /// The same, to be divided otherwise.
    #[serde(skip)]
    pub(super) series: Series,
    /// The keys that any limit has among its most refused, for the table that shows the limits side by side.
    #[serde(skip)]
    pub most_refused: Vec<KeyRow>,
}

/// Requests and refusals in equal parts of the time.
#[derive(Debug, Serialize)]
pub struct OverTime {
    /// Where the first part begins.
    pub from: Option<Timestamp>,
    /// How long each part is.
    #[serde(rename = "bucket_seconds", serialize_with = "as_seconds")]
    pub bucket: Duration,
    /// Requests in each part.
    pub requests: Vec<u64>,
    /// Refusals in each part, for every limit or policy.
    pub refused: Vec<Vec<u64>>,
}

impl OverTime {
    pub(super) fn of(series: &Series) -> OverTime {
        let view = series.view(MOST_BUCKETS);
        let mut rows = view.rows.into_iter();
        OverTime {
            from: timestamp(view.start),
            bucket: Duration::from_nanos(view.width),
            requests: rows.next().unwrap_or_default(),
            refused: rows.collect(),
        }
    }
}

/// What one limit would have done.
#[derive(Debug, Serialize)]
pub struct LimitReport {
    /// The limit, in its shortest form.
    pub limit: String,
    /// How it counts.
    #[serde(serialize_with = "as_algorithm")]
    pub algorithm: AlgorithmName,
    /// Requests it was asked about.
    pub requests: u64,
    /// Requests it let in.
    pub admitted: u64,
    /// Requests it refused.
    pub refused: u64,
    /// What the requests cost, where they have a cost of their own.
    #[serde(flatten)]
    pub tokens: Option<Tokens>,
    /// Distinct keys among the requests.
    pub keys: usize,
    /// Keys that were refused at least once.
    pub keys_refused: usize,
    /// The longest time for which a key was refused without a break; `null` when it never would have ended.
    #[serde(rename = "longest_refusal_seconds", serialize_with = "as_optional_seconds")]
    pub longest_refusal: Option<Duration>,
    /// Keys that had to be forgotten because more were live than the limiter had room for.
    pub forgotten: u64,
    /// The keys refused most often, the most refused first.
    pub top_refused: Vec<RefusedKey>,
}

/// What requests cost, in tokens.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tokens {
    /// What all requests asked for.
    #[serde(rename = "tokens_asked")]
    pub asked: u64,
    /// What those that were let in asked for.
    #[serde(rename = "tokens_admitted")]
    pub admitted: u64,
    /// Requests that asked for more than the limit can ever give at once.
    #[serde(rename = "requests_too_large")]
    pub too_large: u64,
}

/// A key and what one limit did to it.
#[derive(Debug, Serialize)]
pub struct RefusedKey {
    /// The key's text.
    pub key: String,
    /// How many of its requests were refused.
    pub refused: u64,
    /// How many it made.
    pub requests: u64,
}

/// A key and what every limit did to it.
#[derive(Debug)]
pub struct KeyRow {
    /// The key's text.
    pub key: String,
    /// How many requests it made.
    pub requests: u64,
    /// How many of them each limit refused, in the order of the limits.
    pub refused: Vec<u64>,
}

impl LimitReport {
    /// What its column is headed with: the algorithm is said only where it is not the usual one in all columns.
    pub(super) fn heading(&self, report: &Report) -> String {
        if report.limits.iter().all(|limit| limit.algorithm == AlgorithmName::Gcra) {
            self.limit.clone()
        } else {
            format!("{}\n{}", self.limit, self.algorithm.option())
        }
    }

    /// The heading on one line.
    pub(super) fn name(&self, report: &Report) -> String {
        self.heading(report).replace('\n', " ")
    }
}

/// One report for each limit, the rows for their common table, and all of it over time.
pub(super) fn summarize(log: LogSummary, simulation: &Simulation, keys: &KeyTable) -> Report {
    let has_cost = log.cost_field.is_some();
    let texts = keys.texts();
    let mut shown: Vec<KeyId> = Vec::new();
    let mut limits = Vec::new();
    let requests: u64 = simulation.requests().iter().sum();
    for limit in simulation.limits() {
        let refused = refused_keys(limit, simulation.requests());
        let top: Vec<KeyId> = refused.iter().copied().take(TOP).collect();
        let top_refused = top.iter().map(|id| RefusedKey {
            key: texts[*id].to_string(),
            refused: limit.refused(*id),
            requests: simulation.requests()[*id],
        });
        limits.push(LimitReport {
            limit: limit.plan().quota.to_string(),
            algorithm: limit.plan().algorithm,
            requests,
            admitted: limit.admitted(),
            refused: requests - limit.admitted(),
            tokens: has_cost.then(|| Tokens {
                asked: simulation.tokens(),
                admitted: limit.tokens_admitted(),
                too_large: limit.too_large(),
            }),
            keys: keys.len(),
            keys_refused: refused.len(),
            longest_refusal: limit.longest_refusal().time(),
            forgotten: limit.forgotten(),
            top_refused: top_refused.collect(),
        });
        shown.extend(top);
    }
    shown.sort_unstable();
    shown.dedup();
    let series = simulation.over_time().clone();
    let over_time = (requests > 0).then(|| OverTime::of(&series));
    Report { log, limits, over_time, series, most_refused: rows(simulation, &shown, &texts) }
}

/// Every key that `limit` refused, the most refused first; of equals the one with fewer requests, then the one
/// seen first.
fn refused_keys(limit: &SimulatedLimit, requests: &[u64]) -> Vec<KeyId> {
    let mut keys: Vec<KeyId> = (0..requests.len()).filter(|key| limit.refused(*key) > 0).collect();
    keys.sort_unstable_by_key(|key| (Reverse(limit.refused(*key)), requests[*key], *key));
    keys
}

/// The keys in the order of what all limits together refused.
fn rows(simulation: &Simulation, keys: &[KeyId], texts: &[Cow<'_, str>]) -> Vec<KeyRow> {
    let mut rows: Vec<KeyRow> = keys
        .iter()
        .map(|key| KeyRow {
            key: texts[*key].to_string(),
            requests: simulation.requests()[*key],
            refused: simulation.limits().iter().map(|limit| limit.refused(*key)).collect(),
        })
        .collect();
    rows.sort_by_key(|row| (Reverse(row.refused.iter().sum::<u64>()), row.requests));
    rows
}

/// To the millisecond: the times of most logs are whole seconds, and nanoseconds would pretend to more.
fn as_seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    rounded_seconds(*time).serialize(serializer)
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
pub(super) fn as_optional_seconds<S: Serializer>(
    time: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(rounded_seconds).serialize(serializer)
}

fn rounded_seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn as_algorithm<S: Serializer>(algorithm: &AlgorithmName, serializer: S) -> Result<S::Ok, S::Error> {
    algorithm.option().serialize(serializer)
}
