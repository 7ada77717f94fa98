//! Callers who leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tollgate::Quota;
use tollgate::distributed::{FailurePolicy, Fault, GlobalLimiter, Rule, check_all};

use super::setting::{limit, pass, store};

/// Drops futures of every kind after any number of microseconds, so at every point at which they wait.
#[tokio::test(start_paused = true)]
async fn whoever_leaves_harms_nobody_and_takes_nothing() {
    let (store, faults) = store();
    faults.delay(Duration::from_millis(2), Duration::from_millis(2));
    faults.chance(Fault::LoseReply, 20);
    faults.chance(Fault::Reset, 20);
    let limiter =
        limit(&store, Quota::per_hour(1_000_000)).budget(Duration::from_millis(20)).build().unwrap();
    let mut callers = Vec::new();
    for number in 0..2_000_u64 {
        let (limiter, other) = (limiter.clone(), limiter.clone());
        let leaves_after = Duration::from_micros(number * 7_919 % 6_000);
        callers.push(tokio::spawn(async move {
            let work = async {
                match number % 4 {
                    0 => drop(limiter.check("ann").await),
                    1 => drop(limiter.check_n("bob", 3).await),
                    2 => drop(limiter.peek("ann").await),
                    _ => drop(check_all(&[limiter.on("ann"), other.on("bob").cost(2)]).await),
                }
            };
            // Most leave before the answer.
            let _ = tokio::time::timeout(leaves_after, work).await;
        }));
        if number % 16 == 0 {
            pass(1).await;
        }
    }
    for caller in callers {
        caller.await.unwrap();
    }
    pass(1_000).await;
    let stats = store.stats();
    assert_eq!(stats.domains[0].in_flight, 0, "no place in the bulkhead is lost");
    assert!(stats.given_back > 0, "some left with their question under way");
    faults.clear();
    pass(2_000).await;
    assert!(limiter.peek("ann").await.is_ok(), "no lane is lost");
}

#[tokio::test(start_paused = true)]
async fn what_was_spent_for_somebody_who_left_is_given_back() {
    let (store, faults) = store();
    let limiter = limit(&store, Quota::per_hour(10)).build().unwrap();
    faults.delay(Duration::from_millis(10), Duration::ZERO);
    let left = tokio::time::timeout(Duration::from_millis(7), limiter.check_n("ann", 6)).await;
    assert!(left.is_err(), "the store has carried it out, and its answer is on the way");
    pass(100).await;
    assert_eq!(limiter.peek("ann").await.unwrap().remaining, 10);
    assert_eq!(store.stats().given_back, 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_yet_is_never_sent() {
    let (store, faults) = store();
    let limiter = limit(&store, Quota::per_hour(10)).build().unwrap();
    faults.delay(Duration::from_millis(20), Duration::ZERO);
    // Two batches are under way, so the third waits; it leaves before its turn.
    let under_way = [limiter.clone(), limiter.clone()].map(|limiter| async move {
        tokio::spawn(async move { limiter.check("ann").await });
        pass(1).await;
    });
    for batch in under_way {
        batch.await;
    }
    let left = tokio::time::timeout(Duration::from_millis(5), limiter.check("bob")).await;
    assert!(left.is_err());
    pass(100).await;
    assert_eq!((store.stats().operations, store.stats().given_back), (2, 0));
}

/// Every token that was spent was spent by somebody who went on.
#[tokio::test(start_paused = true)]
async fn the_count_is_right_whoever_leaves_and_whenever() {
    let (store, faults) = store();
    faults.delay(Duration::from_millis(1), Duration::from_millis(20));
    let rule = Rule::FixedWindow { limit: 1_000_000, window: Rule::LONGEST };
    let limiter = GlobalLimiter::builder("test", rule, &store).on_failure(FailurePolicy::Closed);
    let limiter = limiter.budget(Duration::from_millis(100)).build().unwrap();
    let spent = Arc::new(AtomicU64::new(0));
    let callers = (0..2_000_u64).map(|number| {
        let (limiter, spent) = (limiter.clone(), Arc::clone(&spent));
        let leaves_after = Duration::from_micros(1 + number * 7_919 % 30_000);
        tokio::spawn(async move {
            // So many at a time that the bulkhead is full now and then.
            pass(number / 100 * 10).await;
            let cost = 1 + number % 5;
            let work = async {
                if limiter.check_n("ann", cost).await.is_allowed() {
                    spent.fetch_add(cost, Ordering::Relaxed);
                }
            };
            let _ = tokio::time::timeout(leaves_after, work).await;
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    faults.clear();
    pass(3_000).await;
    let stats = store.stats();
    assert!(stats.given_back > 0 && stats.untold == 0, "{stats:?}");
    let remaining = limiter.peek("ann").await.unwrap().remaining;
    assert_eq!(1_000_000 - remaining, spent.load(Ordering::Relaxed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_that_ask_one_key_get_exactly_what_there_is() {
    let (store, _) = store();
    let rule = Rule::FixedWindow { limit: 1_000, window: Rule::LONGEST };
    let limiter =
        GlobalLimiter::builder("test", rule, &store).budget(Duration::from_secs(60)).build().unwrap();
    let callers = (0..8).map(|_| {
        let limiter = limiter.clone();
        tokio::spawn(async move { super::setting::admitted(&limiter, "ann", 500).await })
    });
    let mut admitted = 0;
    for caller in callers.collect::<Vec<_>>() {
        admitted += caller.await.unwrap();
    }
    assert_eq!(admitted, 1_000);
}
