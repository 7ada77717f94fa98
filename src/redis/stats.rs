//! [`RedisStats`]: what became of connections and calls; and [`Warning`].

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::address::Address;
use super::info::ServerInfo;

/// What became of connections and calls since the backend was built.
///
/// [`RedisBackend::stats`](super::RedisBackend::stats) tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisStats {
    /// Connections that are up now.
    pub connections: u64,
    /// Connections that came about: all but the first of each are reconnects.
    pub connects: u64,
    /// Connections that were lost or given up.
    pub losses: u64,
    /// Round trips that were not answered in time.
    pub timeouts: u64,
    /// Operations that were sent again because the server did not have their script.
    pub script_loads: u64,
    /// Operations that a cluster sent on to another server.
    pub redirections: u64,
    /// Times that the slots of a cluster were read.
    pub slot_refreshes: u64,
}

/// Something about a server that works, but not as well as it should.
///
/// [`RedisBackend::warnings`](super::RedisBackend::warnings) tells them; for an example see [`RedisBackend`](super::RedisBackend).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Warning {
    /// When memory is full the server forgets keys that matter: whoever can make it write many keys gets a fresh limit.
    EvictionPolicy {
        /// Which server.
        server: String,
        /// Its `maxmemory-policy`.
        policy: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::EvictionPolicy { server, policy } => write!(
                f,
                "{server} has maxmemory-policy {policy}, by which it may forget keys that are at their limit; set volatile-ttl or noeviction"
            ),
        }
    }
}

/// Where that is counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    connects: AtomicU64,
    losses: AtomicU64,
    timeouts: AtomicU64,
    script_loads: AtomicU64,
    redirections: AtomicU64,
    slot_refreshes: AtomicU64,
    warnings: Mutex<BTreeSet<Warning>>,
}

impl Counters {
    pub(super) fn connected(&self) {
        self.connects.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lost(&self) {
        self.losses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn timed_out(&self) {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn script_loaded(&self) {
        self.script_loads.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn redirected(&self) {
        self.redirections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refreshed(&self) {
        self.slot_refreshes.fetch_add(1, Ordering::Relaxed);
    }

    /// Warns of what the server says of itself, once.
    pub(super) fn warn_of(&self, info: &ServerInfo, address: &Address) {
        let Some(policy) = &info.maxmemory_policy else { return };
        // By volatile-ttl the key that goes first is the one that is full again first.
        if policy == "noeviction" || policy == "volatile-ttl" {
            return;
        }
        let warning = Warning::EvictionPolicy { server: address.to_string(), policy: policy.clone() };
        #[cfg(feature = "tracing")]
        let message = warning.to_string();
        if self.warnings.lock().insert(warning) {
            #[cfg(feature = "tracing")]
            tracing::warn!(target: "tollgate::redis", "{message}");
        }
    }

    pub(super) fn warnings(&self) -> Vec<Warning> {
        self.warnings.lock().iter().cloned().collect()
    }

    pub(super) fn read(&self, connections: u64) -> RedisStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RedisStats {
            connections,
            connects: read(&self.connects),
            losses: read(&self.losses),
            timeouts: read(&self.timeouts),
            script_loads: read(&self.script_loads),
            redirections: read(&self.redirections),
            slot_refreshes: read(&self.slot_refreshes),
        }
    }
}
