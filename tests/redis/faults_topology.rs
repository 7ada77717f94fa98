//! Another server takes the place of one, by sentinels or in a cluster; a slot moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tollgate::distributed::{FailurePolicy, GlobalLimiter, Rule, SharedStore, Source, check_all};
use tollgate::redis::RedisBackend;

use crate::scene::{AMPLE_BUDGET, BUDGET, BURST, Scene};
use crate::servers::{Cluster, Sentinels};

const BEFORE: Duration = Duration::from_millis(300);

async fn watched(all: &Sentinels) -> RedisBackend {
    RedisBackend::sentinel(all.urls(), Sentinels::MASTER).build().await.unwrap()
}

async fn sharded(cluster: &Cluster) -> SharedStore {
    SharedStore::new(RedisBackend::cluster(cluster.urls()).build().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_that_sentinels_choose_after_a_kill_is_used() {
    let mut all = Sentinels::start();
    let scene = Scene::begin(watched(&all).await).await;
    scene.goes_on_for(BEFORE).await;
    all.server_mut(0).kill();
    all.wait_for_another_master(0);
    let well = Instant::now();
    scene.recovers().await;
    let ended = scene.end().await;
    ended.failed();
    ended.exceeds_by_at_most(BURST);
    ended.is_back_soon_after(well);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_that_sentinels_choose_in_peace_is_used() {
    let all = Sentinels::start();
    let scene = Scene::begin(watched(&all).await).await;
    scene.goes_on_for(BEFORE).await;
    all.fail_over();
    all.wait_for_another_master(0);
    let well = Instant::now();
    scene.recovers().await;
    let ended = scene.end().await;
    // The old master says READONLY from then on: that must not pass for a refusal, which the scene would find.
    ended.exceeds_by_at_most(BURST);
    ended.is_back_soon_after(well);
}

/// A key of each master's slots.
async fn scenes(cluster: &Cluster, store: &SharedStore) -> Vec<Scene> {
    let mut scenes = Vec::new();
    for master in 0..3 {
        let key = key_of(cluster, master);
        scenes.push(Scene::begin_with(store, &key, FailurePolicy::Closed, AMPLE_BUDGET).await);
    }
    scenes
}

fn key_of(cluster: &Cluster, master: usize) -> String {
    let belongs = |key: &String| Cluster::first_owner(slot_of(cluster, key)) == master;
    (0..1_000).map(|number| format!("user:{number}")).find(belongs).unwrap()
}

fn slot_of(cluster: &Cluster, key: &str) -> usize {
    cluster.node(0).say(&format!("CLUSTER KEYSLOT {key}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_keys_of_a_master_that_was_killed_do_without_until_its_replica_is_used() {
    let mut cluster = Cluster::with_replicas();
    let store = sharded(&cluster).await;
    let mut scenes = scenes(&cluster, &store).await;
    scenes[0].goes_on_for(BEFORE).await;
    cluster.node_mut(1).kill();
    cluster.wait_until_replaced(1);
    let well = Instant::now();
    scenes[1].recovers().await;
    let of_killed = scenes.remove(1).end().await;
    of_killed.failed();
    of_killed.exceeds_by_at_most(BURST);
    of_killed.is_back_soon_after(well);
    for scene in scenes {
        let ended = scene.end().await;
        ended.never_failed();
        ended.exceeds_by_at_most(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_takes_over_in_peace_is_found_at_once() {
    let cluster = Cluster::with_replicas();
    let store = sharded(&cluster).await;
    let mut scenes = scenes(&cluster, &store).await;
    scenes[0].goes_on_for(BEFORE).await;
    cluster.fail_over(0);
    let well = Instant::now();
    scenes[0].recovers().await;
    let of_replaced = scenes.remove(0).end().await;
    // The old master holds back what it is asked until the replica has all: nothing is lost.
    of_replaced.exceeds_by_at_most(0);
    of_replaced.is_back_soon_after(well);
    for scene in scenes {
        let ended = scene.end().await;
        ended.never_failed();
        ended.exceeds_by_at_most(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_is_followed_and_nothing_is_charged_twice() {
    let cluster = Cluster::start();
    let store = sharded(&cluster).await;
    let key = key_of(&cluster, 0);
    let slot = slot_of(&cluster, &key);
    let scene = Scene::begin_with(&store, &key, FailurePolicy::Closed, AMPLE_BUDGET).await;
    scene.goes_on_for(BEFORE).await;
    // To and fro, and each time the keys stay behind for a while, and some of them for longer.
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        cluster.begin_migration(slot, from, to);
        scene.goes_on_for(BEFORE).await;
        cluster.migrate_keys(slot, from, to, 1);
        scene.goes_on_for(BEFORE).await;
        while cluster.migrate_keys(slot, from, to, 10) > 0 {}
        scene.goes_on_for(BEFORE).await;
        cluster.end_migration(slot, to);
    }
    let well = Instant::now();
    scene.recovers().await;
    let ended = scene.end().await;
    ended.exceeds_by_at_most(0);
    ended.never_failed();
    ended.is_back_soon_after(well);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_are_asked_together_are_charged_together_while_their_slot_moves() {
    let cluster = Cluster::start();
    let store = sharded(&cluster).await;
    let key = key_of(&cluster, 0);
    let slot = slot_of(&cluster, &key);
    let rule = Rule::FixedWindow { limit: 1_000_000, window: Duration::from_secs(30 * 24 * 3600) };
    let limiter = |name: &str| GlobalLimiter::builder(name, rule, &store).budget(BUDGET).build().unwrap();
    let both = [limiter("one"), limiter("other")];
    let moved = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn({
        let (both, key, moved) = (both.clone(), key.clone(), Arc::clone(&moved));
        async move {
            let mut by_store = 0;
            while !moved.load(Ordering::Relaxed) {
                let checked = check_all(&[both[0].on(&key), both[1].on(&key)]).await;
                by_store +=
                    u64::from(checked.decisions()[0].is_some_and(|one| one.source() == Source::Remote));
            }
            by_store
        }
    });
    tokio::time::sleep(BEFORE).await;
    cluster.begin_migration(slot, 0, 1);
    cluster.migrate_keys(slot, 0, 1, 1);
    // One key is here and one there: the script cannot run.
    tokio::time::sleep(BEFORE).await;
    while cluster.migrate_keys(slot, 0, 1, 10) > 0 {}
    cluster.end_migration(slot, 1);
    tokio::time::sleep(BEFORE).await;
    moved.store(true, Ordering::Relaxed);
    let by_store = asking.await.unwrap();
    let mut charged = Vec::new();
    for limiter in &both {
        charged.push(1_000_000 - limiter.peek(&key).await.unwrap().remaining);
    }
    assert_eq!(charged[0], charged[1]);
    assert!(by_store > 0 && charged[0] >= by_store, "{charged:?} charged, {by_store} told");
}
