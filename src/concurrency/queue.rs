//! Waiting for a permit under tokio.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::fixed::{ConcurrencyLimit, Permit};
use super::holder::Holder;
use super::saturated::{Cause, Saturated};
use super::waiters::{Hand, Order, Ticket, Waiters};

/// How many may wait when nobody says otherwise.
///
/// A choice: at 10 000 calls a second it is a tenth of a second, about as long as is worth waiting for, and a full
/// queue takes some 100 KB.
const DEFAULT_QUEUE: usize = 1024;

/// Builds a [`ConcurrencyLimit`] with a queue other than the default.
///
/// ```
/// use tollgate::concurrency::{ConcurrencyLimit, Order};
///
/// let limit = ConcurrencyLimit::builder(100).queue(200).order(Order::NewestFirst).build();
/// assert_eq!(limit.max(), 100);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct QueueBuilder {
    max: usize,
    length: usize,
    order: Order,
}

impl QueueBuilder {
    /// How many may wait at once; default 1024. With 0 nobody waits. Each takes about 100 bytes while it does.
    pub fn queue(mut self, length: usize) -> QueueBuilder {
        self.length = length;
        self
    }

    /// Who goes first; default [`Order::OldestFirst`].
    pub fn order(mut self, order: Order) -> QueueBuilder {
        self.order = order;
        self
    }

    /// Builds the limit.
    #[must_use]
    pub fn build(self) -> ConcurrencyLimit {
        ConcurrencyLimit::with_waiters(self.max, Waiters::new(self.length, self.order))
    }
}

impl Default for Waiters<Handover> {
    fn default() -> Waiters<Handover> {
        Waiters::new(DEFAULT_QUEUE, Order::default())
    }
}

/// The way to a waiting future. Dropped, it says that there will be no place.
pub(super) type Handover = oneshot::Sender<()>;

impl Hand for Handover {
    fn hand(self) -> bool {
        self.send(()).is_ok()
    }
}

/// Somebody in the queue, or with a place that has just come from there.
struct Waiting<'a> {
    limit: &'a ConcurrencyLimit,
    ticket: Ticket,
    place: oneshot::Receiver<()>,
}

impl Waiting<'_> {
    /// Leaves the queue. Whether a place had come before that, which is the caller's now.
    fn leave(&mut self) -> bool {
        let (places, waiters) = self.limit.places_and_waiters();
        waiters.leave(places, self.ticket);
        // From here on the place cannot come: its giver is told, and keeps it.
        self.place.close();
        self.place.try_recv().is_ok()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.leave() {
            self.limit.release_raw();
        }
    }
}

impl ConcurrencyLimit {
    /// Builds a limit of `max` at once with a queue other than the default.
    pub fn builder(max: usize) -> QueueBuilder {
        QueueBuilder { max, length: DEFAULT_QUEUE, order: Order::default() }
    }

    /// Takes a permit as soon as one is free, waiting for at most `max_wait`. O(log of the queue's length).
    ///
    /// A permit that is given back goes straight to the one in the queue whose turn it is ([`Order`]), and wakes nobody else.
    /// A wait of zero is [`try_acquire`](ConcurrencyLimit::try_acquire); one longer than tokio can time, some 30 years, is cut to
    /// that. The future can be dropped at any time: it leaves the queue at once, and a permit that was on its way goes to the next.
    ///
    /// # Errors
    ///
    /// [`Saturated`] when no permit came in time, or the queue was full; [`Saturated::cause`] says which.
    ///
    /// # Panics
    ///
    /// As [`tokio::time::timeout`], when it has to wait outside a tokio runtime with time enabled.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tollgate::concurrency::ConcurrencyLimit;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), tollgate::concurrency::Saturated> {
    /// let limit = ConcurrencyLimit::new(1);
    /// let permit = limit.acquire_within(Duration::from_millis(50)).await?;
    /// assert!(limit.acquire_within(Duration::from_millis(50)).await.is_err());
    /// drop(permit);
    /// assert!(limit.acquire_within(Duration::from_millis(50)).await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn acquire_within(&self, max_wait: Duration) -> Result<Permit<'_>, Saturated> {
        self.take_within(max_wait).await?;
        Ok(Permit::of(Holder::Borrowed(self)))
    }

    /// As [`acquire_within`](ConcurrencyLimit::acquire_within), with a permit that can go anywhere, such as into a spawned
    /// task.
    ///
    /// # Errors
    ///
    /// As [`acquire_within`](ConcurrencyLimit::acquire_within).
    ///
    /// # Panics
    ///
    /// As [`acquire_within`](ConcurrencyLimit::acquire_within).
    pub async fn acquire_owned_within(
        self: &Arc<Self>,
        max_wait: Duration,
    ) -> Result<Permit<'static>, Saturated> {
        self.take_within(max_wait).await?;
        Ok(Permit::of(Holder::Shared(Arc::clone(self))))
    }

    /// How many wait at the moment.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.places_and_waiters().1.len()
    }

    /// Takes a place; the caller makes it a permit before it awaits anything else.
    async fn take_within(&self, max_wait: Duration) -> Result<(), Saturated> {
        let refused = match self.acquire_raw() {
            Err(refused) if !max_wait.is_zero() => refused,
            decided => return decided,
        };
        let (handover, place) = oneshot::channel();
        let (places, waiters) = self.places_and_waiters();
        let Some(ticket) = waiters.join(places, handover) else {
            return Err(refused.because(Cause::QueueFull));
        };
        let mut waiting = Waiting { limit: self, ticket, place };
        match timeout(max_wait, &mut waiting.place).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.figures().because(Cause::Displaced)),
            // It may have come since.
            Err(_) if waiting.leave() => Ok(()),
            Err(_) => Err(self.figures().because(Cause::TimedOut)),
        }
    }
}
