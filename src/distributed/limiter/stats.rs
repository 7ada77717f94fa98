//! What a limiter has decided: [`GlobalStats`].

use std::sync::atomic::{AtomicU64, Ordering};

use crate::distributed::decision::{GlobalDecision, Source};

/// What a limiter has decided since it was built, and who did.
///
/// [`GlobalLimiter::stats`](crate::distributed::GlobalLimiter::stats) tells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GlobalStats {
    allowed: [u64; Source::ALL.len()],
    denied: [u64; Source::ALL.len()],
    /// Keys that were admitted without the store and not charged there yet.
    pub owing_keys: usize,
    /// Tokens that were admitted without the store and will not be charged there: it may have been done, or too many keys owed.
    pub forgiven: u64,
    /// How often tokens were asked for in [leased](super::Mode::Leased) mode.
    pub lease_calls: u64,
    /// Tokens that were leased.
    pub leased: u64,
    /// Of these, tokens that were brought back because nobody asked for them.
    pub returned: u64,
    /// Of these, tokens that were neither spent nor brought back in time, as far as is known: what is held of a key is looked at when it is
    /// asked for, and a few times in the life of a lease.
    pub burned: u64,
}

impl GlobalStats {
    /// How many went on by this one's decision.
    #[must_use]
    pub fn allowed(&self, source: Source) -> u64 {
        self.allowed[index(source)]
    }

    /// How many were refused by this one's decision.
    #[must_use]
    pub fn denied(&self, source: Source) -> u64 {
        self.denied[index(source)]
    }
}

fn index(source: Source) -> usize {
    match source {
        Source::Lease => 0,
        Source::Remote => 1,
        Source::DenyCache => 2,
        Source::Fallback => 3,
        Source::FailOpen => 4,
        Source::FailClosed => 5,
    }
}

/// Relaxed throughout: they lead to no other memory.
#[derive(Default)]
pub(in crate::distributed) struct Counters {
    allowed: [AtomicU64; Source::ALL.len()],
    denied: [AtomicU64; Source::ALL.len()],
}

impl Counters {
    pub(in crate::distributed) fn count(&self, decision: &GlobalDecision) {
        let counters = if decision.is_allowed() { &self.allowed } else { &self.denied };
        counters[index(decision.source())].fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::distributed) fn stats(&self) -> GlobalStats {
        let read = |counters: &[AtomicU64; Source::ALL.len()]| {
            std::array::from_fn(|index| counters[index].load(Ordering::Relaxed))
        };
        GlobalStats { allowed: read(&self.allowed), denied: read(&self.denied), ..GlobalStats::default() }
    }
}
