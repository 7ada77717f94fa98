//! The answers: [`Allowed`], [`Denied`], [`Status`]; and [`Figures`], from which their numbers are worked out.

use std::fmt;
use std::time::Duration;

use crate::algorithm::{FixedWindowFigures, PerCallFigures, SlidingWindowFigures, TokenFigures};

/// The numbers behind an answer, as an [`Algorithm`](crate::Algorithm) gives them. Times are worked out when asked for, not at every check.
///
/// [`testing`](crate::testing) holds them against a model; `examples/custom_algorithm.rs` has both.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    source: Source,
    /// The clock when the answer was given; waits count from here.
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Given(GivenFigures),
    Tokens(TokenFigures),
    FixedWindow(FixedWindowFigures),
    SlidingWindow(SlidingWindowFigures),
    PerCall(PerCallFigures),
}

/// Asks whichever figures there are.
macro_rules! ask {
    ($source:expr, $question:ident) => {
        match &$source {
            Source::Given(figures) => figures.$question(),
            Source::Tokens(figures) => figures.$question(),
            Source::FixedWindow(figures) => figures.$question(),
            Source::SlidingWindow(figures) => figures.$question(),
            Source::PerCall(figures) => figures.$question(),
        }
    };
}

/// Figures that were worked out beforehand.
#[derive(Clone, Copy, Debug)]
struct GivenFigures {
    limit: u64,
    remaining: u64,
    reset_at: Option<u64>,
    retry_at: Option<u64>,
    interval: u64,
}

impl Figures {
    /// Figures that an algorithm has worked out itself. Times are nanoseconds on the limiter's clock.
    ///
    /// `limit` and `remaining` are in tokens. `reset_at` is when the key will be full again, and `retry_at` the least time
    /// at which the cost that was asked for fits; `None` is never.
    #[must_use]
    pub fn new(limit: u64, remaining: u64, reset_at: Option<u64>, retry_at: Option<u64>) -> Figures {
        let given = GivenFigures { limit, remaining, reset_at, retry_at, interval: 0 };
        Figures::from(Source::Given(given))
    }

    /// Says after how many nanoseconds the same cost comes back once more, on average. Refusals are
    /// [spread](crate::Builder::retry_spread) by so much; without it they are not.
    #[must_use]
    pub fn with_interval(mut self, nanos: u64) -> Figures {
        if let Source::Given(given) = &mut self.source {
            given.interval = nanos;
        }
        self
    }

    #[inline]
    pub(crate) fn tokens(figures: TokenFigures) -> Figures {
        Figures::from(Source::Tokens(figures))
    }

    #[inline]
    pub(crate) fn fixed_window(figures: FixedWindowFigures) -> Figures {
        Figures::from(Source::FixedWindow(figures))
    }

    #[inline]
    pub(crate) fn sliding_window(figures: SlidingWindowFigures) -> Figures {
        Figures::from(Source::SlidingWindow(figures))
    }

    #[inline]
    pub(crate) fn per_call(figures: PerCallFigures) -> Figures {
        Figures::from(Source::PerCall(figures))
    }

    #[inline]
    fn from(source: Source) -> Figures {
        Figures { source, clock: 0 }
    }

    /// The same figures, with waits counted from what the clock said.
    #[inline]
    pub(crate) fn seen_at(self, clock: u64) -> Figures {
        Figures { clock, ..self }
    }

    pub(crate) fn limit(&self) -> u64 {
        ask!(self.source, limit)
    }

    pub(crate) fn remaining(&self) -> u64 {
        ask!(self.source, remaining)
    }

    pub(crate) fn reset_at(&self) -> Option<u64> {
        ask!(self.source, reset_at)
    }

    pub(crate) fn retry_at(&self) -> Option<u64> {
        ask!(self.source, retry_at)
    }

    /// Nanoseconds in which the cost comes back once more, on average.
    pub(crate) fn interval(&self) -> u64 {
        ask!(self.source, interval)
    }

    pub(crate) fn delay(&self) -> Duration {
        match &self.source {
            Source::Tokens(figures) => figures.goes_at().map_or(Duration::MAX, |time| self.wait_until(time)),
            _ => Duration::ZERO,
        }
    }

    pub(crate) fn reset_after(&self) -> Duration {
        self.reset_at().map_or(Duration::MAX, |time| self.wait_until(time))
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_at().map(|time| self.wait_until(time))
    }

    /// When to come back for somebody with this place in a crowd.
    pub(crate) fn retry_after_place(&self, place: u16) -> Option<Duration> {
        let spread = self.interval().saturating_mul(u64::from(place));
        Some(self.retry_after()?.saturating_add(Duration::from_nanos(spread)))
    }

    fn wait_until(&self, time: u64) -> Duration {
        Duration::from_nanos(time.saturating_sub(self.clock))
    }
}

/// The share of `nanos`, in which `tokens` come, that `cost` takes (at least a token); 0 when none come.
pub(crate) fn interval(nanos: u64, tokens: u64, cost: u64) -> u64 {
    let product = u128::from(nanos) * u128::from(cost.max(1));
    product.checked_div(u128::from(tokens)).map_or(0, |share| u64::try_from(share).unwrap_or(u64::MAX))
}

