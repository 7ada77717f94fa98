//! `/api/rate-limit`: asking policies, looking without spending, and beginning anew.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::ORIGIN;
use http::{HeaderMap, StatusCode, Uri};
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::{seconds, write_fields};
use super::asked::Asked;
use super::json::{Json, must_be_json};
use super::problem::Problem;
use crate::distributed::Source;
use crate::http::policies::reports;
use crate::policy::{Attributes, Query, Reason, Standing, Verdict};
use crate::server::service::Service;

/// What policies say of a request.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RateLimitAnswer {
    /// Whether it may go on.
    allowed: bool,
    /// The least that any limit has left; null if none is in force for the request.
    remaining: Option<u64>,
    /// When the limit that binds is full again, in UTC; null if it never is, or there is none.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    reset_time: Option<String>,
    /// The seconds until the same would be allowed; 0 if it is, null if waiting does not help.
    retry_after: Option<f64>,
    /// The policy that refuses, or that is closest to it; null if none concerns the request.
    #[serde(rename = "policyID")]
    policy_id: Option<String>,
    /// Why it may not: `limit_reached`, `backend_failed`, `denied`, `blocked` or `missing_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The seconds to wait before going on, in a leaky bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<f64>,
    /// The version of the policies that decided.
    version: u64,
    /// Where the request stands at each limit, those that only watch last.
    limits: Vec<LimitAnswer>,
}

/// Where a request stands at one limit.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LimitAnswer {
    /// The policy's id.
    #[serde(rename = "policyID")]
    policy_id: String,
    /// The limit's name: the policy's id, and if it has several limits what tells this one from the others.
    name: String,
    /// Whether it refuses the request.
    refuses: bool,
    /// The most that a key can hold: tokens, or places.
    limit: u64,
    /// What is left.
    remaining: u64,
    /// What was asked for.
    cost: u64,
    /// When it is full again, in UTC; null if it never is.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    reset_time: Option<String>,
    /// The seconds until the same would pass; null if it never can.
    retry_after: Option<f64>,
    /// Whether it counts how many are under way at once, not how many come.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    concurrency: bool,
    /// Whether it only watches.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    shadow: bool,
    /// Who decided, if a backend counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
}

/// How many limits began anew.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ResetAnswer {
    /// How many limits of policies are full again for this key.
    reset: usize,
}

/// `GET /api/rate-limit/check`
pub(super) async fn check(State(service): State<Arc<Service>>, uri: Uri) -> Result<Response, Problem> {
    let asked = asked_of(&service, &uri)?;
    let attributes = asked.attributes();
    let verdict = service.check(query(&service, &asked, &attributes), &attributes).await;
    Ok(told(&verdict))
}

/// `GET /api/rate-limit/status`
pub(super) async fn status(State(service): State<Arc<Service>>, uri: Uri) -> Result<Response, Problem> {
    let asked = asked_of(&service, &uri)?;
    let attributes = asked.attributes();
    let verdict = query(&service, &asked, &attributes).peek().await;
    let mut response = Json(RateLimitAnswer::from(&verdict)).into_response();
    write_fields(&reports::of_pass(&verdict), false, response.headers_mut());
    Ok(response)
}

/// `POST /api/rate-limit/reset`
pub(super) async fn reset(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<ResetAnswer>, Problem> {
    if headers.contains_key(ORIGIN) {
        // It comes from a page, and has no body by whose kind to know a foreign one.
        must_be_json(&headers)?;
    }
    let asked = asked_of(&service, &uri)?;
    if asked.cost.is_some() {
        return Err(Problem::bad("cost: a reset has none: leave it out").field("cost"));
    }
    let attributes = asked.attributes();
    let reset = query(&service, &asked, &attributes).reset().await;
    let reset = reset.map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok(Json(ResetAnswer { reset }))
}

/// What is asked, of policies that there are.
fn asked_of(service: &Service, uri: &Uri) -> Result<Asked, Problem> {
    let asked = Asked::of(uri)?;
    if let Some(id) = &asked.policy
        && !service.policies.policies().policy.iter().any(|policy| policy.id == *id)
    {
        return Err(no_policy(id).field("policyID"));
    }
    Ok(asked)
}

/// There is no policy with this id.
pub(super) fn no_policy(id: &str) -> Problem {
    let shown: String = id.chars().take(70).collect();
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is no policy {shown:?}: GET /api/config/rate-limits lists them"),
    )
}

