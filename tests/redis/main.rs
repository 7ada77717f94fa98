//! The shared store in Redis and Valkey: real servers, started by the tests on free ports.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod proxy;
mod proxy_faults;
mod servers;
mod servers_start;
