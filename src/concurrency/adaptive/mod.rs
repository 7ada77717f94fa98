//! [`AdaptiveConcurrency`]: a limit on how many are in flight that finds its own value.

mod aimd;
mod builder;
mod error;
mod estimate;
mod gate;
mod gradient2;
mod in_flight;
#[cfg(all(test, tollgate_loom))]
mod loom_tests;
mod partitions;
mod permit;
mod rule;
mod sample_window;

use std::sync::Arc;
use std::time::Duration;

pub use aimd::Aimd;
pub use builder::AdaptiveBuilder;
pub use error::AdaptiveError;
pub use gradient2::Gradient2;
pub use partitions::Partition;
pub use permit::AdaptivePermit;
pub use rule::{LimitRule, Sample};

use crate::clock::Clock;
use crate::concurrency::holder::Holder;
use crate::concurrency::{Cause, Saturated};
use crate::limiter::Outcome;
use crate::sync::{AtomicU32, Mutex, Ordering};
use estimate::Estimate;
use in_flight::{Claim, InFlight};
use partitions::Share;

/// A limit on how many requests are in flight that finds its own value from how they fare.
///
/// How many requests a callee stands at once changes with its load, its deployments and the time of day. This limit starts
/// somewhere, rises while all goes well, and falls when it does not. What goes well is said by its rule:
///
/// | the callee | rule |
/// |---|---|
/// | refuses when it is overloaded, or a timeout can be named | [`Aimd`] |
/// | only grows slow, from a normal latency that is steady | [`Gradient2`] |
/// | something else | a [`LimitRule`] of your own |
///
/// Where the right number is known, a fixed limit is better than one that guesses.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use tollgate::concurrency::{AdaptiveConcurrency, Aimd, Outcome, Saturated};
///
/// enum Answer {
///     Body(String),
///     Busy,
/// }
///
/// fn call_backend() -> std::io::Result<Answer> {
///     Ok(Answer::Body("hello".into()))
/// }
///
/// fn forward(limit: &AdaptiveConcurrency) -> Result<std::io::Result<Answer>, Saturated> {
///     let permit = limit.try_acquire()?; // shed the request: the backend has enough to do
///     let answer = call_backend();
///     permit.finish(match &answer {
///         Ok(Answer::Body(_)) => Outcome::Success,
///         Ok(Answer::Busy) => Outcome::Overload,
///         Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Outcome::Overload,
///         Err(_) => Outcome::Ignore,
///     });
///     Ok(answer)
/// }
///
/// let limit = AdaptiveConcurrency::builder(Aimd::new().timeout(Duration::from_millis(250)))
///     .initial(32)
///     .min(4)
///     .max(512)
///     .build()?;
/// assert!(forward(&limit).is_ok());
/// assert_eq!((limit.limit(), limit.in_flight()), (32, 0));
/// # Ok::<(), tollgate::concurrency::AdaptiveError>(())
/// ```
///
/// # What counts
///
/// A request's round trip is measured by the limit's clock from its admission to its
/// [`finish`](AdaptivePermit::finish), and its number in flight is that just after its admission. [`Outcome::Ignore`], and
/// a permit dropped without an outcome, teach nothing. The estimate never leaves `min ..= max`. It has a fraction;
/// the limit in force is the whole number below it. When the limit falls below what is in flight, nobody is
/// interrupted: nobody is admitted until enough have returned.
///
/// # Partitions
///
/// Shares of the limit can be guaranteed to kinds of requests that are told apart by name: see [`Partition`]. On a
/// limit with partitions, [`try_acquire`](AdaptiveConcurrency::try_acquire) itself is for requests of no partition: these
/// have no share, and go on while the whole is below the limit.
///
/// # Cost
///
/// Without partitions, acquiring takes no lock: one load, one compare-and-swap and one reading of the clock; with partitions
/// a short lock of its own. Finishing takes another lock for the arithmetic of the rule. Nothing allocates.
#[derive(Debug)]
pub struct AdaptiveConcurrency {
    clock: Clock,
    estimate: Mutex<Estimate>,
    /// The limit that the estimate stands for, to be read without its lock.
    limit: AtomicU32,
    in_flight: InFlight,
    shares: Box<[Share]>,
}

/// One request that was admitted, by which it is released. Not `Clone`: it can be released only once.
#[derive(Debug)]
pub(crate) struct Ticket {
    started: u64,
    in_flight: u32,
    places: u32,
    partition: Option<usize>,
}

