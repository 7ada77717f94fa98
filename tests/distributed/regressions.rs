//! Bugs that were found by reading, each with its story.

use std::slice::from_ref;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tollgate::distributed::{
    Applied, Backend, BackendError, BackendErrorKind, BoxFuture, Fault, FaultBackend, GlobalConcurrencyLimit,
    GlobalLimiter, MemoryBackend, Operation, Reply, Rule, SharedStore, Source, check_all,
};
use tollgate::{Clock, Quota};

use crate::setting::{admitted, limit, pass, store, ten_a_second};

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// A batch whose task was dropped with its runtime before it had begun took a lane with it, and after two such nothing was ever sent again.
#[test]
fn what_is_told_by_way_of_a_runtime_that_is_gone_leaves_the_store_in_use() {
    let first = paused();
    let (store, permits) = first.block_on(async {
        let (store, _) = store();
        let places =
            GlobalConcurrencyLimit::builder("places", 9, Duration::from_secs(60), &store).build().unwrap();
        let permits = [places.acquire("a").await.unwrap(), places.acquire("a").await.unwrap()];
        (store, permits)
    });
    drop(first);
    drop(permits);
    paused().block_on(async {
        let limiter = ten_a_second(&store).build().unwrap();
        for _ in 0..3 {
            assert_eq!(limiter.check("ann").await.source(), Source::Remote);
        }
    });
}

/// A store that answers, except about some keys, of which it says that they are not what they should be.
#[derive(Debug)]
struct Unfit<B> {
    backend: B,
    is_unfit: fn(&Operation) -> bool,
}

impl<B: Backend> Backend for Unfit<B> {
    fn execute<'a>(
        &'a self,
        operations: &'a [Operation],
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<Result<Reply, BackendError>>> {
        Box::pin(async move {
            let mut answers = Vec::new();
            for operation in operations {
                answers.extend(if (self.is_unfit)(operation) {
                    vec![Err(BackendError::new(BackendErrorKind::Configuration, Applied::No, "unfit"))]
                } else {
                    self.backend.execute(from_ref(operation), deadline).await
                });
            }
            answers
        })
    }
}

/// Probes were good only if the greeting was understood, so that a store on which it is not allowed was never used again after an outage.
#[tokio::test(start_paused = true)]
async fn a_breaker_closes_also_where_greetings_are_not_allowed() {
    let backend = FaultBackend::new(MemoryBackend::with_clock(Clock::tokio()), 7);
    let faults = backend.faults();
    let is_unfit = |operation: &Operation| matches!(operation, Operation::Hello(_));
    let store = SharedStore::new(Unfit { backend, is_unfit });
    let limiter = ten_a_second(&store).build().unwrap();
    faults.always(Some(Fault::Refuse));
    admitted(&limiter, "ann", 40).await;
    faults.clear();
    pass(2_000).await;
    assert_eq!(limiter.check("ann").await.source(), Source::Remote);
}

/// A good answer about one key ended the outage of another, whose share then began empty with each failure: under `Local` it never had anything.
#[tokio::test(start_paused = true)]
async fn a_key_that_fails_among_others_that_do_not_has_its_share() {
    let backend = MemoryBackend::with_clock(Clock::tokio());
    let is_unfit =
        |operation: &Operation| operation.subject().is_some_and(|subject| *subject.key == *b"unfit");
    let store = SharedStore::new(Unfit { backend, is_unfit });
    let limiter = limit(&store, Quota::per_second(50)).build().unwrap();
    let mut passed = 0;
    for _ in 0..200 {
        assert!(limiter.check("fit").await.is_allowed());
        passed += admitted(&limiter, "unfit", 1).await;
        pass(20).await;
    }
    assert!((190..=200).contains(&passed), "{passed} of the 50 a second that come in 4 s");
}

/// Whoever reads the clock first need not come first: a moment before the last question was taken for one far ahead of it.
#[test]
fn leases_are_asked_for_by_several_threads_while_the_store_is_away() {
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    runtime.block_on(async {
        use tollgate::distributed::{LeaseSettings, Mode};

        let backend = FaultBackend::new(MemoryBackend::new(), 1);
        backend.faults().always(Some(Fault::Refuse));
        let store = SharedStore::new(backend);
        let rule = Rule::Gcra(Quota::per_second(1_000));
        let leased = Mode::Leased(LeaseSettings::default());
        let limiter = GlobalLimiter::builder("test", rule, &store).mode(leased).build().unwrap();
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let limiter = limiter.clone();
                tokio::spawn(async move { admitted(&limiter, "ann", 20_000).await })
            })
            .collect();
        for task in tasks {
            task.await.expect("no overflow");
        }
    });
}

