//! The HTTP middleware: around services in memory with virtual time, and in real servers with real clients.
#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod address;
mod deciding;
mod ending;
#[cfg(feature = "distributed")]
mod global;
#[cfg(feature = "distributed")]
mod global_failing;
#[cfg(feature = "distributed")]
mod global_places;
#[cfg(feature = "policy")]
mod global_policies;
mod keys;
mod observing;
#[cfg(feature = "policy")]
mod policies;
#[cfg(feature = "policy")]
mod policy_attributes;
mod servers;
mod support;
mod waiting;
