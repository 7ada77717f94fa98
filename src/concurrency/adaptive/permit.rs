//! [`AdaptivePermit`]: one request in flight, and what it has to say when it returns.

use std::fmt;

use super::{AdaptiveConcurrency, Ticket};
use crate::concurrency::Saturated;
use crate::concurrency::holder::Holder;
use crate::limiter::Outcome;

/// One request in flight.
///
/// Tell it how the request went with [`finish`](AdaptivePermit::finish). Dropped without that (on an early return, a panic,
/// or in a future that is dropped), it gives its place back all the same and counts as [`Outcome::Ignore`].
///
/// ```
/// use tollgate::concurrency::{AdaptiveConcurrency, Aimd, Outcome};
///
/// let limit = AdaptiveConcurrency::builder(Aimd::new()).build()?;
/// let permit = limit.try_acquire()?;
/// assert_eq!(limit.in_flight(), 1);
/// permit.finish(Outcome::Success);
/// assert_eq!(limit.in_flight(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a permit that is dropped at once gives its place back at once"]
pub struct AdaptivePermit<'a> {
    holder: Holder<'a, AdaptiveConcurrency>,
    /// Taken by whoever releases first, so that nobody does so twice.
    ticket: Option<Ticket>,
}

impl<'a> AdaptivePermit<'a> {
    pub(super) fn acquire(
        holder: Holder<'a, AdaptiveConcurrency>,
        partition: Option<usize>,
    ) -> Result<AdaptivePermit<'a>, Saturated> {
        let ticket = holder.acquire_raw(partition, 1)?;
        Ok(AdaptivePermit { holder, ticket: Some(ticket) })
    }

    /// Gives the place back and tells the limit how the request went. Its round-trip time ends here.
    pub fn finish(mut self, outcome: Outcome) {
        self.release(outcome);
    }

    fn release(&mut self, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            self.holder.release_raw(ticket, outcome);
        }
    }
}

impl Drop for AdaptivePermit<'_> {
    fn drop(&mut self) {
        self.release(Outcome::Ignore);
    }
}

impl fmt::Debug for AdaptivePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptivePermit").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
