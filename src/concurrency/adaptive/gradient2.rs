//! [`Gradient2`]: down when round trips take longer than they used to.

use std::time::Duration;

use super::rule::real;
use super::sample_window::SampleWindow;
use super::{AdaptiveError, LimitRule, Sample};

/// How many updates the long-term average is a plain mean before it becomes an exponential one, as published.
const WARM_UP: u32 = 10;

/// The long-term average sinks by this factor at each update while it is more than twice the present round trip, as published:
/// so it recovers within seconds from a long overload.
const RECOVERY: f64 = 0.95;

/// The least gradient, as published: one update takes away no more than half, before smoothing.
const STEEPEST: f64 = 0.5;

/// Compares round trips with their own long-term average: the limit falls while they are longer, and else rises slowly.
///
/// Choose it where latency is the only sign of overload and nobody can name a timeout. It needs a callee whose normal
/// latency is steady. Where the callee refuses when it is overloaded, [`Aimd`](super::Aimd) is simpler and more certain.
///
/// # The rule
///
/// Requests that return are gathered into windows of at least 1 second and 10 requests (the first: of 10 requests), after which
/// the limit is updated once, with the window's mean round trip as `short` and its largest number in flight:
///
/// ```text
/// long     = exponential average of short, of weight 2 / (long_window + 1); the plain mean of the first 10
/// gradient = rtt_tolerance × long / short, clamped to 0.5 ..= 1
/// target   = limit × gradient + queue_size
/// limit    = limit × (1 − smoothing) + target × smoothing
/// ```
///
/// and then clamped to the minimum and maximum. If less than half of the limit was in use, it stays. If `long` is more than
/// twice `short`, `long` is multiplied by 0.95 for the next update. This is the rule of Netflix's
/// [concurrency-limits](https://github.com/Netflix/concurrency-limits) (`Gradient2Limit` within a `WindowedLimit`), with its
/// defaults, but for three things:
///
/// - The published rule ignores drops. A callee that refuses at once would then look fast, and be sent more. Here a
///   window in which any request met an [`Overload`](super::Outcome::Overload) counts as the smallest gradient without the
///   queue allowance: `limit = limit × (1 − smoothing / 2)`, a tenth down by default, and its round trips, short or long,
///   do not move `long`.
/// - The published windows throw away what they gathered when it was too little. Here a window stays open until
///   it has enough, so that a quiet service learns too.
/// - The published windows leave out round trips below 100 µs. Here all count, so that a callee in the same process can be
///   limited too; [`Ignore`](super::Outcome::Ignore) those that say nothing.
///
/// # Where it ends
///
/// The long-term average follows the present one, so an overload that lasts much longer than `long_window` windows (10
/// minutes by default) comes to be taken for normal, and the limit drifts up towards its maximum. Set a maximum that
/// the callee survives.
///
/// ```
/// use tollgate::concurrency::{AdaptiveConcurrency, Gradient2};
///
/// let rule = Gradient2::new().queue_size(8).rtt_tolerance(2.0);
/// let limit = AdaptiveConcurrency::builder(rule).max(500).build()?;
/// assert_eq!(limit.limit(), 20);
/// # Ok::<(), tollgate::concurrency::AdaptiveError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a rule does nothing until a limit is built with it"]
pub struct Gradient2 {
    smoothing: f64,
    queue_size: u32,
    rtt_tolerance: f64,
    long_window: u32,
    window: SampleWindow,
    long: LongAverage,
}

impl Gradient2 {
    /// The rule with its published defaults, as the setters list them.
    pub fn new() -> Gradient2 {
        Gradient2 {
            smoothing: 0.2,
            queue_size: 4,
            rtt_tolerance: 1.5,
            long_window: 600,
            window: SampleWindow::new(Duration::from_secs(1), 10),
            long: LongAverage::default(),
        }
    }

    /// How much of the way to its target the limit goes at each update; default 0.2, above 0, up to 1 (all of it).
    pub fn smoothing(mut self, smoothing: f64) -> Gradient2 {
        self.smoothing = smoothing;
        self
    }

