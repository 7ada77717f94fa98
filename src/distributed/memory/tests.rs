//! The backend in memory against the suite for backends, its sweep, and what it makes of a clock that steps back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::MemoryBackend;
use crate::clock::Clock;
use crate::distributed::{Backend, BackendErrorKind, Operation, Reply, Rule, Spending, Standing, Subject};
use crate::quota::Quota;
use crate::testing::{BackendConformance, BackendViolation};

const SECOND: Duration = Duration::from_secs(1);

fn ask(backend: &MemoryBackend, operation: Operation) -> Reply {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(backend.execute(&[operation], Instant::now() + SECOND)).remove(0).unwrap()
}

fn check(backend: &MemoryBackend, rule: Rule, key: u64, cost: u64) -> (bool, Standing) {
    let subject = Subject::new("limit", rule, key.to_string().as_bytes());
    match ask(backend, Operation::Check(vec![Spending::new(subject, cost)])) {
        Reply::Checked { admitted, standings } => (admitted, standings[0]),
        reply => panic!("{reply:?}"),
    }
}

#[tokio::test]
async fn the_backend_in_memory_keeps_the_promises_of_a_backend() -> Result<(), BackendViolation> {
    BackendConformance::new(|| Arc::new(MemoryBackend::new())).run().await
}

#[test]
fn keys_that_are_full_again_need_no_memory() {
    let (clock, hand) = Clock::manual();
    let backend = MemoryBackend::with_clock(clock);
    let rule = Rule::Gcra(Quota::per_second(1));
    for key in 0..100_000 {
        hand.advance(Duration::from_millis(10));
        check(&backend, rule, key, 1);
        assert!(backend.table.lock().len() <= 1_024, "100 keys at a time are not full");
    }
}

/// The wait that a refused key is told after a step back comes true, and is no longer than it takes to be out of debt and full.
#[test]
fn after_a_step_back_of_years_a_key_waits_for_no_longer_than_a_limit_takes() {
    let rules = [
        Rule::Gcra(Quota::per_second(5)),
        Rule::TokenBucket(Quota::per_second(5)),
        Rule::FixedWindow { limit: 5, window: SECOND },
        Rule::SlidingWindow { limit: 5, window: SECOND },
        Rule::SlidingLog { limit: 5, window: SECOND },
    ];
    for rule in rules {
        let (clock, hand) = Clock::manual();
        hand.set(Duration::from_secs(1 << 32));
        let backend = MemoryBackend::with_clock(clock);
        assert!(check(&backend, rule, 0, 5).0);
        hand.set(Duration::from_secs(1 << 31));
        let (admitted, standing) = check(&backend, rule, 0, 5);
        let wait = standing.retry_after.unwrap();
        assert!(!admitted && wait <= 3 * SECOND, "{rule:?}: {standing:?}");
        hand.advance(wait.saturating_sub(Duration::from_micros(1)));
        assert!(!check(&backend, rule, 0, 5).0, "{rule:?}");
        hand.advance(Duration::from_micros(1));
        assert!(check(&backend, rule, 0, 5).0, "{rule:?}");
    }
}

#[tokio::test]
async fn what_no_store_can_do_is_refused_with_advice() {
    let backend = MemoryBackend::new();
    let places = Subject::new("limit", Rule::Concurrency { places: 3, hold: SECOND }, *b"key");
    let fast = Subject::new("limit", Rule::Gcra(Quota::per_second(u32::MAX)), *b"key");
    let fixed = Subject::new("limit", Rule::FixedWindow { limit: 3, window: SECOND }, *b"key");
    let spendings = |subject: &Subject, times| vec![Spending::new(subject.clone(), 1); times];
    let cases = [
        (Operation::Check(spendings(&places, 1)), "acquired"),
        (Operation::Check(spendings(&fast, 1)), "use a token bucket"),
        (Operation::Check(spendings(&fixed, 2)), "add up"),
        (Operation::Check(Vec::new()), "no key"),
    ];
    for (operation, advice) in cases {
        let reply =
            backend.execute(std::slice::from_ref(&operation), Instant::now() + SECOND).await.remove(0);
        let error = reply.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Configuration, "{operation:?}");
        assert!(error.to_string().contains(advice), "{error}");
    }
}
