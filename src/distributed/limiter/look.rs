//! To look whether a cost would be let through.

use std::time::Duration;

use super::GlobalLimiter;
use crate::distributed::decision::{GlobalDecision, Source};
use crate::distributed::reply::Standing;
use crate::distributed::rule::Rule;
use crate::quota::Quota;

impl GlobalLimiter {
    /// Whether `cost` tokens of `key` would be let through, and where it stands. Spends nothing. At most one round trip, within the budget; where the
    /// store cannot be asked it is as the [failure policy](super::FailurePolicy) has it.
    pub(crate) async fn look(&self, key: &[u8], cost: u64) -> GlobalDecision {
        let limit = self.inner.subjects.rule.limit();
        let decision = match self.peek(key).await {
            Ok(standing) => GlobalDecision::new(true, Source::Remote, limit, standing),
            // A cost of zero spends nothing of this node's share either.
            Err(_) => self.inner.decide_now(&self.inner.question(key, 0)),
        };
        if !decision.is_allowed() || decision.source() == Source::FailOpen {
            return decision;
        }
        if cost > limit {
            return GlobalDecision::never(limit);
        }
        let standing = decision.standing();
        let fits = cost <= standing.remaining;
        let retry_after = match standing.retry_after {
            _ if fits => Some(Duration::ZERO),
            // It was told for one.
            Some(wait) if cost == 1 && decision.source() == Source::Remote => Some(wait),
            _ => Some(wait_for(&self.inner.subjects.rule, &standing, cost)),
        };
        let standing = Standing { retry_after, ..standing };
        GlobalDecision::new(fits, decision.source(), limit, standing)
    }
}

/// How long until a cost surely fits, by when all is back: of tokens that come one by one just so long, of those that come in windows at most so long.
fn wait_for(rule: &Rule, standing: &Standing, cost: u64) -> Duration {
    let (Rule::Gcra(quota) | Rule::TokenBucket(quota) | Rule::Leased { quota, .. }) = rule else {
        return standing.reset_after;
    };
    let unneeded = quota.capacity().saturating_sub(cost);
    standing.reset_after.saturating_sub(Quota::refill_time(&quota.burst(unneeded)).unwrap_or_default())
}
