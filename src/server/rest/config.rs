//! `/api/config`: policies, read and changed. Every change is checked as a file is, and written to the file if there is one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ETAG, IF_MATCH, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::json::{self, Json};
use super::limits::no_policy;
use super::problem::{Problem, Wrong, pointer};
use super::segment::Segment;
use crate::digest::digest;
use crate::policy::{self, Change, Invalid, Policies, Policy, PolicyError, PolicySet, Tier};
use crate::server::policy_file::{self, ChangeError};
use crate::server::service::Service;

/// All policies, and who belongs to which tier.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Listing {
    /// The version that is in force; 0 before the first.
    version: u64,
    /// The policies, those among them that are not active too.
    policies: Vec<Policy>,
    /// Who belongs to which tier.
    tiers: Vec<Tier>,
}

/// What a change did.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ChangeAnswer {
    /// The version that is in force now.
    version: u64,
    /// The ids of policies that are new.
    added: Vec<String>,
    /// The ids of policies that are others than before.
    changed: Vec<String>,
    /// The ids of policies that are gone.
    removed: Vec<String>,
    /// The limits that began anew: every key is full there.
    restarted: Vec<RestartedAnswer>,
}

/// A limit that began anew.
#[derive(Debug, Serialize, JsonSchema)]
struct RestartedAnswer {
    /// The policy's id.
    policy: String,
    /// The limit's name; null if all of the policy did.
    limit: Option<String>,
    /// Why.
    reason: String,
}

/// The state that a policy is to go to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Transition {
    /// `draft`, `active`, `suspended` or `inactive`.
    state: policy::State,
}

/// The version to go back to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollback {
    /// One of those that are kept.
    version: u64,
}

/// The versions that can be rolled back to.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Versions {
    /// The one in force.
    current: u64,
    /// Those that are kept, the one in force last.
    versions: Vec<VersionAnswer>,
}

/// A version of the policies.
#[derive(Debug, Serialize, JsonSchema)]
struct VersionAnswer {
    /// Its number.
    version: u64,
    /// The ids of its policies.
    policies: Vec<String>,
}

/// `GET /api/config/rate-limits`
pub(super) async fn list(State(service): State<Arc<Service>>) -> Response {
    let version = service.policies.version();
    let Policies { policy: policies, tier: tiers, .. } = Policies::clone(&service.policies.policies());
    let tag = tag(&(&policies, &tiers));
    ([(ETAG, tag)], Json(Listing { version, policies, tiers })).into_response()
}

/// `GET /api/config/rate-limits/{policyID}`
pub(super) async fn get(
    State(service): State<Arc<Service>>,
    Segment(id): Segment,
) -> Result<Response, Problem> {
    let policies = service.policies.policies();
    let policy = find(&policies, &id).ok_or_else(|| no_policy(&id))?;
    Ok(([(ETAG, tag(policy))], Json(policy)).into_response())
}

/// `POST /api/config/rate-limits`
pub(super) async fn add(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let policy = policy_in(&service, &headers, body).await?;
    let id = policy.id.clone();
    let change = change(service, headers, None, move |set| {
        if find(&set.policies(), &policy.id).is_some() {
            let detail = format!("there is a policy {:?} already: PUT changes it", policy.id);
            return Err(Problem::new(StatusCode::CONFLICT, detail).field("/id"));
        }
        set.upsert(policy.clone()).map_err(|error| problem_with(error, set, &policy.id))
    });
    let change = change.await?;
    // An id that was accepted has only characters that a field may have.
    let location = HeaderValue::try_from(format!("/api/config/rate-limits/{}", id.replace('/', "%2F")));
    let location = location.map(|location| [(LOCATION, location)]).ok();
    Ok((StatusCode::CREATED, location, change).into_response())
}

/// `PUT /api/config/rate-limits/{policyID}`
pub(super) async fn put(
    State(service): State<Arc<Service>>,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<ChangeAnswer>), Problem> {
    let policy = policy_in(&service, &headers, body).await?;
    if policy.id != id {
        return Err(Problem::unfit(
            "/id",
            format!("id: the path says {id:?}, the body {:?}: a policy keeps its id", policy.id),
        ));
    }
    let change = change(service, headers, Some(id), move |set| {
        set.upsert(policy.clone()).map_err(|error| problem_with(error, set, &policy.id))
    });
    let change = change.await?;
    Ok((if change.0.added.is_empty() { StatusCode::OK } else { StatusCode::CREATED }, change))
}

