//! [`check_all`]: several limits as one, all or nothing.

mod denied;

pub use denied::{DeniedBy, LimitStatus};

use std::time::Duration;

use super::engine::Receipt;
use super::gate::{Kind, On, Outcome};
use super::spread;
use super::taking::{Refusal, Taking, take_all};
#[cfg(feature = "tower")]
use super::turns::Turn;
use crate::clock::Now;
#[cfg(feature = "tower")]
use crate::clock::saturating_nanos;
use crate::decision::Figures;

/// Spends from all of these limits, or from none. O(limits), with one small allocation; that each is compared with those before it
/// shows only with hundreds of them.
///
/// The limits may be of any kind, under any algorithm, each with its own key and cost, concurrency limits among them. The same
/// limit and key given twice costs both. First all are looked at; only when all would admit they are charged, in order. Should one
/// have been spent empty in between, those before it get back exactly what they were charged, and all is refused. So nobody is ever
/// admitted too much; but a concurrent check of one of the same keys may be refused that would just have fitted.
///
/// Without this, limits that are checked one after the other take from the first what the second refuses: one client who floods its own limit
/// would use up everybody's.
///
/// # Errors
///
/// [`DeniedBy`] when any refuses; nothing is spent. Of several that refuse, the one with the longest wait is named.
///
/// ```
/// use tollgate::{Limiter, Quota, check_all};
///
/// let everyone = Limiter::new(Quota::per_second(100));
/// let per_client = Limiter::new(Quota::per_second(2));
/// let call = |client: &str| {
///     check_all(&[everyone.on(&()).label("everyone"), per_client.on(client).label("per client")]).map(|_| ())
/// };
/// assert!(call("noisy").is_ok() && call("noisy").is_ok());
/// for _ in 0..1_000 {
///     assert_eq!(call("noisy").unwrap_err().label(), Some("per client"));
/// }
/// assert!(call("polite").is_ok()); // what was refused took nothing from everyone's
/// ```
pub fn check_all<'a>(limits: &[On<'a>]) -> Result<AllowedAll<'a>, DeniedBy<'a>> {
    for (index, on) in limits.iter().enumerate() {
        if limits[..index].iter().any(|other| other.is_about_the_same_as(on)) {
            return check_repeated(limits);
        }
    }
    check_distinct(limits, Vec::new())
}

/// Each limit and key once, with all that is asked of it.
#[cold]
fn check_repeated<'a>(limits: &[On<'a>]) -> Result<AllowedAll<'a>, DeniedBy<'a>> {
    let (mut distinct, mut merged): (Vec<On<'a>>, Vec<Merged>) = (Vec::new(), Vec::new());
    for (index, on) in limits.iter().enumerate() {
        if let Some(place) = distinct.iter().position(|first| first.is_about_the_same_as(on)) {
            distinct[place].cost = distinct[place].cost.saturating_add(on.cost);
            merged[place].add(on);
        } else {
            distinct.push(on.clone());
            merged.push(Merged::of(index, on));
        }
    }
    check_distinct(&distinct, merged)
}

/// What was asked of one limit and key in several parts.
#[derive(Clone, Copy, Debug)]
struct Merged {
    /// The place of the first part among the limits given.
    index: usize,
    /// How many parts are estimates, and of how much.
    estimates: u64,
    estimated: u64,
}

impl Merged {
    fn of(index: usize, on: &On<'_>) -> Merged {
        let mut merged = Merged { index, estimates: 0, estimated: 0 };
        merged.add(on);
        merged
    }

    fn add(&mut self, on: &On<'_>) {
        if on.kind == Kind::Estimated {
            self.estimates += 1;
            // As the whole cost: one that saturates is refused.
            self.estimated = self.estimated.saturating_add(on.cost);
        }
    }
}

/// Each limit and key is there once; `merged` says of which parts they are made, if any has several.
#[inline]
fn check_distinct<'a>(limits: &[On<'a>], merged: Vec<Merged>) -> Result<AllowedAll<'a>, DeniedBy<'a>> {
    // More limits than this on one request are rare.
    const FEW: usize = 4;
    let (mut few, mut many) = ([Taking::default(); FEW], Vec::new());
    let takings = if limits.len() <= FEW {
        &mut few[..limits.len()]
    } else {
        many.resize(limits.len(), Taking::default());
        &mut many
    };
    match take_all(&limits, takings) {
        Ok(()) => Ok(AllowedAll::of(limits, takings, merged)),
        Err(Refusal { refusing, no_room }) => {
            let count = spread::next_count();
            Err(DeniedBy { limits: limits.to_vec(), merged, refusing, no_room, count })
        }
    }
}

/// What was taken from one limit.
#[derive(Debug)]
struct Held<'a> {
    on: On<'a>,
    now: Now,
    receipt: Receipt,
}

impl Held<'_> {
    fn figures(&self) -> Figures {
        self.on.gate().after(self.now, self.on.tag, self.on.cost, self.receipt)
    }

    fn settle(&self, merged: Merged, actual: u64) {
        if merged.estimates > 0 {
            let actual = actual.saturating_mul(merged.estimates);
            let total = (self.on.cost - merged.estimated).saturating_add(actual);
            self.on.gate().settle(self.on.tag, self.on.cost, total, self.receipt);
        }
    }
}

