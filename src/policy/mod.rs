//! Limits as configuration.

mod envoy;
pub mod file;
mod model;

pub use envoy::{Descriptor, EnvoyError};
pub use model::*;
