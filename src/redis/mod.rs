//! The store is Redis or Valkey: [`RedisBackend`] (feature `redis`).
//!
//! It works with Redis 6 or later and with Valkey: one server, a master watched by Sentinels, or a cluster.
//!
//! # What the user must be allowed
//!
//! With ACLs, for the default prefix:
//!
//! ```text
//! ACL SETUSER limits on >password ~tollgate:* resetchannels -@all +@read +@write -@dangerous +time +eval +evalsha +info +cluster|slots +asking
//! ```
//!
//! and `+select` for a database other than 0.
//!
//! # What the server should be
//!
//! * Its `maxmemory-policy` is `volatile-ttl` or `noeviction`. By any other, whoever can make it write many keys makes it
//!   forget keys that are at their limit; [`RedisBackend::warnings`] says so. By `volatile-ttl` it forgets first what
//!   would soon be full again anyway.
//! * Nobody else's slow scripts and no huge commands: while one runs, nothing else does.
//! * Its clock is kept by NTP: it is the clock of all limits.
//! * In a cluster, `cluster-require-full-coverage no`: otherwise no key is served anywhere while one server is away.
//! * With Sentinels, `min-replicas-to-write 1` bounds for how long a master that was cut off keeps admitting.

mod address;
mod backend;
mod backoff;
mod builder;
mod cluster;
mod connector;
mod dispatch;
mod error;
mod failure;
mod info;
mod latency;
mod link;
mod live;
mod node;
mod request;
#[doc(hidden)]
pub mod scripts;
mod sentinel;
mod source;
mod startup;
mod stats;
mod topology;

pub use backend::RedisBackend;
pub use builder::RedisBuilder;
pub use error::RedisError;
pub use latency::OperationLatency;
pub use stats::{RedisStats, Warning};

/// What a user must be allowed, for messages.
const ACL_RULE: &str = "+@read +@write -@dangerous +time +eval +evalsha +info +cluster|slots +asking";
