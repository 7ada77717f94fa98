//! [`Leased`]: those of several limits that are leased.

use super::check::Waiting;
use super::{Leases, Question};
use crate::distributed::decision::{GlobalDecision, Source};
use crate::distributed::limiter::Inner;
use crate::distributed::limiter::all::Part;
use crate::distributed::operation::{Operation, Spending};

/// Those of several limits that are leased. What they spent is put back unless all admit, also when the caller leaves in the
/// middle.
pub(in crate::distributed::limiter) struct Leased<'a> {
    parts: &'a [Part<'a>],
    /// Indices of those that are not decided yet.
    waiting: Vec<(usize, Waiting)>,
    /// Indices of those that have spent.
    spent: Vec<(usize, GlobalDecision)>,
}

impl<'a> Leased<'a> {
    /// Decides what can be decided at once, up to the first that refuses; from here on the store is asked for the others.
    pub(in crate::distributed::limiter) fn begin(
        parts: &'a [Part<'a>],
        decisions: &mut [Option<GlobalDecision>],
    ) -> Leased<'a> {
        let mut begun = Leased { parts, waiting: Vec::new(), spent: Vec::new() };
        let budget = parts.iter().map(|part| part.limit.budget).min().unwrap_or_default();
        for (index, part) in parts.iter().enumerate() {
            let Some(leases) = &part.limit.leases else { continue };
            match part.limit.begin_leased(leases.leases(), &part.question, budget) {
                Ok(decision) => {
                    decisions[index] = Some(decision);
                    if !decision.is_allowed() {
                        break;
                    }
                    begun.spent.push((index, decision));
                }
                Err(waiting) => begun.waiting.push((index, waiting)),
            }
        }
        begun
    }

    /// Waits for the others. They were asked together.
    pub(in crate::distributed::limiter) async fn finish(&mut self, decisions: &mut [Option<GlobalDecision>]) {
        for (index, waiting) in self.waiting.drain(..) {
            let part = &self.parts[index];
            let Some(leases) = &part.limit.leases else { continue };
            let decision = part.limit.finish_leased(leases.leases(), &part.question, waiting).await;
            decisions[index] = Some(decision);
            if decision.is_allowed() {
                self.spent.push((index, decision));
            }
        }
    }

    /// All admit: it stays spent.
    pub(in crate::distributed::limiter) fn keep(mut self) {
        for (index, decision) in self.spent.drain(..) {
            let Part { limit, question } = &self.parts[index];
            limit.owe_unanswered(question, &decision);
        }
    }
}

impl Drop for Leased<'_> {
    fn drop(&mut self) {
        for (index, decision) in self.spent.drain(..) {
            let Part { limit, question } = &self.parts[index];
            limit.put_back(question, &decision);
        }
    }
}

impl Inner {
    /// Takes back what a decision spent on this node: of a lease, or of the node's share.
    pub(in crate::distributed::limiter) fn put_back(
        &self,
        question: &Question<'_>,
        decision: &GlobalDecision,
    ) {
        match (&self.leases, decision.source()) {
            (Some(leases), Source::Lease | Source::Remote) => leases.leases().put_back(question),
            (_, Source::Fallback) => {
                self.failing.give_back(question, self.situation(question, self.domain_of(question)));
            }
            _ => {}
        }
    }
}

impl Leases {
    /// What can no longer be spent here goes back to the store.
    fn put_back(&self, question: &Question<'_>) {
        let rest = self.table.put_back(self.clock.nanos(), question.key, question.cost);
        if rest > 0 {
            self.store.tell(Operation::Refund(Spending::new(self.subjects.of(question.key), rest)));
            self.table.relieved(question.key);
        }
    }
}
