//! `grpc.health.v1.Health`, which follows the service's readiness.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;
use tonic_health::{ServingStatus, server};

use super::envoy::EnvoyRateLimits;
use super::generated::envoy::service::ratelimit::v3::rate_limit_service_server::RateLimitServiceServer as EnvoyServer;
use super::generated::tollgate::v1::rate_limit_service_server::RateLimitServiceServer;
use super::rate_limits::RateLimits;
use crate::server::service::Service;

/// What may be asked about: the whole, and each service.
const NAMES: [&str; 3] =
    ["", RateLimitServiceServer::<RateLimits>::NAME, EnvoyServer::<EnvoyRateLimits>::NAME];

/// How often it is looked: who watches hears of a change before a probe would ask again, which is once in a second at most.
const LOOK: Duration = Duration::from_millis(200);

/// Follows the service until it ends.
pub(super) fn following(service: &Arc<Service>) -> HealthServer<impl Health + use<>> {
    let (reporter, server) = server::health_reporter();
    tokio::spawn(follow(Arc::downgrade(service), service.stop.clone(), reporter));
    server
}

async fn follow(service: Weak<Service>, stop: CancellationToken, mut reporter: HealthReporter) {
    let mut told = None;
    while let Some(ready) = is_ready(&service) {
        if told.replace(ready) != Some(ready) {
            let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
            for name in NAMES {
                reporter.set_service_status(name, status).await;
            }
        }
        if timeout(LOOK, stop.cancelled()).await.is_ok() {
            break;
        }
    }
    // Nobody watches any more: the end of the service would wait for who does.
    for name in NAMES {
        reporter.clear_service_status(name).await;
    }
}

/// Whether it should be sent requests; `None` once it is gone.
fn is_ready(service: &Weak<Service>) -> Option<bool> {
    let service = service.upgrade()?;
    Some(service.health.report(&service.backends).ready)
}