impl GivenFigures {
    fn limit(&self) -> u64 {
        self.limit
    }

    fn remaining(&self) -> u64 {
        self.remaining
    }

    fn reset_at(&self) -> Option<u64> {
        self.reset_at
    }

    fn retry_at(&self) -> Option<u64> {
        self.retry_at
    }

    fn interval(&self) -> u64 {
        self.interval
    }
}

/// What all three answers tell, and that they are equal when they tell the same: of the figures behind them some matter only to the
/// algorithm, such as where its axis stands.
macro_rules! common_figures {
    ($answer:ty, told: $($told:ident),+) => {
        impl PartialEq for $answer {
            fn eq(&self, other: &Self) -> bool {
                $(self.$told() == other.$told())&&+
            }
        }

        impl Eq for $answer {}

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

common_figures!(Allowed, told: limit, remaining, reset_after, delay);
common_figures!(Denied, told: limit, remaining, reset_after, retry_after, at_capacity);
common_figures!(Status, told: limit, remaining, reset_after, retry_after);

/// The check passed; the tokens are spent.
///
/// Two answers are equal when they tell the same, whatever limiter they come from; so are two of [`Denied`] and of [`Status`].
///
/// ```
/// use tollgate::{Limiter, Quota};
///
/// let limiter = Limiter::new(Quota::per_hour(10));
/// let allowed = limiter.check_n("alice", 3)?;
/// assert_eq!((allowed.limit(), allowed.remaining()), (10, 7));
/// assert!(allowed.delay().is_zero()); // only a `LeakyBucket` asks to wait
/// # Ok::<(), tollgate::Denied>(())
/// ```
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

    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Whole tokens left after this check.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.figures.remaining()
    }

    /// How long to wait before going on: a [`LeakyBucket`](crate::LeakyBucket) gives everyone a slot; all others let go at once, which is
    /// zero. [`Duration::MAX`] when the slot comes after the clock's end.
    #[must_use]
    pub fn delay(&self) -> Duration {
        self.figures.delay()
    }
}

/// There was no room for a new key. Above every place in a crowd.
const NO_ROOM: u64 = u64::MAX;

/// The check did not pass; nothing was spent, nothing changed.
///
/// When to come back, with an example: [`retry_after`](Denied::retry_after). It is `Eq`, as [`Allowed`] is, so errors that hold it can be.
#[derive(Clone, Copy, Debug)]
pub struct Denied {
    figures: Figures,
    /// So many intervals later than it must, it is told to come back; or [`NO_ROOM`]. A whole word, as all in an answer.
    standing: u64,
}

impl Denied {
    #[inline]
    pub(crate) fn new(figures: Figures) -> Denied {
        Denied { figures, standing: 0 }
    }

    /// No room for a new key until `room_at`.
    #[cold]
    pub(crate) fn no_room(limit: u64, room_at: Option<u64>, clock: u64) -> Denied {
        let figures = Figures::new(limit, 0, room_at, room_at).seen_at(clock);
        Denied { figures, standing: NO_ROOM }
    }

    /// The next free slot is at `slot_at`, and that is more than `max_delay` away.
    #[cold]
    pub(crate) fn beyond(figures: &Figures, slot_at: Option<u64>, max_delay: u64, clock: u64) -> Denied {
        // The slot stays where it is, so from then on it is near enough.
        let retry_at = slot_at.map(|time| time.saturating_sub(max_delay));
        Denied::new(
            Figures::new(figures.limit(), figures.remaining(), figures.reset_at(), retry_at).seen_at(clock),
        )
    }

    /// The same refusal for somebody with this place in a crowd; 0 is the first.
    #[inline]
    pub(crate) fn at_place(self, place: u16) -> Denied {
        // For want of room it is refused as whoever is told when there will be some.
        let standing = if self.standing == NO_ROOM { NO_ROOM } else { place.into() };
        Denied { standing, ..self }
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    pub(crate) fn place(&self) -> u16 {
        u16::try_from(self.standing).unwrap_or(0)
    }

    /// Whole tokens left, not enough for the cost; 0 when the key was refused for want of room.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.figures.remaining()
    }

    /// How long to wait until the same cost fits, if nobody else spends from the key; `None` when it never can.
    ///
    /// It is the least whole number of nanoseconds: after that long the same check is allowed, and one nanosecond
    /// earlier it is not, on the limiter's own clock. (With [`Builder::retry_spread`](crate::Builder::retry_spread) it may be later.)
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
        self.figures.retry_after_place(self.place())
    }

    /// Whether the key was refused not for its own spending but because it is new and the limiter holds all the keys
    /// it can ([`AtCapacity::DenyNew`](crate::AtCapacity::DenyNew)).
    ///
    /// `retry_after` is then the time until a key near it goes idle, if none of them spends meanwhile.
    #[must_use]
    pub fn at_capacity(&self) -> bool {
        self.standing == NO_ROOM
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at_capacity() {
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
///
/// It is what [`Limiter::peek`](crate::Limiter::peek) and [`charge`](crate::Limiter::charge) tell, where its examples are.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    figures: Figures,
}

impl Status {
    pub(crate) fn new(figures: Figures) -> Status {
        Status { figures }
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
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
