//! The layer of `tollgate::http` in front of a tonic server, and a tonic client that is refused.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tollgate::concurrency::ConcurrencyLimit;
use tollgate::http::{ClientAddress, Cost, Key, Limit, Missing, RateLimitLayer};
use tollgate::{Limiter, Quota};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status, Streaming};

use super::greeter::{Greeter, GreeterClient, GreeterServer, HelloReply, HelloRequest, Replies};
use super::{told_to_wait, violated};

struct Polite;

impl Greeter for Polite {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(HelloReply { message: request.into_inner().name }))
    }

    async fn chat(&self, request: Request<Streaming<HelloRequest>>) -> Result<Response<Replies>, Status> {
        let replies = request.into_inner().map(|message| Ok(HelloReply { message: message?.name }));
        Ok(Response::new(Box::pin(replies)))
    }
}

pub(super) async fn serve(layer: RateLimitLayer) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Server::builder().layer(layer).add_service(GreeterServer::new(Polite));
    tokio::spawn(router.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

fn limiter(count: u32) -> Arc<Limiter> {
    Arc::new(Limiter::new(Quota::per_day(count)))
}

#[tokio::test]
async fn calls_are_limited_by_client_and_method_and_refused_in_the_words_of_grpc() {
    let limiter = limiter(2);
    let by_client_and_method =
        Key::all([Key::client(ClientAddress::peer()), Key::path()]).or(Missing::Refuse);
    let limit = Limit::new("calls", Arc::clone(&limiter)).by(by_client_and_method);
    let mut client = GreeterClient::connect(serve(RateLimitLayer::new(limit).unwrap()).await).await.unwrap();
    for _ in 0..2 {
        assert_eq!(client.say_hello("ann").await.unwrap().message, "ann");
    }
    let refused = client.say_hello("ann").await.unwrap_err();
    let (retry_info, pushback) = told_to_wait(&refused);
    let half_a_day = Duration::from_secs(43_200);
    let wait = retry_info.unwrap();
    assert!(wait <= half_a_day && wait + Duration::from_secs(60) > half_a_day, "{wait:?}");
    assert!(Duration::from_millis(pushback.unwrap().try_into().unwrap()) >= wait);
    assert_eq!(violated(&refused), ("calls".to_owned(), 2));
    assert!(refused.metadata().contains_key("ratelimit"), "{:?}", refused.metadata());
    assert!(client.chat(tokio_stream::empty()).await.is_ok(), "another method");
}

#[tokio::test]
async fn what_can_never_pass_is_not_to_be_retried() {
    let limit = Limit::new("calls", limiter(1)).cost(Cost::fixed(2));
    let mut client = GreeterClient::connect(serve(RateLimitLayer::new(limit).unwrap()).await).await.unwrap();
    assert_eq!(told_to_wait(&client.say_hello("ann").await.unwrap_err()), (None, Some(-1)));
}

#[tokio::test]
async fn a_call_without_the_key_it_needs_is_an_invalid_one() {
    let limit = Limit::new("calls", limiter(1)).by(Key::bearer().or(Missing::Refuse));
    let mut client = GreeterClient::connect(serve(RateLimitLayer::new(limit).unwrap()).await).await.unwrap();
    let refused = client.say_hello("ann").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("bearer"), "{refused}");
}

#[tokio::test]
async fn a_place_is_held_as_long_as_a_stream_goes_on() {
    let at_once = Arc::new(ConcurrencyLimit::new(1));
    let limit = Limit::new("streams", Arc::clone(&at_once));
    let address = serve(RateLimitLayer::new(limit).unwrap()).await;
    let mut client = GreeterClient::connect(address).await.unwrap();
    let (messages, received) = tokio::sync::mpsc::channel(1);
    let mut replies = client.chat(tokio_stream::wrappers::ReceiverStream::new(received)).await.unwrap();
    messages.send(HelloRequest { name: "one".to_owned() }).await.unwrap();
    assert_eq!(replies.next().await.unwrap().unwrap().message, "one");
    assert_eq!(at_once.in_flight(), 1);
    let refused = client.say_hello("ann").await.unwrap_err();
    assert_eq!((refused.code(), violated(&refused)), (Code::ResourceExhausted, ("streams".to_owned(), 1)));
    drop(messages);
    assert!(replies.next().await.is_none());
    until_idle(&at_once).await;
    assert!(client.say_hello("ann").await.is_ok());
}

/// The route of a call is its path, and its API is the service, wherever the client says it came from.
#[cfg(feature = "policy")]
#[tokio::test]
async fn policies_know_a_calls_method_and_service_and_refuse_in_the_words_of_grpc() {
    let file = r#"
        [[policy]]
        id = "hellos"
        match = { route = "/tollgate.example.Greeter/SayHello", method = "POST" }
        limit = "1/day"
        [[policy]]
        id = "greeter"
        match = { api = "tollgate.example.Greeter" }
        scope = "header:x-user"
        missing = "refuse"
        concurrency = 9
    "#;
    let set = tollgate::policy::PolicySet::new();
    let policies =
        |file: &str| tollgate::policy::Policies::parse(file, tollgate::policy::Format::Toml).unwrap();
    set.apply(policies(&file.replace("missing = \"refuse\"", ""))).unwrap();
    let set = Arc::new(set);
    let attributes = tollgate::http::RequestAttributes::new();
    let layer = RateLimitLayer::builder().policies(Arc::clone(&set), attributes).build().unwrap();
    let mut client = GreeterClient::connect(serve(layer).await).await.unwrap();
    assert!(client.say_hello("ann").await.is_ok());
    let refused = client.say_hello("ann").await.unwrap_err();
    assert!(told_to_wait(&refused).0.is_some());
    assert_eq!(violated(&refused), ("hellos".to_owned(), 1));
    let told = refused.metadata().get("ratelimit").unwrap().to_str().unwrap();
    assert!(told.contains("\"greeter/at-once\""), "{told}");
    assert!(client.chat(tokio_stream::empty()).await.is_ok(), "another method");

    set.apply(policies(file)).unwrap();
    let refused = client.chat(tokio_stream::empty()).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("policy \"greeter\" needs the header field x-user"), "{refused}");
}

/// The server learns a little later than its client that a stream is over.
async fn until_idle(limit: &ConcurrencyLimit) {
    while limit.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
}
