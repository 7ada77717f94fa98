//! [`Clock`]: where a limiter's time comes from; and the high-water mark that keeps it from stepping back.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossbeam_utils::CachePadded;

use crate::algorithm::Start;

/// A source of time for limiters: the machine's monotonic clock, a coarse copy of it, or one set by hand.
///
/// Every clock starts at zero when it is made and counts whole nanoseconds up to 584 years, where it stops.
/// Clones share their zero and their time, so limiters on clones of one clock agree.
///
/// ```
/// use std::time::Duration;
/// use tollgate::{Clock, Gcra, Limiter, Quota};
///
/// let (clock, hand) = Clock::manual();
/// let limiter = Limiter::builder(Gcra::new(Quota::per_second(1))).clock(clock).build()?;
/// assert!(limiter.check("key").is_ok());
/// assert!(limiter.check("key").is_err());
/// hand.advance(Duration::from_secs(1));
/// assert!(limiter.check("key").is_ok());
/// # Ok::<(), tollgate::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    Monotonic(Monotonic),
    Coarse(Arc<CachePadded<AtomicU64>>),
    Manual(Arc<CachePadded<AtomicU64>>),
    /// Counted from the moment this was made.
    #[cfg(feature = "tokio")]
    Tokio(tokio::time::Instant),
}

/// The time-stamp counter, calibrated by quanta, counted from the moment this was made.
#[derive(Clone)]
struct Monotonic {
    counter: quanta::Clock,
    zero: u64,
    /// Nanoseconds a tick, with [`SCALE_BITS`] fraction bits. With a shift that is known, converting is two instructions;
    /// quanta's own conversion is a dozen, a noticeable part of a check.
    scale: u64,
}

/// Ticks are a nanosecond or shorter, or not much longer, so 48 bits leave room above and err by a nanosecond in three days.
const SCALE_BITS: u32 = 48;

impl Monotonic {
    fn new() -> Monotonic {
        let counter = quanta::Clock::new();
        let zero = counter.raw();
        let scale = counter.delta_as_nanos(0, 1 << SCALE_BITS);
        Monotonic { counter, zero, scale }
    }

    #[inline]
    fn nanos(&self) -> u64 {
        self.nanos_at(self.counter.raw())
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "2^64 nanoseconds of uptime are 584 years")]
    fn nanos_at(&self, raw: u64) -> u64 {
        let ticks = raw.saturating_sub(self.zero);
        ((u128::from(ticks) * u128::from(self.scale)) >> SCALE_BITS) as u64
    }
}

impl Clock {
    /// The finest resolution of [`Clock::coarse`]: timers of common systems wake up no more often than this.
    pub const FINEST_RESOLUTION: Duration = Duration::from_micros(100);
    /// The coarsest resolution of [`Clock::coarse`], so that its thread ends soon after its last clock is dropped.
    pub const COARSEST_RESOLUTION: Duration = Duration::from_secs(1);

    /// The machine's monotonic clock, read from the processor's time-stamp counter where that is reliable.
    ///
    /// This is the default. A reading costs about as much as everything else a check does.
    #[must_use]
    pub fn monotonic() -> Clock {
        Clock(Source::Monotonic(Monotonic::new()))
    }

    /// A monotonic clock that a background thread refreshes every `resolution`; reading it is one load.
    ///
    /// Readings are up to `resolution` (and the scheduler's delay) late, so tokens come back that much later and in
    /// steps; never too early. A resolution outside 100 µs to 1 s counts as the nearest of the two. The
    /// thread ends when the last clone is dropped. Where no thread can be started this is [`Clock::monotonic`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use tollgate::{Clock, Gcra, Limiter, Quota};
    ///
    /// let clock = Clock::coarse(Duration::from_millis(1));
    /// let limiter = Limiter::builder(Gcra::new(Quota::per_second(100))).clock(clock).build()?;
    /// assert!(limiter.check("player:7").is_ok());
    /// # Ok::<(), tollgate::BuildError>(())
    /// ```
    #[must_use]
    pub fn coarse(resolution: Duration) -> Clock {
        let resolution = resolution.clamp(Clock::FINEST_RESOLUTION, Clock::COARSEST_RESOLUTION);
        let exact = Monotonic::new();
        let reading = Arc::new(CachePadded::new(AtomicU64::new(0)));
        let weak = Arc::downgrade(&reading);
        let source = exact.clone();
        let refresher = thread::Builder::new()
            .name("tollgate-clock".into())
            .spawn(move || refresh(&source, &weak, resolution));
        match refresher {
            Ok(_) => Clock(Source::Coarse(reading)),
            Err(_) => Clock(Source::Monotonic(exact)),
        }
    }

    /// A clock that stands still until it is moved by hand, for tests, simulations and recorded traffic.
    #[must_use]
    pub fn manual() -> (Clock, ManualClock) {
        let nanos = Arc::new(CachePadded::new(AtomicU64::new(0)));
        (Clock(Source::Manual(Arc::clone(&nanos))), ManualClock { nanos })
    }

    /// The time of the tokio runtime: the system's monotonic clock, or tokio's own where it is [paused](https://docs.rs/tokio/latest/tokio/time/fn.pause.html).
    ///
    /// For tests of asynchronous code: limits and sleeps then follow one time. Made and read outside of a runtime it is the
    /// system's.
    #[cfg(feature = "tokio")]
    #[must_use]
    pub fn tokio() -> Clock {
        Clock(Source::Tokio(tokio::time::Instant::now()))
    }

