//! [`RateLimits`]: the service `tollgate.v1.RateLimitService`.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::answer;
use super::check::{by_policies, check};
use super::failure::Failure;
use super::generated::tollgate::v1::check_result::Result as Answered;
use super::generated::tollgate::v1::rate_limit_service_server::RateLimitService;
use super::generated::tollgate::v1::{
    CancelRequest, CancelResponse, CheckManyRequest, CheckManyResponse, CheckRequest, CheckResponse,
    CheckResult, CheckStreamRequest, CheckStreamResponse, ReserveRequest, ReserveResponse, SettleRequest,
    SettleResponse,
};
use super::reservations::Reservations;
use crate::server::service::Service;

/// As many answers fit into the 4 MiB of a message.
const MOST_CHECKS: usize = 10_000;

/// So many checks of a call wait for backends at a time: what hides the way there and back, and lets no caller fill the line.
const AT_ONCE: usize = 64;

/// The service.
#[derive(Clone, Debug)]
pub(super) struct RateLimits {
    service: Arc<Service>,
    reservations: Arc<Reservations>,
}

impl RateLimits {
    pub(super) fn new(service: Arc<Service>) -> RateLimits {
        let reservations = Arc::new(Reservations::new(&service.settings.grpc));
        RateLimits { service, reservations }
    }
}

/// One of many.
async fn check_one(service: Arc<Service>, asked: CheckRequest) -> CheckResult {
    let result = match check(&service, &asked).await {
        Ok(response) => Answered::Response(response),
        Err(failure) => Answered::Error(failure.into()),
    };
    CheckResult { result: Some(result) }
}

#[tonic::async_trait]
impl RateLimitService for RateLimits {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(check(&self.service, request.get_ref()).await?))
    }

    async fn check_many(
        &self,
        request: Request<CheckManyRequest>,
    ) -> Result<Response<CheckManyResponse>, Status> {
        let checks = request.into_inner().checks;
        if checks.len() > MOST_CHECKS {
            let message = format!("{} are too many: send at most {MOST_CHECKS}", checks.len());
            return Err(Failure::field("checks", message).into());
        }
        let answers = checks.into_iter().map(|asked| check_one(Arc::clone(&self.service), asked));
        let results = futures_util::stream::iter(answers).buffered(AT_ONCE).collect().await;
        Ok(Response::new(CheckManyResponse { results }))
    }

    type CheckStreamStream = Pin<Box<dyn Stream<Item = Result<CheckStreamResponse, Status>> + Send>>;

    async fn check_stream(
        &self,
        request: Request<Streaming<CheckStreamRequest>>,
    ) -> Result<Response<Self::CheckStreamStream>, Status> {
        let service = Arc::clone(&self.service);
        // The end of the service would wait for a client that goes on.
        let asked = request.into_inner().take_until(self.service.stop.clone().cancelled_owned());
        let answers = asked.map(move |asked| {
            let service = Arc::clone(&service);
            async move {
                let asked = asked?.check.unwrap_or_default();
                Ok(CheckStreamResponse { result: Some(check_one(service, asked).await) })
            }
        });
        Ok(Response::new(Box::pin(answers.buffered(AT_ONCE))))
    }

    async fn reserve(&self, request: Request<ReserveRequest>) -> Result<Response<ReserveResponse>, Status> {
        let asked = request.get_ref();
        let lifetime = self.reservations.lifetime(asked.lifetime)?;
        let Some(subject) = &asked.request else {
            return Err(Failure::field("request", "is missing: what is to go on?").into());
        };
        let place = self.reservations.place()?;
        let verdict = by_policies(&self.service, subject, asked.estimate).await?;
        let check = Some(answer::of_verdict(&verdict));
        if !verdict.is_allowed() {
            return Ok(Response::new(ReserveResponse { check, ..ReserveResponse::default() }));
        }
        let reservation_id = place.keep(verdict, lifetime)?;
        Ok(Response::new(ReserveResponse { check, reservation_id, lifetime: answer::duration(lifetime) }))
    }

    async fn settle(&self, request: Request<SettleRequest>) -> Result<Response<SettleResponse>, Status> {
        let SettleRequest { reservation_id, actual } = request.into_inner();
        let verdict = self.reservations.take(&reservation_id)?;
        match actual {
            Some(actual) => verdict.settle(actual),
            None => verdict.finish(crate::limiter::Outcome::Success),
        }
        Ok(Response::new(SettleResponse {}))
    }

    async fn cancel(&self, request: Request<CancelRequest>) -> Result<Response<CancelResponse>, Status> {
        self.reservations.take(&request.get_ref().reservation_id)?.cancel();
        Ok(Response::new(CancelResponse {}))
    }
}
