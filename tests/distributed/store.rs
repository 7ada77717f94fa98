//! What a store does for all limits on it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tollgate::Quota;
use tollgate::distributed::{
    Backend, BackendError, BoxFuture, BreakerState, Fault, MemoryBackend, Operation, Reply, SharedStore,
    Source, Subject,
};

use super::setting::{limit, pass, store};

/// Two failure domains, one of which is told to fail.
#[derive(Debug)]
struct TwoDomains {
    well: MemoryBackend,
    ill: tollgate::distributed::FaultBackend<MemoryBackend>,
}

impl Backend for TwoDomains {
    fn execute<'a>(
        &'a self,
        operations: &'a [Operation],
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<Result<Reply, BackendError>>> {
        let ill = match &operations[0] {
            Operation::Hello(hello) => hello.domain == 1,
            operation => operation.subject().is_some_and(|subject| self.place(subject) == 1),
        };
        if ill { self.ill.execute(operations, deadline) } else { self.well.execute(operations, deadline) }
    }

    fn place(&self, subject: &Subject) -> u32 {
        u32::from(subject.placing().starts_with(b"ill"))
    }

    fn failure_domain(&self, place: u32) -> u16 {
        u16::try_from(place).unwrap()
    }

    fn failure_domains(&self) -> u16 {
        2
    }
}

/// Counts what is executed at once.
#[derive(Debug)]
struct Counting {
    memory: MemoryBackend,
    most: Arc<AtomicUsize>,
}

