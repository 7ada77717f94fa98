//! One server: what is carried out, what is not, and what is known about it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tollgate::distributed::{Applied, Backend, BackendErrorKind, Operation, Subject};
use tollgate::redis::RedisBackend;
use tollgate::testing::BackendConformance;

use crate::asking::{LONG, ask, ask_until_it_works, ask_within, check, outcome, tokens};
use crate::proxy::{Fault, Proxy};
use crate::servers::{Standalone, wait_until};

/// A deadline as checks have it.
const SHORT: Duration = Duration::from_millis(30);

async fn backend(server: &Standalone) -> RedisBackend {
    RedisBackend::builder(server.url()).build().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_what_every_backend_must_keep() {
    let server = Standalone::start();
    let backend = backend(&server).await;
    BackendConformance::new(|| Arc::new(backend.clone())).run().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_of_a_batch_are_answered_each_for_itself_and_in_their_order() {
    let server = Standalone::start();
    let backend = backend(&server).await;
    let mut batch: Vec<_> = (0..100).map(|n| check(tokens(10 + n), &format!("key {n}"))).collect();
    batch.insert(50, Operation::Check(Vec::new()));
    let mut replies = backend.execute(&batch, Instant::now() + LONG).await;
    assert_eq!(replies.len(), 101);
    assert_eq!(replies.remove(50).unwrap_err().kind(), BackendErrorKind::Configuration);
    for (reply, n) in replies.iter().zip(0..) {
        assert_eq!(outcome(reply.as_ref().unwrap()), (true, 9 + n));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_share_a_key_are_admitted_exactly_as_often_as_it_has_tokens() {
    let server = Standalone::start();
    let backend = backend(&server).await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(async move {
                let mut admitted = 0;
                for _ in 0..50 {
                    let batch = [check(tokens(333), "shared"), check(tokens(333), "shared")];
                    for reply in backend.execute(&batch, Instant::now() + LONG).await {
                        admitted += u32::from(outcome(&reply.unwrap()).0);
                    }
                }
                admitted
            })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += task.await.unwrap();
    }
    assert_eq!(admitted, 333);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgot_its_scripts_gets_them_again_and_nobody_notices() {
    let server = Standalone::start();
    let backend = backend(&server).await;
    for round in 1..=5 {
        server.say::<()>("SCRIPT FLUSH");
        let batch = vec![check(tokens(200), "a"); 20];
        let replies = backend.execute(&batch, Instant::now() + LONG).await;
        let last = replies.last().unwrap().as_ref().unwrap();
        assert_eq!(outcome(last), (true, 200 - 20 * round));
    }
    assert!(backend.stats().script_loads >= 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_server_is_down_operations_fail_and_surely_were_not_carried_out() {
    let mut server = Standalone::start();
    let backend = backend(&server).await;
    wait_until("both connections are up", || backend.stats().connections == 2);
    server.kill();
    wait_until("the loss is noticed, although nobody asks", || backend.stats().connections == 0);
    let error = ask(&backend, check(tokens(5), "a")).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (BackendErrorKind::Unavailable, Applied::No));
    server.restart();
    assert_eq!(outcome(&ask_until_it_works(&backend, check(tokens(5), "a")).await), (true, 4));
    assert!(backend.stats().losses >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_when_the_connection_broke_is_not_sent_again() {
    let server = Standalone::start();
    let proxy = Proxy::to(server.address()).await;
    let backend = RedisBackend::builder(proxy.url()).connections(1).build().await.unwrap();
    for remaining in [4, 2, 0] {
        proxy.set(Fault::ResetsReply { after: 1 });
        let error = ask(&backend, check(tokens(6), "a")).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.applied()),
            (BackendErrorKind::Unavailable, Applied::Maybe),
            "{error}"
        );
        proxy.set(Fault::None);
        let reply = ask_until_it_works(&backend, check(tokens(6), "a")).await;
        // One for the lost answer, one for this.
        assert_eq!(outcome(&reply), (true, remaining));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_may_have_carried_it_out_and_its_connections_are_made_anew() {
    let server = Standalone::start();
    let backend = backend(&server).await;
    wait_until("both connections are up", || backend.stats().connections == 2);
    server.freeze();
    let error = ask_within(&backend, check(tokens(5), "a"), SHORT).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (BackendErrorKind::Timeout, Applied::Maybe));
    // Of each connection three are enough.
    for _ in 0..5 {
        ask_within(&backend, check(tokens(5), "a"), SHORT).await.unwrap_err();
    }
    wait_until("both are given up", || backend.stats().connections == 0);
    assert_eq!((backend.stats().timeouts, backend.stats().losses), (6, 2));
    server.thaw();
    ask_until_it_works(&backend, check(tokens(5), "b")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_under_way_together_are_one_silence() {
    let server = Standalone::start();
    let backend = RedisBackend::builder(server.url()).connections(1).build().await.unwrap();
    server.freeze();
    let together: Vec<_> = (0..20)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(async move { ask_within(&backend, check(tokens(5), "a"), SHORT).await })
        })
        .collect();
    for call in together {
        call.await.unwrap().unwrap_err();
    }
    server.thaw();
    ask_until_it_works(&backend, check(tokens(5), "b")).await;
    assert_eq!((backend.stats().timeouts, backend.stats().losses), (20, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_dropped_at_its_deadline_counts_as_silence_too() {
    let server = Standalone::start();
    let backend = RedisBackend::builder(server.url()).connections(1).build().await.unwrap();
    server.freeze();
    for _ in 0..3 {
        let operations = [check(tokens(5), "a")];
        // The deadline is over before the call is.
        let call = backend.execute(&operations, Instant::now() + SHORT);
        let _ = tokio::time::timeout(SHORT, call).await;
        tokio::time::sleep(SHORT).await;
    }
    wait_until("it is given up", || backend.stats().losses == 1);
    server.thaw();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_deadline_nothing_is_sent() {
    let server = Standalone::start();
    let backend = backend(&server).await;
    let error = ask_within(&backend, check(tokens(5), "a"), Duration::ZERO).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (BackendErrorKind::Timeout, Applied::No));
    assert_eq!(outcome(&ask(&backend, check(tokens(5), "a")).await.unwrap()), (true, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_ours_is_reported_and_left_alone() {
    let server = Standalone::start();
    let backend = backend(&server).await;
    ask(&backend, check(tokens(5), "a")).await.unwrap();
    let keys: Vec<String> = server.say("KEYS tollgate:api:*");
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    server.say::<()>(&format!("DEL {key}"));
    server.say::<()>(&format!("LPUSH {key} x"));
    let error = ask(&backend, check(tokens(5), "a")).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (BackendErrorKind::Configuration, Applied::No));
    assert!(error.to_string().contains("\"api\""), "{error}");
    assert_eq!(server.say::<String>(&format!("TYPE {key}")), "list");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_write_now_is_overloaded_and_has_not_carried_it_out() {
    let server = Standalone::start();
    let backend = backend(&server).await;
    for (trouble, remedy) in [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
    ] {
        ask(&backend, check(tokens(5), trouble)).await.unwrap();
        server.say::<()>(trouble);
        let error = ask(&backend, check(tokens(5), trouble)).await.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (BackendErrorKind::Overloaded, Applied::No), "{error}");
        server.say::<()>(remedy);
        assert_eq!(outcome(&ask(&backend, check(tokens(5), trouble)).await.unwrap()), (true, 3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_busy_with_somebody_elses_script_is_overloaded() {
    let server = Arc::new(Standalone::start());
    let backend = backend(&server).await;
    server.say::<()>("CONFIG SET busy-reply-threshold 1");
    let busy = Arc::clone(&server);
    let script = tokio::task::spawn_blocking(move || {
        busy.ask::<()>(redis::cmd("EVAL").arg("while true do end").arg(0)).unwrap_err();
    });
    wait_until("it is busy", || {
        server.ask::<String>(&redis::cmd("PING")).is_err_and(|error| error.code() == Some("BUSY"))
    });
    let error = ask(&backend, check(tokens(5), "a")).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (BackendErrorKind::Overloaded, Applied::No), "{error}");
    server.say::<()>("SCRIPT KILL");
    script.await.unwrap();
    assert_eq!(outcome(&ask_until_it_works(&backend, check(tokens(5), "a")).await), (true, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_becomes_a_replica_is_not_the_primary_until_it_is_a_master_again() {
    let server = Standalone::start();
    let other = Standalone::start();
    let backend = backend(&server).await;
    server.say::<()>(&format!("REPLICAOF 127.0.0.1 {}", other.port()));
    wait_until("its data is the other's", || {
        server.value_of("INFO replication", "master_link_status").as_deref() == Some("up")
    });
    for _ in 0..50 {
        let error = ask(&backend, check(tokens(5), "a")).await.unwrap_err();
        assert_eq!(error.applied(), Applied::No, "{error}");
        assert!(
            matches!(error.kind(), BackendErrorKind::NotPrimary | BackendErrorKind::Unavailable),
            "{error}"
        );
    }
    server.say::<()>("REPLICAOF NO ONE");
    assert_eq!(outcome(&ask_until_it_works(&backend, check(tokens(5), "a")).await), (true, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn prefixes_and_databases_keep_limits_apart() {
    let server = Standalone::start();
    let shop = RedisBackend::builder(server.url()).prefix("shop").build().await.unwrap();
    let blog = RedisBackend::builder(server.url()).prefix("blog").build().await.unwrap();
    let second = RedisBackend::builder(server.url()).prefix("shop").database(2).build().await.unwrap();
    for backend in [shop, blog, second] {
        assert_eq!(outcome(&ask(&backend, check(tokens(5), "a")).await.unwrap()), (true, 4));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_operations_took_is_known_by_operation() {
    let server = Standalone::start();
    let backend = backend(&server).await;
    assert_eq!(backend.latency(), Vec::new());
    for _ in 0..10 {
        ask(&backend, check(tokens(100), "a")).await.unwrap();
    }
    ask(&backend, Operation::Peek(Subject::new("api", tokens(100), &b"a"[..]))).await.unwrap();
    let latency = backend.latency();
    let counts: Vec<_> = latency.iter().map(|latency| (latency.operation, latency.count)).collect();
    assert_eq!(counts, [("check", 10), ("peek", 1)]);
    assert!(
        latency.iter().all(|l| l.p50 > Duration::ZERO && l.p50 <= l.p99 && l.p99 <= l.max),
        "{latency:?}"
    );
}