/// What was told by way of a runtime that is gone waited for a batch that never came. When so much waited that the bulkhead was full, nothing
/// else was let in either, so that no batch ever came.
#[test]
fn however_much_is_told_by_way_of_a_runtime_that_is_gone_the_store_is_in_use() {
    let most = SharedStore::MOST_IN_FLIGHT + 10;
    let first = paused();
    let (store, permits) = first.block_on(async {
        let (store, _) = store();
        let hold = Duration::from_secs(60);
        let places = GlobalConcurrencyLimit::builder("places", most as u64, hold, &store).build().unwrap();
        let mut permits = Vec::new();
        for _ in 0..most {
            permits.push(places.acquire("a").await.unwrap());
        }
        (store, permits)
    });
    drop(first);
    drop(permits);
    let stats = store.stats();
    assert_eq!((stats.domains[0].in_flight, stats.untold), (0, most as u64));
    paused().block_on(async {
        let limiter = ten_a_second(&store).build().unwrap();
        assert_eq!(limiter.check("ann").await.source(), Source::Remote);
    });
}

/// All that waited for one slow answer counted as timeouts in a row: a single batch that was late opened the breaker for everybody.
#[tokio::test(start_paused = true)]
async fn a_batch_that_is_late_does_not_open_the_breaker() {
    let (store, faults) = store();
    let limiter = limit(&store, Quota::per_second(1_000)).build().unwrap();
    faults.delay(Duration::from_millis(40), Duration::ZERO);
    let checks = (0..64).map(|_| {
        let limiter = limiter.clone();
        tokio::spawn(async move { limiter.check("ann").await })
    });
    for check in checks.collect::<Vec<_>>() {
        assert_eq!(check.await.unwrap().source(), Source::Fallback);
    }
    faults.clear();
    pass(50).await;
    assert_eq!(limiter.check("ann").await.source(), Source::Remote);
    assert_eq!(store.stats().domains[0].opened, 0);
}

/// What one limit had spent of its node's share was lost when the caller left before another limit's store had answered.
#[tokio::test(start_paused = true)]
async fn whoever_leaves_a_check_of_several_limits_takes_nothing_of_a_share() {
    let ((away, refusing), (slow, late)) = (store(), store());
    let (alone, other) = (ten_a_second(&away).build().unwrap(), ten_a_second(&slow).build().unwrap());
    refusing.always(Some(Fault::Refuse));
    assert!(!alone.check("ann").await.is_allowed(), "its share begins empty");
    pass(500).await;
    late.delay(Duration::from_millis(20), Duration::ZERO);
    let both = [alone.on("ann").cost(5), other.on("ann")];
    assert!(timeout(Duration::from_millis(10), check_all(&both)).await.is_err());
    assert!(alone.check_n("ann", 5).await.is_allowed());
}

/// Each limit charged a quarter of the bulkhead at a time. After an outage that four or more had gone through there was no room for checks.
#[tokio::test(start_paused = true)]
async fn what_many_limits_owe_after_an_outage_leaves_room_for_checks() {
    let (store, faults) = store();
    let limiter = |name: usize| {
        let rule = Rule::Gcra(Quota::per_second(10));
        GlobalLimiter::builder(name.to_string(), rule, &store).clock(Clock::tokio()).build().unwrap()
    };
    let limiters: Vec<_> = (0..6).map(limiter).collect();
    faults.always(Some(Fault::Refuse));
    for round in [0, 1] {
        for limiter in &limiters {
            for key in 0..100 {
                assert_eq!(limiter.check(&key.to_string()).await.is_allowed(), round == 1);
            }
        }
        pass(1_000).await;
    }
    assert!(limiters.iter().all(|limiter| limiter.stats().owing_keys == 100));
    faults.clear();
    faults.delay(Duration::from_millis(5), Duration::ZERO);
    pass(2_000).await;
    assert!(limiters.iter().all(|limiter| limiter.stats().owing_keys == 0));
    assert_eq!(store.stats().bulkhead_refusals, 0);
}
