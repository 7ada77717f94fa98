//! A master that Sentinels watch.

use tollgate::redis::RedisBackend;

use crate::asking::{ask, ask_until_it_works, check, outcome, tokens};
use crate::servers::{Sentinels, wait_until};

async fn backend(all: &Sentinels) -> RedisBackend {
    RedisBackend::sentinel(all.urls(), Sentinels::MASTER).build().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_was_killed_is_followed_by_the_next() {
    let mut all = Sentinels::start();
    let backend = backend(&all).await;
    assert_eq!(outcome(&ask(&backend, check(tokens(5), "a")).await.unwrap()), (true, 4));
    all.server_mut(0).kill();
    all.wait_for_another_master(0);
    ask_until_it_works(&backend, check(tokens(5), "b")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_in_peace_is_followed() {
    let all = Sentinels::start();
    let backend = backend(&all).await;
    all.fail_over();
    all.wait_for_another_master(0);
    // The old master does not know it yet, and would go on.
    wait_until("both connections are given up and made anew", || {
        let stats = backend.stats();
        stats.losses >= 2 && stats.connections == 2
    });
    let key = "only the new master has it";
    ask_until_it_works(&backend, check(tokens(5), key)).await;
    let keys: Vec<String> = all.server(all.master()).say("KEYS tollgate:api:*");
    assert!(keys[0].contains(key), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sentinel_that_answers_is_enough() {
    let all = Sentinels::start();
    let mut urls = all.urls();
    urls.truncate(1);
    urls.insert(0, "redis://127.0.0.1:1".into());
    let backend = RedisBackend::sentinel(urls, Sentinels::MASTER).build().await.unwrap();
    ask(&backend, check(tokens(5), "a")).await.unwrap();
}
