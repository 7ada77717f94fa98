//! Limits as configuration.

pub mod file;
