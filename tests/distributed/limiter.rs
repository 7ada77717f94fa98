//! What a limit decides while its store is well.

use std::time::Duration;

use tollgate::Quota;
use tollgate::distributed::{GlobalBuildError, GlobalLimiter, Rule, Source, check_all};

use super::setting::{admitted, limit, pass, store, ten_a_second};

#[tokio::test(start_paused = true)]
async fn two_limiters_of_one_name_share_one_count() {
    let (store, _) = store();
    let (one, other) = (ten_a_second(&store).build().unwrap(), ten_a_second(&store).build().unwrap());
    assert_eq!(admitted(&one, "ann", 6).await + admitted(&other, "ann", 6).await, 10);
    assert_eq!(admitted(&one, "bob", 1).await, 1, "another key has a count of its own");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_remembered_until_its_wait_is_over_and_no_longer() {
    let (store, _) = store();
    let limiter = ten_a_second(&store).build().unwrap();
    assert_eq!(admitted(&limiter, "ann", 10).await, 10);
    let refused = limiter.check("ann").await;
    assert_eq!((refused.is_allowed(), refused.source()), (false, Source::Remote));
    let wait = refused.retry_after().unwrap();
    let sent = store.stats().operations;

    let again = limiter.check("ann").await;
    assert_eq!((again.is_allowed(), again.source()), (false, Source::DenyCache));
    assert!(again.retry_after().unwrap() <= wait && again.retry_after().unwrap() > Duration::ZERO);
    assert_eq!(store.stats().operations, sent, "the store was not asked");

    tokio::time::sleep(wait + Duration::from_millis(1)).await;
    assert!(limiter.check("ann").await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn a_refused_cost_says_nothing_about_a_lower_one() {
    let (store, _) = store();
    let limiter = ten_a_second(&store).build().unwrap();
    assert_eq!(admitted(&limiter, "ann", 5).await, 5);
    assert!(!limiter.check_n("ann", 8).await.is_allowed());
    assert_eq!(limiter.check_n("ann", 9).await.source(), Source::DenyCache);
    assert!(limiter.check_n("ann", 5).await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn a_refund_or_a_reset_by_this_node_ends_what_it_remembers() {
    let (store, _) = store();
    let limiter = ten_a_second(&store).build().unwrap();
    assert!(limiter.check_n("ann", 10).await.is_allowed());
    assert!(!limiter.check_n("ann", 10).await.is_allowed());
    limiter.refund("ann", 10).await.unwrap();
    assert!(limiter.check_n("ann", 10).await.is_allowed());
    assert!(!limiter.check_n("ann", 10).await.is_allowed());
    limiter.reset("ann").await.unwrap();
    assert_eq!(limiter.peek("ann").await.unwrap().remaining, 10);
    assert!(limiter.check_n("ann", 10).await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn a_cost_above_the_limit_is_refused_for_ever_and_without_asking() {
    let (store, _) = store();
    let limiter = ten_a_second(&store).build().unwrap();
    let refused = limiter.check_n("ann", 11).await;
    assert_eq!((refused.is_allowed(), refused.retry_after()), (false, None));
    assert_eq!(limiter.check_now("ann", 11).retry_after(), None);
    assert_eq!(store.stats().operations, 0);
}

#[tokio::test(start_paused = true)]
async fn check_now_charges_the_store_in_the_background_and_learns_from_its_answer() {
    let (store, _) = store();
    let quota = Quota::per_second(10);
    let limiter = limit(&store, quota).build().unwrap();
    // This node's share is all: in a second ten tokens have come.
    pass(1_000).await;
    let now = (0..20).filter(|_| limiter.check_now("ann", 1).is_allowed()).count();
    assert_eq!(now, 10);
    pass(1).await;
    assert_eq!(limiter.stats().owing_keys, 0);
    assert_eq!(limiter.peek("ann").await.unwrap().remaining, 0);
    let refused = limiter.check_now("ann", 1);
    assert_eq!((refused.is_allowed(), refused.source()), (false, Source::DenyCache));
}

#[test]
fn check_now_needs_no_runtime() {
    let (store, _) = store();
    let limiter = ten_a_second(&store).build().unwrap();
    assert_eq!(limiter.check_now("ann", 1).source(), Source::Fallback);
}

#[tokio::test(start_paused = true)]
async fn several_limits_spend_together_or_not_at_all() {
    let (store, _) = store();
    let small = GlobalLimiter::builder("small", Rule::Gcra(Quota::per_second(2)), &store).build().unwrap();
    let large = GlobalLimiter::builder("large", Rule::Gcra(Quota::per_minute(100)), &store).build().unwrap();
    for _ in 0..2 {
        assert!(check_all(&[small.on("ann"), large.on("net").cost(10)]).await.is_allowed());
    }
    let refused = check_all(&[small.on("ann"), large.on("net").cost(10)]).await;
    assert_eq!((refused.is_allowed(), refused.binding()), (false, Some(0)));
    assert_eq!(refused.retry_after(), refused.decisions()[0].unwrap().retry_after());
    assert_eq!(large.peek("net").await.unwrap().remaining, 80);
}

#[tokio::test(start_paused = true)]
async fn the_same_limit_and_key_given_twice_costs_both() {
    let (store, _) = store();
    let limiter = ten_a_second(&store).build().unwrap();
    assert!(check_all(&[limiter.on("ann").cost(3), limiter.on("ann").cost(4)]).await.is_allowed());
    assert_eq!(limiter.peek("ann").await.unwrap().remaining, 3);
    assert!(check_all(&[]).await.is_allowed(), "no limit refuses nobody");
}

#[tokio::test(start_paused = true)]
async fn keys_that_refuse_are_remembered_for_all_limits_asked_together() {
    let (store, _) = store();
    let (a, b) = (limit(&store, Quota::per_second(1)), limit(&store, Quota::per_second(1)));
    let (a, b) = (a.build().unwrap(), b.build().unwrap());
    assert!(check_all(&[a.on("x"), b.on("y")]).await.is_allowed());
    assert!(!check_all(&[a.on("x"), b.on("z")]).await.is_allowed());
    assert_eq!(a.check("x").await.source(), Source::DenyCache);
    assert_eq!(b.peek("z").await.unwrap().remaining, 1);
}

#[test]
fn what_cannot_be_built_is_named() {
    let (store, _) = store();
    let error = ten_a_second(&store).budget(Duration::ZERO).build().unwrap_err();
    assert_eq!(error.to_string(), "budget 0ns is out of range: use 1ms to 60s");
    let error = ten_a_second(&store).max_keys(0).build().unwrap_err();
    assert_eq!(error, GlobalBuildError::MaxKeys { max_keys: 0 });
    let places = Rule::Concurrency { places: 1, hold: Duration::from_secs(1) };
    assert_eq!(GlobalLimiter::builder("p", places, &store).build().unwrap_err(), GlobalBuildError::NoRate);
    let zero = Rule::FixedWindow { limit: 1, window: Duration::ZERO };
    assert!(matches!(GlobalLimiter::builder("w", zero, &store).build(), Err(GlobalBuildError::Rule(_))));
}

#[tokio::test(start_paused = true)]
async fn keys_with_one_tag_are_checked_together() {
    let (store, _) = store();
    let limiter = ten_a_second(&store).tag(|key| key.split(|byte| *byte == b'/').next().unwrap_or(key));
    let limiter = limiter.build().unwrap();
    let clone = limiter.clone();
    assert!(check_all(&[limiter.on("acme/ann"), clone.on("acme/bob")]).await.is_allowed());
    assert_eq!(limiter.peek("acme/ann").await.unwrap().remaining, 9);
}
