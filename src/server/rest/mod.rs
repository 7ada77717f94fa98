//! The REST interface: JSON over HTTP, described at `/openapi.json`.

mod activity;
mod answer;
mod api;
mod asked;
mod bodies;
mod check;
mod config;
mod health;
mod json;
mod limit_fields;
mod limits;
pub mod machinery;
mod place;
mod problem;
mod segment;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode, Uri};
use serde_json::json;

pub(crate) use self::problem::Problem;

use self::activity::{ActivityAnswer, MOST_LISTED, OneUserAnswer, TopAnswer, USUALLY_LISTED};
use self::answer::{BatchAnswer, CheckAnswer};
use self::api::{Api, Operation};
use self::bodies::{Batch, Check};
use self::config::{ChangeAnswer, Listing, Rollback, Transition, Versions};
use self::health::{HealthAnswer, PROMETHEUS};
use self::limits::{RateLimitAnswer, ResetAnswer};
use super::operate::guard;
use super::service::Service;
use crate::policy::Policy;

/// All routes. What is not found is for [`not_found`], and what is not for its path for [`wrong_method`], to be set where all routers are merged.
pub(crate) fn router(service: Arc<Service>) -> Router {
    let (router, document) = routes(&service).finish();
    // It is the same as long as the process runs. Texts are always JSON.
    let document = Bytes::from(serde_json::to_vec(&document).unwrap_or_default());
    let json = HeaderValue::from_static("application/json");
    let describe = || async move { ([(CONTENT_TYPE, json)], document) };
    router.route("/openapi.json", axum::routing::get(describe)).with_state(service)
}

/// There is nothing at this path.
pub(crate) async fn not_found(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(100).collect();
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {path:?}: /openapi.json lists what there is"),
    )
}

/// The path is there, but not for this method. The field `Allow` is added by the router.
pub(crate) async fn wrong_method(method: Method) -> impl IntoResponse {
    let method: String = method.as_str().chars().take(40).collect();
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} is not for this path: see the field Allow"),
    )
}

/// The table of all routes.
fn routes(service: &Arc<Service>) -> Api {
    let service = Arc::clone(service);
    let api = Api::new(move |route| route.route_layer(from_fn_with_state(Arc::clone(&service), guard)));
    let api = with_checks(api);
    let api = with_policies(api);
    let api = with_configuration(api);
    let api = with_activity(api);
    with_health(api)
}

fn with_checks(api: Api) -> Api {
    api.route(
        &Method::POST,
        "/check",
        Operation::new("check", "May this key go on, under this limit?")
            .body::<Check<String>>()
            .answers::<CheckAnswer>(200, "It may.")
            .answers::<CheckAnswer>(429, "It may not, or not yet.")
            .answers::<CheckAnswer>(503, "The backend cannot be asked, and the service refuses then."),
        check::one,
    )
    .route(
        &Method::POST,
        "/check/batch",
        Operation::new("checkBatch", "The same of many keys.")
            .body::<Batch<String>>()
            .answers::<BatchAnswer>(200, "What is said of each."),
        check::batch,
    )
}

fn with_policies(api: Api) -> Api {
    api.route(
        &Method::GET,
        "/api/rate-limit/check",
        Operation::new("checkPolicies", "May this request go on, under the policies in force?")
            .parameters(asked::parameters(true))
            .answers::<RateLimitAnswer>(200, "It may.")
            .answers::<RateLimitAnswer>(429, "It may not, or not yet.")
            .answers::<RateLimitAnswer>(503, "A backend cannot be asked, and the policy is closed then."),
        limits::check,
    )
    .route(
        &Method::GET,
        "/api/rate-limit/status",
        Operation::new("status", "Where does this request stand? Nothing is spent.")
            .parameters(asked::parameters(true))
            .answers::<RateLimitAnswer>(200, "Whether it would be allowed, and where it stands."),
        limits::status,
    )
    .route(
        &Method::POST,
        "/api/rate-limit/reset",
        Operation::new("reset", "Forgets what this key has spent.")
            .parameters(asked::parameters(false))
            .answers::<ResetAnswer>(200, "How many limits began anew.")
            .guarded(),
        limits::reset,
    )
}

