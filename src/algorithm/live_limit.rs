//! [`LiveLimit`]: a limit that can be changed while a limiter runs.

use crate::build_error::BuildError;
use crate::sync::{AtomicU64, Ordering};

/// A limit and nothing else. Relaxed throughout: it is a number that leads to no other memory.
#[derive(Debug)]
pub(super) struct LiveLimit(AtomicU64);

impl LiveLimit {
    pub(super) fn new(limit: u64) -> LiveLimit {
        LiveLimit(AtomicU64::new(limit))
    }

    #[inline]
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Another limit from now on, if it is at most `max`.
    pub(super) fn set(&self, limit: u64, max: u64) -> Result<(), BuildError> {
        check(limit, max)?;
        self.0.store(limit, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the limit is at most `max`.
    pub(super) fn check(&self, max: u64) -> Result<(), BuildError> {
        check(self.get(), max)
    }
}

fn check(limit: u64, max: u64) -> Result<(), BuildError> {
    if limit > max { Err(BuildError::LimitTooLarge { limit, max }) } else { Ok(()) }
}
