//! [`CallerLimits`]: limits that come with the request.

mod bounds;
mod error;
mod memory;
mod shared;
mod snapshot;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use bounds::Bounds;
pub(crate) use error::CallerError;
pub(crate) use shared::Backend;
pub(crate) use snapshot::CallerSnapshot;

use crate::build_error::BuildError;
use crate::clock::Clock;
use crate::decision::{Allowed, Denied};
use crate::distributed::{GlobalDecision, Source};
use crate::policy::AlgorithmName;
use crate::quota::Quota;
use memory::InMemory;
use shared::AtBackend;

/// A limit that came with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CallerLimit {
    pub(crate) algorithm: AlgorithmName,
    /// A window algorithm's limit and window are its count and period.
    pub(crate) quota: Quota,
}

impl CallerLimit {
    /// The time in which all that a key can hold comes back; `None` if it never does.
    pub(crate) fn window(self) -> Option<Duration> {
        if self.algorithm.has_burst() { self.quota.refill_time() } else { Some(self.quota.period()) }
    }
}

/// A key, the limit it is asked to pass, and what for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'k> {
    pub(crate) key: &'k [u8],
    pub(crate) limit: CallerLimit,
    pub(crate) cost: u64,
}

/// Where a key stands, and whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) allowed: bool,
    /// The most that a key can hold.
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// Until the key is full again.
    pub(crate) reset_after: Duration,
    /// Zero if allowed, `None` if it never fits.
    pub(crate) retry_after: Option<Duration>,
    /// How long a leaky bucket makes it wait.
    pub(crate) delay: Duration,
    /// Who decided, where a backend counts.
    pub(crate) source: Option<Source>,
}

/// Limits that come with requests, within bounds: in memory, or in a store that nodes share.
///
/// Under `gcra` and `token_bucket` a key has one count whatever the quota (see [`PerCall`](crate::PerCall)); under the others one for each
/// limit.
#[derive(Debug)]
pub(crate) struct CallerLimits {
    bounds: Bounds,
    counting: Counting,
}

#[derive(Debug)]
enum Counting {
    Memory(Box<InMemory>),
    Backend(Box<AtBackend>),
}

impl CallerLimits {
    /// Counted in memory.
    ///
    /// # Errors
    ///
    /// [`BuildError::MaxKeys`] if `max_keys` is out of range.
    pub(crate) fn in_memory(bounds: Bounds, clock: Clock) -> Result<CallerLimits, BuildError> {
        let counting = Counting::Memory(Box::new(InMemory::new(&bounds, clock)?));
        Ok(CallerLimits { bounds, counting })
    }

    /// Counted in memory, from where another process ended. Also says how many of its limits begin anew, because the bounds do not let them go on or
    /// what was saved cannot be used; all of `gcra` and `token_bucket` count as one.
    ///
    /// # Errors
    ///
    /// As [`in_memory`](CallerLimits::in_memory).
    pub(crate) fn restored(
        bounds: Bounds,
        clock: Clock,
        snapshot: CallerSnapshot,
    ) -> Result<(CallerLimits, usize), BuildError> {
        let (memory, lost) = InMemory::restored(&bounds, clock, snapshot)?;
        Ok((CallerLimits { bounds, counting: Counting::Memory(Box::new(memory)) }, lost))
    }

    /// What all keys have spent, to be kept over a restart; `None` if a backend keeps it.
    pub(crate) fn snapshot(&self) -> Option<CallerSnapshot> {
        match &self.counting {
            Counting::Memory(memory) => Some(memory.snapshot()),
            Counting::Backend(_) => None,
        }
    }

    /// Counted in a store, and by this node's share where it cannot be asked.
    pub(crate) fn at_backend(bounds: Bounds, backend: Backend, clock: Clock) -> CallerLimits {
        let counting = Counting::Backend(Box::new(AtBackend::new(&bounds, backend, clock)));
        CallerLimits { bounds, counting }
    }