impl AdaptiveConcurrency {
    /// A builder for a limit that follows `rule`: [`Aimd`], [`Gradient2`], or one of your own.
    pub fn builder<R: LimitRule + 'static>(rule: R) -> AdaptiveBuilder<R> {
        AdaptiveBuilder::new(rule)
    }

    fn assemble(estimate: Estimate, clock: Clock, shares: Vec<Share>) -> AdaptiveConcurrency {
        AdaptiveConcurrency {
            clock,
            limit: AtomicU32::new(estimate.limit()),
            estimate: Mutex::new(estimate),
            in_flight: InFlight::new(shares.len()),
            shares: shares.into(),
        }
    }

    /// Lets one request go on, or not, at once.
    ///
    /// # Errors
    ///
    /// [`Saturated`] when as many are in flight as the limit allows.
    pub fn try_acquire(&self) -> Result<AdaptivePermit<'_>, Saturated> {
        AdaptivePermit::acquire(Holder::Borrowed(self), None)
    }

    /// As [`try_acquire`](AdaptiveConcurrency::try_acquire), with a permit that can be stored, or moved to another thread
    /// or task.
    ///
    /// # Errors
    ///
    /// [`Saturated`] when as many are in flight as the limit allows.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::thread;
    /// use tollgate::concurrency::{AdaptiveConcurrency, Gradient2, Outcome};
    ///
    /// let limit = Arc::new(AdaptiveConcurrency::builder(Gradient2::new()).build()?);
    /// let permit = limit.try_acquire_owned()?;
    /// let worker = thread::spawn(move || permit.finish(Outcome::Success));
    /// # worker.join().map_err(|_| "the worker panicked")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<AdaptivePermit<'static>, Saturated> {
        AdaptivePermit::acquire(Holder::Shared(Arc::clone(self)), None)
    }

    /// The partition of this name, or `None` if the limit was built without it.
    ///
    /// Names are compared one by one; look a partition up once where there are many.
    #[must_use]
    pub fn partition(&self, name: &str) -> Option<Partition<'_>> {
        Some(Partition::new(Holder::Borrowed(self), self.position(name)?))
    }

    /// As [`partition`](AdaptiveConcurrency::partition), with a handle that can be stored, and whose permits can be too.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tollgate::concurrency::{AdaptiveConcurrency, Aimd, Partition};
    ///
    /// struct BatchJobs {
    ///     partition: Partition<'static>,
    /// }
    ///
    /// let builder = AdaptiveConcurrency::builder(Aimd::new()).partition("batch", 0.25);
    /// let limit = Arc::new(builder.build()?);
    /// let jobs = limit.partition_owned("batch").map(|partition| BatchJobs { partition });
    /// assert_eq!(jobs.map(|jobs| jobs.partition.guaranteed()), Some(5));
    /// # Ok::<(), tollgate::concurrency::AdaptiveError>(())
    /// ```
    #[must_use]
    pub fn partition_owned(self: &Arc<Self>, name: &str) -> Option<Partition<'static>> {
        Some(Partition::new(Holder::Shared(Arc::clone(self)), self.position(name)?))
    }

    /// How many may be in flight now.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit_in_force() as usize
    }

    /// How many are in flight, in all partitions and in none.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.total() as usize
    }

    /// Takes so many places, for the partition at this index of the builder's or for none. Whoever gets a ticket releases it, once.
    pub(crate) fn acquire_raw(&self, partition: Option<usize>, places: u32) -> Result<Ticket, Saturated> {
        let claim = self.claim(partition, places);
        match self.in_flight.acquire(claim) {
            Ok(in_flight) => Ok(Ticket { started: self.clock.nanos(), in_flight, places, partition }),
            Err(in_flight) => Err(Saturated::new(in_flight.into(), claim.limit.into(), Cause::Busy)),
        }
    }

    fn claim(&self, partition: Option<usize>, places: u32) -> Claim {
        let limit = self.limit_in_force();
        Claim { limit, places, partition: partition.map(|index| (index, self.shares[index].of(limit))) }
    }

    /// Gives the places back, and learns from the outcome.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is used up")]
    pub(crate) fn release_raw(&self, ticket: Ticket, outcome: Outcome) {
        self.in_flight.release(ticket.partition, ticket.places);
        let overload = match outcome {
            Outcome::Success => false,
            Outcome::Overload => true,
            Outcome::Ignore => return,
        };
        let ended = self.clock.nanos();
        let sample = Sample {
            ended: Duration::from_nanos(ended),
            round_trip: Duration::from_nanos(ended.saturating_sub(ticket.started)),
            in_flight: ticket.in_flight as usize,
            overload,
        };
        let mut estimate = self.estimate.lock();
        estimate.learn(&sample);
        // Under the lock, so that an older limit never replaces a newer one.
        self.limit.store(estimate.limit(), Ordering::Relaxed);
    }

    /// Relaxed: a limit is a number that leads to no other memory.
    fn limit_in_force(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.shares.iter().position(|share| share.name == name)
    }
}
