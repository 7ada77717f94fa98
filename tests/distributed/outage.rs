//! What a limit decides while its store is not well.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tollgate::distributed::{
    BreakerState, FailurePolicy, Fault, FaultBackend, MemoryBackend, SharedStore, Source, check_all,
};
use tollgate::observe::Observer;
use tollgate::{Clock, Quota};

use super::setting::{admitted, limit, pass, store, ten_a_second};

/// Longer than a store is probed for twice.
const RECOVERY_MILLIS: u64 = 1_000;

#[tokio::test(start_paused = true)]
async fn open_admits_all_and_closed_none() {
    let (store, faults) = store();
    let open = ten_a_second(&store).on_failure(FailurePolicy::Open).build().unwrap();
    let closed = ten_a_second(&store).on_failure(FailurePolicy::Closed).build().unwrap();
    faults.always(Some(Fault::Refuse));
    for _ in 0..30 {
        assert_eq!(open.check("ann").await.source(), Source::FailOpen);
        let refused = closed.check("ann").await;
        assert_eq!((refused.is_allowed(), refused.source()), (false, Source::FailClosed));
        assert!(refused.retry_after() > Some(Duration::ZERO));
    }
    faults.clear();
    pass(RECOVERY_MILLIS).await;
    assert_eq!(open.peek("ann").await.unwrap().remaining, 10, "what went on uncounted is not charged");
}

