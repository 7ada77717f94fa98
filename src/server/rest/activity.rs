//! `/api/metrics`: who asks, and who is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use http::{StatusCode, Uri};
use schemars::JsonSchema;
use serde::Serialize;

use super::asked::{pairs, unknown};
use super::json::Json;
use super::limits::rfc_3339;
use super::problem::Problem;
use super::segment::Segment;
use crate::observe::RefusedKey;
use crate::server::activity::AskerActivity;
use crate::server::service::Service;

/// More than anybody reads at once; so many users and apis are remembered in all.
pub(super) const MOST_LISTED: usize = 10_000;
/// About a screen.
pub(super) const USUALLY_LISTED: usize = 100;

/// Who asks.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ActivityAnswer {
    /// How many decisions there were, since the start.
    requests: u64,
    /// How many of them were refusals.
    blocked: u64,
    /// How many pairs of a user and an api are remembered. Those who came once and long ago are forgotten first.
    remembered: usize,
    /// Those who asked, the last first.
    users: Vec<UserActivity>,
}

/// What a user asked of an api.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct UserActivity {
    /// The user; null if the request did not say. Cut after 256 bytes.
    #[serde(rename = "userID")]
    user_id: Option<String>,
    #[serde(flatten)]
    of: ApiActivity,
}

/// What was asked of an api.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiActivity {
    /// The api; null if the request did not say. Cut after 256 bytes.
    api: Option<String>,
    /// How many requests there were.
    requests: u64,
    /// How many of them were refused.
    blocked: u64,
    /// When the last one came.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    last_seen: Option<String>,
}

/// What a user asked.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OneUserAnswer {
    /// The user.
    #[serde(rename = "userID")]
    user_id: String,
    /// How many requests there were, of all apis that are remembered.
    requests: u64,
    /// How many of them were refused.
    blocked: u64,
    /// When the last one came.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    last_seen: Option<String>,
    /// By api, the last first.
    apis: Vec<ApiActivity>,
}

/// Who is refused most.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TopAnswer {
    /// How many refusals were counted, of all keys.
    counted: u64,
    /// How many were not, because another thread was counting one.
    missed: u64,
    /// The keys that were refused most, the worst first.
    top: Vec<TopKey>,
}

/// A key that was refused, and how often.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TopKey {
    /// The policy's id, or `caller`.
    #[serde(rename = "policyID")]
    policy_id: String,
    /// The key. Cut after 64 bytes.
    key: String,
    /// How often it was refused, at most.
    refused: u64,
    /// By how much that may be too high.
    at_most_too_many_by: u64,
}

/// `GET /api/metrics/rate-limits`
pub(super) async fn all(
    State(service): State<Arc<Service>>,
    uri: Uri,
) -> Result<Json<ActivityAnswer>, Problem> {
    let limit = limit(&uri)?;
    let totals = service.activity.totals();
    let askers = service.activity.of_all();
    let remembered = askers.len();
    let user =
        |mut asker: AskerActivity| UserActivity { user_id: asker.user.take(), of: ApiActivity::from(asker) };
    let users = askers.into_iter().take(limit).map(user).collect();
    Ok(Json(ActivityAnswer { requests: totals.requests, blocked: totals.blocked, remembered, users }))
}

/// `GET /api/metrics/rate-limits/{userID}`
pub(super) async fn of_user(
    State(service): State<Arc<Service>>,
    Segment(user): Segment,
) -> Result<Json<OneUserAnswer>, Problem> {
    let apis = service.activity.of_user(&user);
    let Some(last) = apis.first() else {
        let shown: String = user.chars().take(70).collect();
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("nothing is known of user {shown:?}: who never asked, or long ago, is not remembered"),
        ));
    };
    Ok(Json(OneUserAnswer {
        last_seen: rfc_3339(last.last_seen),
        requests: apis.iter().map(|api| api.requests).sum(),
        blocked: apis.iter().map(|api| api.blocked).sum(),
        apis: apis.into_iter().map(ApiActivity::from).collect(),
        user_id: user,
    }))
}

/// `GET /api/metrics/top`
pub(super) async fn top(State(service): State<Arc<Service>>, uri: Uri) -> Result<Json<TopAnswer>, Problem> {
    let limit = limit(&uri)?;
    let refused = service.activity.refused();
    let top = refused.top(limit).into_iter().map(TopKey::from).collect();
    Ok(Json(TopAnswer { counted: refused.counted(), missed: refused.missed(), top }))
}

/// How many are to be listed.
fn limit(uri: &Uri) -> Result<usize, Problem> {
    let given: BTreeMap<String, String> = pairs(uri)?.into_iter().collect();
    if let Some(name) = given.keys().find(|name| *name != "limit") {
        return Err(unknown(name, "limit"));
    }
    let Some(text) = given.get("limit") else { return Ok(USUALLY_LISTED) };
    let wrong =
        || Problem::bad(format!("limit: is not a whole number from 1 to {MOST_LISTED}")).field("limit");
    text.parse().ok().filter(|limit| (1..=MOST_LISTED).contains(limit)).ok_or_else(wrong)
}

impl From<AskerActivity> for ApiActivity {
    fn from(asker: AskerActivity) -> ApiActivity {
        let AskerActivity { api, requests, blocked, last_seen, .. } = asker;
        ApiActivity { api, requests, blocked, last_seen: rfc_3339(last_seen) }
    }
}

impl From<RefusedKey> for TopKey {
    fn from(refused: RefusedKey) -> TopKey {
        let RefusedKey { policy, key, refused, at_most_too_many_by, .. } = refused;
        TopKey { policy_id: policy, key, refused, at_most_too_many_by }
    }
}
