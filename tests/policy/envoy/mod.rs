//! Configurations of Envoy's rate limit service as policies.

mod configurations;
mod evaluate;
mod reference;
mod service;
