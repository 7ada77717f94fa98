//! An HTTP service whose clients are limited by all of its instances together: they count in one Redis.
//!
//! ```sh
//! redis-server --port 6379 &
//! export REDIS_URL=redis://127.0.0.1:6379
//! cargo run --example global --features axum,redis -- --listen 127.0.0.1:3000 --rate 10/min &
//! cargo run --example global --features axum,redis -- --listen 127.0.0.1:3001 --rate 10/min &
//! for n in 1 2 3 4 5 6; do curl -i http://127.0.0.1:3000/ping; curl -i http://127.0.0.1:3001/ping; done
//! ```
//!
//! Ten of the twelve pass, whichever instance they ask. If Redis goes away, each goes on with its share of the limit (`FailurePolicy::Local`); when it is
//! back, they count together again.

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use clap::Parser;
use tokio::net::TcpListener;
use tollgate::Quota;
use tollgate::distributed::{GlobalLimiter, Rule, SharedStore};
use tollgate::http::{ClientAddress, Key, Limit, Missing, RateLimitLayer};
use tollgate::redis::RedisBackend;

/// What to do where there is no Redis.
const NO_REDIS: &str = "REDIS_URL is not set. Start a server with `redis-server --port 6379` or \
    `docker run --publish 6379:6379 redis:7`, then set REDIS_URL=redis://127.0.0.1:6379";

/// Answers GET /ping, so often for each client, counted in the Redis at `REDIS_URL`.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen; port 0 is any free one.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// How often each client may ask: 5/s, 100/min.
    #[arg(long, default_value = "10/min")]
    rate: Quota,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let Ok(url) = std::env::var("REDIS_URL") else {
        eprintln!("{NO_REDIS}");
        return ExitCode::FAILURE;
    };
    match serve(options, url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: Options, url: String) -> Result<(), Box<dyn Error>> {
    let backend = RedisBackend::builder(url).build().await?;
    for warning in backend.warnings() {
        eprintln!("{warning}");
    }
    let store = SharedStore::new(backend);
    let limiter = GlobalLimiter::builder("ping", Rule::Gcra(options.rate), &store).build()?;
    let by_client = Key::client(ClientAddress::peer()).or(Missing::Shared);
    let layer = RateLimitLayer::new(Limit::new("ping", Arc::new(limiter)).by(by_client))?;
    let app = Router::new().route("/ping", get(async || "pong")).layer(layer);

    let listener = TcpListener::bind(options.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