    /// Whether a limit is within the bounds, and can be counted: for those who only want to know. All that ask find out by themselves.
    pub(crate) fn validate(&self, limit: CallerLimit) -> Result<(), CallerError> {
        self.bounds.check_limit(limit)?;
        match &self.counting {
            Counting::Memory(memory) => memory.validate(limit),
            Counting::Backend(_) => shared::rule(limit).map(drop),
        }
    }

    /// The same of a key.
    pub(crate) fn validate_key(&self, key: &[u8]) -> Result<(), CallerError> {
        self.bounds.check_key(key)
    }

    /// Spends `cost` tokens of a key, or none. At most one round trip to the backend, if there is one.
    pub(crate) async fn check(
        &self,
        key: &[u8],
        limit: CallerLimit,
        cost: u64,
    ) -> Result<Answer, CallerError> {
        self.bounds.check(key, limit)?;
        match &self.counting {
            Counting::Memory(memory) => memory.check(key, limit, cost),
            Counting::Backend(backend) => backend.check(key, limit, cost).await,
        }
    }

    /// The same without waiting: where a backend counts, this node decides by what it knows.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn check_now(&self, key: &[u8], limit: CallerLimit, cost: u64) -> Result<Answer, CallerError> {
        self.bounds.check(key, limit)?;
        match &self.counting {
            Counting::Memory(memory) => memory.check(key, limit, cost),
            Counting::Backend(backend) => backend.check_now(key, limit, cost),
        }
    }

    /// Asks about many keys, as [`check`](CallerLimits::check) about one after the other (a backend about some at the same time). Appends an
    /// answer for each, in their order.
    pub(crate) async fn check_many(&self, asks: &[Ask<'_>], answers: &mut Vec<Result<Answer, CallerError>>) {
        match &self.counting {
            Counting::Memory(memory) => memory.check_many(&self.bounds, asks, answers),
            Counting::Backend(backend) => backend.check_many(&self.bounds, asks, answers).await,
        }
    }

    /// Where a key stands, and whether `cost` would go on. Spends nothing.
    pub(crate) async fn peek(
        &self,
        key: &[u8],
        limit: CallerLimit,
        cost: u64,
    ) -> Result<Answer, CallerError> {
        self.bounds.check(key, limit)?;
        match &self.counting {
            Counting::Memory(memory) => memory.peek(key, limit, cost),
            Counting::Backend(backend) => backend.peek(key, limit, cost).await,
        }
    }

    /// Gives back `tokens` of a key, never above full.
    pub(crate) async fn refund(
        &self,
        key: &[u8],
        limit: CallerLimit,
        tokens: u64,
    ) -> Result<(), CallerError> {
        self.bounds.check(key, limit)?;
        match &self.counting {
            Counting::Memory(memory) => memory.refund(key, limit, tokens),
            Counting::Backend(backend) => backend.refund(key, limit, tokens).await?,
        }
        Ok(())
    }
}

impl Answer {
    /// What a limit in memory says.
    #[inline]
    fn of(decision: &Result<Allowed, Denied>) -> Answer {
        let (allowed, figures) = match decision {
            Ok(allowed) => (true, allowed.figures()),
            Err(denied) => (false, denied.figures()),
        };
        Answer {
            allowed,
            limit: figures.limit(),
            remaining: figures.remaining(),
            reset_after: figures.reset_after(),
            retry_after: if allowed { Some(Duration::ZERO) } else { figures.retry_after() },
            delay: if allowed { figures.delay() } else { Duration::ZERO },
            source: None,
        }
    }

    /// What a store says, or a node in its place.
    fn shared(decision: &GlobalDecision) -> Answer {
        Answer {
            allowed: decision.is_allowed(),
            limit: decision.limit(),
            remaining: decision.remaining(),
            reset_after: decision.reset_after(),
            retry_after: decision.retry_after(),
            delay: Duration::ZERO,
            source: Some(decision.source()),
        }
    }
}
