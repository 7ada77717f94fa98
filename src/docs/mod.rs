//! Longer reading: how it works, how fast it is, where it ends.

#[doc = include_str!("design.md")]
pub mod design {}

#[doc = include_str!("performance.md")]
pub mod performance {}

#[doc = include_str!("service.md")]
pub mod service {}

#[doc = include_str!("limitations.md")]
pub mod limitations {}
