//! The service for gRPC: `tollgate.v1`, Envoy's rate limit service, health, and reflection.

mod answer;
mod check;
mod envoy;
mod failure;
pub(crate) mod generated;
mod health;
mod rate_limits;
mod reservations;

use std::sync::Arc;

use axum::Router;
use tonic_reflection::server::{Builder, Error};

use super::service::Service;
use envoy::EnvoyRateLimits;
use generated::envoy::service::ratelimit::v3::rate_limit_service_server::RateLimitServiceServer as EnvoyServer;
use generated::tollgate::v1::rate_limit_service_server::RateLimitServiceServer;
use rate_limits::RateLimits;

/// All services, for a router without a fallback of their own. To be called where tokio runs: health follows the service from there.
///
/// # Errors
///
/// Only if the definitions that were built in cannot be read.
pub(crate) fn routes(service: &Arc<Service>) -> Result<Router, Error> {
    let routes = tonic::service::Routes::from(Router::new())
        .add_service(RateLimitServiceServer::new(RateLimits::new(Arc::clone(service))))
        .add_service(EnvoyServer::new(EnvoyRateLimits::new(Arc::clone(service))))
        .add_service(health::following(service))
        .add_service(definitions().build_v1()?)
        .add_service(definitions().build_v1alpha()?);
    Ok(routes.into_axum_router())
}

/// What reflection tells.
fn definitions() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(generated::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
