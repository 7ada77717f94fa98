//! Limits as configuration.

mod file;

pub use file::{Format, Problem, UnknownFormat};
