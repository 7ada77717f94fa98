//! A master that Sentinels watch.

use tollgate::redis::RedisBackend;

use crate::asking::{ask, ask_until_it_works, check, outcome, tokens};
use crate::servers::Sentinels;

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_is_followed_in_war_and_in_peace() {
    let mut all = Sentinels::start();
    let backend = RedisBackend::sentinel(all.urls(), Sentinels::MASTER).build().await.unwrap();
    assert_eq!(outcome(&ask(&backend, check(tokens(5), "a")).await.unwrap()), (true, 4));

    all.server_mut(0).kill();
    all.wait_for_another_master(0);
    ask_until_it_works(&backend, check(tokens(5), "b")).await;
    all.server_mut(0).restart();

    let second = all.master();
    all.fail_over();
    all.wait_for_another_master(second);
    ask_until_it_works(&backend, check(tokens(5), "c")).await;
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
