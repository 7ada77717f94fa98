//! Checks of `tollgate.v1`, one at a time.

use std::time::{Duration, Instant};

use tonic::Code;

use super::answer;
use super::failure::Failure;
use super::generated::tollgate::v1::check_request::Subject;
use super::generated::tollgate::v1::{
    Algorithm, CheckRequest, CheckResponse, KeySubject, Limit, RequestSubject,
};
use crate::policy::{AlgorithmName, Attributes, Verdict};
use crate::quota::{Quota, QuotaError};
use crate::server::caller::CallerLimit;
use crate::server::service::Service;

/// Each is compared with what policies ask for; no request that people describe has as many.
const MOST_ATTRIBUTES: usize = 64;

/// The longest name or value of an attribute, in bytes: as in the query of `/api/rate-limit/check`.
const LONGEST_ATTRIBUTE: usize = 4_096;

/// Whether it may go on.
pub(super) async fn check(service: &Service, asked: &CheckRequest) -> Result<CheckResponse, Failure> {
    match &asked.subject {
        Some(Subject::Request(request)) => {
            let verdict = by_policies(service, request, asked.cost).await?;
            Ok(answer::of_verdict(&verdict))
        }
        Some(Subject::Key(key)) => by_limit(service, key, asked.cost.unwrap_or(1)).await,
        None => Err(Failure::field("subject", "is missing: give request, or key")),
    }
}

/// What policies say of a request.
pub(super) async fn by_policies(
    service: &Service,
    request: &RequestSubject,
    cost: Option<u64>,
) -> Result<Verdict, Failure> {
    let attributes = attributes_of(request)?;
    let mut query = service.policies.query(&attributes);
    if let Some(cost) = cost {
        query = query.cost(cost);
    }
    if !request.policy.is_empty() {
        query = query.only_policy(&request.policy);
    }
    let begun = Instant::now();
    let verdict = query.check_async().await;
    service.note(&verdict, &attributes, begun.elapsed());
    if !request.policy.is_empty()
        && verdict.policies().next().is_none()
        && !is_policy(service, &request.policy)
    {
        return Err(Failure::other(Code::NotFound, "request.policy: no policy has this id"));
    }
    Ok(verdict)
}

fn attributes_of(request: &RequestSubject) -> Result<Attributes<'_>, Failure> {
    let given = request.attributes.len();
    if given > MOST_ATTRIBUTES {
        let message = format!("{given} are too many: give at most {MOST_ATTRIBUTES}");
        return Err(Failure::field("request.attributes", message));
    }
    let pairs = request.attributes.iter();
    let length = |(name, value): (&String, &String)| name.len().max(value.len());
    if let Some(length) = pairs.clone().map(length).find(|length| *length > LONGEST_ATTRIBUTE) {
        let message = format!("one has {length} bytes: send at most {LONGEST_ATTRIBUTE}, or a digest of it");
        return Err(Failure::field("request.attributes", message));
    }
    Ok(pairs.fold(Attributes::new(), |attributes, (name, value)| attributes.with(name, value.as_str())))
}

fn is_policy(service: &Service, id: &str) -> bool {
    service.policies.policies().policy.iter().any(|policy| policy.id == id)
}

/// What a limit says that comes with the call.
async fn by_limit(service: &Service, asked: &KeySubject, cost: u64) -> Result<CheckResponse, Failure> {
    if asked.key.is_empty() {
        return Err(Failure::field("key.key", "is empty: whom is this limit for?"));
    }
    let Some(limit) = &asked.limit else {
        return Err(Failure::field("key.limit", "is missing: how many, in what time?"));
    };
    let limit = caller_limit(limit)?;
    let answer = service.check_caller(asked.key.as_bytes(), limit, cost).await;
    let answer = answer.map_err(|error| Failure::of_caller(&error, place_of))?;
    Ok(answer::of_answer(&answer, limit))
}

fn caller_limit(limit: &Limit) -> Result<CallerLimit, Failure> {
    let algorithm = match limit.algorithm() {
        Algorithm::Unspecified if limit.algorithm != 0 => {
            let message = format!("{} is not an algorithm", limit.algorithm);
            return Err(Failure::field("key.limit.algorithm", message));
        }
        Algorithm::Unspecified | Algorithm::Gcra => AlgorithmName::Gcra,
        Algorithm::TokenBucket => AlgorithmName::TokenBucket,
        Algorithm::LeakyBucket => AlgorithmName::LeakyBucket,
        Algorithm::FixedWindow => AlgorithmName::FixedWindow,
        Algorithm::SlidingWindow => AlgorithmName::SlidingWindow,
        Algorithm::SlidingLog => AlgorithmName::SlidingLog,
    };
    if limit.count == 0 {
        return Err(Failure::field("key.limit.count", "is missing, or 0: let at least 1 through"));
    }
    let Some(period) = limit.period else {
        return Err(Failure::field("key.limit.period", "is missing: in what time?"));
    };
    let Ok(period) = Duration::try_from(period) else {
        return Err(Failure::field(
            "key.limit.period",
            "is negative, or no duration: give more than nothing",
        ));
    };
    let quota = Quota::new(limit.count, period).map_err(|error| {
        let field = if matches!(error, QuotaError::Rate { .. }) { "count" } else { "period" };
        Failure::field(format!("key.limit.{field}"), error.to_string())
    })?;
    let quota = match limit.burst {
        Some(_) if !algorithm.has_burst() => {
            let message = format!("{algorithm} has none: leave it out");
            return Err(Failure::field("key.limit.burst", message));
        }
        Some(burst) => quota.burst(burst),
        None => quota,
    };
    Ok(CallerLimit { algorithm, quota })
}

/// Where a call has what limits from callers have under this name.
fn place_of(field: &str) -> String {
    let place = match field {
        "key" => "key.key",
        "algorithm" => "key.limit.algorithm",
        "window" => "key.limit.period",
        "burst" => "key.limit.burst",
        _ => "key.limit.count",
    };
    place.to_owned()
}