fn query<'q>(service: &'q Service, asked: &'q Asked, attributes: &'q Attributes<'q>) -> Query<'q> {
    let mut query = service.policies.query(attributes);
    if let Some(cost) = asked.cost {
        query = query.cost(cost);
    }
    if let Some(id) = &asked.policy {
        query = query.only_policy(id);
    }
    if let Some(algorithm) = asked.algorithm {
        query = query.only_algorithm(algorithm);
    }
    query
}

fn told(verdict: &Verdict) -> Response {
    let refused = !verdict.is_allowed();
    let status = match verdict.reason() {
        None => StatusCode::OK,
        // It is not the client that asks for too much.
        Some(Reason::BackendFailed) => StatusCode::SERVICE_UNAVAILABLE,
        Some(_) => StatusCode::TOO_MANY_REQUESTS,
    };
    let mut response = (status, Json(RateLimitAnswer::from(verdict))).into_response();
    let reports = if refused { reports::of_refusal(verdict) } else { reports::of_pass(verdict) };
    write_fields(&reports, refused, response.headers_mut());
    response
}

impl From<&Verdict> for RateLimitAnswer {
    fn from(verdict: &Verdict) -> RateLimitAnswer {
        let now = SystemTime::now();
        let binding = verdict.binding();
        RateLimitAnswer {
            allowed: verdict.is_allowed(),
            remaining: binding.map(|_| verdict.remaining()),
            reset_time: binding.and_then(|standing| reset_time(now, standing.reset_after())),
            retry_after: verdict.retry_after().and_then(seconds),
            policy_id: verdict.policy().map(str::to_owned),
            reason: verdict.reason().map(word_for),
            delay: seconds(verdict.delay()).filter(|delay| *delay > 0.0),
            version: verdict.version(),
            limits: verdict.limits().map(|standing| limit_answer(&standing, now)).collect(),
        }
    }
}

fn limit_answer(standing: &Standing<'_>, now: SystemTime) -> LimitAnswer {
    LimitAnswer {
        policy_id: standing.policy().to_owned(),
        name: standing.name().to_owned(),
        refuses: standing.refuses(),
        limit: standing.limit(),
        remaining: standing.remaining(),
        cost: standing.cost(),
        reset_time: reset_time(now, standing.reset_after()),
        retry_after: standing.retry_after().and_then(seconds),
        concurrency: standing.is_concurrency(),
        shadow: standing.is_shadow(),
        source: standing.source().map(Source::as_str),
    }
}

fn word_for(reason: Reason) -> &'static str {
    match reason {
        Reason::LimitReached => "limit_reached",
        Reason::BackendFailed => "backend_failed",
        Reason::Denied => "denied",
        Reason::Blocked => "blocked",
        Reason::MissingKey => "missing_key",
    }
}

/// A time, so much from now; `None` for never.
fn reset_time(now: SystemTime, after: Duration) -> Option<String> {
    now.checked_add(after).and_then(rfc_3339)
}

/// A time as RFC 3339 has it, in UTC and milliseconds, rounded up: then it is surely past.
pub(super) fn rfc_3339(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    let millis = jiff::Unit::Millisecond;
    let time = time.round(jiff::TimestampRound::new().smallest(millis).mode(jiff::RoundMode::Ceil)).ok()?;
    Some(format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc_and_rounded_up() {
        let at = |nanos| rfc_3339(SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos));
        assert_eq!(at(0).as_deref(), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(at(1).as_deref(), Some("1970-01-01T00:00:00.001Z"));
        assert_eq!(reset_time(SystemTime::now(), Duration::MAX), None);
    }
}
