//! Waiting for a place on several threads.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinSet, yield_now};
use tollgate::concurrency::{ConcurrencyLimit, Order};

use super::Gauge;

/// Far longer than any of these tests takes, even on a busy machine.
const LONG: Duration = Duration::from_secs(600);

/// Whoever waits is served in the end: no wake-up is lost, and no place.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_tasks_on_a_cap_of_ten_are_all_served_and_never_eleven_in_flight() {
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let limit = Arc::new(ConcurrencyLimit::builder(10).order(order).build());
        let gauge = Arc::new(Gauge::default());
        let mut tasks = JoinSet::new();
        for _ in 0..1_000 {
            let (limit, gauge) = (Arc::clone(&limit), Arc::clone(&gauge));
            tasks.spawn(async move {
                for _ in 0..20 {
                    let _permit = limit.acquire_within(LONG).await.unwrap();
                    gauge.enter();
                    yield_now().await;
                    gauge.leave();
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        assert!(gauge.most() <= 10, "{} in flight", gauge.most());
        assert_eq!((limit.in_flight(), limit.waiting()), (0, 0));
    }
}

/// Tasks are aborted at any moment, waiting, with a place on its way, or holding one; the maximum goes up and down meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_that_are_aborted_at_any_moment_lose_no_place() {
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let limit = Arc::new(ConcurrencyLimit::builder(3).queue(20).order(order).build());
        for round in 0..300 {
            let mut tasks = JoinSet::new();
            for _ in 0..40 {
                let limit = Arc::clone(&limit);
                tasks.spawn(async move {
                    let permit = limit.acquire_within(LONG).await;
                    yield_now().await;
                    permit.is_ok()
                });
            }
            limit.set_max(round % 4);
            for _ in 0..round % 7 {
                yield_now().await;
            }
            tasks.shutdown().await;
            assert_eq!((limit.in_flight(), limit.waiting()), (0, 0), "round {round}");
        }
        limit.set_max(1);
        assert!(limit.try_acquire().is_ok());
    }
}
