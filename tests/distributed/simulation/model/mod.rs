//! Many nodes, one store and a network between them, on a clock that only the simulation moves. The nodes run the state
//! machines of the library, the store counts as its scripts do.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "numbers of a simulation are small"
)]

mod demand;
mod events;
mod fault;
mod node;
mod oracle;
mod outcome;
mod random;
mod store;
mod world;

pub(crate) use fault::Fault;
pub(crate) use outcome::Outcome;
pub(crate) use world::simulate;

pub(crate) const MILLISECOND: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MILLISECOND;

/// How nodes decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Every request asks the store.
    Direct,
    Leased,
}

/// How large the world is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) nodes: usize,
    pub(crate) keys: usize,
    pub(crate) seconds: u64,
    pub(crate) requests_per_second: u64,
    /// The limit of each key, and its burst: a divisor of 10⁹, so that a token takes whole nanoseconds.
    pub(crate) rate: u32,
    /// How many keys a node remembers.
    pub(crate) keys_of_a_node: usize,
}

impl Size {
    /// In nanoseconds.
    pub(crate) fn run(&self) -> u64 {
        self.seconds * SECOND
    }
}
