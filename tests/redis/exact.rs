//! Several processes ask for one key, and are admitted exactly what one bucket admits.

use std::env;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;
use tollgate::Quota;
use tollgate::distributed::{FailurePolicy, GlobalLimiter, Rule, SharedStore, Source};
use tollgate::redis::RedisBackend;

use crate::servers::Standalone;

const PROCESSES: usize = 4;
const TASKS: usize = 8;

/// Set for the processes that ask: where the store is, and by which of the rules they ask.
const STORE: &str = "TOLLGATE_TEST_STORE";
const RULE: &str = "TOLLGATE_TEST_RULE";

/// How long they ask, at least.
const ASKING: Duration = Duration::from_secs(1);
/// Their checks may take as long as it needs: none of them is to fail.
const BUDGET: Duration = Duration::from_secs(10);

const BURST: u64 = 500;
/// Longer than any test, so nothing comes back.
const WINDOW: Duration = Duration::from_secs(30 * 24 * 3600);

/// Rules, each with how many tokens a second it gives back.
fn rules() -> Vec<(Rule, f64)> {
    let quota = Quota::per_second(20).burst(BURST);
    vec![
        (Rule::Gcra(quota), 20.0),
        (Rule::TokenBucket(quota), 20.0),
        (Rule::FixedWindow { limit: BURST, window: WINDOW }, 0.0),
        (Rule::SlidingWindow { limit: BURST, window: WINDOW }, 0.0),
        (Rule::SlidingLog { limit: BURST, window: WINDOW }, 0.0),
    ]
}

/// What a process was told: microseconds of the first answer and of the last question, and how many were admitted.
#[derive(Debug)]
struct Told {
    first: u64,
    last: u64,
    admitted: u64,
}

#[test]
fn four_processes_of_eight_tasks_are_admitted_what_one_bucket_admits() {
    let server = Standalone::start();
    for (number, (rule, rate)) in rules().into_iter().enumerate() {
        let begun = now();
        let told = run_processes(&server, number);
        let ended = now();
        let admitted: u64 = told.iter().map(|told| told.admitted).sum();
        let first = told.iter().map(|told| told.first).min().unwrap();
        let last = told.iter().map(|told| told.last).max().unwrap();
        // The bucket was full until the first token was taken, and somebody asked until the end.
        let (surely, at_most) = (BURST + refill(rate, last - first), BURST + refill(rate, ended - begun));
        println!("{rule:?} admitted {admitted}, {surely} to {at_most} are right");
        // The last token may have come in the last moment, when everybody had asked.
        let at_least = if rate > 0.0 { surely - 1 } else { surely };
        assert!((at_least..=at_most).contains(&admitted), "{rule:?}: {told:?}");
    }
}

fn run_processes(server: &Standalone, rule: usize) -> Vec<Told> {
    let start = |_| {
        Command::new(env::current_exe().unwrap())
            .args(["exact::one_of_the_processes", "--exact", "--ignored", "--nocapture"])
            .env(STORE, server.url())
            .env(RULE, rule.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let processes: Vec<_> = (0..PROCESSES).map(start).collect();
    let told = |process: Child| {
        let output = process.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "a process failed: {text}");
        let line =
            text.lines().find_map(|line| line.strip_prefix("told ")).expect("it says what it was told");
        let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        Told { first: numbers[0], last: numbers[1], admitted: numbers[2] }
    };
    processes.into_iter().map(told).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "not a test: one of the processes of the test above"]
async fn one_of_the_processes() {
    // Somebody runs the tests that are ignored.
    let Ok(url) = env::var(STORE) else { return };
    let number: usize = env::var(RULE).unwrap().parse().unwrap();
    let (rule, _) = rules()[number];
    let store = SharedStore::new(RedisBackend::builder(url).build().await.unwrap());
    let limiter = GlobalLimiter::builder(format!("limit {number}"), rule, &store)
        .on_failure(FailurePolicy::Closed)
        .budget(BUDGET)
        .build()
        .unwrap();
    let begun = now();
    let told: Vec<Told> =
        (0..TASKS).map(|_| ask(limiter.clone(), begun)).collect::<JoinSet<_>>().join_all().await;
    let first = told.iter().map(|told| told.first).min().unwrap();
    let last = told.iter().map(|told| told.last).max().unwrap();
    let admitted: u64 = told.iter().map(|told| told.admitted).sum();
    println!("\ntold {first} {last} {admitted}");
}

async fn ask(limiter: GlobalLimiter, begun: u64) -> Told {
    let mut told = Told { first: u64::MAX, last: 0, admitted: 0 };
    while told.last < begun + micros(ASKING) {
        told.last = now();
        let decision = limiter.check("one key").await;
        assert!(matches!(decision.source(), Source::Remote | Source::DenyCache), "{decision:?}");
        told.first = told.first.min(now());
        told.admitted += u64::from(decision.is_allowed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    told
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small"
)]
fn refill(rate: f64, microseconds: u64) -> u64 {
    (rate * microseconds as f64 / 1e6) as u64
}

/// Microseconds by the clock that the store reads too.
fn now() -> u64 {
    micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap())
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap()
}
