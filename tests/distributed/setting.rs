//! A store that can be made to fail, and limits on it, all in the runtime's time.

use std::time::Duration;

use tollgate::distributed::{
    FaultBackend, Faults, GlobalBuilder, GlobalLimiter, MemoryBackend, Rule, SharedStore,
};
use tollgate::{Clock, Quota};

/// A store, and its switches.
pub(crate) fn store() -> (SharedStore, Faults) {
    let backend = FaultBackend::new(MemoryBackend::with_clock(Clock::tokio()), 7);
    let faults = backend.faults();
    (SharedStore::new(backend), faults)
}

/// A limit of ten a second on it.
pub(crate) fn ten_a_second(store: &SharedStore) -> GlobalBuilder {
    limit(store, Quota::per_second(10))
}

pub(crate) fn limit(store: &SharedStore, quota: Quota) -> GlobalBuilder {
    GlobalLimiter::builder("test", Rule::Gcra(quota), store).clock(Clock::tokio())
}

pub(crate) async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// How many of so many checks of a key are let through, one after the other.
pub(crate) async fn admitted(limiter: &GlobalLimiter, key: &str, checks: u32) -> u32 {
    let mut admitted = 0;
    for _ in 0..checks {
        admitted += u32::from(limiter.check(key).await.is_allowed());
    }
    admitted
}
