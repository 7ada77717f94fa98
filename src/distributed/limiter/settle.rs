//! Making an estimate that was charged the actual cost.

use super::GlobalLimiter;
use crate::distributed::decision::Source;
use crate::distributed::operation::{Operation, Spending};

impl GlobalLimiter {
    /// Makes an estimate that was charged the actual cost, in the background: more is charged as soon as the store can be asked, even into debt; less
    /// is given back at most once.
    pub(crate) fn settle(&self, key: &[u8], estimate: u64, actual: u64, decided_by: Source) {
        if matches!(decided_by, Source::FailOpen | Source::FailClosed) {
            // Nothing was counted.
            return;
        }
        let inner = &self.inner;
        let question = inner.question(key, actual.saturating_sub(estimate));
        if question.cost > 0 {
            inner.owe(&question, inner.domain_of(&question));
        } else if actual < estimate {
            inner.store.tell(Operation::Refund(Spending::new(inner.subjects.of(key), estimate - actual)));
            inner.denied.forget(question.hash);
        }
    }
}
