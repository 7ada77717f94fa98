//! [`PolicyReport`]: what a replay of policies found, as plain values that print as JSON.

use std::cmp::Reverse;
use std::time::Duration;

use serde::Serialize;

use super::super::fields::FieldsTaken;
use super::super::log::LogSummary;
use super::super::report::{OverTime, TOP, as_optional_seconds};
use super::super::series::Series;
use super::difference::Refusals;
use super::run::Run;
use super::tally::{KeyTally, PolicyTally};
use super::trial::Trial;

/// What was in the log, and what policies would have done to it.
#[derive(Debug, Serialize)]
pub struct PolicyReport {
    /// What the log held.
    #[serde(flatten)]
    pub log: LogSummary,
    /// The attributes that the policies look at.
    pub attributes: Vec<AttributeReport>,
    /// What a log cannot try as it is.
    pub notes: Vec<String>,
    /// What the policies would have done.
    pub policy: SetReport,
    /// What those would have done that they are compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<SetReport>,
    /// Requests that are admitted without the new policies, and refused by them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newly_refused: Option<Difference>,
    /// Requests that are refused without the new policies, and admitted by them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newly_admitted: Option<Difference>,
    /// What the rows over time are about, after that of all requests: what each policy refused or would have refused,
    /// and in a comparison what is newly refused and newly admitted.
    pub over_time_rows: Vec<String>,
    /// Requests and refusals over time; none when there was no request.
    pub over_time: Option<OverTime>,
    /// The same, to be divided otherwise.
    #[serde(skip)]
    pub(in super::super) series: Series,
}

/// An attribute that policies look at.
#[derive(Debug, Serialize)]
pub struct AttributeReport {
    /// Its name.
    pub name: String,
    /// The field that it was taken from, where fields have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// How many requests had it.
    pub requests: u64,
}

/// What a set of policies would have done.
#[derive(Debug, Serialize)]
pub struct SetReport {
    /// The file that it is from.
    pub file: String,
    /// Requests that no policy concerns, which are admitted.
    pub unmatched: u64,
    /// Requests that all policies let in.
    pub admitted: u64,
    /// Requests that any policy refused.
    pub refused: u64,
    /// Every policy in force, in the order of the file.
    pub policies: Vec<PolicyRow>,
    /// The ten keys refused most often, or that would have been.
    pub most_refused: Vec<KeyReport>,
}

/// What one policy would have done.
#[derive(Debug, Serialize)]
pub struct PolicyRow {
    /// The policy's id.
    pub id: String,
    /// Requests that it concerns, and that it was asked about.
    pub requests: u64,
    /// Those of them that were let in, by all policies.
    pub admitted: u64,
    /// Those that it refused; where several policies did, it is the one for which one would have to wait longest.
    pub refused: u64,
    /// Those that others refused.
    pub refused_by_others: u64,
    /// Those that it would have refused, if it did not only watch.
    pub would_refuse: u64,
    /// Those that it refused because they cost more than a limit gives at once.
    pub requests_too_large: u64,
    /// Distinct keys among the requests.
    pub keys: usize,
    /// Keys that were refused at least once, or would have been.
    pub keys_refused: usize,
    /// The longest time for which it refused a key without a break; `null` when it never would have ended.
    #[serde(rename = "longest_refusal_seconds", serialize_with = "as_optional_seconds")]
    pub longest_refusal: Option<Duration>,
}

/// A key and what one policy did to it.
#[derive(Debug, Serialize)]
pub struct KeyReport {
    /// The values of the policy's scope.
    pub key: String,
    /// The policy's id.
    pub policy: String,
    /// How many requests it made.
    pub requests: u64,
    /// How many of them the policy refused.
    pub refused: u64,
    /// How many of them it would have refused.
    pub would_refuse: u64,
}

/// Requests to which two sets of policies answer differently.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// How many.
    pub requests: u64,
    /// By the policies that refuse them, those with the most first.
    pub policies: Vec<RefusedBy>,
    /// The ten keys with the most of them.
    pub keys: Vec<RefusedBy>,
}

/// Some of what a policy refuses.
#[derive(Debug, Serialize)]
pub struct RefusedBy {
    /// The key, if it is about a single one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The policy's id.
    pub policy: String,
    /// How many requests.
    pub requests: u64,
}

