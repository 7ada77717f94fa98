//! An HTTP service whose clients are limited: `GET /ping` answers `{"message":"pong"}`, so often for each client.
//!
//! ```sh
//! cargo run --example ping --features axum -- --rate 2/s --burst 5
//! for n in 1 2 3 4 5 6 7; do curl -i http://127.0.0.1:3000/ping; done
//! ```
//!
//! Clients are told apart by their address, or with `--key-header x-api-key` by that header.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use clap::Parser;
use serde_json::json;
use tokio::net::TcpListener;
use tollgate::http::{ClientAddress, Key, Limit, Missing, RateLimitLayer};
use tollgate::{Limiter, Quota, TokenBucket};

/// Answers GET /ping, so often for each client.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen; port 0 is any free one.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// How often each client may ask: 5/s, 100/min.
    #[arg(long, default_value = "5/s")]
    rate: Quota,
    /// How often at once; as much as the rate gives in its period, if nothing is said.
    #[arg(long)]
    burst: Option<u64>,
    /// Tell clients apart by this header instead of their address. Those without it are one client together.
    #[arg(long)]
    key_header: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let listener = TcpListener::bind(options.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);

    let app = app(&options)?.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app)
        .with_graceful_shutdown(async {
            // Without signals it serves until it is killed.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}

fn app(options: &Options) -> Result<Router, Box<dyn Error>> {
    let capacity = options.burst.unwrap_or(options.rate.capacity());
    let bucket = TokenBucket::new(capacity).refill(options.rate.count(), options.rate.period());
    let key = match &options.key_header {
        Some(name) => Key::header(name),
        None => Key::client(ClientAddress::peer()),
    };
    let limit = Limit::new("ping", Arc::new(Limiter::with(bucket)?)).by(key.or(Missing::Shared));
    let layer = RateLimitLayer::new(limit)?;
    Ok(Router::new().route("/ping", get(async || Json(json!({"message": "pong"})))).layer(layer))
}
