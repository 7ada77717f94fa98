//! HTTP middleware for tower: `axum`, `hyper`, `tonic`.

mod address;
mod report;

pub use address::{AddressError, ClientAddress, Resolved, Trouble};
pub use report::{LimitReport, Unit};