/// All limits let the caller pass; what they were asked for is spent.
///
/// It is also the guard of the concurrency limits among them: their places are held until it is dropped, finished, settled or cancelled, also by a
/// panic. What was charged to rate limits stays charged when it is dropped.
///
/// ```
/// use tollgate::concurrency::ConcurrencyLimit;
/// use tollgate::{Limiter, Quota, check_all};
///
/// let tokens = Limiter::new(Quota::per_hour(1_000));
/// let calls = ConcurrencyLimit::new(2);
/// let allowed = check_all(&[tokens.on("acme").reserve(300), calls.on()]).unwrap();
/// assert_eq!((tokens.peek("acme").remaining(), calls.in_flight()), (700, 1));
/// allowed.settle(120); // the actual cost, and the place is free again
/// assert_eq!((tokens.peek("acme").remaining(), calls.in_flight()), (880, 0));
/// ```
#[derive(Debug)]
#[must_use = "places in concurrency limits are given back when this is dropped"]
pub struct AllowedAll<'a> {
    held: Vec<Held<'a>>,
    /// Of which parts each is made; empty if each has one.
    merged: Vec<Merged>,
}

impl<'a> AllowedAll<'a> {
    #[inline(always)]
    fn of(limits: &[On<'a>], takings: &[Taking<'_>], merged: Vec<Merged>) -> AllowedAll<'a> {
        // Everything was taken, so everything has a receipt.
        let held = limits.iter().zip(takings).map(|(on, taking)| {
            let (now, receipt) = taking.taken().unwrap_or_default();
            Held { on: on.clone(), now, receipt }
        });
        AllowedAll { held: held.collect(), merged }
    }

    /// The smallest number of tokens (or places) that any of the limits has left; [`u64::MAX`] if there were no limits.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.limits().map(|limit| limit.remaining()).min().unwrap_or(u64::MAX)
    }

    /// The longest time to wait before going on that any limit asks for; see [`Allowed::delay`](crate::Allowed::delay).
    #[must_use]
    pub fn delay(&self) -> Duration {
        self.held.iter().map(|held| held.figures().delay()).max().unwrap_or_default()
    }

    /// Where each limit stood after this, in the order given; a limit and key that was given twice is there once.
    ///
    /// (Of a [`SlidingLog`](crate::SlidingLog) and a concurrency limit it is where they stand when they are asked.)
    pub fn limits(&self) -> impl Iterator<Item = LimitStatus> {
        let held = self.held.iter().enumerate();
        held.map(|(place, held)| LimitStatus::new(&held.on, place, &self.merged, held.figures()))
    }

    /// Charges `actual` tokens to each limit that was asked to [reserve](On::reserve) an estimate, instead of the estimate, as
    /// [`Reservation::settle`](crate::Reservation::settle). Costs that were not estimates stay. Gives places back, as after [`Outcome::Success`].
    pub fn settle(self, actual: u64) {
        for (place, held) in self.held.iter().enumerate() {
            let one_part = || Merged::of(place, &held.on);
            held.settle(self.merged.get(place).copied().unwrap_or_else(one_part), actual);
        }
        self.finish(Outcome::Success);
    }

    /// What was taken from rates, each with the place of its limit, what it is about, and when its turn comes. Places are given back.
    #[cfg(feature = "tower")]
    pub(crate) fn into_turns(mut self) -> Vec<(usize, u64, u64, Turn)> {
        let held = std::mem::take(&mut self.held).into_iter().enumerate();
        let (places, rates): (Vec<_>, Vec<_>) = held.partition(|(_, held)| held.on.kind == Kind::Held);
        self.held = places.into_iter().map(|(_, held)| held).collect();
        self.release(Outcome::Ignore);
        rates
            .into_iter()
            .map(|(place, held)| {
                let delay = saturating_nanos(held.figures().delay());
                let turn = Turn { time: held.now.clock.saturating_add(delay), receipt: held.receipt };
                let index = self.merged.get(place).map_or(place, |merged| merged.index);
                (index, held.on.tag, held.on.cost, turn)
            })
            .collect()
    }

    /// What was taken by other means, to be settled and given back in the same way.
    #[cfg(feature = "tower")]
    pub(crate) fn taken(limits: impl IntoIterator<Item = (On<'a>, Receipt)>) -> AllowedAll<'a> {
        let held = limits.into_iter().map(|(on, receipt)| Held { on, now: Now::NEVER, receipt });
        AllowedAll { held: held.collect(), merged: Vec::new() }
    }

    /// As [`settle`](AllowedAll::settle), to amounts of their own: `total` is asked with the place of each limit (the first, if it was given twice) for all
    /// that it costs.
    #[cfg(feature = "tower")]
    pub(crate) fn settle_each(self, outcome: Outcome, total: impl Fn(usize) -> Option<u64>) {
        for (place, Held { on, receipt, .. }) in self.held.iter().enumerate() {
            let index = self.merged.get(place).map_or(place, |merged| merged.index);
            if let Some(total) = total(index).filter(|total| *total != on.cost) {
                on.gate().settle(on.tag, on.cost, total, *receipt);
            }
        }
        self.finish(outcome);
    }

    /// Gives everything back, as if nothing had been asked: tokens as [`Reservation::cancel`](crate::Reservation::cancel), and places.
    pub fn cancel(mut self) {
        while let Some(Held { on, receipt, .. }) = self.held.pop() {
            on.gate().undo(on.tag, on.cost, receipt);
        }
    }

    /// Gives places back, and tells those concurrency limits that adapt how the work ended. Dropped, it is [`Outcome::Ignore`].
    pub fn finish(mut self, outcome: Outcome) {
        self.release(outcome);
    }

    /// One by one: if the rule of a limit panics, dropping gives back the rest, and nothing twice.
    #[inline]
    fn release(&mut self, outcome: Outcome) {
        while let Some(Held { on, receipt, .. }) = self.held.pop() {
            if on.kind == Kind::Held {
                on.gate().release(on.tag, on.cost, receipt, outcome);
            }
        }
    }
}

impl Drop for AllowedAll<'_> {
    #[inline]
    fn drop(&mut self) {
        self.release(Outcome::Ignore);
    }
}
