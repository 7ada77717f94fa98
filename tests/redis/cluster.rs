//! A cluster: what is where, and what happens while that changes.

use std::sync::Arc;
use std::time::Instant;

use tollgate::distributed::{
    Applied, Backend, BackendErrorKind, Hello, Operation, Reply, Rule, Spending, Subject,
};
use tollgate::redis::RedisBackend;
use tollgate::testing::BackendConformance;

use crate::asking::{LONG, ask, ask_until_it_works, check, outcome, tokens};
use crate::servers::{Cluster, wait_until};

async fn backend(cluster: &Cluster) -> RedisBackend {
    RedisBackend::cluster(cluster.urls()).build().await.unwrap()
}

fn slot(backend: &RedisBackend, rule: Rule, key: &str) -> usize {
    backend.place(&Subject::new("api", rule, key.as_bytes())) as usize
}

/// A key whose slot belongs to this master.
fn key_of(backend: &RedisBackend, rule: Rule, owner: usize) -> String {
    let mut keys = (0..).map(|number| format!("key {number}"));
    keys.find(|key| Cluster::first_owner(slot(backend, rule, key)) == owner).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_what_every_backend_must_keep() {
    let cluster = Cluster::start();
    let backend = backend(&cluster).await;
    BackendConformance::new(|| Arc::new(backend.clone())).run().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_spread_and_every_one_is_found() {
    let cluster = Cluster::start();
    // One address is enough.
    let backend = RedisBackend::cluster([cluster.urls()[2].clone()]).build().await.unwrap();
    assert_eq!(backend.stats().connections, 3);
    let batch: Vec<_> = (0..100).map(|n| check(tokens(5), &format!("{n}"))).collect();
    for remaining in [4, 3] {
        for reply in backend.execute(&batch, Instant::now() + LONG).await {
            assert_eq!(outcome(&reply.unwrap()), (true, remaining));
        }
    }
    assert_eq!(backend.stats().redirections, 0);
    let sizes: Vec<u64> = (0..3).map(|node| cluster.node(node).say("DBSIZE")).collect();
    assert!(sizes.iter().all(|size| *size > 10), "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_slots_and_keys_of_one_tag_share_one() {
    let cluster = Cluster::start();
    let backend = backend(&cluster).await;
    for (key, tag) in [("a", "x"), ("a{b}c", "x{}y"), ("", ""), ("}", "}{")] {
        let alone = Subject::new("api", tokens(5), key.as_bytes());
        let tagged = Subject::new("api", tokens(5), key.as_bytes()).with_tag(tag.as_bytes());
        let other = Subject::new("other limit", tokens(7), b"other key".as_slice()).with_tag(tag.as_bytes());
        assert_eq!(backend.place(&tagged), backend.place(&other));
        assert!(backend.place(&alone) < 16_384);
        let together = Operation::Check(vec![Spending::new(tagged, 1), Spending::new(other, 1)]);
        assert_eq!(outcome(&ask(&backend, together).await.unwrap()), (true, 4));
    }
    assert_eq!((backend.failure_domains(), backend.failure_domain(16_383)), (64, 63));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_checked_together_must_be_in_one_place() {
    let cluster = Cluster::start();
    let backend = backend(&cluster).await;
    let keys =
        [0, 1].map(|owner| Subject::new("api", tokens(5), key_of(&backend, tokens(5), owner).as_bytes()));
    let together = Operation::Check(keys.map(|subject| Spending::new(subject, 1)).into());
    let error = ask(&backend, together).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (BackendErrorKind::Configuration, Applied::No));
    assert!(error.to_string().contains("tag"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_domain_is_greeted_where_it_is() {
    let cluster = Cluster::start();
    let backend = backend(&cluster).await;
    let greetings: Vec<_> = (0..64).map(|domain| Operation::Hello(Hello::new(1, LONG, domain))).collect();
    for reply in backend.execute(&greetings, Instant::now() + LONG).await {
        assert_eq!(reply.unwrap(), Reply::Hello { nodes: 1 });
    }
    assert_eq!(backend.stats().redirections, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_during_resharding_is_carried_out_exactly_once() {
    let cluster = Cluster::start();
    let backend = backend(&cluster).await;
    let rule = tokens(1_000);
    let key = key_of(&backend, rule, 0);
    let slot = slot(&backend, rule, &key);
    let mut left = 1_000;
    let mut spend = async |times: u64| {
        for _ in 0..times {
            left -= 1;
            assert_eq!(outcome(&ask(&backend, check(rule, &key)).await.unwrap()), (true, left));
        }
    };
    spend(10).await;
    // Here still, and not asked for elsewhere.
    cluster.begin_migration(slot, 0, 1);
    spend(10).await;
    assert_eq!(backend.stats().redirections, 0);
    // There already, but not for good: ASK, and a server that does not have the script.
    cluster.node(1).say::<()>("SCRIPT FLUSH");
    assert_eq!(cluster.migrate_keys(slot, 0, 1, 10), 1);
    spend(10).await;
    assert!(backend.stats().redirections >= 10);
    // For good: MOVED, until the slots are read again.
    cluster.end_migration(slot, 1);
    spend(10).await;
    wait_until("the slots are read again", || backend.stats().slot_refreshes > 1);
    spend(10).await;
    cluster.migrate(slot, 1, 2);
    spend(10).await;
}

/// Two servers that each named the other used up all that was tried within a millisecond, however much time there was.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_sent_round_in_a_circle_asks_until_the_news_of_a_move_are_everywhere() {
    let cluster = Cluster::start();
    let backend = backend(&cluster).await;
    let rule = tokens(10);
    let key = key_of(&backend, rule, 0);
    let slot = slot(&backend, rule, &key);
    cluster.tell_owner(0, slot, 1);
    let asking = tokio::spawn({
        let (backend, key) = (backend.clone(), key.clone());
        async move { ask(&backend, check(rule, &key)).await }
    });
    wait_until("it has gone round", || backend.stats().redirections > 8);
    cluster.end_migration(slot, 1);
    assert_eq!(outcome(&asking.await.unwrap().unwrap()), (true, 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_move_under_load_lose_no_charge_and_double_none() {
    let cluster = Cluster::start();
    let backend = backend(&cluster).await;
    let rule = tokens(100_000);
    let key = key_of(&backend, rule, 0);
    let slot = slot(&backend, rule, &key);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (backend, key, stopped) = (backend.clone(), key.clone(), stopped.clone());
            tokio::spawn(async move {
                let mut spent = 0;
                while !*stopped.borrow() {
                    for reply in
                        backend.execute(&[check(rule, &key), check(rule, &key)], Instant::now() + LONG).await
                    {
                        assert!(outcome(&reply.unwrap()).0);
                        spent += 1;
                    }
                }
                spent
            })
        })
        .collect();
    for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 2), (2, 1)] {
        cluster.migrate(slot, from, to);
    }
    stop.send(true).unwrap();
    let mut spent = 0;
    for task in tasks {
        spent += task.await.unwrap();
    }
    assert!(spent > 0);
    assert_eq!(outcome(&ask(&backend, check(rule, &key)).await.unwrap()), (true, 100_000 - spent - 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_half_here_and_half_there_cannot_be_checked_now() {
    let cluster = Cluster::start();
    let backend = backend(&cluster).await;
    let tag = key_of(&backend, tokens(5), 0);
    let subject = |limit| Subject::new(limit, tokens(5), b"k".as_slice()).with_tag(tag.as_bytes());
    let together = Operation::Check(["a", "b"].map(|limit| Spending::new(subject(limit), 1)).into());
    assert!(outcome(&ask(&backend, together.clone()).await.unwrap()).0);
    let slot = backend.place(&subject("a")) as usize;
    cluster.begin_migration(slot, 0, 1);
    assert_eq!(cluster.migrate_keys(slot, 0, 1, 1), 1);
    let error = ask(&backend, together.clone()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (BackendErrorKind::Overloaded, Applied::No), "{error}");
    cluster.migrate(slot, 0, 1);
    assert_eq!(outcome(&ask(&backend, together).await.unwrap()), (true, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_takes_only_its_own_keys_along() {
    let mut cluster = Cluster::start();
    for node in 0..3 {
        cluster.node(node).say::<()>("CONFIG SET cluster-require-full-coverage no");
    }
    let backend = backend(&cluster).await;
    let keys = [0, 1, 2].map(|owner| key_of(&backend, tokens(5), owner));
    cluster.node_mut(1).kill();
    wait_until("the loss is noticed", || backend.stats().connections == 2);
    let batch = keys.each_ref().map(|key| check(tokens(5), key));
    let replies = backend.execute(&batch, Instant::now() + LONG).await;
    assert_eq!(outcome(replies[0].as_ref().unwrap()), (true, 4));
    assert_eq!(outcome(replies[2].as_ref().unwrap()), (true, 4));
    let error = replies[1].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.applied()), (BackendErrorKind::Unavailable, Applied::No), "{error}");
    cluster.node_mut(1).restart();
    assert_eq!(outcome(&ask_until_it_works(&backend, check(tokens(5), &keys[1])).await), (true, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_takes_its_masters_place_is_found() {
    let mut cluster = Cluster::with_replicas();
    let backend = backend(&cluster).await;
    let keys = [0, 1, 2].map(|owner| key_of(&backend, tokens(5), owner));
    cluster.fail_over(0);
    ask_until_it_works(&backend, check(tokens(5), &keys[0])).await;
    cluster.node_mut(1).kill();
    cluster.wait_until_replaced(1);
    ask_until_it_works(&backend, check(tokens(5), &keys[1])).await;
    ask_until_it_works(&backend, check(tokens(5), &keys[2])).await;
}
