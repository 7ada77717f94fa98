//! HTTP middleware for tower: `axum`, `hyper`, `tonic`.

#![expect(dead_code, reason = "the layer, which writes fields and bodies, is not there yet")]

mod fields;
mod name;
mod problem;
mod report;

pub use fields::HeaderDialect;
pub use name::{LimitName, LimitNameError};
pub use report::{LimitReport, Unit};
