//! `tollgate serve`, from outside: the real program, asked by clients that we did not write.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::cast_precision_loss, reason = "numbers of requests")]

mod bad_input;
mod bounds;
mod browser;
mod client;
mod curl;
mod dashboard;
mod ending;
mod events;
mod grpc_check;
mod grpc_clients;
mod grpc_envoy;
mod grpc_generated;
mod grpc_reserve;
mod grpc_services;
mod node;
mod openapi;
mod operation;
mod probe;
mod resp;
mod rest_check;
mod rest_config;
mod rest_health;
mod rest_policies;
mod schemathesis;
#[allow(dead_code, unused_imports, reason = "other tests use all of it")]
#[path = "../redis/servers/mod.rs"]
mod servers;
mod soak;
mod two_nodes;
