//! Leased mode: tokens taken in advance, by nodes that share a store which fails as it is told to.

use std::time::Duration;

use tollgate::distributed::{GlobalBuilder, GlobalLimiter, LeaseSettings, Mode, Rule, SharedStore, Source};
use tollgate::{Clock, Quota};

use super::setting::{admitted, pass, store};

fn leased(store: &SharedStore, quota: Quota) -> GlobalBuilder {
    GlobalLimiter::builder("test", Rule::Gcra(quota), store)
        .mode(Mode::Leased(LeaseSettings::default()))
        .clock(Clock::tokio())
}

#[tokio::test(start_paused = true)]
async fn a_hot_key_is_decided_by_what_is_leased() {
    let (store, faults) = store();
    faults.delay(Duration::from_millis(1), Duration::ZERO);
    let limiter = leased(&store, Quota::per_second(10_000)).build().unwrap();
    let mut all = 0;
    for _ in 0..2_000 {
        all += admitted(&limiter, "hot", 4).await;
        pass(1).await;
    }
    let stats = limiter.stats();
    assert_eq!(all, 8_000, "demand is below the limit: {stats:?}");
    assert!(stats.lease_calls * 50 < 8_000, "{stats:?}");
    assert!(stats.allowed(Source::Lease) > 7_900, "{stats:?}");
}
