//! A gRPC server that limits calls by client and method (the layer), hellos by name (the handler), and the messages of its streams by client.
//!
//! Without arguments it plays its own client on a free port and shows what is refused; with an address it serves until Ctrl-C.
//!
//! ```sh
//! cargo run --release --features grpc --example greeter
//! cargo run --release --features grpc --example greeter -- --listen 127.0.0.1:50051
//! ```

#[path = "../tests/grpc/greeter.rs"]
mod service;

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use clap::Parser;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tollgate::http::{ClientAddress, Key, Limit, Missing, RateLimitLayer};
use tollgate::{Limiter, Quota, grpc};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};
use tonic_types::StatusExt;

use service::{Greeter, GreeterClient, GreeterServer, HelloReply, HelloRequest, Replies};

/// Small, so that a few calls show what they do.
const CALLS: Quota = Quota::per_minute(5);
const HELLOS: Quota = Quota::per_minute(3);
const MESSAGES: Quota = Quota::per_second(2).burst(5);

/// A gRPC server with limits.
#[derive(Parser)]
struct Arguments {
    /// Serve here until Ctrl-C, for example 127.0.0.1:50051 (port 0: any that is free). Without it: a short play on a free port.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

struct Limited {
    hellos: Limiter,
    messages: Arc<Limiter>,
}

impl Greeter for Limited {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let name = request.into_inner().name;
        let _allowed = self.hellos.check(&name).map_err(|denied| grpc::status_of(&denied, "hellos"))?;
        Ok(Response::new(reply(&name)))
    }

    async fn chat(&self, request: Request<Streaming<HelloRequest>>) -> Result<Response<Replies>, Status> {
        let client: Option<IpAddr> = request.remote_addr().map(|address| address.ip());
        let messages = grpc::limit_messages(request.into_inner(), Arc::clone(&self.messages), client);
        let replies = messages.name("chat").map(|message| Ok(reply(&message?.name)));
        Ok(Response::new(Box::pin(replies)))
    }
}

fn reply(name: &str) -> HelloReply {
    HelloReply { message: format!("Hello, {name}!") }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let address = arguments.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = TcpListener::bind(address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}; choose another address with --listen")
    })?;
    let address = listener.local_addr()?;
    println!("listening on {address}");

    let greeter = Limited { hellos: Limiter::new(HELLOS), messages: Arc::new(Limiter::new(MESSAGES)) };
    let by_client_and_method =
        Key::all([Key::client(ClientAddress::peer()), Key::path()]).or(Missing::Refuse);
    let calls = Limit::new("calls", Arc::new(Limiter::new(CALLS))).by(by_client_and_method);
    let server = Server::builder()
        .layer(RateLimitLayer::new(calls)?)
        .add_service(GreeterServer::new(greeter))
        .serve_with_incoming(TcpIncoming::from(listener));
    let the_end = async {
        match arguments.listen {
            Some(_) => Ok(tokio::signal::ctrl_c().await?),
            None => play(address).await,
        }
    };
    tokio::select! {
        ended = server => Ok(ended?),
        ended = the_end => ended,
    }
}

/// What a client sees.
async fn play(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let mut client = GreeterClient::connect(address).await?;
    println!("\nSayHello, {HELLOS} for each name, {CALLS} for each client:");
    for name in ["Ann", "Ann", "Ann", "Ann", "Ben", "Cid"] {
        show(client.say_hello(name).await);
    }

    println!("\nChat, {MESSAGES} messages for each client:");
    let messages = (1..=8).map(|nth| HelloRequest { name: format!("number {nth}") });
    let mut replies = client.chat(tokio_stream::iter(messages)).await?;
    while let Some(reply) = replies.next().await {
        show(reply);
    }
    Ok(())
}

fn show(answer: Result<HelloReply, Status>) {
    match answer {
        Ok(reply) => println!("  {}", reply.message),
        Err(status) => {
            println!("  {:?}: {}", status.code(), status.message());
            let limits = status.get_details_quota_failure().map_or(Vec::new(), |failure| failure.violations);
            for limit in limits {
                println!("    limit {}: {}", limit.quota_id, limit.quota_value);
            }
            if let Some(wait) = status.get_details_retry_info().and_then(|info| info.retry_delay) {
                println!("    try again in {wait:.1?}");
            }
        }
    }
}