/// Where each attribute was found, and how often. A tier that no request says is said by the policies, where they have
/// tiers.
pub(super) fn attributes(
    names: Vec<String>,
    run: &Run,
    taken: Option<FieldsTaken>,
    has_tiers: bool,
) -> Vec<AttributeReport> {
    let mut fields = taken.map(|taken| taken.key).unwrap_or_default().into_iter();
    let report = |(name, requests): (String, &u64)| {
        let field = fields.next().filter(|_| *requests > 0);
        AttributeReport { name, field, requests: *requests }
    };
    let all = names.into_iter().zip(&run.found).map(report);
    all.filter(|attribute| !(has_tiers && attribute.name == "tier" && attribute.requests == 0)).collect()
}

pub(super) fn report(
    log: LogSummary,
    run: &Run,
    attributes: Vec<AttributeReport>,
    notes: Vec<String>,
) -> PolicyReport {
    let mut rows: Vec<String> = run.trial.policies.iter().map(|policy| policy.id.clone()).collect();
    if run.against.is_some() {
        rows.extend(["newly refused", "newly admitted"].map(str::to_owned));
    }
    let against = run.against.as_ref();
    PolicyReport {
        log,
        attributes,
        notes,
        policy: set(&run.trial),
        against: against.map(|(against, _)| set(against)),
        newly_refused: against.map(|(_, differ)| difference(&differ.newly_refused, &run.trial)),
        newly_admitted: against.map(|(against, differ)| difference(&differ.newly_admitted, against)),
        over_time_rows: rows,
        over_time: (run.requests > 0).then(|| OverTime::of(&run.over_time)),
        series: run.over_time.clone(),
    }
}

fn set(trial: &Trial) -> SetReport {
    SetReport {
        file: trial.file.clone(),
        unmatched: trial.unmatched,
        admitted: trial.admitted,
        refused: trial.refused,
        policies: trial.policies.iter().map(policy).collect(),
        most_refused: most_refused(&trial.policies),
    }
}

fn policy(tally: &PolicyTally) -> PolicyRow {
    PolicyRow {
        id: tally.id.clone(),
        requests: tally.requests,
        admitted: tally.admitted,
        refused: tally.refused,
        refused_by_others: tally.requests - tally.admitted - tally.refused,
        would_refuse: tally.would_refuse,
        requests_too_large: tally.too_large,
        keys: tally.keys(),
        keys_refused: tally.keys_refused(),
        longest_refusal: tally.longest_refusal.time(),
    }
}

/// The keys that were refused most often, or would have been; of equals the one with fewer requests, then by their
/// texts.
fn most_refused(policies: &[PolicyTally]) -> Vec<KeyReport> {
    let of_policy = |policy: &PolicyTally| -> Vec<KeyReport> {
        let report = |(key, tally): (String, KeyTally)| KeyReport {
            key,
            policy: policy.id.clone(),
            requests: tally.requests,
            refused: tally.refused,
            would_refuse: tally.would_refuse,
        };
        policy.refused_keys().map(report).collect()
    };
    let mut keys: Vec<KeyReport> = policies.iter().flat_map(of_policy).collect();
    let order = |a: &KeyReport, b: &KeyReport| {
        let rank = |key: &KeyReport| (Reverse(key.refused + key.would_refuse), key.requests);
        rank(a).cmp(&rank(b)).then_with(|| a.key.cmp(&b.key))
    };
    keys.sort_by(order);
    keys.truncate(TOP);
    keys
}

fn difference(refusals: &Refusals, trial: &Trial) -> Difference {
    let (mut policies, mut keys) = (Vec::new(), Vec::new());
    for (refusals, tally) in refusals.by_policy.iter().zip(&trial.policies) {
        let refused = |key, requests| RefusedBy { key, policy: tally.id.clone(), requests };
        if refusals.requests > 0 {
            policies.push(refused(None, refusals.requests));
        }
        let texts = refusals.keys.texts().into_iter().zip(&refusals.by_key);
        keys.extend(texts.map(|(key, requests)| refused(Some(key.into_owned()), *requests)));
    }
    policies.sort_by_key(|policy| Reverse(policy.requests));
    keys.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.key.cmp(&b.key)));
    keys.truncate(TOP);
    Difference { requests: refusals.requests, policies, keys }
}
