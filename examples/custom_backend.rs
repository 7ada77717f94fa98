//! A store of one's own: what a shared limit needs from it, and how it is held to that.
//!
//! This one is a map within the process, and knows only one rule. A real one would be a table of a database, whose `UPDATE` does what `spend` does
//! here; what matters is that a check of several keys is one transaction, and that the time is the store's, not the caller's. The test at the
//! end is the suite for backends.
//!
//! ```sh
//! cargo run --release --features distributed --example custom_backend
//! cargo test --features distributed --example custom_backend
//! ```

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tollgate::Quota;
use tollgate::distributed::{
    Applied, Backend, BackendError, BackendErrorKind, BoxFuture, Hello, Operation, Reply, Rule, Spending,
    Standing, Subject,
};

/// Nanoseconds after the store's beginning, negative ones before it.
type Nanos = i128;

/// For every key the time at which it is full again; without one it is full. That is all that GCRA has to know.
#[derive(Debug)]
struct MapStore {
    start: Instant,
    keys: Mutex<HashMap<Subject, Nanos>>,
    nodes: Mutex<HashMap<u64, Instant>>,
}

/// A key at one moment.
struct Level {
    now: Nanos,
    full_at: Nanos,
    /// Between two tokens.
    interval: Nanos,
    limit: Nanos,
}

impl Level {
    fn read(keys: &HashMap<Subject, Nanos>, subject: &Subject, now: Nanos) -> Result<Level, BackendError> {
        let Rule::Gcra(quota) = subject.rule else { return Err(unknown("a rule other than GCRA")) };
        subject.rule.validate().map_err(|error| unknown(&error.to_string()))?;
        let period = Nanos::try_from(quota.period().as_nanos()).unwrap_or(Nanos::MAX);
        let interval = (period / Nanos::from(quota.count().max(1))).max(1);
        let full_at = keys.get(subject).copied().unwrap_or(now).max(now);
        Ok(Level { now, full_at, interval, limit: quota.capacity().into() })
    }

    /// Takes tokens, or gives them back, up to a limit's worth of debt.
    fn spend(&mut self, tokens: Nanos) {
        let most = self.now + 2 * self.limit * self.interval;
        self.full_at = (self.full_at + tokens * self.interval).clamp(self.now, most);
    }

    fn standing(&self, cost: Nanos) -> Standing {
        let ahead = self.full_at - self.now;
        let room = self.limit * self.interval - ahead;
        let excess = cost * self.interval - room;
        let remaining = u64::try_from(room / self.interval).unwrap_or(0);
        Standing::new(remaining, (cost <= self.limit).then(|| duration(excess)), duration(ahead))
    }
}

impl MapStore {
    fn new() -> MapStore {
        MapStore { start: Instant::now(), keys: Mutex::default(), nodes: Mutex::default() }
    }

    fn answer(&self, operation: &Operation) -> Result<Reply, BackendError> {
        // Held to the end: an operation is carried out wholly or not at all.
        let mut keys = lock(&self.keys);
        let now = Nanos::try_from(self.start.elapsed().as_nanos()).unwrap_or(Nanos::MAX);
        match operation {
            Operation::Check(spendings) => check(&mut keys, spendings, now),
            Operation::Peek(subject) => Ok(Reply::Standing(Level::read(&keys, subject, now)?.standing(1))),
            Operation::Charge(Spending { subject, tokens, .. }) => {
                let mut level = Level::read(&keys, subject, now)?;
                level.spend((*tokens).into());
                keys.insert(subject.clone(), level.full_at);
                Ok(Reply::Standing(level.standing(1)))
            }
            Operation::Refund(Spending { subject, tokens, .. }) => {
                let mut level = Level::read(&keys, subject, now)?;
                level.spend(-Nanos::from(*tokens));
                keys.insert(subject.clone(), level.full_at);
                Ok(Reply::Done)
            }
            Operation::Reset(subject) => {
                keys.remove(subject);
                Ok(Reply::Done)
            }
            Operation::Hello(hello) => Ok(Reply::Hello { nodes: self.nodes(hello) }),
            other => Err(unknown(other.as_str())),
        }
    }

    fn nodes(&self, hello: &Hello) -> u32 {
        let mut nodes = lock(&self.nodes);
        nodes.retain(|_, heard| heard.elapsed() < hello.life);
        nodes.insert(hello.node, Instant::now());
        u32::try_from(nodes.len()).unwrap_or(u32::MAX)
    }
}

/// All are looked at before any is spent from.
fn check(
    keys: &mut HashMap<Subject, Nanos>,
    spendings: &[Spending],
    now: Nanos,
) -> Result<Reply, BackendError> {
    let mut levels = Vec::new();
    for Spending { subject, tokens, .. } in spendings {
        levels.push((subject, Level::read(keys, subject, now)?, Nanos::from(*tokens)));
    }
    let admitted =
        levels.iter().all(|(_, level, cost)| level.standing(*cost).retry_after == Some(Duration::ZERO));
    let mut standings = Vec::new();
    for (subject, mut level, cost) in levels {
        if admitted {
            level.spend(cost);
            keys.insert(subject.clone(), level.full_at);
        }
        standings.push(level.standing(cost));
    }
    Ok(Reply::Checked { admitted, standings })
}

impl Backend for MapStore {
    fn execute<'a>(
        &'a self,
        operations: &'a [Operation],
        _deadline: Instant,
    ) -> BoxFuture<'a, Vec<Result<Reply, BackendError>>> {
        // A store that is far away would be asked for all of them in one message, and given up on at the deadline.
        Box::pin(async move { operations.iter().map(|operation| self.answer(operation)).collect() })
    }
}

/// Nothing was done, and asking again is of no use.
fn unknown(what: &str) -> BackendError {
    let message = format!("this store does not know {what}: use GCRA in direct mode");
    BackendError::new(BackendErrorKind::Configuration, Applied::No, message)
}

/// Nothing panics while a lock is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn duration(nanos: Nanos) -> Duration {
    Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let store = MapStore::new();
    let alice = Subject::new("messages", Rule::Gcra(Quota::per_minute(3)), *b"alice");
    let check = Operation::Check(vec![Spending::new(alice, 1)]);
    for reply in store.execute(&vec![check; 5], Instant::now() + Duration::from_secs(1)).await {
        match reply {
            Ok(Reply::Checked { admitted: true, standings }) => println!("goes on: {:?}", standings[0]),
            Ok(Reply::Checked { standings, .. }) => println!("is refused: {:?}", standings[0]),
            other => println!("{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use tollgate::testing::{BackendConformance, BackendViolation};

    #[tokio::test]
    async fn a_map_keeps_the_promises_of_a_backend() -> Result<(), BackendViolation> {
        let slow = [5, 20].map(|count| Rule::Gcra(Quota::per_day(count)));
        BackendConformance::new(|| Arc::new(MapStore::new())).rules(slow).run().await
    }
}
