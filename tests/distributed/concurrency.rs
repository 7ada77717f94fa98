//! How many at once, on all nodes together.

use std::time::Duration;

use tollgate::distributed::{
    FailurePolicy, Fault, GlobalConcurrencyBuilder, GlobalConcurrencyLimit, GlobalPermit, SharedStore, Source,
};

use super::setting::{pass, store};

const HOLD: Duration = Duration::from_secs(3);

fn two_at_once(store: &SharedStore) -> GlobalConcurrencyBuilder {
    GlobalConcurrencyLimit::builder("at-once", 2, HOLD, store)
}

#[tokio::test(start_paused = true)]
async fn as_many_as_there_are_places_and_no_more() {
    let (store, _) = store();
    let (one, other) = (two_at_once(&store).build().unwrap(), two_at_once(&store).build().unwrap());
    let first = one.acquire("acme").await.unwrap();
    let second = other.acquire("acme").await.unwrap();
    let refused = one.acquire("acme").await.unwrap_err();
    assert_eq!((refused.is_allowed(), refused.source(), refused.limit()), (false, Source::Remote, 2));
    assert!(one.acquire("globex").await.is_ok());
    drop(first);
    pass(1).await;
    let third = other.acquire("acme").await.unwrap();
    assert!(second.is_held() && third.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_renewed_as_long_as_it_lives() {
    let (store, _) = store();
    let limit = two_at_once(&store).build().unwrap();
    let permits = (limit.acquire("acme").await.unwrap(), limit.acquire("acme").await.unwrap());
    for _ in 0..20 {
        tokio::time::sleep(HOLD / 2).await;
        assert!(limit.acquire("acme").await.is_err());
    }
    assert!(permits.0.is_held() && permits.1.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_could_not_be_renewed_says_so() {
    let (store, faults) = store();
    let limit = two_at_once(&store).build().unwrap();
    let permit = limit.acquire("acme").await.unwrap();
    faults.always(Some(Fault::Refuse));
    tokio::time::sleep(HOLD * 2).await;
    assert!(!permit.is_held());
    faults.clear();
    tokio::time::sleep(HOLD).await;
    assert!(!permit.is_held(), "its place was free for others");
}

/// It was counted from the answer, and noticed with the first renewal that failed afterwards.
#[tokio::test(start_paused = true)]
async fn a_permit_is_held_no_longer_than_its_place_surely_is() {
    let (store, faults) = store();
    let limit = two_at_once(&store).budget(Duration::from_secs(1)).build().unwrap();
    faults.delay(Duration::from_millis(100), Duration::ZERO);
    let asked = tokio::time::Instant::now();
    let permit = limit.acquire("acme").await.unwrap();
    faults.always(Some(Fault::Lose));
    tokio::time::sleep_until(asked + HOLD - Duration::from_millis(1)).await;
    assert!(permit.is_held());
    tokio::time::sleep_until(asked + HOLD).await;
    assert!(!permit.is_held());
}

/// Three times in a hold all were renewed at once, and there was room in the bulkhead for 256 of them: others lost their places though the
/// store was well.
#[tokio::test(start_paused = true)]
async fn many_permits_that_were_taken_together_are_all_renewed() {
    let (store, _) = store();
    let places = 4 * SharedStore::MOST_IN_FLIGHT;
    let limit = GlobalConcurrencyLimit::builder("many", places as u64, HOLD, &store).build().unwrap();
    let mut permits = Vec::new();
    for _ in 0..places {
        permits.push(limit.acquire("acme").await.unwrap());
    }
    tokio::time::sleep(HOLD * 2).await;
    assert!(permits.iter().all(GlobalPermit::is_held));
}

#[tokio::test(start_paused = true)]
async fn a_place_taken_for_somebody_who_left_is_free_again() {
    let (store, faults) = store();
    let limit = two_at_once(&store).build().unwrap();
    faults.delay(Duration::from_millis(10), Duration::ZERO);
    for _ in 0..4 {
        assert!(tokio::time::timeout(Duration::from_millis(7), limit.acquire("acme")).await.is_err());
        pass(50).await;
    }
    assert_eq!(store.stats().given_back, 4);
    assert!(limit.acquire("acme").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn without_the_store_the_policy_decides() {
    let (store, faults) = store();
    let local = two_at_once(&store).expected_nodes(2).build().unwrap();
    let open = two_at_once(&store).on_failure(FailurePolicy::Open).build().unwrap();
    let closed = two_at_once(&store).on_failure(FailurePolicy::Closed).build().unwrap();
    faults.always(Some(Fault::Refuse));
    let share = local.acquire("acme").await.unwrap();
    assert_eq!(
        local.acquire("acme").await.unwrap_err().source(),
        Source::Fallback,
        "its share is one of two"
    );
    drop(share);
    assert!(local.acquire("acme").await.is_ok());
    let uncounted = open.acquire("acme").await.unwrap();
    assert_eq!((uncounted.decision().source(), uncounted.is_held()), (Source::FailOpen, false));
    assert_eq!(closed.acquire("acme").await.unwrap_err().source(), Source::FailClosed);
}
