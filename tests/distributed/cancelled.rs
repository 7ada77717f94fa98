//! Callers who leave.

use std::time::Duration;

use tollgate::Quota;
use tollgate::distributed::{Fault, check_all};

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
