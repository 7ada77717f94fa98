//! The shared store in Redis and Valkey: real servers, started by the tests on free ports.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod asking;
mod cluster;
mod conformance;
mod exact;
mod faults_answers;
mod faults_loss;
mod faults_network;
mod faults_topology;
#[cfg(feature = "axum")]
mod http;
mod leased;
mod leases;
mod load;
mod memory;
mod oracle;
#[cfg(feature = "policy")]
mod policies;
mod proxy;
mod proxy_faults;
mod scene;
mod sentinel;
mod servers;
mod servers_start;
mod standalone;
mod startup;
mod suite;
mod tls_acl;
