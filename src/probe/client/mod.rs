//! [`Client`]: one connection to a service, in its protocol.

mod grpc;
mod http;
mod resp;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use self::grpc::Grpc;
pub(super) use self::http::Http;
use self::resp::Resp;
use super::plan::{Plan, PlanError, Protocol};
use crate::quota::Quota;

/// An answer, or a connection, that takes longer has failed: far longer than any that is of use to a service that waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What was told of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Admitted,
    Refused,
    /// It was not made, and why.
    Failed(String),
}

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    plan: Arc<Plan>,
    tls: Option<tokio_rustls::TlsConnector>,
}

/// One connection. It asks one request at a time.
pub(super) enum Client {
    Http(Http),
    Grpc(Box<Grpc>),
    Resp(Resp),
}

impl Connector {
    /// # Errors
    ///
    /// The certificates cannot be read.
    pub(super) fn new(plan: &Arc<Plan>) -> Result<Connector, PlanError> {
        let tls = match (plan.target.protocol, &plan.authorities) {
            (Protocol::Https, Some(file)) => Some(http::trust(file)?),
            (Protocol::Https, None) => {
                let problem = "an https service needs the certificate that it is trusted by: --ca FILE";
                return Err(PlanError::Authorities(problem.to_owned()));
            }
            _ => None,
        };
        Ok(Connector { plan: plan.clone(), tls })
    }

    /// # Errors
    ///
    /// Why there is no connection.
    pub(super) async fn connect(&self) -> Result<Client, String> {
        let target = &self.plan.target;
        let connecting = async {
            Ok(match target.protocol {
                Protocol::Http | Protocol::Https => {
                    Client::Http(Http::connect(target, self.tls.as_ref(), self.plan.limit).await?)
                }
                Protocol::Grpc => Client::Grpc(Box::new(Grpc::connect(target, self.plan.limit).await?)),
                Protocol::Resp => Client::Resp(Resp::connect(target, self.plan.limit).await?),
            })
        };
        in_time(connecting).await
    }
}

impl Client {
    /// Checks `keys`, and adds to `told` what each of them was told.
    ///
    /// # Errors
    ///
    /// There is no answer, and the connection is of no more use.
    pub(super) async fn check(&mut self, keys: &[String], told: &mut Vec<Told>) -> Result<(), String> {
        in_time(async {
            match self {
                Client::Http(client) => client.check(keys, told).await,
                Client::Grpc(client) => client.check(keys, told).await,
                Client::Resp(client) => client.check(keys, told).await,
            }
        })
        .await
    }
}

pub(super) async fn in_time<T>(asking: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(answer) => answer,
        Err(_) => Err("no answer in time".to_owned()),
    }
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, String> {
    let stream =
        TcpStream::connect((host, port)).await.map_err(|error| format!("cannot connect: {error}"))?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(stream)
}

/// A quota's count and seconds, for protocols that have no finer period.
fn whole_seconds(limit: Quota) -> Option<u64> {
    let period = limit.period();
    (period.subsec_nanos() == 0).then_some(period.as_secs())
}
