//! A loader for gRPC: one request at a time on each connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use http::uri::PathAndQuery;
use prost::Message;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tonic::Request;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use super::CONNECTIONS;
use super::common::Outcome;
use super::loaders::{PLENTY, Seen};
use super::services::{Contender, Service};

/// `tollgate.v1.CheckRequest`, as far as it is needed.
#[derive(Clone, PartialEq, Message)]
struct Check {
    #[prost(message, optional, tag = "2")]
    key: Option<Key>,
}

#[derive(Clone, PartialEq, Message)]
struct Key {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    limit: Option<Limit>,
}

#[derive(Clone, PartialEq, Message)]
struct Limit {
    #[prost(uint64, tag = "2")]
    count: u64,
    #[prost(message, optional, tag = "3")]
    period: Option<prost_types::Duration>,
}

/// `throttlecrab.ThrottleRequest`
#[derive(Clone, PartialEq, Message)]
struct Throttle {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(int32, tag = "2")]
    max_burst: i32,
    #[prost(int32, tag = "3")]
    count_per_period: i32,
    #[prost(int32, tag = "4")]
    period: i32,
    #[prost(int32, tag = "5")]
    quantity: i32,
}

/// The answers of both begin with this.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(bool, tag = "1")]
    allowed: bool,
}

pub(crate) fn run(service: &Service, turn: Duration) -> Outcome<Seen> {
    let key = "user:1".to_owned();
    match service.contender {
        Contender::Tollgate => {
            let period = Some(prost_types::Duration { seconds: 1, nanos: 0 });
            let limit = Some(Limit { count: u64::from(PLENTY), period });
            let check = Check { key: Some(Key { key, limit }) };
            ask(service, "/tollgate.v1.RateLimitService/Check", check, turn)
        }
        Contender::Throttlecrab => {
            let plenty = i32::try_from(PLENTY)?;
            let throttle =
                Throttle { key, max_burst: plenty, count_per_period: plenty, period: 1, quantity: 1 };
            ask(service, "/throttlecrab.RateLimiter/Throttle", throttle, turn)
        }
    }
}

/// Asks the same again and again, on one thread as the other loaders do.
fn ask<M: Message + Clone + Sync + 'static>(
    service: &Service,
    path: &'static str,
    request: M,
    turn: Duration,
) -> Outcome<Seen> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let endpoint = Endpoint::from_shared(format!("http://{}", service.grpc))?.tcp_nodelay(true);
        let mut connections = JoinSet::new();
        let begun = Instant::now();
        let request = Arc::new(request);
        for _ in 0..CONNECTIONS {
            let client = Grpc::new(endpoint.connect().await?);
            connections.spawn(connection(client, path, Arc::clone(&request), begun + turn));
        }
        let mut all = Histogram::<u64>::new(3)?;
        while let Some(ended) = connections.join_next().await {
            all.add(ended??)?;
        }
        #[expect(clippy::cast_precision_loss, reason = "figures of a bench")]
        let (checks, p99_nanos) = (all.len() as f64, all.value_at_quantile(0.99) as f64);
        Ok(Seen { checks, per_second: checks / begun.elapsed().as_secs_f64(), p99_micros: p99_nanos / 1e3 })
    })
}

async fn connection<M: Message + Clone + Sync + 'static>(
    mut client: Grpc<Channel>,
    path: &'static str,
    request: Arc<M>,
    end: Instant,
) -> Outcome<Histogram<u64>> {
    let mut latencies = Histogram::new(3)?;
    while Instant::now() < end {
        let sent = Instant::now();
        client.ready().await?;
        let codec = ProstCodec::<M, Answer>::default();
        let request = Request::new(M::clone(&request));
        let answer = client.unary(request, PathAndQuery::from_static(path), codec).await?;
        latencies.record(u64::try_from(sent.elapsed().as_nanos())?)?;
        if !answer.get_ref().allowed {
            return Err("refused".into());
        }
    }
    Ok(latencies)
}
