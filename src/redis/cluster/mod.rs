//! A cluster: which server has which slot.
//!
//! It does not use redis-rs' own cluster client: that one sends a command again after a timeout, and so charges twice.

mod shards;
mod slots;

pub(super) use shards::Cluster;
pub(super) use slots::{SLOTS, slot};
