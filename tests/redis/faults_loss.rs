//! The store stops, or forgets: what is admitted all the same.

use std::time::{Duration, Instant};

use tollgate::distributed::{FailurePolicy, SharedStore, Source};
use tollgate::redis::RedisBackend;

use crate::memory::resident_megabytes;
use crate::scene::{AMPLE_BUDGET, BUDGET, BURST, RATE, SENT_IN_VAIN, Scene};
use crate::servers::Standalone;

async fn backend(server: &Standalone) -> RedisBackend {
    RedisBackend::builder(server.url()).build().await.unwrap()
}

const BEFORE: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_killed_and_returns_empty_costs_one_burst() {
    let mut server = Standalone::start();
    let scene = Scene::begin(backend(&server).await).await;
    scene.goes_on_for(BEFORE).await;
    server.kill();
    let killed = Instant::now();
    // Not long enough for the burst to come back by itself.
    scene.goes_on_for(Duration::from_secs(1)).await;
    server.restart();
    let well = Instant::now();
    scene.recovers().await;
    let ended = scene.end().await;
    ended.failed();
    ended.exceeds_by_at_most(BURST);
    ended.is_back_soon_after(well);
    let admitted_while_away = ended.strict.between(killed, well).admitted();
    assert_eq!(admitted_while_away, 0, "a limit that fails closed admits nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_goes_on_with_its_share_while_the_store_is_away() {
    let mut server = Standalone::start();
    let store = SharedStore::new(backend(&server).await);
    let scene = Scene::begin_with(&store, "k", FailurePolicy::Local, BUDGET).await;
    scene.goes_on_for(BEFORE).await;
    server.kill();
    let killed = Instant::now();
    scene.goes_on_for(Duration::from_secs(3)).await;
    server.restart();
    let well = Instant::now();
    scene.recovers().await;
    let ended = scene.end().await;
    // The store came back full, as it had forgotten all.
    ended.exceeds_by_at_most(BURST);
    ended.is_back_soon_after(well);
    let away = ended.strict.between(killed, well);
    let shared_out = f64::from(RATE) * (well - killed).as_secs_f64();
    let admitted = f64::from(u32::try_from(away.admitted()).unwrap());
    assert!(admitted > shared_out / 2.0, "{admitted} of {shared_out} were admitted meanwhile");
    assert!(away.first_from(Source::Fallback).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stands_still_for_ten_seconds_costs_nothing() {
    let server = Standalone::start();
    let scene = Scene::begin(backend(&server).await).await;
    scene.goes_on_for(BEFORE).await;
    server.freeze();
    scene.goes_on_for(Duration::from_secs(1)).await;
    let early = resident_megabytes();
    scene.goes_on_for(Duration::from_secs(9)).await;
    let grown = resident_megabytes().saturating_sub(early);
    server.thaw();
    let well = Instant::now();
    scene.recovers().await;
    let ended = scene.end().await;
    ended.failed();
    ended.exceeds_by_at_most(0);
    ended.charged_in_vain_at_most(SENT_IN_VAIN);
    ended.is_back_soon_after(well);
    // What the other tests of this process need meanwhile is less; what waits for a store without bound is more.
    assert!(grown < 64, "memory grew by {grown} MB while the store stood still");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_are_flushed_again_and_again_are_not_noticed() {
    let server = Standalone::start();
    let store = SharedStore::new(backend(&server).await);
    let scene = Scene::begin_with(&store, "k", FailurePolicy::Closed, AMPLE_BUDGET).await;
    for _ in 0..50 {
        scene.goes_on_for(Duration::from_millis(20)).await;
        server.say::<()>("SCRIPT FLUSH");
    }
    let ended = scene.end().await;
    ended.never_failed();
    ended.exceeds_by_at_most(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_flushed_costs_one_burst() {
    let server = Standalone::start();
    let store = SharedStore::new(backend(&server).await);
    let scene = Scene::begin_with(&store, "k", FailurePolicy::Closed, AMPLE_BUDGET).await;
    scene.goes_on_for(BEFORE).await;
    server.say::<()>("FLUSHALL");
    scene.goes_on_for(BEFORE).await;
    let ended = scene.end().await;
    ended.never_failed();
    ended.exceeds_by_at_most(BURST);
}
