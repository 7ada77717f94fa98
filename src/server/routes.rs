//! All routes of the HTTP listener: each front adds its own here.

use std::sync::Arc;

use axum::Router;
use http::header::{AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use http::{HeaderValue, Method};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use super::dashboard;
use super::grpc;
use super::rest;
use super::service::Service;

/// What allows all pages.
const ALL: &str = "*";

/// All routes.
pub(super) fn all(service: &Arc<Service>) -> Router {
    let routes = rest::router(Arc::clone(service))
        .merge(grpc::routes(service))
        .merge(dashboard::router(service))
        .method_not_allowed_fallback(rest::wrong_method)
        .fallback(rest::not_found);
    match &*service.settings.cors {
        [] => routes,
        origins => routes.layer(cors(origins)),
    }
}

/// Lets pages of these origins use the API from a browser, with the token too.
fn cors(origins: &[String]) -> CorsLayer {
    let allowed = if origins.iter().any(|origin| origin == ALL) {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, IF_MATCH])
        .expose_headers(Any)
}
