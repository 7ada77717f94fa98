//! Leased mode on a real server: nodes that lease tokens of one key in advance, and one that dies with them.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tollgate::Quota;
use tollgate::distributed::{FailurePolicy, GlobalLimiter, LeaseSettings, Mode, Rule, SharedStore, Source};
use tollgate::redis::RedisBackend;

use crate::oracle::{Decided, Log};
use crate::servers::Standalone;

/// Set for the process that is killed: where the store is.
const STORE: &str = "TOLLGATE_TEST_LEASE_STORE";
/// None of the checks is to fail.
const BUDGET: Duration = Duration::from_secs(10);

/// A node of its own: nothing is shared with others but the server.
async fn node(url: &str, mode: Mode, quota: Quota) -> GlobalLimiter {
    let store = SharedStore::new(RedisBackend::builder(url).build().await.unwrap());
    GlobalLimiter::builder("leased", Rule::TokenBucket(quota), &store)
        .mode(mode)
        .on_failure(FailurePolicy::Closed)
        .budget(BUDGET)
        .build()
        .unwrap()
}

fn leased() -> Mode {
    Mode::Leased(LeaseSettings::default())
}

/// Asks as often as it can, from several tasks, until the end.
async fn hammer(limiters: &[GlobalLimiter], end: Instant) -> Log {
    let mut tasks = JoinSet::new();
    for limiter in limiters.iter().flat_map(|limiter| [limiter.clone(), limiter.clone()]) {
        tasks.spawn(async move {
            let mut decided = Vec::new();
            while Instant::now() < end {
                let asked = Instant::now();
                let decision = limiter.check("one key").await;
                let (allowed, source) = (decision.is_allowed(), decision.source());
                decided.push(Decided { asked, answered: Instant::now(), allowed, source });
                if !allowed {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                tokio::task::yield_now().await;
            }
            decided
        });
    }
    Log::new(tasks.join_all().await.concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn four_nodes_together_are_admitted_no_more_than_one_bucket_admits() {
    let server = Standalone::start();
    let quota = Quota::per_second(2_000).burst(1_000);
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(node(&server.url(), leased(), quota).await);
    }
    let begun = Instant::now();
    let log = hammer(&nodes, begun + Duration::from_secs(3)).await;
    let excess = log.excess(2_000.0, 1_000.0);
    let calls: u64 = nodes.iter().map(|node| node.stats().lease_calls).sum();
    println!("{} of {} admitted, {calls} calls, excess {excess:.1}", log.admitted(), log.decisions().len());
    assert!(excess <= 0.0, "{excess} too many");
    assert_eq!(log.failures(), 0);
    assert!(log.admitted() > 4_000, "most of what there is is admitted: {}", log.admitted());
    for node in &nodes {
        assert!(node.stats().allowed(Source::Lease) > 0, "{:?}", node.stats());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_key_needs_a_fiftieth_of_the_calls() {
    const CHECKS: u64 = 20_000;
    let server = Standalone::start();
    let quota = Quota::per_second(1_000_000);
    let mut operations = Vec::new();
    for mode in [Mode::Direct, leased()] {
        let limiter = node(&server.url(), mode, quota).await;
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let limiter = limiter.clone();
            tasks.spawn(async move {
                for _ in 0..CHECKS / 8 {
                    assert!(limiter.check("one key").await.is_allowed());
                }
            });
        }
        tasks.join_all().await;
        operations.push(limiter.store().stats().operations);
    }
    println!("{CHECKS} checks: {} operations direct, {} leased", operations[0], operations[1]);
    assert!(operations[0] >= 50 * operations[1], "{operations:?}");
}

/// 100 a second and 1 000 at once, leased for 2 s at a time.
fn slow() -> Quota {
    Quota::per_second(100).burst(1_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_takes_its_lease_with_it_and_no_more() {
    let server = Standalone::start();
    let begun = Instant::now();
    let mut process = Command::new(env::current_exe().unwrap())
        .args(["leased::one_that_is_killed", "--exact", "--ignored", "--nocapture"])
        .env(STORE, server.url())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let line =
        lines.map(Result::unwrap).find(|line| line.starts_with("holds ")).expect("it says what it holds");
    let [held, by_it]: [u64; 2] =
        line[6..].split(' ').map(|number| number.parse().unwrap()).collect::<Vec<_>>().try_into().unwrap();
    // The signal that nobody can catch.
    process.kill().unwrap();
    process.wait().unwrap();
    let nodes = [node(&server.url(), leased(), slow()).await, node(&server.url(), leased(), slow()).await];
    let log = hammer(&nodes, Instant::now() + Duration::from_secs(3)).await;
    let most = 1_000 + u64::try_from(begun.elapsed().as_millis()).unwrap().div_ceil(10);
    println!("it spent {by_it} and held {held}; others were admitted {}, of {most}", log.admitted());
    assert!(held > 0);
    assert!(log.excess(100.0, 1_000.0) <= 0.0);
    assert_eq!(log.failures(), 0);
    assert!(log.admitted() as u64 + by_it <= most);
    for node in &nodes {
        node.release_leases().await;
    }
    // What it held is missing until its lease is over, and not for ever.
    let give_up = Instant::now() + Duration::from_secs(60);
    while nodes[0].peek("one key").await.unwrap().remaining < 1_000 {
        assert!(Instant::now() < give_up, "it is never full again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "not a test: the process that the test above kills"]
async fn one_that_is_killed() {
    // Somebody runs the tests that are ignored.
    let Ok(url) = env::var(STORE) else { return };
    let limiter = node(&url, leased(), slow()).await;
    let mut admitted = 0_u64;
    loop {
        admitted += u64::from(limiter.check("one key").await.is_allowed());
        let stats = limiter.stats();
        let held = stats.leased.saturating_sub(admitted + stats.returned + stats.burned);
        if held >= 20 {
            println!("\nholds {held} {admitted}");
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
