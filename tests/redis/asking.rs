//! What the tests ask a backend.

use std::time::{Duration, Instant};

use tollgate::distributed::{Backend, BackendError, Operation, Reply, Rule, Spending, Subject};

/// Longer than anything takes that is answered at all.
pub(crate) const LONG: Duration = Duration::from_secs(5);

/// So many tokens, and no more while a test runs.
pub(crate) fn tokens(limit: u64) -> Rule {
    Rule::FixedWindow { limit, window: Duration::from_secs(100 * 24 * 60 * 60) }
}

/// A token of a key under this rule.
pub(crate) fn check(rule: Rule, key: &str) -> Operation {
    Operation::Check(vec![Spending::new(Subject::new("api", rule, key.as_bytes()), 1)])
}

/// Asks for one thing, with time enough.
pub(crate) async fn ask(backend: &impl Backend, operation: Operation) -> Result<Reply, BackendError> {
    ask_within(backend, operation, LONG).await
}

pub(crate) async fn ask_within(
    backend: &impl Backend,
    operation: Operation,
    time: Duration,
) -> Result<Reply, BackendError> {
    let mut replies = backend.execute(&[operation], Instant::now() + time).await;
    assert_eq!(replies.len(), 1, "as many answers as operations");
    replies.remove(0)
}

/// Asks again and again until it is answered with success.
pub(crate) async fn ask_until_it_works(backend: &impl Backend, operation: Operation) -> Reply {
    let give_up = Instant::now() + Duration::from_secs(30);
    loop {
        match ask_within(backend, operation.clone(), Duration::from_millis(100)).await {
            Ok(reply) => return reply,
            Err(error) => assert!(Instant::now() < give_up, "it never works again: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Whether it was admitted, and how many tokens are left.
pub(crate) fn outcome(reply: &Reply) -> (bool, u64) {
    match reply {
        Reply::Checked { admitted, standings } => (*admitted, standings[0].remaining),
        other => panic!("not an answer to a check: {other:?}"),
    }
}