impl Backend for Counting {
    fn execute<'a>(
        &'a self,
        operations: &'a [Operation],
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<Result<Reply, BackendError>>> {
        self.most.fetch_max(operations.len(), Ordering::Relaxed);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.memory.execute(operations, deadline).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_batches_are_under_way_travels_together() {
    let most = Arc::new(AtomicUsize::new(0));
    let store = SharedStore::new(Counting { memory: MemoryBackend::new(), most: Arc::clone(&most) });
    let limiter = limit(&store, Quota::per_second(1_000)).build().unwrap();
    let checks = (0..100).map(|_| {
        let limiter = limiter.clone();
        tokio::spawn(async move { limiter.check("ann").await })
    });
    for check in checks.collect::<Vec<_>>() {
        assert_eq!(check.await.unwrap().source(), Source::Remote);
    }
    let stats = store.stats();
    assert_eq!(stats.operations, 100);
    assert!(stats.batches <= 4, "two at once, and what waited: {}", stats.batches);
    assert_eq!(stats.domains[0].in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_that_comes_alone() {
    let most = Arc::new(AtomicUsize::new(0));
    let store = SharedStore::new(Counting { memory: MemoryBackend::new(), most: Arc::clone(&most) });
    let limiter = limit(&store, Quota::per_second(1_000)).build().unwrap();
    for _ in 0..10 {
        let begun = tokio::time::Instant::now();
        let _ = limiter.check("ann").await;
        assert_eq!(begun.elapsed(), Duration::from_millis(5), "one round trip");
    }
    assert_eq!(most.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_beyond_the_bulkhead_is_decided_by_the_policy_at_once() {
    let (store, faults) = store();
    faults.always(Some(Fault::Lose));
    let limiter = limit(&store, Quota::per_second(1_000)).budget(Duration::from_secs(1)).build().unwrap();
    let under_way = (0..SharedStore::MOST_IN_FLIGHT).map(|_| {
        let limiter = limiter.clone();
        tokio::spawn(async move { limiter.check("ann").await })
    });
    let under_way: Vec<_> = under_way.collect();
    pass(1).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(limiter.check("ann").await.source(), Source::Fallback);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(store.stats().bulkhead_refusals, 1);
    for check in under_way {
        assert_eq!(check.await.unwrap().source(), Source::Fallback);
    }
    pass(1_000).await;
    assert_eq!(store.stats().domains[0].in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn domains_fail_each_for_itself() {
    let ill = tollgate::distributed::FaultBackend::new(MemoryBackend::new(), 1);
    ill.faults().always(Some(Fault::Lose));
    let store = SharedStore::new(TwoDomains { well: MemoryBackend::new(), ill });
    let limiter = limit(&store, Quota::per_second(1_000)).build().unwrap();
    for _ in 0..10 {
        assert_eq!(limiter.check("ill").await.source(), Source::Fallback);
        assert_eq!(limiter.check("well").await.source(), Source::Remote);
    }
    let opened: Vec<_> = store.stats().domains.iter().map(|domain| domain.opened).collect();
    assert_eq!(opened, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn limits_in_several_places_give_back_what_was_taken_when_one_refuses() {
    let ill = tollgate::distributed::FaultBackend::new(MemoryBackend::new(), 1);
    let store = SharedStore::new(TwoDomains { well: MemoryBackend::new(), ill });
    let limiter = limit(&store, Quota::per_hour(10)).build().unwrap();
    assert!(limiter.check_n("ill", 10).await.is_allowed());
    let other = limit(&store, Quota::per_hour(10)).build().unwrap();
    let refused = tollgate::distributed::check_all(&[limiter.on("well").cost(4), other.on("ill")]).await;
    assert_eq!((refused.is_allowed(), refused.binding()), (false, Some(1)));
    pass(1).await;
    assert_eq!(limiter.peek("well").await.unwrap().remaining, 10);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_between_the_answers_of_two_places_has_given_back_what_one_took() {
    let ill = tollgate::distributed::FaultBackend::new(MemoryBackend::new(), 1);
    ill.faults().delay(Duration::from_millis(20), Duration::ZERO);
    let store = SharedStore::new(TwoDomains { well: MemoryBackend::new(), ill });
    let limiter = limit(&store, Quota::per_hour(10)).build().unwrap();
    let parts = [limiter.on("well").cost(4), limiter.on("ill").cost(4)];
    let left =
        tokio::time::timeout(Duration::from_millis(15), tollgate::distributed::check_all(&parts)).await;
    assert!(left.is_err());
    pass(100).await;
    assert_eq!(limiter.peek("well").await.unwrap().remaining, 10);
    assert_eq!(limiter.peek("ill").await.unwrap().remaining, 10);
}

#[tokio::test(start_paused = true)]
async fn nodes_know_how_many_they_are() {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::with_clock(tollgate::Clock::tokio()));
    let nodes: Vec<_> = (0..3).map(|_| SharedStore::from_arc(Arc::clone(&backend))).collect();
    for node in &nodes {
        let _ = limit(node, Quota::per_second(1)).build().unwrap().peek("ann").await;
    }
    pass(6_000).await;
    assert!(nodes.iter().all(|node| node.stats().domains[0].nodes == Some(3)));
}

#[tokio::test(start_paused = true)]
async fn its_tasks_end_with_the_last_clone() {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let store = SharedStore::from_arc(Arc::clone(&backend));
    let limiter = limit(&store, Quota::per_second(1)).build().unwrap();
    let _ = limiter.check("ann").await;
    drop((store, limiter));
    pass(1).await;
    assert_eq!(Arc::strong_count(&backend), 1);
}

#[test]
fn a_store_goes_on_in_another_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let store = SharedStore::new(MemoryBackend::new());
    let limiter = limit(&store, Quota::per_second(10)).build().unwrap();
    for _ in 0..3 {
        let decision = runtime().block_on(limiter.check("ann"));
        assert_eq!(decision.source(), Source::Remote);
    }
}

#[test]
fn an_open_breaker_closes_also_when_the_runtime_is_gone_in_which_it_opened() {
    let runtime = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap()
    };
    let (store, faults) = store();
    let limiter = limit(&store, Quota::per_second(10)).build().unwrap();
    faults.always(Some(Fault::Lose));
    runtime().block_on(async {
        for _ in 0..5 {
            let _ = limiter.check("ann").await;
        }
    });
    assert_eq!(store.stats().domains[0].breaker, BreakerState::Open);
    faults.clear();
    runtime().block_on(async {
        let _ = limiter.check("ann").await;
        pass(2_000).await;
        assert_eq!(limiter.check("ann").await.source(), Source::Remote);
    });
}

#[test]
fn outside_of_a_runtime_the_policy_decides() {
    let (store, _) = store();
    let limiter = limit(&store, Quota::per_second(10)).build().unwrap();
    let mut check = std::pin::pin!(limiter.check("ann"));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(decision) = check.as_mut().poll(&mut context) else { panic!("it waits") };
    assert_eq!(decision.source(), Source::Fallback);
}
