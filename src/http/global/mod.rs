//! [`Global`]: a limit that many nodes share, as the middleware asks it.

mod answers;
mod asking;
mod owed;

use std::sync::Arc;
use std::time::Duration;

pub(super) use asking::Asking;
pub(super) use owed::Owed;

use super::Head;
use super::limit::{Checked, Limited, Source};
use super::report::{LimitReport, Unit};
use super::rules::{Refused, Rules};
use crate::distributed::{self, GlobalConcurrencyLimit, GlobalDecision, GlobalLimiter, Rule};

/// A limit that many nodes share.
#[derive(Clone, Debug)]
pub enum Global {
    /// So many in so much time.
    Rate(Arc<GlobalLimiter>),
    /// So many at once.
    Places(Arc<GlobalConcurrencyLimit>),
}

impl Limited for GlobalLimiter {
    fn source(self: Arc<Self>) -> Source {
        Source::Global(Global::Rate(self))
    }
}

impl Limited for GlobalConcurrencyLimit {
    fn source(self: Arc<Self>) -> Source {
        Source::Global(Global::Places(self))
    }
}

/// What a request asks of a limit that many nodes share.
#[derive(Clone, Debug)]
struct Asked {
    /// Which of the layer's global limits.
    limit: usize,
    key: Box<[u8]>,
    cost: u64,
}

impl Rules {
    /// What the request asks of those global limits that concern it.
    fn ask_each_global(&self, head: &Head<'_>) -> Result<Vec<Asked>, Refused> {
        let asked = self.global.iter().enumerate().filter_map(|(limit, rule)| {
            let key = self.find_key(rule, head).transpose()?;
            Some(key.map(|key| Asked { limit, key: key.to_bytes().into(), cost: rule.charged(head) }))
        });
        asked.collect()
    }
}

impl Checked<Global> {
    fn report(&self, asked: &Asked, decision: &GlobalDecision) -> LimitReport {
        let (unit, window, reset_after, retry_after) = match &self.source {
            Global::Rate(limiter) => {
                (Unit::Rate, window(&limiter.rule()), decision.reset_after(), decision.retry_after())
            }
            // Of a place it is only known when it is free at the latest.
            Global::Places(_) => (Unit::Concurrency, None, Duration::ZERO, Some(Duration::ZERO)),
        };
        let failed = is_uncounted(decision.source());
        LimitReport {
            name: Arc::clone(&self.name),
            unit,
            cost: asked.cost,
            limit: decision.limit(),
            window,
            remaining: decision.remaining(),
            reset_after,
            retry_after: if failed { decision.retry_after() } else { retry_after },
            refuses: !decision.is_allowed(),
            failed,
        }
    }
}

/// Whether nobody counted: neither the store, nor this node its share.
pub(crate) fn is_uncounted(source: distributed::Source) -> bool {
    matches!(source, distributed::Source::FailOpen | distributed::Source::FailClosed)
}

/// The time in which an empty key becomes full, or a window ends.
fn window(rule: &Rule) -> Option<Duration> {
    match rule {
        Rule::Gcra(quota) | Rule::TokenBucket(quota) | Rule::Leased { quota, .. } => quota.refill_time(),
        Rule::FixedWindow { window, .. }
        | Rule::SlidingWindow { window, .. }
        | Rule::SlidingLog { window, .. } => Some(*window),
        Rule::Concurrency { .. } => None,
    }
}