    /// The time since this clock's zero.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos())
    }

    /// Now, on this clock and in Unix time. The system's time is read only here: it may be set at any moment, this clock not.
    pub(crate) fn start(&self) -> Start {
        let now = self.nanos();
        let unix = match self.0 {
            Source::Manual(_) => now,
            // A system whose time is before 1970 has none to align to.
            _ => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, saturating_nanos),
        };
        Start::new(now, unix)
    }

    /// Relaxed throughout: a reading is a number that leads to no other memory.
    #[inline]
    pub(crate) fn nanos(&self) -> u64 {
        match &self.0 {
            Source::Monotonic(clock) => clock.nanos(),
            Source::Coarse(reading) | Source::Manual(reading) => reading.load(Ordering::Relaxed),
            #[cfg(feature = "tokio")]
            Source::Tokio(zero) => tokio_nanos(*zero),
        }
    }
}

impl Default for Clock {
    /// [`Clock::monotonic`].
    fn default() -> Clock {
        Clock::monotonic()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0 {
            Source::Monotonic(_) => "monotonic",
            Source::Coarse(_) => "coarse",
            Source::Manual(_) => "manual",
            #[cfg(feature = "tokio")]
            Source::Tokio(_) => "tokio",
        };
        write!(f, "Clock({kind}, {:?})", self.now())
    }
}

/// Out of line: a check by another clock does not pay for it.
#[cfg(feature = "tokio")]
#[cold]
#[inline(never)]
fn tokio_nanos(zero: tokio::time::Instant) -> u64 {
    saturating_nanos(tokio::time::Instant::now().saturating_duration_since(zero))
}

/// The coarse clock's thread: it lives as long as somebody holds the reading.
fn refresh(source: &Monotonic, reading: &Weak<CachePadded<AtomicU64>>, resolution: Duration) {
    while let Some(reading) = reading.upgrade() {
        reading.store(source.nanos(), Ordering::Relaxed);
        drop(reading);
        thread::sleep(resolution);
    }
}

/// The hand of a [`Clock::manual`].
#[derive(Clone)]
pub struct ManualClock {
    nanos: Arc<CachePadded<AtomicU64>>,
}

impl ManualClock {
    /// Moves the clock forward by `by`; at 2⁶⁴ − 1 ns (584 years) it stops.
    pub fn advance(&self, by: Duration) {
        let by = saturating_nanos(by);
        // The closure always gives a value, so the update cannot fail.
        let _ =
            self.nanos.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(now.saturating_add(by)));
    }

    /// Sets the clock to `to` after its zero, at most 2⁶⁴ − 1 ns.
    ///
    /// Setting it back is legal. A limiter then goes on from the latest time that it has seen.
    pub fn set(&self, to: Duration) {
        self.nanos.store(saturating_nanos(to), Ordering::Relaxed);
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManualClock({:?})", Duration::from_nanos(self.nanos.load(Ordering::Relaxed)))
    }
}

pub(crate) fn saturating_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A limiter's view of its clock: time that does not step back.
#[derive(Debug)]
pub struct Timeline {
    clock: Clock,
    /// The latest reading noted, and how far a reading must pass it to be noted.
    high_water: CachePadded<AtomicU64>,
    slack: u64,
}

/// One reading of a [`Timeline`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// What the clock said.
    pub(crate) clock: u64,
    /// What counts: never before a time that was noted.
    pub(crate) time: u64,
}

/// A reading of the time-stamp counter that several timelines share, taken when the first one asks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Instant(Option<u64>);

impl Now {
    /// For what has no clock.
    pub(crate) const NEVER: Now = Now { clock: 0, time: 0 };
}

impl Timeline {
    /// Noting every reading would make all threads write one line; one write in 100 µs is lost in the noise, and
    /// is the most by which a clock that steps back can gain.
    const SLACK_NANOS: u64 = 100_000;

    pub(crate) fn new(clock: Clock) -> Timeline {
        let slack = match clock.0 {
            Source::Manual(_) => 0,
            _ => Timeline::SLACK_NANOS,
        };
        let high_water = CachePadded::new(AtomicU64::new(clock.nanos()));
        Timeline { clock, high_water, slack }
    }

    /// Now, in Unix time too.
    #[cfg(feature = "serde")]
    pub(crate) fn start(&self) -> Start {
        let start = self.clock.start();
        // Where the clock has stepped back, time stands still until it is here again.
        let ahead = self.high_water.load(Ordering::Relaxed).saturating_sub(start.now());
        Start::new(start.now() + ahead, start.unix().saturating_add(ahead))
    }

    /// Relaxed: the mark is a number that leads to no other memory, and a stale one is merely a lower one.
    #[inline]
    pub(crate) fn now(&self) -> Now {
        self.now_at(self.clock.nanos())
    }

    /// As [`now`](Timeline::now), but timelines that are asked with one `instant` read the counter once. (A clock of another kind is read
    /// by each.)
    #[inline]
    pub(crate) fn now_together(&self, instant: &mut Instant) -> Now {
        let clock = match &self.clock.0 {
            Source::Monotonic(clock) => clock.nanos_at(*instant.0.get_or_insert_with(|| clock.counter.raw())),
            _ => self.clock.nanos(),
        };
        self.now_at(clock)
    }

    #[inline]
    fn now_at(&self, clock: u64) -> Now {
        let noted = self.high_water.load(Ordering::Relaxed);
        let time = clock.max(noted);
        if time - noted > self.slack {
            self.note(time);
        }
        Now { clock, time }
    }

    #[cold]
    #[inline(never)]
    fn note(&self, clock: u64) {
        self.high_water.fetch_max(clock, Ordering::Relaxed);
    }
}
