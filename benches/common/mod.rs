//! What the bench targets share: the four limiters behind one trait, the interleaved rounds that compare them,
//! and the tables they print.

// Each bench target is a crate of its own and uses its own part of this module.
#![allow(dead_code)]

pub(crate) mod clocks;
pub(crate) mod floor;
pub(crate) mod histogram;
pub(crate) mod keys;
pub(crate) mod memory;
pub(crate) mod options;
pub(crate) mod rounds;
pub(crate) mod setup;
pub(crate) mod subject;
pub(crate) mod table;
pub(crate) mod threads;
pub(crate) mod works;

/// A bench gives up on the first thing that goes wrong: there is no number worth saving.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
