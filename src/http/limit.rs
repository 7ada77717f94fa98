//! [`Limit`]: one of the limits that a layer checks; and [`Limited`], what it can be made of.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::cost::Cost;
#[cfg(feature = "distributed")]
use super::global::Global;
use super::key::{Key, KeyValue};
use super::name::LimitName;
use super::report::{LimitReport, Unit};
use super::{Head, LayerError, Missing};
use crate::concurrency::{AdaptiveConcurrency, ConcurrencyLimit, KeyedConcurrencyLimit};
use crate::decision::Figures;
use crate::limiter::{Engine, Limiter, On, Turns};

/// What can stand behind a [`Limit`]: a [`Limiter`] of any algorithm, a [`ConcurrencyLimit`], a [`KeyedConcurrencyLimit`], an
/// [`AdaptiveConcurrency`]; and with feature `distributed` a `GlobalLimiter` or `GlobalConcurrencyLimit`, which many nodes share. It is
/// there to be named in bounds, and cannot be implemented.
pub trait Limited: Send + Sync + 'static {
    #[doc(hidden)]
    fn source(self: Arc<Self>) -> Source;
}

/// A limit of any kind.
#[derive(Clone, Debug)]
pub enum Source {
    /// Of this process.
    Local(Local),
    /// Shared by many.
    #[cfg(feature = "distributed")]
    Global(Global),
}

/// A limit of this process.
#[derive(Clone)]
pub struct Local {
    pub(super) gate: Arc<dyn Tagged>,
    pub(super) unit: Unit,
    /// The one kind that can be queued for.
    pub(super) queue: Option<Arc<ConcurrencyLimit>>,
}

impl Source {
    fn local(gate: Arc<dyn Tagged>, unit: Unit) -> Source {
        Source::Local(Local { gate, unit, queue: None })
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("unit", &self.unit).finish_non_exhaustive()
    }
}

/// A limit that knows its keys by their tags.
pub(super) trait Tagged: Turns {
    fn tag(&self, key: &KeyValue<'_>) -> u64;
}

impl<A: Engine + 'static, S: BuildHasher + Send + Sync + 'static> Limited for Limiter<A, S> {
    fn source(self: Arc<Self>) -> Source {
        Source::local(self, Unit::Rate)
    }
}

impl<A: Engine, S: BuildHasher + Send + Sync> Tagged for Limiter<A, S> {
    fn tag(&self, key: &KeyValue<'_>) -> u64 {
        self.tag_of(key)
    }
}

impl Limited for ConcurrencyLimit {
    fn source(self: Arc<Self>) -> Source {
        Source::Local(Local { gate: Arc::<Self>::clone(&self), unit: Unit::Concurrency, queue: Some(self) })
    }
}

impl Tagged for ConcurrencyLimit {
    /// All keys are one.
    fn tag(&self, _key: &KeyValue<'_>) -> u64 {
        0
    }
}

impl<S: BuildHasher + Send + Sync + 'static> Limited for KeyedConcurrencyLimit<S> {
    fn source(self: Arc<Self>) -> Source {
        Source::local(self, Unit::Concurrency)
    }
}

impl<S: BuildHasher + Send + Sync> Tagged for KeyedConcurrencyLimit<S> {
    fn tag(&self, key: &KeyValue<'_>) -> u64 {
        self.tag_of(key)
    }
}

impl Limited for AdaptiveConcurrency {
    fn source(self: Arc<Self>) -> Source {
        Source::local(self, Unit::Concurrency)
    }
}

impl Tagged for AdaptiveConcurrency {
    /// A key is the name of a partition; any other belongs to none.
    fn tag(&self, key: &KeyValue<'_>) -> u64 {
        let KeyValue::Text(name) = key else { return 0 };
        self.partition_tag(name)
    }
}

/// One of the limits that a layer checks: a limiter, and by what it tells requests apart, what they cost, and what it is called.
///
/// Clones are the same limit (until they are given another key or cost): if one request meets it twice, in nested layers or routers, it is charged once.
///
/// A place in a concurrency limit is held until the answer's body has ended. (A connection that is upgraded, such as a WebSocket's, goes on after that.)
///
/// ```
/// use std::sync::Arc;
/// use tollgate::concurrency::ConcurrencyLimit;
/// use tollgate::http::{Cost, Key, Limit, Missing, RateLimitLayer};
/// use tollgate::{Limiter, Quota};
///
/// let per_customer = Arc::new(Limiter::new(Quota::per_minute(600)));
/// let at_once = Arc::new(ConcurrencyLimit::new(64));
/// let layer = RateLimitLayer::builder()
///     .limit(Limit::new("per-customer", per_customer).by(Key::bearer().or(Missing::Refuse)).cost(Cost::of_body(1, 65_536)))
///     .limit(Limit::new("at-once", at_once))
///     .build()?;
/// # Ok::<(), tollgate::http::LayerError>(())
/// ```
#[derive(Clone)]
#[must_use = "give it to a layer"]
pub struct Limit {
    pub(super) name: String,
    source: Source,
    key: Key,
    cost: Cost,
    /// Services that check it: shared by clones, so that a request carries a note of what it was charged only where it may meet it again.
    uses: Arc<AtomicUsize>,
}

