//! The store answers, but not what it was asked for.

use std::thread;
use std::time::{Duration, Instant};

use redis::cmd;
use tollgate::distributed::{FailurePolicy, SharedStore};
use tollgate::redis::{RedisBackend, RedisError};

use crate::scene::{AMPLE_BUDGET, BURST, Ended, Scene};
use crate::servers::{Standalone, wait_until};

const BEFORE: Duration = Duration::from_millis(300);
const WHILE_BAD: Duration = Duration::from_secs(1);

async fn scene_at(url: String) -> Scene {
    Scene::begin(RedisBackend::builder(url).build().await.unwrap()).await
}

/// What is decided before, while and after the server answers with an error, from the one command to the other.
async fn between(bad: &str, well: &str) -> Ended {
    let server = Standalone::builder().line("user limiter on >secret ~* &* +@all").start();
    let url = format!("redis://limiter:secret@{}/", server.address());
    let scene = scene_at(url).await;
    scene.goes_on_for(BEFORE).await;
    server.say::<()>(bad);
    scene.goes_on_for(WHILE_BAD).await;
    server.say::<()>(well);
    let well = Instant::now();
    scene.recovers().await;
    let ended = scene.end().await;
    ended.failed();
    ended.is_back_soon_after(well);
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_memory_admits_nothing_too_much() {
    between("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0").await.exceeds_by_at_most(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_became_a_replica_is_used_when_it_is_a_master_again() {
    // Nobody listens there, so it keeps what it has.
    between("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE").await.exceeds_by_at_most(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_lacks_replicas_is_used_when_it_no_longer_does() {
    let (bad, well) = ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0");
    between(bad, well).await.exceeds_by_at_most(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_taken_away_and_given_back_is_noticed() {
    let (bad, well) = ("ACL SETUSER limiter -eval -evalsha", "ACL SETUSER limiter +eval +evalsha");
    between(bad, well).await.exceeds_by_at_most(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_busy_with_a_script_is_left_alone_until_it_is_not() {
    let server = Standalone::builder().line("busy-reply-threshold 50").start();
    let scene = scene_at(server.url()).await;
    scene.goes_on_for(BEFORE).await;
    let is_busy = || server.ask::<String>(&cmd("PING")).is_err_and(|error| error.code() == Some("BUSY"));
    let well = thread::scope(|scope| {
        scope.spawn(|| server.ask::<()>(cmd("EVAL").arg("while true do end").arg(0)).unwrap_err());
        wait_until("the server is busy", is_busy);
        thread::sleep(WHILE_BAD);
        server.say::<()>("SCRIPT KILL");
        Instant::now()
    });
    scene.recovers().await;
    let ended = scene.end().await;
    ended.failed();
    ended.exceeds_by_at_most(0);
    ended.is_back_soon_after(well);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_loads_its_data_is_used_when_it_has_them() {
    // 10 000 keys of 100 microseconds each, and it answers after every few of them.
    let mut server = Standalone::builder()
        .line("key-load-delay 100")
        .line("loading-process-events-interval-bytes 1024")
        .start();
    server.say::<()>("DEBUG POPULATE 10000");
    let scene = scene_at(server.url()).await;
    scene.goes_on_for(BEFORE).await;
    server.say::<()>("SAVE");
    server.kill();
    server.restart_without_waiting();
    let ping = || server.ask::<String>(&cmd("PING"));
    wait_until("the server loads", || ping().is_err_and(|error| error.code() == Some("LOADING")));
    wait_until("the server has loaded", || ping().is_ok());
    let well = Instant::now();
    scene.recovers().await;
    let ended = scene.end().await;
    ended.failed();
    // What it admitted after it had saved is forgotten.
    ended.exceeds_by_at_most(BURST);
    ended.is_back_soon_after(well);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_type_harms_no_other_and_is_left_as_it_is() {
    let server = Standalone::start();
    let store = SharedStore::new(RedisBackend::builder(server.url()).build().await.unwrap());
    let spoilt = Scene::begin_with(&store, "spoilt", FailurePolicy::Closed, AMPLE_BUDGET).await;
    let sound = Scene::begin_with(&store, "sound", FailurePolicy::Closed, AMPLE_BUDGET).await;
    spoilt.goes_on_for(BEFORE).await;
    let keys: Vec<String> = server.say("KEYS *spoilt*");
    assert_eq!(keys.len(), 2);
    for key in &keys {
        // In one step: somebody asks for it all the time.
        let spoil = "redis.call('DEL', KEYS[1]) redis.call('LPUSH', KEYS[1], 'mine')";
        server.ask::<()>(cmd("EVAL").arg(spoil).arg(1).arg(key)).unwrap();
    }
    spoilt.goes_on_for(WHILE_BAD).await;
    for key in &keys {
        assert_eq!(server.say::<String>(&format!("TYPE {key}")), "list");
        server.say::<()>(&format!("DEL {key}"));
    }
    let well = Instant::now();
    spoilt.recovers().await;
    let spoilt = spoilt.end().await;
    spoilt.failed();
    spoilt.exceeds_by_at_most(BURST);
    spoilt.is_back_soon_after(well);
    let sound = sound.end().await;
    sound.never_failed();
    sound.exceeds_by_at_most(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_not_taken_for_a_store() {
    let master = Standalone::start();
    let replica = Standalone::builder().line(format!("replicaof 127.0.0.1 {}", master.port())).start();
    let refused = RedisBackend::builder(replica.url()).build().await.unwrap_err();
    assert_eq!(refused, RedisError::Replica { server: replica.address() });
}
