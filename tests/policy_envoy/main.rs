//! Configurations of Envoy's rate limit service as policies.
#![cfg(feature = "policy")]
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too, to fail is to panic")]

mod configurations;
mod evaluate;
mod reference;
mod service;
