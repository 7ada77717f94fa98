//! What is made of the definitions in `proto/`; `tests/server/grpc_generated.rs` makes it, and sees that it is current.

#![allow(
    dead_code,
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    reason = "nobody writes it"
)]

include!("packages.rs");

/// All definitions, as reflection tells them.
pub const DESCRIPTORS: &[u8] = include_bytes!("descriptors.bin");