#[tokio::test(start_paused = true)]
async fn every_decision_is_made_within_the_budget() {
    for fault in Fault::ALL {
        let (store, faults) = store();
        let limiter = ten_a_second(&store).budget(Duration::from_millis(25)).build().unwrap();
        faults.always(Some(fault));
        for _ in 0..50 {
            let begun = tokio::time::Instant::now();
            let _ = limiter.check("ann").await;
            assert!(begun.elapsed() <= Duration::from_millis(26), "{fault:?}: {:?}", begun.elapsed());
            pass(3).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_alone_admits_its_share_of_the_rate_from_the_beginning_of_the_outage() {
    let (store, faults) = store();
    // Two nodes expected: five a second of ten.
    let limiter = ten_a_second(&store).expected_nodes(2).build().unwrap();
    faults.always(Some(Fault::Refuse));
    assert!(!limiter.check("ann").await.is_allowed(), "its share begins empty");
    let mut admitted = 0;
    for _ in 0..400 {
        pass(10).await;
        admitted += u32::from(limiter.check("ann").await.is_allowed());
    }
    assert_eq!(admitted, 20, "four seconds at five a second");
    pass(60_000).await;
    // A key that was not asked for meanwhile has its share of the burst.
    assert_eq!(super::setting::admitted(&limiter, "bob", 30).await, 5);
}

#[tokio::test(start_paused = true)]
async fn an_outage_begins_anew_after_the_store_has_answered_anybody() {
    let (store, faults) = store();
    let limiter = ten_a_second(&store).build().unwrap();
    faults.always(Some(Fault::Refuse));
    assert!(!limiter.check("ann").await.is_allowed());
    faults.clear();
    // Nobody asks this limit meanwhile; the store's greetings are answered.
    pass(60_000).await;
    faults.always(Some(Fault::Refuse));
    assert!(!limiter.check("ann").await.is_allowed(), "its share begins empty again");
    pass(100).await;
    assert_eq!(admitted(&limiter, "ann", 10).await, 1);
}

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_no_more_is_admitted_than_the_limit_and_the_outages_allow() {
    for seed in 0..20 {
        let backend = FaultBackend::new(MemoryBackend::with_clock(Clock::tokio()), seed);
        let faults = backend.faults();
        let store = SharedStore::new(backend);
        let limiter = limit(&store, Quota::per_second(100).burst(50)).build().unwrap();
        for fault in Fault::ALL {
            faults.chance(fault, 50);
        }
        faults.delay(Duration::from_millis(1), Duration::from_millis(15));
        let begun = tokio::time::Instant::now();
        let (mut admitted, mut alone) = (0, 0);
        for step in 0..2_000 {
            match step % 1_000 {
                400 => faults.always(Some(Fault::Refuse)),
                700 => faults.always(None),
                _ => {}
            }
            let decision = limiter.check("ann").await;
            admitted += u128::from(decision.is_allowed());
            alone += u128::from(decision.is_allowed() && decision.source() == Source::Fallback);
            pass(1).await;
        }
        let most = 50 + begun.elapsed().as_millis() / 10;
        assert!(admitted - alone <= most, "the store is exact: {admitted} - {alone} of {most}");
        assert!(alone <= begun.elapsed().as_millis() / 10, "its share, and no burst: {alone}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_admitted_alone_is_charged_once_when_the_store_is_back() {
    let (store, faults) = store();
    let limiter = limit(&store, Quota::per_hour(100)).build().unwrap();
    faults.always(Some(Fault::Refuse));
    let _ = admitted(&limiter, "ann", 30).await;
    pass(6 * 36_000).await;
    let alone = admitted(&limiter, "ann", 10).await;
    assert_eq!(alone, 6, "six tokens have come since");
    assert_eq!(limiter.stats().owing_keys, 1);

    faults.clear();
    pass(RECOVERY_MILLIS).await;
    assert_eq!(limiter.stats().owing_keys, 0);
    assert_eq!(limiter.peek("ann").await.unwrap().remaining, 94);
    pass(10_000).await;
    assert_eq!(limiter.peek("ann").await.unwrap().remaining, 94, "and not again");
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_charged_is_never_charged_again() {
    let (store, faults) = store();
    let limiter = limit(&store, Quota::new(1_000, Duration::from_secs(1_000)).unwrap()).build().unwrap();
    // The share begins to fill with the first failure.
    faults.always(Some(Fault::Refuse));
    assert!(!limiter.check("ann").await.is_allowed());
    pass(10_000).await;
    faults.always(Some(Fault::LoseReply));
    let decision = limiter.check_n("ann", 5).await;
    faults.clear();
    assert_eq!((decision.is_allowed(), decision.source()), (true, Source::Fallback));
    pass(2_000).await;
    assert_eq!(limiter.peek("ann").await.unwrap().remaining, 995 + 2, "spent once, and two have come back");
    assert_eq!((limiter.stats().owing_keys, store.stats().maybe_applied), (0, 1));
    assert_eq!(limiter.stats().forgiven, 5, "as far as this node knows");
    assert_eq!(store.stats().given_back, 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_too_late_gives_back_what_nobody_used() {
    let (store, faults) = store();
    let limiter = limit(&store, Quota::per_hour(10)).on_failure(FailurePolicy::Closed);
    let limiter = limiter.budget(Duration::from_millis(25)).build().unwrap();
    // A longer deadline beside it keeps the batch waiting for its answer.
    faults.delay(Duration::from_millis(100), Duration::ZERO);
    let patient = limit(&store, Quota::per_hour(10)).budget(Duration::from_millis(500)).build().unwrap();
    let (first, second) = (patient.check("x"), patient.check("x"));
    let (_, _, refused, waited) =
        tokio::join!(first, second, limiter.check_n("ann", 4), patient.check_n("bob", 1));
    assert_eq!(refused.source(), Source::FailClosed);
    assert!(waited.is_allowed());
    faults.clear();
    pass(RECOVERY_MILLIS).await;
    assert_eq!(limiter.peek("ann").await.unwrap().remaining, 10);
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_after_five_timeouts_and_closes_within_a_second_of_the_return() {
    let (store, faults) = store();
    let limiter = ten_a_second(&store).on_failure(FailurePolicy::Open).build().unwrap();
    faults.always(Some(Fault::Lose));
    for _ in 0..5 {
        assert_eq!(limiter.check("ann").await.source(), Source::FailOpen);
    }
    assert_eq!(store.stats().domains[0].breaker, BreakerState::Open);
    let sent = store.stats().operations;
    for _ in 0..100 {
        pass(50).await;
        assert_eq!(limiter.check("ann").await.source(), Source::FailOpen);
    }
    let stats = store.stats();
    assert_eq!(stats.operations, sent, "no request is a probe");
    assert!((10..=20).contains(&stats.probes), "{} probes in five seconds", stats.probes);

    faults.clear();
    pass(RECOVERY_MILLIS).await;
    assert_eq!(store.stats().domains[0].breaker, BreakerState::Closed);
    assert_eq!(limiter.check("ann").await.source(), Source::Remote);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_answers_slower_than_anybody_waits_stays_behind_its_breaker() {
    let (store, faults) = store();
    let limiter = ten_a_second(&store).on_failure(FailurePolicy::Open).build().unwrap();
    faults.delay(Duration::from_millis(50), Duration::ZERO);
    for _ in 0..500 {
        let _ = limiter.check("ann").await;
        pass(20).await;
    }
    let domain = store.stats().domains[0];
    assert_eq!((domain.breaker, domain.opened), (BreakerState::Open, 1));
}

#[tokio::test(start_paused = true)]
async fn several_limits_that_cannot_be_asked_decide_each_for_itself() {
    let (store, faults) = store();
    let open = ten_a_second(&store).on_failure(FailurePolicy::Open).build().unwrap();
    let local = ten_a_second(&store).build().unwrap();
    let closed = ten_a_second(&store).on_failure(FailurePolicy::Closed).build().unwrap();
    faults.always(Some(Fault::Refuse));
    let _ = local.check("ann").await;
    pass(500).await;
    assert!(!check_all(&[open.on("x"), local.on("ann").cost(5), closed.on("z")]).await.is_allowed());
    let checked = check_all(&[open.on("x"), local.on("ann").cost(5)]).await;
    assert!(checked.is_allowed(), "what the first attempt spent of the share was given back");
    assert!(!check_all(&[open.on("x"), local.on("ann")]).await.is_allowed());
    faults.clear();
    pass(RECOVERY_MILLIS).await;
    assert_eq!(local.stats().owing_keys, 0);
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_what_failed() {
    #[derive(Default)]
    struct Failures(AtomicU32);
    impl Observer for Failures {
        fn failed(&self, policy: &str, kind: &'static str) {
            assert_eq!((policy, kind), ("test", "overloaded"));
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (store, faults) = store();
    let failures = Arc::new(Failures::default());
    let limiter = ten_a_second(&store).observer(failures.clone()).build().unwrap();
    faults.next(Some(Fault::Overload));
    let _ = limiter.check("ann").await;
    assert_eq!(failures.0.load(Ordering::Relaxed), 1);
}