/// `DELETE /api/config/rate-limits/{policyID}`
pub(super) async fn delete(
    State(service): State<Arc<Service>>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Json<ChangeAnswer>, Problem> {
    let removed = id.clone();
    change(service, headers, Some(id), move |set| {
        set.remove(&removed).map_err(|error| problem_with(error, set, &removed))
    })
    .await
}

/// `POST /api/config/rate-limits/{policyID}/state`
pub(super) async fn transition(
    State(service): State<Arc<Service>>,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ChangeAnswer>, Problem> {
    let Transition { state } = body_in(&service, &headers, body).await?;
    let changed = id.clone();
    change(service, headers, Some(id), move |set| {
        set.transition(&changed, state).map_err(|error| problem_with(error, set, &changed))
    })
    .await
}

/// `GET /api/config/versions`
pub(super) async fn versions(State(service): State<Arc<Service>>) -> Json<Versions> {
    let ids = |policies: &Policies| policies.policy.iter().map(|policy| policy.id.clone()).collect();
    let versions = service.policies.versions();
    let versions = versions
        .iter()
        .map(|(version, policies)| VersionAnswer { version: *version, policies: ids(policies) });
    Json(Versions { current: service.policies.version(), versions: versions.collect() })
}

/// `POST /api/config/rollback`
pub(super) async fn rollback(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ChangeAnswer>, Problem> {
    let Rollback { version } = body_in(&service, &headers, body).await?;
    change(service, headers, None, move |set| {
        set.rollback(version).map_err(|error| problem_with(error, set, ""))
    })
    .await
}

async fn policy_in(service: &Service, headers: &HeaderMap, body: Body) -> Result<Policy, Problem> {
    policy(&json_in(service, headers, body).await?)
}

/// Reads a policy, and all that is wrong with it by itself.
pub(super) fn policy(body: &[u8]) -> Result<Policy, Problem> {
    let text = json::utf_8(body)?;
    Policies::parse_one(text).map_err(|error| {
        // What is JSON and makes no policy: what it says is wrong, whether that shows in a type or in a text.
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        let status = if is_json { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
        Problem::of(status, error.problems().iter().map(|problem| Wrong::of(problem, text)).collect())
    })
}

async fn body_in<T: DeserializeOwned>(
    service: &Service,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    json::parse::<T, T>(&json_in(service, headers, body).await?)
}

async fn json_in(service: &Service, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    json::must_be_json(headers)?;
    json::bytes(body, service.settings.limits.body_bytes).await
}

/// Makes a change, if what it is about is still as the client has seen it: the policy of this id, or all.
async fn change(
    service: Arc<Service>,
    headers: HeaderMap,
    of: Option<String>,
    change: impl FnOnce(&PolicySet) -> Result<Change, Problem> + Send + 'static,
) -> Result<Json<ChangeAnswer>, Problem> {
    // It waits for the disk.
    let changing = tokio::task::spawn_blocking(move || {
        service.policy_file.change(&service.policies, |set| {
            unchanged(&headers, set, of.as_deref())?;
            change(set)
        })
    });
    match changing.await {
        Ok(Ok(change)) => Ok(Json(ChangeAnswer::from(change))),
        Ok(Err(error)) => Err(problem_of(error)),
        Err(error) => {
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the change failed: {error}")))
        }
    }
}

fn unchanged(headers: &HeaderMap, set: &PolicySet, of: Option<&str>) -> Result<(), Problem> {
    let Some(wanted) = headers.get(IF_MATCH) else { return Ok(()) };
    let policies = set.policies();
    let now = match of {
        Some(id) => find(&policies, id).map(tag),
        None => Some(tag(&(&policies.policy, &policies.tier))),
    };
    let is_one = |now: &HeaderValue| {
        wanted.to_str().is_ok_and(|wanted| {
            wanted
                .split(',')
                .map(str::trim)
                .any(|wanted| wanted == "*" || wanted.as_bytes() == now.as_bytes())
        })
    };
    if now.as_ref().is_some_and(is_one) {
        return Ok(());
    }
    let detail = "somebody else has changed it: get it again, and change that";
    Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail).field("If-Match"))
}

fn find<'p>(policies: &'p Policies, id: &str) -> Option<&'p Policy> {
    policies.policy.iter().find(|policy| policy.id == id)
}

/// The same for the same content, whenever and by whom it is told.
fn tag(content: &impl Serialize) -> HeaderValue {
    let json = serde_json::to_vec(content).unwrap_or_default();
    // Half of it tells as many versions apart as there will ever be. It is hexadecimal digits between quotes, which a field may have.
    HeaderValue::try_from(format!("\"{}\"", &digest(&json)[..32])).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Why policies cannot be so.
fn problem_with(error: PolicyError, set: &PolicySet, id: &str) -> Problem {
    match error {
        PolicyError::Invalid { problems } => Problem::of(
            StatusCode::UNPROCESSABLE_ENTITY,
            problems.iter().map(|invalid| wrong(invalid, id)).collect(),
        ),
        PolicyError::UnknownPolicy { id } => no_policy(&id),
        PolicyError::Transition { .. } => {
            Problem::new(StatusCode::CONFLICT, error.to_string()).field("/state")
        }
        PolicyError::UnknownVersion { .. } => {
            Problem::new(StatusCode::NOT_FOUND, format!("{error}; {} is in force", set.version()))
                .field("/version")
        }
    }
}

/// Of another policy than the one that was sent, it says which.
fn wrong(invalid: &Invalid, sent: &str) -> Wrong {
    let (field, detail) = if invalid.policy == sent {
        (pointer(invalid.field()), format!("{}: {}", invalid.field(), invalid.message))
    } else {
        (String::new(), invalid.to_string())
    };
    Wrong { field, detail, line: None, column: None }
}

fn problem_of(error: ChangeError<Problem>) -> Problem {
    let status = match &error {
        ChangeError::Conflict { .. } | ChangeError::Foreign { .. } => StatusCode::CONFLICT,
        ChangeError::Unwritable { error, .. } if policy_file::is_read_only(error) => StatusCode::CONFLICT,
        ChangeError::Unwritten { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        ChangeError::Unwritable { .. } | ChangeError::Refused(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    match error {
        ChangeError::Refused(problem) => problem,
        other => Problem::new(status, other.to_string()),
    }
}

impl From<Change> for ChangeAnswer {
    fn from(change: Change) -> ChangeAnswer {
        let restarted = change.restarted.into_iter().map(|restarted| RestartedAnswer {
            policy: restarted.policy,
            limit: restarted.limit,
            reason: restarted.reason.to_string(),
        });
        ChangeAnswer {
            version: change.version,
            added: change.added,
            changed: change.changed,
            removed: change.removed,
            restarted: restarted.collect(),
        }
    }
}
