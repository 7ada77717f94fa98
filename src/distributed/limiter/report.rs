//! Charging the store for what was admitted without it.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::debts::Debt;
use super::{Inner, Question};
use crate::distributed::backend::{Applied, BackendError, BackendErrorKind};
use crate::distributed::key_hash::KeyHash;
use crate::distributed::operation::{Operation, Spending};
use crate::distributed::reply::Reply;
use crate::distributed::store::SharedStore;

/// So many charges at a time, and the next when these are answered: limits take turns, so together they never fill more than a quarter of the
/// bulkhead, which leaves the rest to checks, and go as fast as the store does.
pub(super) const AT_A_TIME: usize = SharedStore::MOST_IN_FLIGHT / 4;

/// How long it sleeps at most, with the store away, before it looks whether its limiter is still there.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Sees to it that debts are charged. Needs a runtime; without one they stay.
pub(super) fn ensure(limiter: &Arc<Inner>) {
    limiter.debts.notify();
    let reporting = &limiter.debts.reporting;
    if reporting.load(Ordering::Relaxed) {
        return;
    }
    if let Some(runtime) = limiter.store.runtime()
        && !reporting.swap(true, Ordering::AcqRel)
    {
        runtime.spawn(report(Reporter(Arc::downgrade(limiter))));
    }
}

/// The one task that charges for a limiter. It ends with it.
struct Reporter(Weak<Inner>);

impl Drop for Reporter {
    /// Also when the task is dropped with its runtime.
    fn drop(&mut self) {
        if let Some(limiter) = self.0.upgrade() {
            limiter.debts.reporting.store(false, Ordering::Release);
        }
    }
}

async fn report(reporter: Reporter) {
    while let Some(limiter) = reporter.0.upgrade() {
        let turn = limiter.store.turn().await;
        let (changed, recovered) = (limiter.debts.changed(), limiter.store.recovered());
        let mut recovered = pin!(recovered.notified());
        // From here on no recovery is missed.
        recovered.as_mut().enable();
        let debts = limiter.debts.take(AT_A_TIME, |domain| !limiter.store.is_open(domain));
        if !debts.is_empty() {
            let all_sent = limiter.charge(debts).await;
            drop(turn);
            if !all_sent {
                // The breaker may not have opened yet.
                tokio::time::sleep(SharedStore::BACKGROUND_BUDGET).await;
            }
        } else if limiter.debts.is_empty() {
            drop(turn);
            drop(limiter);
            changed.notified().await;
        } else {
            drop(turn);
            drop(limiter);
            // Whatever ended it: it looks again.
            let _ = timeout(LOOK_AGAIN, recovered).await;
        }
    }
}

impl Inner {
    /// Charges all at once, since they travel together; `false` if some surely were not charged.
    async fn charge(&self, debts: Vec<(KeyHash, Debt)>) -> bool {
        let asked = self.clock.nanos();
        let deadline = (Instant::now() + SharedStore::BACKGROUND_BUDGET).into_std();
        let sent = debts.into_iter().map(|(hash, debt)| {
            let spending = Spending::new(self.subjects.of(&debt.key), debt.tokens);
            (hash, debt, self.store.submit(Operation::Charge(spending), deadline))
        });
        let sent: Vec<_> = sent.collect();
        let mut all_sent = true;
        for (hash, debt, pending) in sent {
            let reply = match pending {
                Ok(mut pending) => pending.answer().await,
                Err(error) => Err(error),
            };
            all_sent &= self.charged(hash, &debt, asked, reply);
        }
        all_sent
    }

    /// `false` if it surely was not charged, and so is owed as before.
    fn charged(&self, hash: KeyHash, debt: &Debt, asked: u64, reply: Result<Reply, BackendError>) -> bool {
        match reply {
            Ok(Reply::Standing(standing)) => {
                if standing.retry_after != Some(Duration::ZERO) {
                    self.learn(&Question { key: &debt.key, hash, cost: 1, asked }, &standing);
                }
            }
            // What is not allowed will not be the next time: others wait behind it.
            Err(error)
                if error.applied() == Applied::No && error.kind() != BackendErrorKind::Configuration =>
            {
                self.debts.put_back(hash, debt, self.subjects.rule.limit());
                return false;
            }
            _ => self.debts.forgive(debt.tokens),
        }
        true
    }
}
