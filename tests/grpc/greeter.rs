//! A small gRPC service, its server and its client, by hand: what `tonic-prost-build` makes of
//!
//! ```proto
//! package tollgate.example;
//!
//! service Greeter {
//!   rpc SayHello(HelloRequest) returns (HelloReply);
//!   rpc Chat(stream HelloRequest) returns (stream HelloReply);
//! }
//! message HelloRequest { string name = 1; }
//! message HelloReply { string message = 1; }
//! ```
//!
//! if the protocol buffer compiler is installed, which neither the tests nor the example ask for.
#![allow(unreachable_pub, reason = "shared by a test program and an example, of which neither is a library")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::uri::PathAndQuery;
use tokio_stream::Stream;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

const SAY_HELLO: &str = "/tollgate.example.Greeter/SayHello";
const CHAT: &str = "/tollgate.example.Greeter/Chat";

#[derive(Clone, PartialEq, prost::Message)]
pub struct HelloRequest {
    #[prost(string, tag = "1")]
    pub name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct HelloReply {
    #[prost(string, tag = "1")]
    pub message: String,
}

pub type Replies = Pin<Box<dyn Stream<Item = Result<HelloReply, Status>> + Send>>;

/// What a server does.
pub trait Greeter: Send + Sync + 'static {
    fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> impl Future<Output = Result<Response<HelloReply>, Status>> + Send;

    fn chat(
        &self,
        request: Request<Streaming<HelloRequest>>,
    ) -> impl Future<Output = Result<Response<Replies>, Status>> + Send;
}

/// Leads requests to a [`Greeter`].
pub struct GreeterServer<G>(Arc<G>);

impl<G: Greeter> GreeterServer<G> {
    pub fn new(greeter: G) -> GreeterServer<G> {
        GreeterServer(Arc::new(greeter))
    }
}

impl<G> Clone for GreeterServer<G> {
    fn clone(&self) -> GreeterServer<G> {
        GreeterServer(Arc::clone(&self.0))
    }
}

impl<G> tonic::server::NamedService for GreeterServer<G> {
    const NAME: &'static str = "tollgate.example.Greeter";
}

impl<G: Greeter> tower::Service<http::Request<Body>> for GreeterServer<G> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let greeter = Arc::clone(&self.0);
        Box::pin(async move {
            let mut server = tonic::server::Grpc::new(ProstCodec::default());
            Ok(match request.uri().path() {
                SAY_HELLO => {
                    let method = service_fn(move |request| {
                        let greeter = Arc::clone(&greeter);
                        async move { greeter.say_hello(request).await }
                    });
                    server.unary(method, request).await
                }
                CHAT => {
                    let method = service_fn(move |request| {
                        let greeter = Arc::clone(&greeter);
                        async move { greeter.chat(request).await }
                    });
                    server.streaming(method, request).await
                }
                _ => Status::unimplemented("a Greeter can SayHello and Chat").into_http(),
            })
        })
    }
}

/// Calls a [`Greeter`] elsewhere.
#[derive(Clone)]
pub struct GreeterClient(tonic::client::Grpc<Channel>);

impl GreeterClient {
    pub async fn connect(address: SocketAddr) -> Result<GreeterClient, tonic::transport::Error> {
        let channel = Endpoint::new(format!("http://{address}"))?.connect().await?;
        Ok(GreeterClient(tonic::client::Grpc::new(channel)))
    }

    pub async fn say_hello(&mut self, name: &str) -> Result<HelloReply, Status> {
        self.ready().await?;
        let request = Request::new(HelloRequest { name: name.to_owned() });
        let reply = self.0.unary(request, PathAndQuery::from_static(SAY_HELLO), ProstCodec::default()).await;
        reply.map(Response::into_inner)
    }

    pub async fn chat<M>(&mut self, messages: M) -> Result<Streaming<HelloReply>, Status>
    where
        M: Stream<Item = HelloRequest> + Send + 'static,
    {
        self.ready().await?;
        let path = PathAndQuery::from_static(CHAT);
        let replies = self.0.streaming(Request::new(messages), path, ProstCodec::default()).await;
        replies.map(Response::into_inner)
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.0.ready().await.map_err(|error| Status::unavailable(error.to_string()))
    }
}
