//! [`Report`]: what a replay found, as plain values that print as JSON.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::algorithm::AlgorithmName;
use super::format::Format;
use super::key_table::{KeyId, KeyTable};
use super::series::Series;
use super::simulate::{LongestRefusal, SimulatedLimit, Simulation};
use super::time::timestamp;

/// How many of the most refused keys are reported for each limit.
const TOP: usize = 10;

/// Into how many buckets at most the time is divided for programs and pictures: a few pixels each.
const MOST_BUCKETS: usize = 240;

/// What the log held, and what each limit would have done to it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The log that was read.
    pub file: String,
    /// How it is written.
    #[serde(serialize_with = "as_name")]
    pub format: Format,
    /// The field that the time was taken from, where fields have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_field: Option<String>,
    /// What each request was counted by, as `--key` or `--key-field` takes it; empty when no line said it.
    pub key: String,
    /// The field that the cost was taken from; none when every request costs 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_field: Option<String>,
    /// Lines read, of every kind.
    pub lines: u64,
    /// Requests that were understood.
    pub requests: u64,
    /// Lines with nothing on them, which are neither requests nor malformed.
    pub blank: u64,
    /// Lines that could not be understood, and so are no requests.
    pub malformed: u64,
    /// The first few of them.
    pub malformed_lines: Vec<MalformedLine>,
    /// Requests that came too late to be put in their place, and were decided at the time reached by then.
    pub late: u64,
    /// For how long lines were held back to sort them.
    #[serde(skip)]
    pub reorder: Duration,
    /// How far out of order the worst of the late ones was.
    #[serde(skip)]
    pub longest_delay: Duration,
    /// The time of the earliest request.
    pub from: Option<Timestamp>,
    /// The time of the latest request.
    pub to: Option<Timestamp>,
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
    /// Refusals in each part, for every limit.
    pub refused: Vec<Vec<u64>>,
}

/// A line that could not be understood.
#[derive(Debug, Serialize)]
pub struct MalformedLine {
    /// The line's number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
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
            format!("{}\n{}", self.limit, self.algorithm.name())
        }
    }

    /// The heading on one line.
    pub(super) fn name(&self, report: &Report) -> String {
        self.heading(report).replace('\n', " ")
    }
}

/// What the limits did.
pub(super) struct Summary {
    pub(super) limits: Vec<LimitReport>,
    pub(super) most_refused: Vec<KeyRow>,
    pub(super) over_time: Option<OverTime>,
}

/// One report for each limit, the rows for their common table, and all of it over time.
pub(super) fn summarize(simulation: &Simulation, keys: &KeyTable, has_cost: bool) -> Summary {
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
            longest_refusal: match limit.longest_refusal() {
                LongestRefusal::Lasted(time) => Some(time),
                LongestRefusal::Endless => None,
            },
            forgotten: limit.forgotten(),
            top_refused: top_refused.collect(),
        });
        shown.extend(top);
    }
    shown.sort_unstable();
    shown.dedup();
    let over_time = (requests > 0).then(|| over_time(simulation.over_time()));
    Summary { limits, most_refused: rows(simulation, &shown, &texts), over_time }
}

fn over_time(series: &Series) -> OverTime {
    let view = series.view(MOST_BUCKETS);
    let mut rows = view.rows.into_iter();
    OverTime {
        from: timestamp(view.start),
        bucket: Duration::from_nanos(view.width),
        requests: rows.next().unwrap_or_default(),
        refused: rows.collect(),
    }
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
fn as_optional_seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(rounded_seconds).serialize(serializer)
}

fn rounded_seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn as_name<S: Serializer>(format: &Format, serializer: S) -> Result<S::Ok, S::Error> {
    format.name().serialize(serializer)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn as_algorithm<S: Serializer>(algorithm: &AlgorithmName, serializer: S) -> Result<S::Ok, S::Error> {
    algorithm.name().serialize(serializer)
}
