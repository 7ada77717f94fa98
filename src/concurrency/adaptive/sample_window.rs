//! Many samples made one: single round trips are too noisy to steer by.

use std::time::Duration;

use super::Sample;

/// Gathers samples until there are enough, and then says what they come to.
#[derive(Clone, Debug)]
pub(super) struct SampleWindow {
    pub(super) length: Duration,
    pub(super) min_samples: u32,
    /// When the present window may close; the first closes as soon as it has enough.
    closes: Duration,
    samples: u32,
    round_trips: Duration,
    max_in_flight: usize,
    overload: bool,
}

impl SampleWindow {
    pub(super) fn new(length: Duration, min_samples: u32) -> SampleWindow {
        SampleWindow {
            length,
            min_samples,
            closes: Duration::ZERO,
            samples: 0,
            round_trips: Duration::ZERO,
            max_in_flight: 0,
            overload: false,
        }
    }

    /// The window as one sample, if `sample` closes it: mean round trip, most in flight, and whether any met overload.
    pub(super) fn add(&mut self, sample: &Sample) -> Option<Sample> {
        self.samples = self.samples.saturating_add(1);
        self.round_trips = self.round_trips.saturating_add(sample.round_trip);
        self.max_in_flight = self.max_in_flight.max(sample.in_flight);
        self.overload |= sample.overload;
        if self.samples < self.min_samples || sample.ended < self.closes {
            return None;
        }
        let window = Sample {
            ended: sample.ended,
            round_trip: self.round_trips / self.samples,
            in_flight: self.max_in_flight,
            overload: self.overload,
        };
        let next = SampleWindow::new(self.length, self.min_samples);
        *self = SampleWindow { closes: sample.ended.saturating_add(self.length), ..next };
        Some(window)
    }
}
