//! Envoy's rate limit service, `envoy.service.ratelimit.v3.RateLimitService`.
//!
//! A request goes on if none of its descriptors is over a limit, else none is charged. In one thing that follows Envoy's own service, and not
//! policies elsewhere: of a request of several hits that are more than what is left, what is left is taken. Envoy tells of hits also when they have been
//! served already (`apply_on_stream_done`), and those must not be free.

mod ask;
mod fields;
mod status;

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use tonic::{Code, Request, Response, Status};

use super::failure::Failure;
use super::generated::envoy::service::ratelimit::v3::rate_limit_response::Code as Overall;
use super::generated::envoy::service::ratelimit::v3::rate_limit_service_server::RateLimitService;
use super::generated::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use crate::policy::{Attributes, Verdict};
use crate::server::service::Service;
use ask::Ask;
use status::{Charged, Told};

/// Each is a check of its own; a route of Envoy has a handful.
const MOST_DESCRIPTORS: usize = 64;

/// The service.
#[derive(Clone, Debug)]
pub(super) struct EnvoyRateLimits {
    service: Arc<Service>,
}

impl EnvoyRateLimits {
    pub(super) fn new(service: Arc<Service>) -> EnvoyRateLimits {
        EnvoyRateLimits { service }
    }
}

#[tonic::async_trait]
impl RateLimitService for EnvoyRateLimits {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let asks = asks(request.get_ref())?;
        let answers = answers(&self.service, &asks).await;
        let failed = answers.iter().find_map(|answer| answer.as_ref().err().cloned());
        let mut told: Vec<_> = answers.into_iter().flatten().collect();
        let is_over = told.iter().any(Told::is_over);
        let failed = failed.or_else(|| {
            let unavailable = !is_over && told.iter().any(Told::is_unavailable);
            let message = "a backend that counts cannot be asked, and a policy is closed then";
            unavailable.then(|| Failure::other(Code::Unavailable, message))
        });
        if is_over || failed.is_some() {
            for told in &mut told {
                told.give_back(&self.service).await;
            }
        }
        if let Some(failure) = failed {
            return Err(failure.into());
        }
        Ok(Response::new(RateLimitResponse {
            overall_code: if is_over { Overall::OverLimit } else { Overall::Ok }.into(),
            response_headers_to_add: fields::fields(
                &self.service.settings.grpc.envoy_headers,
                &told,
                is_over,
            ),
            statuses: told.into_iter().map(Told::into_status).collect(),
            ..RateLimitResponse::default()
        }))
    }
}

/// Where the request stands at each descriptor. Policies charge all of them or none.
async fn answers(service: &Service, asks: &[Ask<'_>]) -> Vec<Result<Told, Failure>> {
    let descriptors: Vec<_> = asks.iter().map(Ask::descriptor).collect();
    let attributes: Vec<_> = descriptors.iter().map(Attributes::from).collect();
    let asked = || asks.iter().zip(&attributes);
    let charges: Vec<_> = asked().filter_map(|(ask, attributes)| ask.charge(service, attributes)).collect();
    let begun = Instant::now();
    let verdicts = service.policies.check_together(&charges).await;
    let (took, all_pass) = (begun.elapsed(), verdicts.iter().all(Verdict::is_allowed));
    let mut verdicts = verdicts.into_iter();
    let answers = asked().map(|(ask, attributes)| {
        let verdict = ask.charge(service, attributes).and_then(|_| verdicts.next());
        // Beside one that refuses the others have charged nothing and decided nothing.
        if let Some(verdict) = verdict.as_ref().filter(|verdict| all_pass || !verdict.is_allowed()) {
            service.note(verdict, attributes, took);
        }
        ask.told(service, attributes, verdict.map(|verdict| Charged { verdict, spent: all_pass }))
    });
    join_all(answers).await
}

/// What is asked, one for each descriptor.
fn asks(request: &RateLimitRequest) -> Result<Vec<Ask<'_>>, Failure> {
    if request.domain.is_empty() {
        return Err(Failure::field("domain", "is empty: set the domain of the rate limit filter"));
    }
    let given = request.descriptors.len();
    if given == 0 {
        return Err(Failure::field("descriptors", "there are none: at least one says what is limited"));
    }
    if given > MOST_DESCRIPTORS {
        let message = format!("{given} are too many: send at most {MOST_DESCRIPTORS}");
        return Err(Failure::field("descriptors", message));
    }
    let descriptors = request.descriptors.iter().enumerate();
    descriptors.map(|(place, descriptor)| Ask::new(request, descriptor, place)).collect()
}
