//! A file of policies, counted in a real server by several nodes.
#![cfg(feature = "policy")]

use std::time::Duration;

use tollgate::distributed::{SharedStore, Source};
use tollgate::policy::{Attributes, Format, Policies, PolicySet, Reason, Verdict};
use tollgate::redis::RedisBackend;

use crate::servers::Standalone;

const FILE: &str = r#"
[[policy]]
id = "cards"
scope = "user"
match = { route = "/cards/**" }
limits = [{ limit = "5/day" }, { name = "daily", algorithm = "sliding_log", limit = "4/day" }]
overrides = [{ match = { user = "acme" }, limit = "7/day" }]
backend = "redis"
budget = "5s"
on_failure = "closed"

[[policy]]
id = "exports"
match = { route = "/exports" }
concurrency = 1
backend = "redis"
budget = "5s"

[[policy]]
id = "here"
scope = "user"
limit = "9/day"
"#;

/// A node of its own: its own connections, its own memory.
async fn node(server: &Standalone) -> PolicySet {
    let backend = RedisBackend::builder(server.url()).build().await.unwrap();
    let set = PolicySet::builder().backend("redis", &SharedStore::new(backend)).build();
    set.apply(Policies::parse(FILE, Format::Toml).unwrap()).unwrap();
    set
}

async fn ask(node: &PolicySet, user: &str, route: &str) -> Verdict {
    node.check_async(&Attributes::new().user(user).route(route)).await
}

async fn admitted(node: &PolicySet, user: &str, requests: usize) -> usize {
    let mut admitted = 0;
    for _ in 0..requests {
        admitted += usize::from(ask(node, user, "/cards/issue").await.is_allowed());
    }
    admitted
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_let_through_together_what_their_file_says() {
    let server = Standalone::start();
    let (one, other) = (node(&server).await, node(&server).await);
    assert_eq!((admitted(&one, "ann", 3).await, admitted(&other, "ann", 9).await), (3, 1));
    let refused = ask(&one, "ann", "/cards/issue").await;
    assert_eq!(refused.binding().map(|standing| standing.name()), Some("cards/daily"));
    assert!(refused.retry_after().is_some_and(|wait| wait > Duration::from_secs(80_000)));
    let left = |verdict: &Verdict, name: &str| {
        verdict.limits().find(|standing| standing.name() == name).map(|standing| standing.remaining())
    };
    assert_eq!(left(&refused, "here"), Some(6), "the node's own limit was spent three times");
    assert_eq!((admitted(&one, "acme", 5).await, admitted(&other, "acme", 9).await), (5, 2));
    let keys: Vec<String> = server.say("KEYS *ann*");
    assert!(keys.len() == 2 && keys.iter().all(|key| key.contains("user=ann")), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_held_by_one_node_until_it_is_given_back() {
    let server = Standalone::start();
    let (one, other) = (node(&server).await, node(&server).await);
    let export = ask(&one, "ann", "/exports").await;
    assert!(export.is_allowed());
    assert!(!ask(&other, "bob", "/exports").await.is_allowed());
    drop(export);
    let give_up = tokio::time::Instant::now() + Duration::from_secs(30);
    while !ask(&other, "bob", "/exports").await.is_allowed() {
        assert!(tokio::time::Instant::now() < give_up, "it never came back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_policy_says_that_its_store_is_away() {
    let mut server = Standalone::start();
    let node = node(&server).await;
    assert!(ask(&node, "ann", "/cards/issue").await.is_allowed());
    server.kill();
    let refused = ask(&node, "ann", "/cards/issue").await;
    assert_eq!((refused.reason(), refused.policy()), (Some(Reason::BackendFailed), Some("cards")));
    assert!(refused.limits().any(|standing| standing.source() == Some(Source::FailClosed)));
    assert!(ask(&node, "ann", "/elsewhere").await.is_allowed(), "what is counted here goes on");
}
