//! [`Gate`]: what [`check_all`](super::check_all) asks of a limit, whatever its kind; and [`On`], a limit and the key it is asked about.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::Limiter;
use super::engine::{Engine, Keys, Receipt};
use super::spread;
use crate::clock::{Instant, Now};
use crate::decision::{Allowed, Denied, Figures};
use crate::store::Pending;

/// How the work ended that a limit had let through, told to a concurrency limit that adapts.
///
/// For an example see [`AdaptiveConcurrency`](crate::concurrency::AdaptiveConcurrency).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It was answered: its round-trip time counts.
    Success,
    /// It says nothing about the load: it failed for a reason of its own (a bad request, a cache hit, a cancelled call).
    Ignore,
    /// It met overload: it was refused for load, or timed out. The limit falls.
    Overload,
}

/// A limit of any kind. Keys are known by their tags.
pub(crate) trait Gate: Send + Sync {
    /// Whether `cost` would fit, and how to take it. Takes nothing. All that are asked with one `instant` read the clock together.
    fn prepare<'a>(&'a self, instant: &mut Instant, tag: u64, cost: u64, prepared: &mut Prepared<'a>)
    -> bool;

    /// Whether `cost` would fit, and where the key stands. Changes nothing, and spreads no retries.
    fn look(&self, instant: &mut Instant, tag: u64, cost: u64) -> Result<Allowed, Denied>;

    /// Takes `cost`, and says when and what; or refuses and changes nothing.
    fn take(&self, instant: &mut Instant, tag: u64, cost: u64) -> Result<(Now, Receipt), Denied>;

    /// Where the key stood after that.
    fn after(&self, now: Now, tag: u64, cost: u64, receipt: Receipt) -> Figures;

    /// Takes back what was taken.
    fn undo(&self, tag: u64, cost: u64, receipt: Receipt);

    /// Makes a charge of `estimate` one of `actual` tokens.
    fn settle(&self, tag: u64, estimate: u64, actual: u64, receipt: Receipt);

    /// Gives `tokens` of the key back, never above full. Places are not given back so.
    #[cfg(feature = "policy")]
    fn refund(&self, _tag: u64, _tokens: u64) {}

    /// Forgets what the key has spent. Places that are held stay so.
    #[cfg(feature = "policy")]
    fn reset(&self, _tag: u64) {}

    /// The place of a refusal with this number, if this limit spreads retries.
    fn place(&self, _count: u16) -> u16 {
        0
    }

    /// The work that was let through is over. Only limits need to know of which something is held as long.
    fn release(&self, _tag: u64, _cost: u64, _receipt: Receipt, _outcome: Outcome) {}
}

/// An algorithm and the keys that it decides about: what makes a gate of itself.
pub(super) trait Keeper: Send + Sync {
    type Algorithm: Engine;

    fn algorithm(&self) -> &Self::Algorithm;

    fn keys(&self) -> &<Self::Algorithm as Engine>::Keys;

    fn now(&self) -> Now;

    fn now_together(&self, instant: &mut Instant) -> Now;

    /// What counts, and when, for somebody who decides no more but only says what was spent.
    fn afterwards(&self, with: impl FnOnce(&Self::Algorithm, Now)) {
        with(self.algorithm(), self.now());
    }

    /// Among how many slots refusals are spread.
    fn retry_spread(&self) -> u16 {
        0
    }
}

impl<A: Engine, S: Send + Sync> Keeper for Limiter<A, S> {
    type Algorithm = A;

    #[inline]
    fn algorithm(&self) -> &A {
        &self.algorithm
    }

    #[inline]
    fn keys(&self) -> &A::Keys {
        &self.keys
    }

    #[inline]
    fn now(&self) -> Now {
        self.timeline.now()
    }

    #[inline]
    fn now_together(&self, instant: &mut Instant) -> Now {
        self.timeline.now_together(instant)
    }

    #[inline]
    fn retry_spread(&self) -> u16 {
        self.retry_spread
    }
}

impl<L: Keeper> Gate for L {
    #[inline]
    fn prepare<'a>(
        &'a self,
        instant: &mut Instant,
        tag: u64,
        cost: u64,
        prepared: &mut Prepared<'a>,
    ) -> bool {
        prepared.now = self.now_together(instant);
        let (fits, pending) = self.keys().prepare(self.algorithm(), prepared.now, tag, cost);
        prepared.pending = pending;
        fits
    }

    fn look(&self, instant: &mut Instant, tag: u64, cost: u64) -> Result<Allowed, Denied> {
        self.keys().look(self.algorithm(), self.now_together(instant), tag, cost)
    }

    fn take(&self, instant: &mut Instant, tag: u64, cost: u64) -> Result<(Now, Receipt), Denied> {
        let now = self.now_together(instant);
        match self.keys().take(self.algorithm(), now, tag, cost) {
            Ok(receipt) => Ok((now, receipt)),
            Err(denied) => Err(denied.at_place(spread::next_place(self.retry_spread()))),
        }
    }

    fn after(&self, now: Now, tag: u64, cost: u64, receipt: Receipt) -> Figures {
        self.keys().after(self.algorithm(), now, tag, cost, receipt)
    }

    fn undo(&self, tag: u64, cost: u64, receipt: Receipt) {
        self.keys().undo(self.algorithm(), self.now(), tag, cost, receipt);
    }

    fn settle(&self, tag: u64, estimate: u64, actual: u64, receipt: Receipt) {
        self.afterwards(|algorithm, now| self.keys().settle(algorithm, now, tag, estimate, actual, receipt));
    }

    #[cfg(feature = "policy")]
    fn refund(&self, tag: u64, tokens: u64) {
        self.afterwards(|algorithm, now| self.keys().refund(algorithm, now, tag, tokens));
    }

    #[cfg(feature = "policy")]
    fn reset(&self, tag: u64) {
        self.afterwards(|algorithm, now| self.keys().reset(algorithm, now, tag));
    }

    fn place(&self, count: u16) -> u16 {
        spread::place_of(count, self.retry_spread())
    }
}

