//! How many at once, not how many in what time: limits on what is in flight.
//!
//! A rate says how often something may begin. It does not protect what is slow: ten requests a second that take a minute
//! each are 600 in flight. A concurrency limit counts those that have begun and not ended, and needs no clock.
//!
//! ```
//! use tollgate::concurrency::{ConcurrencyLimit, KeyedConcurrencyLimit};
//!
//! // At most two queries at a time in all, and one for each tenant.
//! let database = ConcurrencyLimit::new(2);
//! let tenants = KeyedConcurrencyLimit::new(1);
//!
//! let first = tenants.try_acquire("acme")?;
//! let query = database.try_acquire()?;
//! assert_eq!(database.in_flight(), 1);
//!
//! let refused = tenants.try_acquire("acme").unwrap_err();
//! assert_eq!((refused.in_flight(), refused.max()), (1, 1));
//! assert!(tenants.try_acquire("globex").is_ok());
//!
//! // A permit is given back when it is dropped: at the end of a block, by `?`, by a panic, with a cancelled future.
//! drop(query);
//! drop(first);
//! assert_eq!(database.in_flight(), 0);
//! assert!(tenants.try_acquire("acme").is_ok());
//! # Ok::<(), tollgate::concurrency::Saturated>(())
//! ```
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | one limit for everybody | [`ConcurrencyLimit`] |
//! | the same limit for each key | [`KeyedConcurrencyLimit`] |
//! | a limit that finds its own value | [`AdaptiveConcurrency`], by [`Aimd`] or [`Gradient2`]; named shares: [`Partition`] |
//! | waiting for a place (feature `tokio`) | `ConcurrencyLimit::acquire_within`, `Order` |
//! | what is held meanwhile | [`Permit`], [`KeyedPermit`], [`AdaptivePermit`] |
//! | what the refusals mean | [`Saturated`], [`Cause`] |

mod adaptive;
mod counts;
mod fixed;
mod gates;
mod holder;
mod keyed;
#[cfg(all(test, tollgate_loom))]
mod loom_tests;
mod places;
#[cfg(feature = "tokio")]
mod queue;
mod saturated;
#[cfg(any(feature = "tokio", all(test, tollgate_loom)))]
mod waiters;

pub use crate::limiter::Outcome;
pub use adaptive::{
    AdaptiveBuilder, AdaptiveConcurrency, AdaptiveError, AdaptivePermit, Aimd, Gradient2, LimitRule,
    Partition, Sample,
};
pub use fixed::{ConcurrencyLimit, Permit};
pub use keyed::{KeyedBuilder, KeyedConcurrencyLimit, KeyedPermit};
#[cfg(feature = "tokio")]
pub use queue::QueueBuilder;
pub use saturated::{Cause, Saturated};
#[cfg(any(feature = "tokio", all(test, tollgate_loom)))]
pub use waiters::Order;
