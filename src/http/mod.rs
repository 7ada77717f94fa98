//! HTTP middleware for tower: `axum`, `hyper`, `tonic`.

mod report;

pub use report::{LimitReport, Unit};
