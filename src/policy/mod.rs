//! Limits as configuration.

mod envoy;
mod file;
mod model;

pub use envoy::{Descriptor, EnvoyError};
pub use file::{Format, Problem, UnknownFormat};
pub use model::*;
