//! All routes of the HTTP listener: each front adds its own here.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::grpc;
use super::service::Service;

/// All routes.
pub(super) fn all(service: &Arc<Service>) -> Router {
    Router::new().route("/ping", get(|| async { "pong" })).merge(grpc::routes(service))
}
