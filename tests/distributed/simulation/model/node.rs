//! A node: what it holds, and who waits for what.

use std::collections::HashMap;

use ahash::RandomState;
use tollgate::distributed::machinery::{Breaker, DenyCache, LeasePlan, LeaseTable};

use super::SECOND;

/// A node with a clock of its own.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) leases: LeaseTable<u32>,
    pub(crate) breaker: Breaker,
    pub(crate) denied: DenyCache,
    /// When requests came that wait for an answer that another has asked for, by key.
    pub(crate) waiting: HashMap<u32, Vec<u64>, RandomState>,
    /// Questions with a lower number were asked before it crashed.
    pub(crate) started: u64,
    /// Nanoseconds in a second by which its clock is too fast.
    drift: i64,
    /// What its clock shows when the simulation begins.
    begins: u64,
}

impl Node {
    pub(crate) fn new(plan: LeasePlan, keys: usize, seed: usize, drift: i64) -> Node {
        Node {
            leases: LeaseTable::new(plan, keys, RandomState::with_seed(seed)),
            breaker: Breaker::new(seed as u64),
            denied: DenyCache::new(keys),
            waiting: HashMap::with_hasher(RandomState::with_seed(seed)),
            started: 0,
            drift,
            begins: 1_000 * SECOND + seed as u64,
        }
    }

    /// It starts again, and knows nothing.
    pub(crate) fn crash(&mut self, plan: LeasePlan, keys: usize, seed: usize, number: u64) {
        self.leases = LeaseTable::new(plan, keys, RandomState::with_seed(seed));
        self.breaker = Breaker::new(seed as u64);
        self.denied = DenyCache::new(keys);
        self.waiting.clear();
        self.started = number;
    }

    /// What its clock shows.
    pub(crate) fn clock(&self, now: u64) -> u64 {
        let error = i128::from(now) * i128::from(self.drift) / i128::from(SECOND);
        (self.begins + now).saturating_add_signed(error as i64)
    }
}
