//! [`Builder`]: everything about a limiter that is fixed when it is made.

use super::engine::{Engine, Keys};
#[cfg(feature = "serde")]
use super::restore::Restoration;
use super::{Limiter, RandomState};
use crate::build_error::{BuildError, MOST_KEYS};
use crate::clock::{Clock, Timeline};

/// What to do with a new key when there is no room for it: its window of slots is full of busy keys, and the limiter has all the
/// pages that [`max_keys`](Builder::max_keys) allows. (Under [`SlidingLog`](crate::SlidingLog): its shard is full.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AtCapacity {
    /// Forget the key in the window that has spent the least, and start the newcomer full. A flood of fresh keys
    /// that spend little forgets its own keys first. Each one is counted in [`Stats::forgotten`](super::Stats::forgotten).
    #[default]
    ForgetSmallestDebt,
    /// Refuse the newcomer ([`Denied::at_capacity`](crate::Denied::at_capacity)). Nobody is forgotten, so nobody is ever
    /// admitted too much; a flood can lock new keys out until others go idle.
    DenyNew,
    /// Admit the newcomer without remembering it. Nobody is forgotten and nobody is locked out; newcomers go
    /// unlimited until there is room.
    AllowUntracked,
}

/// Builds a [`Limiter`].
///
/// ```
/// use tollgate::{AtCapacity, Gcra, Limiter, Quota};
///
/// let limiter = Limiter::builder(Gcra::new(Quota::per_second(50)))
///     .max_keys(20_000)
///     .at_capacity(AtCapacity::DenyNew)
///     .build()?;
/// assert!(limiter.check("tenant:1").is_ok());
/// # Ok::<(), tollgate::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder<A: Engine, S = RandomState> {
    pub(super) algorithm: A,
    pub(super) hasher: S,
    clock: Option<Clock>,
    pub(super) max_keys: usize,
    pub(super) at_capacity: AtCapacity,
    retry_spread: u16,
    #[cfg(feature = "serde")]
    pub(super) restoration: Option<Restoration<A>>,
}

/// A million keys: at most 43 MB.
pub(crate) const DEFAULT_MAX_KEYS: usize = 1_000_000;

/// Whether a table can be built for so many keys.
pub(crate) fn check_max_keys(max_keys: usize) -> Result<(), BuildError> {
    if max_keys == 0 || max_keys as u64 > MOST_KEYS {
        return Err(BuildError::MaxKeys { max_keys });
    }
    Ok(())
}

impl<A: Engine> Builder<A> {
    pub(super) fn new(algorithm: A) -> Builder<A> {
        Builder {
            algorithm,
            hasher: RandomState::new(),
            clock: None,
            max_keys: DEFAULT_MAX_KEYS,
            at_capacity: AtCapacity::default(),
            retry_spread: 0,
            #[cfg(feature = "serde")]
            restoration: None,
        }
    }
}

impl<A: Engine, S> Builder<A, S> {
    /// How many busy keys surely fit at once; default 1 000 000, from 1 to 2³².
    ///
    /// Memory grows with the keys that are busy, up to a bound of 43 bytes for each of `max_keys` plus 64 KiB
    /// (typically 29 bytes a key, because the bound leaves room for chance). Beyond it
    /// [`at_capacity`](Builder::at_capacity) decides. Memory that was needed once is used again, and given back when the
    /// limiter is dropped. ([`SlidingLog`](crate::SlidingLog) needs more, and says how much.)
    pub fn max_keys(mut self, max_keys: usize) -> Builder<A, S> {
        self.max_keys = max_keys;
        self
    }

    /// What happens to a new key when there is no room; default [`AtCapacity::ForgetSmallestDebt`].
    pub fn at_capacity(mut self, at_capacity: AtCapacity) -> Builder<A, S> {
        self.at_capacity = at_capacity;
        self
    }

    /// The source of time; default [`Clock::monotonic`].
    pub fn clock(mut self, clock: Clock) -> Builder<A, S> {
        self.clock = Some(clock);
        self
    }