/// A cost that would fit, and the short way to take it, without looking for its key again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Prepared<'a> {
    pub(crate) now: Now,
    /// `None` where there is no short way.
    pub(crate) pending: Option<Pending<'a>>,
}

impl Prepared<'_> {
    /// What was taken; `None` if there was no short way, or somebody else came first.
    #[inline]
    pub(super) fn take(&self) -> Option<Receipt> {
        let pending = self.pending.as_ref().filter(|pending| pending.write())?;
        let (before, after) = pending.values();
        Some(Receipt { before, after })
    }
}

/// Whoever answers for a limit as long as what it gave is held.
#[derive(Clone)]
pub(super) enum Holder<'a> {
    Borrowed(&'a dyn Gate),
    Shared(Arc<dyn Gate + 'a>),
}

/// A limit and the key it is asked about: what [`check_all`](crate::check_all) takes.
///
/// It comes from `on` and `on_owned` of a limit, costs 1 and has no label unless it is told otherwise.
#[derive(Clone)]
#[must_use = "ask `check_all`"]
pub struct On<'a> {
    pub(super) holder: Holder<'a>,
    pub(super) tag: u64,
    pub(super) cost: u64,
    pub(super) label: Option<&'static str>,
    pub(super) kind: Kind,
}

/// What becomes of a cost. As wide as the fields beside it: copies of answers are then made of whole words, and none waits until parts of
/// one are in the cache (measured: a byte here costs a nanosecond for each limit and copy).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Kind {
    /// It stays.
    Spent,
    /// It is settled.
    Estimated,
    /// It is given back when the work is over.
    Held,
}

impl<'a> On<'a> {
    #[inline]
    pub(crate) fn borrowed(gate: &'a dyn Gate, tag: u64) -> On<'a> {
        On { holder: Holder::Borrowed(gate), tag, cost: 1, label: None, kind: Kind::Spent }
    }

    pub(crate) fn shared(gate: Arc<dyn Gate + 'a>, tag: u64) -> On<'a> {
        On { holder: Holder::Shared(gate), tag, cost: 1, label: None, kind: Kind::Spent }
    }

    /// The limit wants to know when the work is over.
    pub(crate) fn holding(self) -> On<'a> {
        On { kind: Kind::Held, ..self }
    }

    /// How many tokens (or places) to ask for; default 1.
    pub fn cost(self, cost: u64) -> On<'a> {
        let kind = if self.kind == Kind::Held { Kind::Held } else { Kind::Spent };
        On { cost, kind, ..self }
    }

    /// Asks for `estimate` tokens that may be [settled](crate::AllowedAll::settle) when the actual cost is known. (Of a concurrency limit,
    /// for so many places: they are no estimate.)
    pub fn reserve(self, estimate: u64) -> On<'a> {
        let kind = if self.kind == Kind::Held { Kind::Held } else { Kind::Estimated };
        On { cost: estimate, kind, ..self }
    }

    /// What the limit is called in the answers.
    pub fn label(self, label: &'static str) -> On<'a> {
        On { label: Some(label), ..self }
    }

    #[inline]
    pub(super) fn gate(&self) -> &dyn Gate {
        match &self.holder {
            Holder::Borrowed(gate) => *gate,
            Holder::Shared(gate) => &**gate,
        }
    }

    /// Whether both ask the same limit about the same key.
    #[inline]
    pub(super) fn is_about_the_same_as(&self, other: &On<'_>) -> bool {
        self.tag == other.tag && std::ptr::addr_eq(self.gate(), other.gate())
    }
}

impl fmt::Debug for On<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("On").field("label", &self.label).field("cost", &self.cost).finish_non_exhaustive()
    }
}

impl<A: Engine, S: BuildHasher + Send + Sync> Limiter<A, S> {
    /// This limit on `key`, one of several for [`check_all`](crate::check_all).
    pub fn on<K: Hash + ?Sized>(&self, key: &K) -> On<'_> {
        On::borrowed(self, self.hasher.hash_one(key))
    }

    /// As [`on`](Limiter::on), for an answer that outlives the borrow: in another task, or with the body of a response.
    pub fn on_owned<'a, K: Hash + ?Sized>(self: &Arc<Self>, key: &K) -> On<'a>
    where
        A: 'a,
        S: 'a,
    {
        On::shared(Arc::<Self>::clone(self), self.hasher.hash_one(key))
    }
}
