//! Bugs that were found by reading, each with its story.

use std::slice::from_ref;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tollgate::distributed::{
    Applied, Backend, BackendError, BackendErrorKind, BoxFuture, Fault, FaultBackend, GlobalConcurrencyLimit,
    MemoryBackend, Operation, Reply, SharedStore, Source,
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
        use tollgate::distributed::{GlobalLimiter, LeaseSettings, Mode, Rule};

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
