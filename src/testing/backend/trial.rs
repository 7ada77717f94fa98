//! [`Trial`]: a backend that is asked one thing after the other, and [`expect`], what is made of the answers.

use std::fmt::Debug;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::distributed::{Backend, Operation, Reply, Rule, Spending, Standing, Subject};

/// What was seen, if it is not what was promised.
pub(super) type Outcome = Result<(), String>;

/// Much longer than any store takes: this suite does not ask how fast it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// A backend and keys that nobody has used before.
#[derive(Debug)]
pub(super) struct Trial {
    backend: Arc<dyn Backend>,
    /// Of this run alone, since a store may remember others.
    run: String,
    next: AtomicU64,
}

impl Trial {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Trial {
        let random = std::hash::RandomState::new().hash_one("run");
        Trial { backend, run: format!("conformance {random:016x}"), next: AtomicU64::new(0) }
    }

    /// A number that was not given before, nor in other runs.
    pub(super) fn number(&self) -> u64 {
        std::hash::RandomState::new().hash_one(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The name of a limit of this run.
    pub(super) fn limit(&self, name: &str) -> String {
        format!("{} {name}", self.run)
    }

    /// A new key; all of them have one tag, and so are in one place.
    pub(super) fn subject(&self, rule: Rule) -> Subject {
        let key = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        Subject::new(self.limit("keys"), rule, key.as_bytes()).with_tag(self.run.as_bytes())
    }

    pub(super) async fn batch(&self, operations: &[Operation]) -> Result<Vec<Reply>, String> {
        let replies = self.backend.execute(operations, Instant::now() + PATIENCE).await;
        if replies.len() != operations.len() {
            return Err(format!("{} operations have {} answers", operations.len(), replies.len()));
        }
        let failed = |(operation, error)| format!("{operation:?} failed: {error}");
        operations
            .iter()
            .zip(replies)
            .map(|(asked, reply)| reply.map_err(|error| failed((asked, error))))
            .collect()
    }

    pub(super) async fn ask(&self, operation: Operation) -> Result<Reply, String> {
        let mut replies = self.batch(std::slice::from_ref(&operation)).await?;
        replies.pop().ok_or_else(|| format!("{operation:?} has no answer"))
    }

    /// Whether one subject is admitted, and where it stands.
    pub(super) async fn check(&self, subject: &Subject, cost: u64) -> Result<(bool, Standing), String> {
        let (admitted, standings) = self.check_all(vec![Spending::new(subject.clone(), cost)]).await?;
        Ok((admitted, standings[0]))
    }

    /// Whether all are admitted, and where each stands.
    pub(super) async fn check_all(&self, spendings: Vec<Spending>) -> Result<(bool, Vec<Standing>), String> {
        let subjects = spendings.len();
        match self.ask(Operation::Check(spendings)).await? {
            Reply::Checked { admitted, standings } if standings.len() == subjects => {
                Ok((admitted, standings))
            }
            reply => Err(format!("a check of {subjects} subjects is answered by {reply:?}")),
        }
    }

    pub(super) async fn standing(&self, operation: Operation) -> Result<Standing, String> {
        match self.ask(operation).await? {
            Reply::Standing(standing) => Ok(standing),
            reply => Err(format!("a look or charge is answered by {reply:?}")),
        }
    }

    pub(super) async fn peek(&self, subject: &Subject) -> Result<Standing, String> {
        self.standing(Operation::Peek(subject.clone())).await
    }

    pub(super) async fn remaining(&self, subject: &Subject) -> Result<u64, String> {
        Ok(self.peek(subject).await?.remaining)
    }

    pub(super) async fn done(&self, operation: Operation) -> Outcome {
        let reply = self.ask(operation).await?;
        expect("the answer to what is only done", &reply, &Reply::Done)
    }
}

/// That it is so.
pub(super) fn expect<T: PartialEq + Debug>(what: &str, seen: &T, promised: &T) -> Outcome {
    if seen == promised { Ok(()) } else { Err(format!("{what} is {seen:?}, not {promised:?}")) }
}

/// That it is so, as a sentence says.
pub(super) fn expect_that(sentence: &str, is_so: bool, seen: &dyn Debug) -> Outcome {
    if is_so { Ok(()) } else { Err(format!("it is not so that {sentence}: {seen:?}")) }
}
