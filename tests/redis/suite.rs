//! The Redis backend against the suite for backends, and what it leaves in the server.

use std::sync::Arc;
use std::time::Duration;

use tollgate::Quota;
use tollgate::distributed::{Hello, Operation, PlaceRequest, Reply, Rule, Spending, Subject};
use tollgate::redis::RedisBackend;
use tollgate::testing::{BackendConformance, BackendViolation};

use crate::asking::ask;
use crate::servers::{Cluster, Standalone};

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_promises_of_a_backend() -> Result<(), BackendViolation> {
    let server = Standalone::start();
    let backend = RedisBackend::builder(server.url()).build().await.unwrap();
    BackendConformance::new(|| Arc::new(backend.clone())).run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_the_promises_of_a_backend() -> Result<(), BackendViolation> {
    let cluster = Cluster::start();
    let backend = RedisBackend::cluster(cluster.urls()).build().await.unwrap();
    BackendConformance::new(|| Arc::new(backend.clone())).run().await
}

/// By the server's own clock: no key without an end, and none that outlives its use by more than rounding.
#[tokio::test(flavor = "multi_thread")]
async fn every_key_lives_until_it_is_full_and_no_longer() {
    let server = Standalone::start();
    let backend = RedisBackend::builder(server.url()).build().await.unwrap();
    let (limit, window) = (10, Duration::from_secs(1_000));
    let quota = Quota::new(limit, window).unwrap();
    let rules = [
        Rule::Gcra(quota),
        Rule::TokenBucket(quota),
        Rule::FixedWindow { limit, window },
        Rule::SlidingWindow { limit, window },
        Rule::SlidingLog { limit, window },
    ];
    for rule in rules {
        let subject = Subject::new("limit", rule, *b"key");
        let spending = Spending::new(subject.clone(), 3);
        let operations = [
            Operation::Check(vec![spending.clone()]),
            Operation::Charge(spending.clone()),
            Operation::Refund(Spending::new(subject.clone(), 1)),
            Operation::Charge(Spending::new(subject.clone(), Rule::MOST_TOKENS)),
            Operation::Check(vec![spending]),
        ];
        for operation in operations {
            ask(&backend, operation.clone()).await.unwrap();
            let Ok(Reply::Standing(standing)) = ask(&backend, Operation::Peek(subject.clone())).await else {
                panic!("a look is not answered");
            };
            let left = time_to_live(&server);
            // Rounded up to a millisecond, and another one; and the server says it in whole ones.
            let most = standing.reset_after + Duration::from_millis(3);
            assert!(left <= most, "{operation:?}: {left:?} of {most:?}");
        }
        // More than is there, so that nothing need be kept.
        ask(&backend, Operation::Refund(Spending::new(subject, Rule::MOST_TOKENS))).await.unwrap();
        assert!(keys(&server).is_empty(), "{rule:?}: a full key needs no memory");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn places_and_nodes_live_no_longer_than_somebody_holds_them() {
    let server = Standalone::start();
    let backend = RedisBackend::builder(server.url()).build().await.unwrap();
    let hold = Duration::from_secs(1_000);
    let subject = Subject::new("limit", Rule::Concurrency { places: 2, hold }, *b"key");
    for holder in [1, 2, 3] {
        ask(&backend, Operation::Acquire(PlaceRequest::new(subject.clone(), holder))).await.unwrap();
        assert!(time_to_live(&server) <= hold + Duration::from_millis(2));
    }
    for holder in [1, 2] {
        ask(&backend, Operation::Release(PlaceRequest::new(subject.clone(), holder))).await.unwrap();
    }
    assert!(keys(&server).is_empty());
    ask(&backend, Operation::Hello(Hello::new(7, hold, 0))).await.unwrap();
    let millis: i64 = server.say("PTTL tollgate::nodes:{0}");
    assert!((1..=1_000_002).contains(&millis), "{millis}");
}

/// The time that the only key has left.
fn time_to_live(server: &Standalone) -> Duration {
    let keys = keys(server);
    assert_eq!(keys.len(), 1, "{keys:?}");
    let millis: i64 = server.say(&format!("PTTL {}", keys[0]));
    Duration::from_millis(u64::try_from(millis).expect("the key has an end"))
}

/// What limits have stored; without what is over.
fn keys(server: &Standalone) -> Vec<String> {
    server.say("KEYS tollgate:limit:*")
}
