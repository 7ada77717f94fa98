//! Adaptive limits among the limits of [`check_all`](crate::check_all).

use std::sync::Arc;

use super::{AdaptiveConcurrency, Partition, Ticket};
use crate::clock::{Instant, Now};
use crate::concurrency::gates::figures;
use crate::concurrency::holder::Holder;
use crate::decision::{Allowed, Denied, Figures};
use crate::limiter::{Gate, On, Outcome, Prepared, Receipt};

/// A key is a partition: 0 for none, or its number from 1.
fn partition(tag: u64) -> Option<usize> {
    usize::try_from(tag.checked_sub(1)?).ok()
}

/// More places than can be counted are as many as never fit.
fn count(places: u64) -> u32 {
    u32::try_from(places).unwrap_or(u32::MAX)
}

impl AdaptiveConcurrency {
    fn seen(&self, tag: u64, places: u64) -> (bool, Figures) {
        let claim = self.claim(partition(tag), count(places));
        let (fits, in_flight) = self.in_flight.look(claim);
        (fits, figures(in_flight.into(), claim.limit.into(), places))
    }
}

impl Gate for AdaptiveConcurrency {
    fn prepare<'a>(&'a self, _: &mut Instant, tag: u64, places: u64, _: &mut Prepared<'a>) -> bool {
        self.seen(tag, places).0
    }

    fn look(&self, _: &mut Instant, tag: u64, places: u64) -> Result<Allowed, Denied> {
        let (fits, figures) = self.seen(tag, places);
        if fits { Ok(Allowed::new(figures)) } else { Err(Denied::new(figures)) }
    }

    fn take(&self, _: &mut Instant, tag: u64, places: u64) -> Result<(Now, Receipt), Denied> {
        match self.acquire_raw(partition(tag), count(places)) {
            Ok(Ticket { started, in_flight, .. }) => {
                Ok((Now::NEVER, Receipt { before: started, after: in_flight.into() }))
            }
            Err(saturated) => {
                let (in_flight, limit) = (saturated.in_flight() as u64, saturated.max() as u64);
                Err(Denied::new(figures(in_flight, limit, places)))
            }
        }
    }

    fn after(&self, _: Now, tag: u64, places: u64, _: Receipt) -> Figures {
        self.seen(tag, places).1
    }

    fn undo(&self, tag: u64, places: u64, receipt: Receipt) {
        self.release(tag, places, receipt, Outcome::Ignore);
    }

    /// Places are not an estimate.
    fn settle(&self, _: u64, _: u64, _: u64, _: Receipt) {}

    fn release(&self, tag: u64, places: u64, receipt: Receipt, outcome: Outcome) {
        let (started, in_flight) = (receipt.before, count(receipt.after));
        self.release_raw(
            Ticket { started, in_flight, places: count(places), partition: partition(tag) },
            outcome,
        );
    }
}

impl AdaptiveConcurrency {
    /// The key under which a partition is asked for; without such a partition, that of no partition.
    #[cfg(feature = "tower")]
    pub(crate) fn partition_tag(&self, name: &str) -> u64 {
        self.position(name).map_or(0, |index| index as u64 + 1)
    }

    /// This limit, one of several for [`check_all`](crate::check_all): its cost is how many places are taken, until the answer is
    /// [finished](crate::AllowedAll::finish) or dropped.
    pub fn on(&self) -> On<'_> {
        On::borrowed(self, 0).holding()
    }

    /// As [`on`](AdaptiveConcurrency::on), for an answer that outlives the borrow: in another task, or with the body of a response.
    pub fn on_owned<'a>(self: &Arc<Self>) -> On<'a> {
        On::shared(Arc::<Self>::clone(self), 0).holding()
    }
}

impl<'a> Partition<'a> {
    /// This partition, one of several limits for [`check_all`](crate::check_all), as [`AdaptiveConcurrency::on`].
    ///
    /// ```
    /// use tollgate::concurrency::{AdaptiveConcurrency, Aimd, Outcome};
    /// use tollgate::{Limiter, Quota, check_all};
    ///
    /// let rate = Limiter::new(Quota::per_second(100));
    /// let backend = AdaptiveConcurrency::builder(Aimd::new()).partition("live", 0.7).build()?;
    /// let live = backend.partition("live").ok_or("no such partition")?;
    /// let guard = check_all(&[rate.on("ann"), live.on().label("backend")]).unwrap();
    /// assert_eq!(live.in_flight(), 1);
    /// guard.finish(Outcome::Success);
    /// assert_eq!((live.in_flight(), backend.limit()), (0, 20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on(&self) -> On<'a> {
        let tag = self.index() as u64 + 1;
        match self.holder() {
            Holder::Borrowed(limit) => On::borrowed(*limit, tag).holding(),
            Holder::Shared(limit) => On::shared(Arc::<AdaptiveConcurrency>::clone(limit), tag).holding(),
        }
    }
}
