//! The answers: [`Allowed`], [`Denied`], [`Status`]; and [`Figures`], from which their numbers are worked out.

use std::fmt;
use std::time::Duration;

use crate::algorithm::token_clock::Anchor;

/// The numbers behind an answer. Times are worked out when asked for, not at every check.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    source: Source,
    /// The clock when the answer was given; waits count from here.
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Given { limit: u64, remaining: u64, reset_at: Option<u64>, retry_at: Option<u64> },
    Tokens(TokenFigures),
}

/// A key on the token axis, for algorithms that live there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenFigures {
    pub(crate) anchor: Anchor,
    pub(crate) position: u64,
    /// Units by which the key's word is ahead of the position.
    pub(crate) ahead: u64,
    /// The cost that `retry_at` asks about.
    pub(crate) cost: u64,
}

impl Figures {
    /// Figures that an algorithm has worked out itself. Times are nanoseconds on the limiter's clock.
    ///
    /// `limit` and `remaining` are in tokens. `reset_at` is when the key will be full again, and `retry_at` the least time
    /// at which the cost that was asked for fits; `None` is never.
    #[must_use]
    pub fn new(limit: u64, remaining: u64, reset_at: Option<u64>, retry_at: Option<u64>) -> Figures {
        Figures { source: Source::Given { limit, remaining, reset_at, retry_at }, clock: 0 }
    }

    #[inline]
    pub(crate) fn tokens(figures: TokenFigures) -> Figures {
        Figures { source: Source::Tokens(figures), clock: 0 }
    }

    /// The same figures, with waits counted from what the clock said.
    #[inline]
    pub(crate) fn seen_at(self, clock: u64) -> Figures {
        Figures { clock, ..self }
    }

    pub(crate) fn limit(&self) -> u64 {
        match &self.source {
            Source::Given { limit, .. } => *limit,
            Source::Tokens(figures) => figures.anchor.quota.capacity(),
        }
    }

    fn remaining(&self) -> u64 {
        match &self.source {
            Source::Given { remaining, .. } => *remaining,
            Source::Tokens(figures) => figures.remaining(),
        }
    }

    pub(crate) fn reset_at(&self) -> Option<u64> {
        match &self.source {
            Source::Given { reset_at, .. } => *reset_at,
            Source::Tokens(figures) => figures.reset_at(),
        }
    }

    fn retry_at(&self) -> Option<u64> {
        match &self.source {
            Source::Given { retry_at, .. } => *retry_at,
            Source::Tokens(figures) => figures.retry_at(),
        }
    }

    fn reset_after(&self) -> Duration {
        self.reset_at().map_or(Duration::MAX, |time| self.wait_until(time))
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_at().map(|time| self.wait_until(time))
    }

    fn wait_until(&self, time: u64) -> Duration {
        Duration::from_nanos(time.saturating_sub(self.clock))
    }
}

impl TokenFigures {
    fn remaining(&self) -> u64 {
        self.anchor.capacity_units().saturating_sub(self.ahead) >> self.anchor.unit_bits
    }

    fn reset_at(&self) -> Option<u64> {
        if self.ahead == 0 { Some(0) } else { self.anchor.time_of(self.position + self.ahead) }
    }

    /// The least time at which `word + cost <= position + capacity`.
    fn retry_at(&self) -> Option<u64> {
        if self.cost > self.anchor.quota.capacity() {
            return None;
        }
        // Within the capacity, so below 2^60; the sum of three such numbers is below 2^62.
        let cost = self.cost << self.anchor.unit_bits;
        let short = (self.ahead + cost).saturating_sub(self.anchor.capacity_units());
        if short == 0 { Some(0) } else { self.anchor.time_of(self.position + short) }
    }
}

/// What all three answers tell.
macro_rules! common_figures {
    ($answer:ty) => {
        impl $answer {
            /// The most tokens a key can hold: the quota's burst, or a window's limit.
            #[must_use]
            pub fn limit(&self) -> u64 {
                self.figures.limit()
            }

            /// The time until the key is full again if nothing more is spent; [`Duration::MAX`] when it never will be.
            #[must_use]
            pub fn reset_after(&self) -> Duration {
                self.figures.reset_after()
            }
        }
    };
}

common_figures!(Allowed);
common_figures!(Denied);
common_figures!(Status);

/// The check passed; the tokens are spent.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Allowed {
    figures: Figures,
}

impl Allowed {
    #[inline]
    pub(crate) fn new(figures: Figures) -> Allowed {
        Allowed { figures }
    }

    /// Whole tokens left after this check.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.figures.remaining()
    }
}

/// The check did not pass; nothing was spent, nothing changed.
#[derive(Clone, Copy, Debug)]
pub struct Denied {
    figures: Figures,
    at_capacity: bool,
}

impl Denied {
    #[inline]
    pub(crate) fn new(figures: Figures) -> Denied {
        Denied { figures, at_capacity: false }
    }

    /// No room for a new key until `room_at`.
    #[cold]
    pub(crate) fn no_room(limit: u64, room_at: Option<u64>, clock: u64) -> Denied {
        Denied { figures: Figures::new(limit, 0, room_at, room_at).seen_at(clock), at_capacity: true }
    }

    /// Whole tokens left, not enough for the cost; 0 when the key was refused for want of room.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.figures.remaining()
    }

    /// How long to wait until the same cost fits, if nobody else spends from the key; `None` when it never can.
    ///
    /// It is the least whole number of nanoseconds: after that long the same check is allowed, and one nanosecond
    /// earlier it is not, on the limiter's own clock.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tollgate::{Clock, Gcra, Limiter, Quota};
    ///
    /// let (clock, hand) = Clock::manual();
    /// let limiter = Limiter::builder(Gcra::new(Quota::per_second(3).burst(1))).clock(clock).build()?;
    /// assert!(limiter.check("key").is_ok());
    /// let denied = limiter.check("key").unwrap_err();
    /// assert_eq!(denied.retry_after(), Some(Duration::from_nanos(333_333_334)));
    /// assert_eq!(limiter.check_n("key", 2).unwrap_err().retry_after(), None); // the burst is 1
    /// # Ok::<(), tollgate::BuildError>(())
    /// ```
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.figures.retry_after()
    }

    /// Whether the key was refused not for its own spending but because it is new and the limiter holds all the keys
    /// it can ([`AtCapacity::DenyNew`](crate::AtCapacity::DenyNew)).
    ///
    /// `retry_after` is then the time until a key near it goes idle, if none of them spends meanwhile.
    #[must_use]
    pub fn at_capacity(&self) -> bool {
        self.at_capacity
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at_capacity {
            f.write_str("too many keys are being limited to take on a new one")?;
        } else {
            write!(f, "rate limit reached: {} of {} tokens left", self.remaining(), self.limit())?;
        }
        match self.retry_after() {
            Some(wait) => write!(f, ", retry in {wait:?}"),
            None => f.write_str(", waiting will not help: ask for less, or raise the limit"),
        }
    }
}

impl std::error::Error for Denied {}

/// Where a key stands. Looking spends nothing.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    figures: Figures,
}

impl Status {
    pub(crate) fn new(figures: Figures) -> Status {
        Status { figures }
    }

    /// Whole tokens left.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.figures.remaining()
    }

    /// How long to wait until one token can be spent: zero when one can be now, `None` when none ever can.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.figures.retry_after()
    }
}
