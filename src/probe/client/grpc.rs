//! [`Grpc`]: `Check` and `CheckMany` of `tollgate.v1`.

use tonic::transport::{Channel, Endpoint};

use super::{PATIENCE, Told};
use crate::probe::plan::Target;
use crate::quota::Quota;
use crate::server::grpc::generated::tollgate::v1::check_request::Subject;
use crate::server::grpc::generated::tollgate::v1::check_result::Result as Checked;
use crate::server::grpc::generated::tollgate::v1::rate_limit_service_client::RateLimitServiceClient;
use crate::server::grpc::generated::tollgate::v1::{
    CheckManyRequest, CheckRequest, CheckResponse, KeySubject, Limit,
};

/// A connection in HTTP/2.
pub(in crate::probe) struct Grpc {
    service: RateLimitServiceClient<Channel>,
    limit: Limit,
}

impl Grpc {
    pub(super) async fn connect(target: &Target, limit: Quota) -> Result<Grpc, String> {
        let endpoint = Endpoint::from_shared(format!("http://{}", target.authority()));
        let endpoint =
            endpoint.map_err(|error| error.to_string())?.connect_timeout(PATIENCE).tcp_nodelay(true);
        let channel = endpoint.connect().await.map_err(|error| format!("cannot connect: {error}"))?;
        let period = prost_types::Duration::try_from(limit.period()).map_err(|error| error.to_string())?;
        let limit =
            Limit { algorithm: 0, count: limit.count(), period: Some(period), burst: Some(limit.capacity()) };
        Ok(Grpc { service: RateLimitServiceClient::new(channel), limit })
    }

    pub(super) async fn check(&mut self, keys: &[String], told: &mut Vec<Told>) -> Result<(), String> {
        match keys {
            [key] => {
                let answer = self.service.check(self.request(key)).await;
                let answer = answer.map_err(|status| format!("{:?}: {}", status.code(), status.message()))?;
                told.push(of(answer.get_ref()));
            }
            keys => {
                let checks = keys.iter().map(|key| self.request(key)).collect();
                let answer = self.service.check_many(CheckManyRequest { checks }).await;
                let answer = answer.map_err(|status| format!("{:?}: {}", status.code(), status.message()))?;
                told.extend(answer.into_inner().results.into_iter().map(|one| match one.result {
                    Some(Checked::Response(response)) => of(&response),
                    Some(Checked::Error(error)) => Told::Failed(error.message),
                    None => Told::Failed("an answer without a result".to_owned()),
                }));
            }
        }
        Ok(())
    }

    fn request(&self, key: &str) -> CheckRequest {
        let subject = KeySubject { key: key.to_owned(), limit: Some(self.limit) };
        CheckRequest { cost: None, subject: Some(Subject::Key(subject)) }
    }
}

fn of(response: &CheckResponse) -> Told {
    if response.allowed { Told::Admitted } else { Told::Refused }
}
