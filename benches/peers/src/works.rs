//! What all have to do, with keys of text.

use std::hint::black_box;

use parking_lot::Mutex;

use crate::common::histogram::Histogram;
use crate::common::keys;
use crate::common::rounds::{Sample, Work};
use crate::common::setup::{Setup, live};
use crate::common::subject::Subject;
use crate::common::threads::drive;
use crate::common::works::{Hot, sample};

/// A small bucket, since each key asks once.
const BURST: u32 = 10;

/// The `count` first keys.
pub(crate) fn texts(count: usize) -> Vec<String> {
    keys::numbers(count).into_iter().map(keys::text).collect()
}

/// All requests for one key.
pub(crate) struct HotText(pub(crate) Hot);

impl Work for HotText {
    type Key = String;
    const FRESH: bool = true;

    fn setup(&self) -> Setup {
        self.0.setup
    }

    fn run<S: Subject<String>>(&self, subject: &S) -> Sample {
        let key = keys::text(keys::key(42));
        let driven = drive(self.0.threads, self.0.requests, |range| {
            range.map(|_| u64::from(subject.check(black_box(&key)))).sum()
        });
        sample(driven, self.0.requests, self.0.exact(driven.wall))
    }
}

/// Each key once, from an empty limiter. All are admitted, and all stay live.
pub(crate) struct Fresh<'a> {
    pub(crate) keys: &'a [String],
    pub(crate) threads: usize,
}

impl Work for Fresh<'_> {
    type Key = String;
    const FRESH: bool = true;

    fn setup(&self) -> Setup {
        live(self.keys.len(), BURST)
    }

    fn run<S: Subject<String>>(&self, subject: &S) -> Sample {
        let driven = drive(self.threads, self.keys.len(), |range| {
            self.keys[range].iter().map(|key| u64::from(subject.check(black_box(key)))).sum()
        });
        let count = self.keys.len() as u64;
        sample(driven, self.keys.len(), count..=count)
    }
}

/// The same by one thread, each check timed by itself.
pub(crate) struct Tail<'a>(pub(crate) Fresh<'a>);

impl Work for Tail<'_> {
    type Key = String;
    const FRESH: bool = true;

    fn setup(&self) -> Setup {
        self.0.setup()
    }

    fn run<S: Subject<String>>(&self, subject: &S) -> Sample {
        let clock = quanta::Clock::new();
        let latencies = Mutex::new(Histogram::new());
        let driven = drive(1, self.0.keys.len(), |range| {
            let mut latencies = latencies.lock();
            let check = |key| {
                let before = clock.raw();
                let answer = subject.check(key);
                let after = clock.raw();
                latencies.record(clock.delta_as_nanos(before, after));
                u64::from(answer)
            };
            self.0.keys[range].iter().map(check).sum()
        });
        let latencies = latencies.into_inner();
        let count = self.0.keys.len() as u64;
        // All but a hundred of a million: the 99.99th percentile.
        #[allow(clippy::cast_precision_loss, reason = "latencies are far below 2^53 ns")]
        let [nanos, slowest] = [latencies.all_but(100), latencies.max()].map(|latency| latency as f64);
        Sample { nanos, slowest: Some(slowest), ..sample(driven, self.0.keys.len(), count..=count) }
    }
}
