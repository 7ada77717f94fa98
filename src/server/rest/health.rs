//! `/ping`, `/health` and `/metrics`: for those who look after the service.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::json::Json;
use crate::server::operate::BackendHealth;
use crate::server::service::Service;

/// What Prometheus reads.
pub(super) const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How the service is.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HealthAnswer {
    /// `initializing`, `active`, `failed`, `recovering` or `draining`: that of the backend that is worst, if one is not well.
    state: &'static str,
    /// Whether it should be sent requests. It is ready with a failed backend, too: the policies say what happens then.
    ready: bool,
    /// Its version.
    version: &'static str,
    /// The policies in force.
    policies: PoliciesHealth,
    /// How each backend is.
    backends: Vec<BackendAnswer>,
}

/// The policies in force.
#[derive(Debug, Serialize, JsonSchema)]
struct PoliciesHealth {
    /// Their version; 0 if none were ever put in force.
    version: u64,
    /// How many there are, those among them that are not active too.
    count: usize,
    /// Whether their file says what cannot be put in force. The log says why: not everybody who may ask for the health may know the policies.
    file_is_wrong: bool,
}

/// How a backend is.
#[derive(Debug, Serialize, JsonSchema)]
struct BackendAnswer {
    /// Its name.
    name: String,
    /// `initializing`, `active`, `failed` or `recovering`.
    state: &'static str,
    /// Connections that are up.
    connections: u64,
    /// Parts of it that can fail by themselves, as shards.
    domains: usize,
    /// Of these, how many are not asked, because they fail.
    open: usize,
    /// How many nodes use it, if it has said so.
    nodes: Option<u32>,
}

/// `GET /ping`
pub(super) async fn ping() -> &'static str {
    "pong"
}

/// `GET /health/live`: it answers.
pub(super) async fn live() -> &'static str {
    "live"
}

/// `GET /health/ready`
pub(super) async fn ready(State(service): State<Arc<Service>>) -> Response {
    respond(&service)
}

/// `GET /health`
pub(super) async fn report(State(service): State<Arc<Service>>) -> Response {
    let mut response = respond(&service);
    // Who asks this wants to know, and not to be told by the status.
    *response.status_mut() = StatusCode::OK;
    response
}

fn respond(service: &Service) -> Response {
    let report = service.health.report(&service.backends);
    let policies = service.policies.policies();
    let file_is_wrong = service.watcher.get().is_some_and(|watcher| watcher.last_error().is_some());
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let answer = HealthAnswer {
        state: report.state.as_str(),
        ready: report.ready,
        version: env!("CARGO_PKG_VERSION"),
        policies: PoliciesHealth {
            version: service.policies.version(),
            count: policies.policy.len(),
            file_is_wrong,
        },
        backends: report.backends.into_iter().map(BackendAnswer::from).collect(),
    };
    (status, Json(answer)).into_response()
}

/// `GET /metrics`
pub(super) async fn metrics(State(service): State<Arc<Service>>) -> Response {
    ([(CONTENT_TYPE, PROMETHEUS)], service.metrics()).into_response()
}

impl From<BackendHealth> for BackendAnswer {
    fn from(backend: BackendHealth) -> BackendAnswer {
        let BackendHealth { name, state, connections, domains, open, nodes, .. } = backend;
        BackendAnswer { name, state: state.as_str(), connections, domains, open, nodes }
    }
}
