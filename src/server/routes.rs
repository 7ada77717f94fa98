//! All routes of the HTTP listener: each front adds its own here.

use std::sync::Arc;

use axum::Router;

use super::dashboard;
use super::rest;
use super::service::Service;

/// All routes.
pub(super) fn all(service: &Arc<Service>) -> Router {
    rest::router(Arc::clone(service)).merge(dashboard::router(service)).fallback(rest::not_found)
}