fn with_configuration(api: Api) -> Api {
    const ALL: &str = "/api/config/rate-limits";
    const ONE: &str = "/api/config/rate-limits/{policyID}";
    let policy_id = || json!({ "type": "string", "pattern": "^[A-Za-z0-9._:/-]{1,64}$" });
    let of_one = |id, summary| {
        Operation::new(id, summary).path("policyID", "The policy's id.", &policy_id()).guarded()
    };
    let changing =
        |operation: Operation| operation.if_match().answers::<ChangeAnswer>(200, "What the change did.");
    api.route(
        &Method::GET,
        ALL,
        Operation::new("listPolicies", "All policies, with the version in force.")
            .answers::<Listing>(200, "They are.")
            .guarded(),
        config::list,
    )
    .route(
        &Method::POST,
        ALL,
        Operation::new("addPolicy", "Adds a policy.")
            .body::<Policy>()
            .if_match()
            .answers::<ChangeAnswer>(201, "It was added.")
            .guarded(),
        config::add,
    )
    .route(&Method::GET, ONE, of_one("getPolicy", "A policy.").answers::<Policy>(200, "It is."), config::get)
    .route(
        &Method::PUT,
        ONE,
        changing(of_one("putPolicy", "Changes a policy, or adds it."))
            .body::<Policy>()
            .answers::<ChangeAnswer>(201, "It was added."),
        config::put,
    )
    .route(&Method::DELETE, ONE, changing(of_one("deletePolicy", "Removes a policy.")), config::delete)
    .route(
        &Method::POST,
        "/api/config/rate-limits/{policyID}/state",
        changing(of_one("setState", "Takes a policy to another state.")).body::<Transition>(),
        config::transition,
    )
    .route(
        &Method::GET,
        "/api/config/versions",
        Operation::new("listVersions", "The versions that can be rolled back to.")
            .answers::<Versions>(200, "They are.")
            .guarded(),
        config::versions,
    )
    .route(
        &Method::POST,
        "/api/config/rollback",
        changing(
            Operation::new("rollback", "Puts the policies of an earlier version in force again.").guarded(),
        )
        .body::<Rollback>(),
        config::rollback,
    )
}

fn with_activity(api: Api) -> Api {
    let limit =
        || json!({ "type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": USUALLY_LISTED });
    let listing =
        |id, summary| Operation::new(id, summary).query("limit", "How many to list.", &limit()).guarded();
    api.route(
        &Method::GET,
        "/api/metrics/rate-limits",
        listing("listActivity", "Who asks: requests, refusals and when they came last, by user and api.")
            .answers::<ActivityAnswer>(200, "They do."),
        activity::all,
    )
    .route(
        &Method::GET,
        "/api/metrics/rate-limits/{userID}",
        Operation::new("userActivity", "What a user asked, by api.")
            .path("userID", "The user.", &json!({ "type": "string", "minLength": 1 }))
            .answers::<OneUserAnswer>(200, "It is.")
            .guarded(),
        activity::of_user,
    )
    .route(
        &Method::GET,
        "/api/metrics/top",
        listing("listRefused", "The keys that are refused most.").answers::<TopAnswer>(200, "They are."),
        activity::top,
    )
}

fn with_health(api: Api) -> Api {
    const TEXT: &str = "text/plain; charset=utf-8";
    api.route(
        &Method::GET,
        "/ping",
        Operation::new("ping", "Is anybody there?").answers_text(200, "`pong`", TEXT),
        health::ping,
    )
    .route(
        &Method::GET,
        "/health/live",
        Operation::new("live", "Does it answer?").answers_text(200, "It does.", TEXT),
        health::live,
    )
    .route(
        &Method::GET,
        "/health/ready",
        Operation::new("ready", "Should it be sent requests?")
            .answers::<HealthAnswer>(200, "It should.")
            .answers::<HealthAnswer>(503, "Not yet, or not any more."),
        health::ready,
    )
    .route(
        &Method::GET,
        "/health",
        Operation::new("health", "How is it?").answers::<HealthAnswer>(200, "It is so."),
        health::report,
    )
    .route(
        &Method::GET,
        "/metrics",
        Operation::new("metrics", "Counters, gauges and histograms for Prometheus.").answers_text(
            200,
            "They are.",
            PROMETHEUS,
        ),
        health::metrics,
    )
}