    /// How many may queue at the callee without being taken for overload, and so by how much the limit strives to rise;
    /// default 4, from 1.
    pub fn queue_size(mut self, queue_size: u32) -> Gradient2 {
        self.queue_size = queue_size;
        self
    }

    /// By what factor a round trip may exceed the long-term average before the limit falls; default 1.5, from 1.
    pub fn rtt_tolerance(mut self, rtt_tolerance: f64) -> Gradient2 {
        self.rtt_tolerance = rtt_tolerance;
        self
    }

    /// How many updates the long-term average spans; default 600 (10 minutes of one-second windows), from 1.
    pub fn long_window(mut self, long_window: u32) -> Gradient2 {
        self.long_window = long_window;
        self
    }

    /// The least time between two updates, over which round trips are averaged; default 1 s. With zero, and
    /// [`min_samples`](Gradient2::min_samples) 1, each request is an update.
    pub fn sample_window(mut self, length: Duration) -> Gradient2 {
        self.window.length = length;
        self
    }

    /// How many requests must have returned for an update; default 10, from 1.
    pub fn min_samples(mut self, min_samples: u32) -> Gradient2 {
        self.window.min_samples = min_samples;
        self
    }

    /// The published rule, for a window without overload.
    fn follow(&mut self, estimate: f64, sample: &Sample) -> f64 {
        // A round trip of zero, as a coarse clock shows it, would have no ratio to anything.
        let short = sample.round_trip.max(Duration::from_nanos(1)).as_secs_f64();
        let long = self.long.add(short, self.long_window);
        if long / short > 2.0 {
            self.long.value *= RECOVERY;
        }
        if real(sample.in_flight) < estimate / 2.0 {
            return estimate;
        }
        let gradient = (self.rtt_tolerance * long / short).clamp(STEEPEST, 1.0);
        self.toward(estimate * gradient + f64::from(self.queue_size), estimate)
    }

    fn toward(&self, target: f64, estimate: f64) -> f64 {
        estimate * (1.0 - self.smoothing) + target * self.smoothing
    }
}

impl Default for Gradient2 {
    /// [`Gradient2::new`].
    fn default() -> Gradient2 {
        Gradient2::new()
    }
}

impl LimitRule for Gradient2 {
    fn validate(&self) -> Result<(), AdaptiveError> {
        let smoothing = self.smoothing > 0.0 && self.smoothing <= 1.0;
        let tolerance = self.rtt_tolerance >= 1.0 && self.rtt_tolerance.is_finite();
        let from_one = "1 or more";
        let parameters = [
            ("smoothing", smoothing, self.smoothing.to_string(), "above 0, up to 1"),
            ("queue_size", self.queue_size > 0, self.queue_size.to_string(), from_one),
            ("rtt_tolerance", tolerance, self.rtt_tolerance.to_string(), "a finite number, 1 or more"),
            ("long_window", self.long_window > 0, self.long_window.to_string(), from_one),
            ("min_samples", self.window.min_samples > 0, self.window.min_samples.to_string(), from_one),
        ];
        for (field, right, value, allowed) in parameters {
            if !right {
                return Err(AdaptiveError::Parameter { field, value, allowed });
            }
        }
        Ok(())
    }

    fn update(&mut self, estimate: f64, sample: &Sample) -> f64 {
        match self.window.add(sample) {
            None => estimate,
            Some(window) if window.overload => self.toward(estimate * STEEPEST, estimate),
            Some(window) => self.follow(estimate, &window),
        }
    }
}

/// The long-term average: a plain mean at first, so that the first sample does not weigh for ever, then an exponential one.
#[derive(Clone, Debug, Default)]
struct LongAverage {
    value: f64,
    sum: f64,
    count: u32,
}

impl LongAverage {
    fn add(&mut self, sample: f64, window: u32) -> f64 {
        if self.count < WARM_UP {
            self.count += 1;
            self.sum += sample;
            self.value = self.sum / f64::from(self.count);
        } else {
            let weight = 2.0 / (f64::from(window) + 1.0);
            self.value = self.value * (1.0 - weight) + sample * weight;
        }
        self.value
    }
}
