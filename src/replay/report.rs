//! [`Report`]: what a replay found, as plain values that print as JSON.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::key_table::{KeyId, KeyTable};
use super::simulate::{LongestRefusal, SimulatedLimit, Simulation};

/// How many of the most refused keys are reported for each limit.
const TOP: usize = 10;

/// What the log held, and what each limit would have done to it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The log that was read.
    pub file: String,
    /// What each request was counted by, as `--key` takes it.
    pub key: String,
    /// Lines read, of every kind.
    pub lines: u64,
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
    /// The keys that any limit has among its most refused, for the table that shows the limits side by side.
    #[serde(skip)]
    pub most_refused: Vec<KeyRow>,
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
    pub algorithm: &'static str,
    /// Requests it was asked about.
    pub requests: u64,
    /// Requests it let in.
    pub admitted: u64,
    /// Requests it refused.
    pub refused: u64,
    /// Distinct keys among the requests.
    pub keys: usize,
    /// Keys that were refused at least once.
    pub keys_refused: usize,
    /// The longest time for which a key was refused without a break; `null` when it never would have ended.
    #[serde(rename = "longest_refusal_seconds", serialize_with = "as_seconds")]
    pub longest_refusal: Option<Duration>,
    /// Keys that had to be forgotten because more were live than the limiter had room for.
    pub forgotten: u64,
    /// The keys refused most often, the most refused first.
    pub top_refused: Vec<RefusedKey>,
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

impl Report {
    /// How many lines were requests.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.lines - self.blank - self.malformed
    }
}

/// One report for each limit, and the rows for their common table.
pub(super) fn summarize(simulation: &Simulation, keys: &KeyTable) -> (Vec<LimitReport>, Vec<KeyRow>) {
    let texts = keys.texts();
    let mut shown: Vec<KeyId> = Vec::new();
    let mut reports = Vec::new();
    for limit in simulation.limits() {
        let refused = refused_keys(limit, simulation.requests());
        let top: Vec<KeyId> = refused.iter().copied().take(TOP).collect();
        let top_refused = top.iter().map(|id| RefusedKey {
            key: texts[*id].to_string(),
            refused: limit.refused(*id),
            requests: simulation.requests()[*id],
        });
        let requests: u64 = simulation.requests().iter().sum();
        reports.push(LimitReport {
            limit: limit.quota().to_string(),
            algorithm: "gcra",
            requests,
            admitted: limit.admitted(),
            refused: requests - limit.admitted(),
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
    (reports, rows(simulation, &shown, &texts))
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

/// To the millisecond: the times of a log are whole seconds, and nanoseconds would pretend to more.
#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn as_seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| (time.as_secs_f64() * 1e3).round() / 1e3).serialize(serializer)
}
