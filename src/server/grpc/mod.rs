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
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tonic::service::Routes;
use tonic_reflection::server::Builder;

use super::operate::is_grpc;
use super::rest::Problem;
use super::service::Service;
use envoy::EnvoyRateLimits;
use generated::envoy::service::ratelimit::v3::rate_limit_service_server::RateLimitServiceServer as EnvoyServer;
use generated::tollgate::v1::rate_limit_service_server::RateLimitServiceServer;
use rate_limits::RateLimits;

/// All services, for a router without a fallback of their own. To be called where tokio runs: health follows the service from there.
pub(crate) fn routes(service: &Arc<Service>) -> Router {
    let limits = &service.settings.limits;
    let checks = RateLimitServiceServer::new(RateLimits::new(Arc::clone(service)));
    let envoy = EnvoyServer::new(EnvoyRateLimits::new(Arc::clone(service)));
    let routes = Routes::from(Router::new())
        .add_service(checks.max_decoding_message_size(limits.batch_bytes))
        .add_service(envoy.max_decoding_message_size(limits.body_bytes))
        .add_service(health::following(service));
    with_reflection(routes).into_axum_router().route_layer(from_fn(only_grpc))
}

/// Refuses what is not said to be gRPC. A page of another origin cannot send that unasked, so none can spend or give back on its reader's machine.
async fn only_grpc(request: Request, next: Next) -> Response {
    if is_grpc(request.headers()) {
        return next.run(request).await;
    }
    let detail = "this is for gRPC: send it, with the header field Content-Type: application/grpc";
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).field("Content-Type").into_response()
}

fn with_reflection(routes: Routes) -> Routes {
    match (definitions().build_v1(), definitions().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => routes.add_service(v1).add_service(v1alpha),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!("no reflection: the definitions that were built in cannot be read: {error}");
            routes
        }
    }
}

/// What reflection tells.
fn definitions() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(generated::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