    /// The hasher; default a randomly seeded aHash.
    ///
    /// It must spread keys over all 64 bits (the leading ones choose a page, the trailing ones a place in it), and it
    /// should be seeded at random where keys are chosen by strangers. With a poor one keys share what room they find,
    /// and [`at_capacity`](Builder::at_capacity) decides early.
    pub fn hasher<S2>(self, hasher: S2) -> Builder<A, S2> {
        Builder {
            algorithm: self.algorithm,
            hasher,
            clock: self.clock,
            max_keys: self.max_keys,
            at_capacity: self.at_capacity,
            retry_spread: self.retry_spread,
            #[cfg(feature = "serde")]
            restoration: self.restoration.map(Restoration::with_other_hasher),
        }
    }

    /// Spreads the `retry_after` of refusals over so many slots; default 0, which leaves it exact.
    ///
    /// A crowd that is refused at one instant is otherwise told to come back at one instant, when only the first finds a token.
    /// With this, each refusal of a thread is told a slot later than the one before, and the first again after so many. A slot is
    /// the time in which the refused cost comes back once more on average, so `retry_after` is never earlier than the exact one and
    /// later by less than `slots` times that. Nothing is kept of a key: a lone caller, too, is told to wait longer than it must.
    /// Set it to about as many as are usually refused together.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tollgate::{Clock, Gcra, Limiter, Quota};
    ///
    /// let (clock, _hand) = Clock::manual();
    /// let gcra = Gcra::new(Quota::per_second(10).burst(1));
    /// let limiter = Limiter::builder(gcra).clock(clock).retry_spread(3).build()?;
    /// assert!(limiter.check("key").is_ok());
    /// let mut waits: Vec<_> = (0..3).map(|_| limiter.check("key").unwrap_err().retry_after()).collect();
    /// waits.sort();
    /// assert_eq!(waits, [100, 200, 300].map(|millis| Some(Duration::from_millis(millis))));
    /// # Ok::<(), tollgate::BuildError>(())
    /// ```
    pub fn retry_spread(mut self, slots: u16) -> Builder<A, S> {
        self.retry_spread = slots;
        self
    }

    /// Builds the limiter.
    ///
    /// # Errors
    ///
    /// [`BuildError::MaxKeys`] when `max_keys` is out of range, and whatever keeps the algorithm from starting:
    /// [`BuildError::LimitTooLarge`], [`BuildError::Window`], [`BuildError::Quota`]. After `restore` (feature `serde`)
    /// also `BuildError::Snapshot`, when the snapshot cannot be used.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tollgate::{BuildError, Limiter, SlidingWindow};
    ///
    /// let sliding = SlidingWindow::new(1_000_000, Duration::from_secs(1));
    /// let error = Limiter::builder(sliding).build().unwrap_err();
    /// assert_eq!(error, BuildError::LimitTooLarge { limit: 1_000_000, max: 16_383 });
    /// ```
    pub fn build(mut self) -> Result<Limiter<A, S>, BuildError> {
        check_max_keys(self.max_keys)?;
        let clock = self.clock.take().unwrap_or_default();
        #[cfg(feature = "serde")]
        if let Some(restoration) = self.restoration.take() {
            return restoration.build(self, clock);
        }
        self.algorithm.begin(clock.start(), self.max_keys)?;
        Ok(self.assemble(clock))
    }

    /// `build`, once the bounds are known to be right and the algorithm has begun.
    pub(super) fn assemble(self, clock: Clock) -> Limiter<A, S> {
        let keys = A::Keys::new(&self.algorithm, self.max_keys, self.at_capacity);
        self.assemble_with(clock, keys)
    }

    pub(super) fn assemble_with(self, clock: Clock, keys: A::Keys) -> Limiter<A, S> {
        let Builder { algorithm, hasher, retry_spread, .. } = self;
        Limiter { algorithm, timeline: Timeline::new(clock), keys, hasher, retry_spread }
    }
}