impl Limit {
    /// A limit called `name` in header fields, bodies and metrics, under which all requests are one key.
    pub fn new<L: Limited>(name: impl Into<String>, limiter: Arc<L>) -> Limit {
        Limit {
            name: name.into(),
            source: limiter.source(),
            key: Key::global(),
            cost: Cost::default(),
            uses: Arc::default(),
        }
    }

    /// Tells requests apart by `key`; default all are one. (For an [`AdaptiveConcurrency`], the key is the name of a partition.)
    pub fn by(self, key: Key) -> Limit {
        Limit { key, uses: Arc::default(), ..self }
    }

    /// What a request costs; default 1.
    pub fn cost(self, cost: Cost) -> Limit {
        Limit { cost, uses: Arc::default(), ..self }
    }

    /// The limit, if it is one of this process, and there is nothing wrong with it.
    #[cfg_attr(
        not(feature = "distributed"),
        allow(clippy::unnecessary_wraps, reason = "without the feature there are no others")
    )]
    pub(super) fn local(&self) -> Option<Result<Checked, LayerError>> {
        match &self.source {
            Source::Local(local) => Some(self.checked(local.clone())),
            #[cfg(feature = "distributed")]
            Source::Global(_) => None,
        }
    }

    /// The limit, if it is one that many nodes share, and there is nothing wrong with it.
    #[cfg(feature = "distributed")]
    pub(super) fn global(&self) -> Option<Result<Checked<Global>, LayerError>> {
        match &self.source {
            Source::Local(_) => None,
            Source::Global(Global::Places(_)) if !self.cost.is_one() => {
                Some(Err(LayerError::GlobalPlaceCost { limit: self.name.clone() }))
            }
            Source::Global(global) => Some(self.checked(global.clone())),
        }
    }

    fn checked<S>(&self, source: S) -> Result<Checked<S>, LayerError> {
        let name = LimitName::new(self.name.as_str()).map_err(LayerError::Name)?;
        if let Some(header) = self.key.misnamed() {
            return Err(LayerError::Header { limit: self.name.clone(), header: header.to_owned() });
        }
        let missing = match self.key.missing {
            None if self.key.may_be_missing() => {
                return Err(LayerError::MissingUndecided { limit: self.name.clone(), key: self.key.kind() });
            }
            chosen => chosen.unwrap_or(Missing::Shared),
        };
        let Limit { key, cost, uses, .. } = self.clone();
        Ok(Checked { name: name.shared(), source, key, missing, cost, uses })
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limit { name, key, cost, .. } = self;
        let mut text = f.debug_struct("Limit");
        text.field("name", name).field("key", key).field("cost", cost).finish_non_exhaustive()
    }
}

/// A limit in force.
pub(super) struct Checked<S = Local> {
    pub(super) name: Arc<str>,
    pub(super) source: S,
    pub(super) key: Key,
    pub(super) missing: Missing,
    pub(super) cost: Cost,
    uses: Arc<AtomicUsize>,
}

impl<S> Checked<S> {
    /// One more service checks it. Relaxed: a service is built before it is called, and handed over by whatever hands it over.
    pub(super) fn used_once_more(&self) {
        self.uses.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a request may meet it more than once.
    pub(super) fn is_used_elsewhere(&self) -> bool {
        self.uses.load(Ordering::Relaxed) > 1
    }

    /// What tells it from other limits, and clones of it not.
    pub(super) fn identity(&self) -> usize {
        Arc::as_ptr(&self.uses).addr()
    }

    pub(super) fn charged(&self, head: &Head<'_>) -> u64 {
        self.cost.charged(head)
    }
}

impl Checked {
    /// Whether both ask the same limiter.
    pub(super) fn shares_limiter_with(&self, other: &Checked) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.source.gate), Arc::as_ptr(&other.source.gate))
    }

    /// Whether something is to be done when the work is over.
    pub(super) fn outlasts_the_check(&self) -> bool {
        self.cost.after.is_some() || self.source.unit == Unit::Concurrency
    }

    /// What is asked of it, for a guard.
    pub(super) fn on(&self, asked: Asked) -> On<'static> {
        let gate: Arc<dyn Tagged> = Arc::clone(&self.source.gate);
        let on = On::shared(gate, asked.tag);
        let on = if self.source.unit == Unit::Concurrency { on.holding() } else { on };
        on.cost(asked.cost)
    }

    pub(super) fn report(
        &self,
        figures: &Figures,
        cost: u64,
        retry_after: Option<Duration>,
        refuses: bool,
    ) -> LimitReport {
        LimitReport {
            name: Arc::clone(&self.name),
            unit: self.source.unit,
            cost,
            limit: figures.limit(),
            window: self.source.gate.refill_time(),
            remaining: figures.remaining(),
            reset_after: figures.reset_after(),
            retry_after,
            refuses,
            failed: false,
        }
    }
}

impl<S> fmt::Debug for Checked<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("name", &self.name).field("key", &self.key).finish_non_exhaustive()
    }
}

/// What a request asks of a limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// Which of the layer's limits.
    pub(super) limit: usize,
    pub(super) tag: u64,
    pub(super) cost: u64,
}
