//! Rate limiting by key, in memory: may this key go on, and if not, when?
//!
//! ```
//! use tollgate::{Limiter, Quota};
//!
//! let limiter = Limiter::new(Quota::per_second(10).burst(20));
//! match limiter.check("user:42") {
//!     Ok(allowed) => println!("go on, {} left", allowed.remaining()),
//!     Err(denied) => println!("retry in {:?}", denied.retry_after()),
//! }
//! ```
//!
//! - **Exact.** Decisions are those of integer arithmetic, at every rate from one token in a century to four billion a
//!   second. `retry_after` is right to the nanosecond: allowed then, denied one nanosecond earlier.
//! - **Fast.** A check of a known key takes no lock and allocates nothing; a refusal writes nothing. ([`SlidingLog`], which keeps a list for
//!   each key, takes a short lock.)
//! - **Bounded.** Memory has a maximum. Keys that are full again need none, and there is no sweeping task.
//! - **Safe.** No unsafe code, no panics; the table's operations are model-checked against each other's interleavings.
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | limiting keys | [`Limiter`] |
//! | how many, in what time | [`Quota`], also from text: `"1000/h burst 50"` |
//! | by what rule | [`Gcra`] (the default), [`TokenBucket`], [`LeakyBucket`], [`FixedWindow`], [`SlidingWindow`], [`SlidingLog`], [`PerCall`] |
//! | bounds on memory, clocks, hashers | [`Builder`], [`AtCapacity`], [`Clock`] |
//! | several limits as one | [`check_all`] |
//! | an estimate before, the actual cost after | [`Limiter::reserve`] |
//! | the next free slot, in advance | [`Limiter::schedule`]; to wait for it `Limiter::until_allowed` (feature `tokio`) |
//! | what the answers mean | [`Allowed`], [`Denied`], [`Status`] |
//! | how many at once, not how many in what time | [`concurrency`] |
//! | limits in files, changed while the program runs | `policy` (feature `policy`) |
//! | limits that many nodes share | `distributed` (feature `distributed`) |
//! | HTTP and gRPC services | `http` (feature `tower`), `grpc` (feature `grpc`) |
//! | limits as a service of its own | `server` (feature `server`) |
//! | counts, events, and who is refused most | [`observe`] |
//! | an algorithm of your own | [`Algorithm`] |
//! | whether it keeps the laws | [`testing`] |
//! | choosing a limit, coming from governor, pictures of the algorithms, how it works and where it ends | [`docs`] |
//!
//! # Features
//!
//! The default build is the library alone; features only add.
//!
//! | feature | adds |
//! |---|---|
//! | `cli` | the `tollgate` command: `tollgate replay access.log --limit 60/min`, `tollgate check-config policies.toml` |
//! | `tokio` | waiting: `Limiter::until_allowed`, `ConcurrencyLimit::acquire_within`; `Clock::tokio` |
//! | `serde` | [`Limiter::snapshot`](Limiter#method.snapshot) and [`Builder::restore`](Builder#method.restore): a restart grants no fresh burst |
//! | `tower` | HTTP middleware for tower: `http` |
//! | `axum` | the same, and it knows axum's routes and the addresses of its clients |
//! | `grpc` | the same for tonic: refusals that gRPC clients understand, limits on the messages of a stream: `grpc` |
//! | `policy` | limits as configuration: files, live changes, tiers, lookups: `policy` |
//! | `distributed` | limits that many nodes share, whatever the store: `distributed` |
//! | `redis` | the store is Redis or Valkey: `redis` |
//! | `server` | the service, and what puts one to the test: `tollgate serve`, `tollgate probe`; as a library `server` |
//! | `metrics` | counters, histograms and gauges for the `metrics` facade: `observe::MetricsObserver` |
//! | `tracing` | an event for refusals, or for some: `observe::TracingObserver` |
//! | `full` | all of them |

// A test that fails is meant to panic.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod algorithm;
mod build_error;
mod clock;
pub mod concurrency;
mod decision;
#[cfg(all(feature = "distributed", any(feature = "policy", feature = "tower")))]
mod digest;
#[cfg(feature = "distributed")]
pub mod distributed;
pub mod docs;
#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "tower")]
pub mod http;
mod limiter;
pub mod observe;
#[cfg(feature = "policy")]
pub mod policy;
#[cfg(feature = "server")]
#[doc(hidden)]
pub mod probe;
mod quota;
mod random;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod replay;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "serde")]
mod snapshot_error;
mod store;
mod sync;
pub mod testing;

pub use algorithm::{
    Algorithm, FixedWindow, Gcra, LeakyBucket, MAX_VALUE, PerCall, SlidingLog, SlidingWindow, Slot, Start,
    TokenBucket, TokenReading, WindowReading,
};
pub use build_error::BuildError;
pub use clock::{Clock, ManualClock};
pub use decision::{Allowed, Denied, Figures, Status};
pub use limiter::{
    AllowedAll, AtCapacity, Builder, DeniedBy, Engine, KeyHasher, LimitStatus, Limiter, On, Outcome,
    RandomState, Reservation, Scheduled, Stats, check_all,
};
#[cfg(feature = "serde")]
pub use limiter::{Snapshot, Snapshots};
pub use quota::{Excerpt, Quota, QuotaError, QuotaSyntax};
#[cfg(feature = "serde")]
pub use snapshot_error::SnapshotError;

/// Compiles and runs the README's programs, which need this and that feature.
#[cfg(all(doctest, feature = "full"))]
#[doc = include_str!("../README.md")]
#[derive(Debug)]
pub struct Readme;
