//! What a store has done: [`StoreStats`].

use std::sync::atomic::{AtomicU64, Ordering};

use super::Core;
use super::domain::Domain;
use crate::distributed::backend::{Applied, BackendError, BackendErrorKind};
use crate::distributed::breaker::BreakerState;
use crate::distributed::reply::Reply;

/// What a store has done since it was made, and how its failure domains are.
///
/// [`SharedStore::stats`](crate::distributed::SharedStore::stats) tells them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStats {
    /// One for each failure domain.
    pub domains: Vec<DomainStats>,
    /// Operations sent, probes and greetings not counted.
    pub operations: u64,
    /// Batches in which they were sent.
    pub batches: u64,
    /// Operations that were not answered in time.
    pub timeouts: u64,
    /// Operations that failed and may have been carried out all the same.
    pub maybe_applied: u64,
    /// Operations that were not sent because too many were [under way](super::SharedStore::MOST_IN_FLIGHT).
    pub bulkhead_refusals: u64,
    /// What was admitted for somebody who had left, and was given back.
    pub given_back: u64,
    /// Refunds and releases in the background that could not be sent: their tokens come back with time alone.
    pub untold: u64,
    /// Probes of domains with an open breaker.
    pub probes: u64,
}

/// How a failure domain is.
///
/// [`StoreStats::domains`] has one for each; for an example see [`SharedStore::stats`](crate::distributed::SharedStore::stats).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DomainStats {
    /// Its number.
    pub domain: u16,
    /// Whether it is asked.
    pub breaker: BreakerState,
    /// How often the breaker opened.
    pub opened: u64,
    /// Operations under way or waiting.
    pub in_flight: usize,
    /// How many nodes use it, this one among them, if it has said so.
    pub nodes: Option<u32>,
}

/// Relaxed throughout: they lead to no other memory.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) operations: AtomicU64,
    pub(super) batches: AtomicU64,
    pub(super) timeouts: AtomicU64,
    pub(super) maybe_applied: AtomicU64,
    pub(super) bulkhead_refusals: AtomicU64,
    pub(super) given_back: AtomicU64,
    pub(super) untold: AtomicU64,
    pub(super) probes: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Counts what is remarkable about an answer.
    pub(super) fn note(&self, result: &Result<Reply, BackendError>) {
        let Err(error) = result else { return };
        Counters::add(&self.timeouts, usize::from(error.kind() == BackendErrorKind::Timeout));
        Counters::add(&self.maybe_applied, usize::from(error.applied() == Applied::Maybe));
    }
}

impl Core {
    pub(super) fn stats(&self) -> StoreStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        StoreStats {
            domains: self.domains.iter().map(Domain::stats).collect(),
            operations: read(&counters.operations),
            batches: read(&counters.batches),
            timeouts: read(&counters.timeouts),
            maybe_applied: read(&counters.maybe_applied),
            bulkhead_refusals: read(&counters.bulkhead_refusals),
            given_back: read(&counters.given_back),
            untold: read(&counters.untold),
            probes: read(&counters.probes),
        }
    }
}
