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
//! | limits that many nodes share | [below](#limits-that-many-nodes-share) |
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
//!
//! # Limits that many nodes share
//!
//! With feature `distributed` a [`Limit`] may also be of a `distributed::GlobalLimiter` or a `distributed::GlobalConcurrencyLimit`, beside others in one
//! layer. It has a key, a cost and a name as any other, and clients, handlers and observers are told the same of it.
//!
//! - **All or nothing.** The limits of this process are asked first. Only if all of them admit the shared ones are: places in turn, then all rates
//!   together, in one round trip if they are in one place of the store. A refusal gives back what was taken, and so does a client who leaves
//!   meanwhile. A layer without shared limits is as fast as ever.
//! - **Keys.** The store knows a key by `KeyValue::to_bytes`: text as it is, secrets as their SHA-256.
//! - **Costs** that only the answer tells are charged or given back in the background.
//! - **No turns.** They cannot be [waited](Builder::wait) for. What a leaky bucket of this process holds back is counted by them when its turn comes.
//!   Of a shared concurrency limit a request takes one place.
//!
//! If the store cannot be asked within the limit's budget, its failure policy decides:
//!
//! | policy | the request | observers are told |
//! |---|---|---|
//! | `Open` | passes | `ErrorAllowed` |
//! | `Closed` | is answered 503 Service Unavailable, with `Retry-After` and the problem "temporary reduced capacity" (gRPC: `UNAVAILABLE`) | `ErrorDenied` |
//! | `Local` | passes or not by this node's share, as by any limit | `Allowed`, `Denied` |
//!
//! Of a limit that is open or closed in this way clients are told no figures: nobody knows them. That the store failed, and how, the limiter tells its own
//! observer, if it was given one; the layer does not tell it again.
#![cfg_attr(
    feature = "distributed",
    doc = r#"
```
use std::sync::Arc;
use tollgate::distributed::{FailurePolicy, GlobalLimiter, MemoryBackend, Rule, SharedStore};
use tollgate::http::{ClientAddress, Key, Limit, Missing, RateLimitLayer};
use tollgate::{Limiter, Quota};

let store = SharedStore::new(MemoryBackend::new()); // in production a `redis::RedisBackend`
let per_customer = GlobalLimiter::builder("per-customer", Rule::Gcra(Quota::per_minute(600)), &store)
    .on_failure(FailurePolicy::Local)
    .expected_nodes(4)
    .build()?;
let per_client = Arc::new(Limiter::new(Quota::per_second(50)));
let layer = RateLimitLayer::builder()
    .limit(Limit::new("per-client", per_client).by(Key::client(ClientAddress::peer()).or(Missing::Shared)))
    .limit(Limit::new("per-customer", Arc::new(per_customer)).by(Key::bearer().or(Missing::Refuse)))
    .build()?;
let app: axum::Router = axum::Router::new().route("/ping", axum::routing::get(async || "pong")).layer(layer);
# Ok::<(), Box<dyn std::error::Error>>(())
```
"#
)]

mod address;
mod body;
mod cost;
mod decision;
mod error;
pub(crate) mod fields;
#[cfg(feature = "distributed")]
pub(crate) mod global;
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
pub(crate) mod policies;
pub(crate) mod problem;
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
