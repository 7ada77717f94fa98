//! What is said at the start about a server that cannot be used, or should be set up otherwise.

use std::time::Duration;

use tollgate::distributed::{Applied, BackendErrorKind};
use tollgate::redis::{RedisBackend, RedisBuilder, RedisError, Warning};

use crate::asking::{ask, ask_until_it_works, check, outcome, tokens};
use crate::servers::{Cluster, Sentinels, Standalone, free_port, wait_until};

async fn refused(builder: RedisBuilder) -> RedisError {
    builder.build().await.expect_err("this must not be built")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_an_error_that_names_it() {
    let address = format!("127.0.0.1:{}", free_port());
    let error = refused(RedisBackend::builder(format!("redis://user:secret@{address}"))).await;
    assert!(matches!(&error, RedisError::Unreachable { server, .. } if *server == address), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("lazy()") && !text.contains("secret"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lazy_backend_starts_without_a_server_and_connects_when_there_is_one() {
    let mut server = Standalone::start();
    server.kill();
    let backend = RedisBackend::builder(server.url()).lazy().build().await.unwrap();
    let error = ask(&backend, check(tokens(5), "a")).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (BackendErrorKind::Unavailable, Applied::No));
    server.restart();
    assert_eq!(outcome(&ask_until_it_works(&backend, check(tokens(5), "a")).await), (true, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lazy_cluster_that_lets_nobody_in_says_why() {
    let cluster = Cluster::start();
    for node in 0..3 {
        cluster.node(node).say::<()>("ACL SETUSER limits on >right +@all ~*");
    }
    let builder = RedisBackend::cluster(cluster.urls()).username("limits").password("wrong");
    let backend = builder.lazy().build().await.unwrap();
    let mut error = ask(&backend, check(tokens(5), "a")).await.unwrap_err();
    while error.kind() == BackendErrorKind::Unavailable {
        error = ask(&backend, check(tokens(5), "a")).await.unwrap_err();
    }
    assert_eq!((error.kind(), error.applied()), (BackendErrorKind::Configuration, Applied::No));
    assert!(error.to_string().contains("correct username and password"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_an_error_when_the_time_to_connect_is_over() {
    let server = Standalone::start();
    server.freeze();
    let timeout = Duration::from_millis(100);
    let error = refused(RedisBackend::builder(server.url()).connect_timeout(timeout)).await;
    assert_eq!(error, RedisError::ConnectTimeout { server: server.address(), timeout });
    server.thaw();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_refused() {
    let master = Standalone::start();
    let replica = Standalone::builder().line(format!("replicaof 127.0.0.1 {}", master.port())).start();
    let error = refused(RedisBackend::builder(replica.url())).await;
    assert_eq!(error, RedisError::Replica { server: replica.address() });

    let lazy = RedisBackend::builder(replica.url()).lazy().build().await.unwrap();
    wait_until("it was seen to be a replica", || lazy.stats().connections == 0);
    let mut kind = BackendErrorKind::Unavailable;
    while kind == BackendErrorKind::Unavailable {
        kind = ask(&lazy, check(tokens(5), "a")).await.unwrap_err().kind();
    }
    assert_eq!(kind, BackendErrorKind::NotPrimary);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_kind_is_refused() {
    let cluster = Cluster::start();
    let error = refused(RedisBackend::builder(cluster.urls()[0].clone())).await;
    assert!(matches!(&error, RedisError::WrongKind { found, .. } if found == "cluster"), "{error:?}");
    assert!(error.to_string().contains("::cluster"), "{error}");

    let server = Standalone::start();
    let error = refused(RedisBackend::cluster([server.url()])).await;
    assert!(matches!(&error, RedisError::WrongKind { found, .. } if found == "standalone"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_are_not_servers_and_know_only_their_masters() {
    let all = Sentinels::start();
    let error = refused(RedisBackend::builder(all.urls()[0].clone())).await;
    assert!(matches!(&error, RedisError::WrongKind { found, .. } if found == "sentinel"), "{error:?}");
    let error = refused(RedisBackend::sentinel(all.urls(), "theirmaster")).await;
    assert_eq!(error, RedisError::UnknownMaster { name: "theirmaster".into() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_scripts_is_refused() {
    for command in ["EVAL", "EVALSHA"] {
        let server = Standalone::builder().line(format!("rename-command {command} \"\"")).start();
        let error = refused(RedisBackend::builder(server.url())).await;
        assert!(matches!(&error, RedisError::NoScripts { .. }), "{command}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_forget_limits_is_warned_of() {
    let server = Standalone::start();
    for policy in ["noeviction", "volatile-ttl"] {
        server.say::<()>(&format!("CONFIG SET maxmemory-policy {policy}"));
        let backend = RedisBackend::builder(server.url()).build().await.unwrap();
        assert_eq!(backend.warnings(), Vec::new(), "{policy}");
    }
    server.say::<()>("CONFIG SET maxmemory-policy allkeys-lru");
    let backend = RedisBackend::builder(server.url()).build().await.unwrap();
    let expected = Warning::EvictionPolicy { server: server.address(), policy: "allkeys-lru".into() };
    assert_eq!(backend.warnings(), [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_at_the_start_leaves_nothing_behind() {
    let server = Standalone::start();
    let _backend = RedisBackend::builder(server.url()).build().await.unwrap();
    wait_until("what expires has expired", || server.say::<u64>("DBSIZE") == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_out_of_range_are_refused_by_name() {
    let builder = || RedisBackend::builder("redis://127.0.0.1:1");
    let cases = [
        ("prefix", builder().prefix("a{b}")),
        ("prefix", builder().prefix("")),
        ("prefix", builder().prefix("a:b")),
        ("connections", builder().connections(0)),
        ("connections", builder().connections(65)),
        ("connect_timeout", builder().connect_timeout(Duration::ZERO)),
        ("connect_timeout", builder().connect_timeout(Duration::MAX)),
        ("urls", RedisBackend::cluster(Vec::<String>::new())),
        ("urls", RedisBackend::cluster(["redis://127.0.0.1:1", "rediss://127.0.0.1:2"])),
        ("certificates", builder().root_certificates("pem")),
    ];
    for (expected, builder) in cases {
        let error = refused(builder).await;
        assert!(
            matches!(&error, RedisError::Setting { field, .. } if *field == expected),
            "{expected}: {error:?}"
        );
    }
    for url in ["http://127.0.0.1", "redis://:secret@", "rediss://127.0.0.1/#insecure"] {
        let error = refused(RedisBackend::builder(url)).await;
        assert!(matches!(&error, RedisError::Url { .. }), "{url}: {error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn outside_of_a_runtime_it_is_an_error_and_no_panic() {
    let mut build = std::pin::pin!(RedisBackend::builder("redis://127.0.0.1:1").build());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match build.as_mut().poll(&mut context) {
        std::task::Poll::Ready(result) => assert_eq!(result.unwrap_err(), RedisError::NoRuntime),
        std::task::Poll::Pending => panic!("it waits"),
    }
}
