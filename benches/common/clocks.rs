//! The two clocks of the comparison, each in the form that every limiter wants it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use governor::clock::{QuantaClock, QuantaUpkeepClock};

use super::Outcome;

/// How old a coarse reading may be. One millisecond is the resolution people pick such clocks for (a kernel tick
/// is 1 to 10 ms), and a refresh so rare costs no measurable share of a core.
pub(crate) const RESOLUTION: Duration = Duration::from_millis(1);

/// A choice of clock, the same for all four limiters.
pub(crate) trait ClockChoice: Send + Sync + 'static {
    /// Governor's clock.
    type Governor: governor::clock::Clock<Instant: Send + Sync> + Send + Sync;
    /// The clock of the two simple limiters.
    type Plain: Now;

    fn governor() -> Outcome<Self::Governor>;
    fn plain() -> Self::Plain;
    /// `None` is tollgate's default.
    fn tollgate() -> Option<tollgate::Clock>;
}

/// Every reading asks the processor: everybody's default.
pub(crate) struct Precise;

impl ClockChoice for Precise {
    type Governor = QuantaClock;
    type Plain = quanta::Clock;

    fn governor() -> Outcome<QuantaClock> {
        Ok(QuantaClock::default())
    }

    fn plain() -> quanta::Clock {
        quanta::Clock::new()
    }

    fn tollgate() -> Option<tollgate::Clock> {
        None
    }
}

/// A reading is a load of a number that a thread refreshes.
pub(crate) struct Coarse;

impl ClockChoice for Coarse {
    type Governor = QuantaUpkeepClock;
    type Plain = Ticker;

    fn governor() -> Outcome<QuantaUpkeepClock> {
        Ok(QuantaUpkeepClock::from_interval(RESOLUTION)?)
    }

    fn plain() -> Ticker {
        Ticker::start()
    }

    fn tollgate() -> Option<tollgate::Clock> {
        Some(tollgate::Clock::coarse(RESOLUTION))
    }
}

/// Nanoseconds since some fixed moment.
pub(crate) trait Now: Send + Sync {
    fn now(&self) -> u64;
}

/// As governor reads it: straight from the counter, without the detour over an `Instant`.
impl Now for quanta::Clock {
    #[inline]
    fn now(&self) -> u64 {
        self.delta_as_nanos(0, self.raw())
    }
}

/// The simple limiters' coarse clock. Quanta has one refreshing thread per process, which others may be using.
pub(crate) struct Ticker {
    now: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start() -> Self {
        let clock = quanta::Clock::new();
        let now = Arc::new(AtomicU64::new(Now::now(&clock)));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (now, stop) = (Arc::clone(&now), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    now.store(Now::now(&clock), Ordering::Relaxed);
                    std::thread::sleep(RESOLUTION);
                }
            }
        });
        Self { now, stop, thread: Some(thread) }
    }
}

impl Now for Ticker {
    #[inline]
    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A ticker that panicked has nothing to say that the measurement does not show.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
