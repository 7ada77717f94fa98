//! All routes of the HTTP listener: each front adds its own here.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::service::Service;

/// All routes.
pub(super) fn all(service: &Arc<Service>) -> Router {
    let _ = service;
    Router::new().route("/ping", get(|| async { "pong" }))
}
