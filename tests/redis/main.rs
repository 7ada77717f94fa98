//! The shared store in Redis and Valkey: real servers, started by the tests on free ports.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod asking;
mod cluster;
mod conformance;
mod proxy;
mod proxy_faults;
mod sentinel;
mod servers;
mod servers_start;
mod standalone;
mod startup;
mod tls_acl;
