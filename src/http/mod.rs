//! HTTP middleware for tower: limits in front of `axum`, `hyper`, `tonic`, and whatever else takes a tower layer (feature `tower`).
//!
//! ```no_run
//! use std::net::SocketAddr;
//! use std::sync::Arc;
//! use tollgate::http::{ClientAddress, Key, Limit, Missing, RateLimitLayer};
//! use tollgate::{Limiter, Quota};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let limiter = Arc::new(Limiter::new(Quota::per_second(10).burst(20)));
//! let by_client = Key::client(ClientAddress::behind(["10.0.0.0/8"])?).or(Missing::Shared);
//! let layer = RateLimitLayer::new(Limit::new("per-client", limiter).by(by_client))?;
//!
//! let app = axum::Router::new().route("/ping", axum::routing::get(async || "pong")).layer(layer);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | several limits, waiting, trial runs, other answers | [`RateLimitLayer::builder`] |
//! | one limit: name, key, cost | [`Limit`] |
//! | by what requests are told apart | [`Key`]; the address of a client behind proxies: [`ClientAddress`] |
//! | what a request costs, also when only its answer tells | [`Cost`] |
//! | how many at once | a [`Limit`] of a [`ConcurrencyLimit`](crate::concurrency::ConcurrencyLimit) and its relatives: the place is held until the answer's body has ended |
//! | limits from files, which change while it serves | `Builder::policies` (feature `policy`) |
//! | header fields | [`HeaderDialect`] |
//! | what a handler may know | [`Decision`] |
//! | counts, and who is refused most | [`Builder::observer`], [`observe`](crate::observe) |
//!
//! # What clients are told
//!
//! A request that passes goes on, and its answer says in `RateLimit` and `RateLimit-Policy` where the client stands. One that does not is answered 429 Too
//! Many Requests (a rate) or 503 Service Unavailable (too many at once), with `Retry-After` unless waiting cannot help, and a problem in JSON (RFC
//! 9457) that names the limits. A gRPC request is answered as gRPC demands (feature `grpc`).

mod address;
mod body;
mod cost;
mod decision;
mod error;
mod fields;
#[cfg(feature = "distributed")]
mod global;
mod guard;
mod head;
mod hold;
mod key;
#[cfg(feature = "distributed")]
mod key_bytes;
mod layer;
mod limit;
mod name;
mod observed;
mod peer;
#[cfg(feature = "policy")]
mod policies;
mod problem;
mod refusal;
mod report;
mod rules;
mod service;

pub use address::{AddressError, ClientAddress, Resolved, Trouble};
pub use body::RateLimitBody;
pub use cost::Cost;
pub use decision::Decision;
pub use error::LayerError;
pub use fields::HeaderDialect;
pub use head::{Head, Route};
pub use key::{Key, KeyValue, Missing};
pub use layer::{Builder, RateLimitLayer};
pub use limit::{Limit, Limited};
pub use name::{LimitName, LimitNameError};
pub use peer::Peer;
#[cfg(feature = "policy")]
pub use policies::RequestAttributes;
pub use refusal::Refusal;
pub use report::{LimitReport, Unit};
pub use service::{RateLimit, RateLimitFuture};
