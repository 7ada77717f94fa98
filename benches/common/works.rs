//! Work that more than one bench has done.

use std::hint::black_box;
use std::ops::RangeInclusive;
use std::time::Duration;

use parking_lot::Mutex;

use super::keys;
use super::rounds::{Sample, Work};
use super::setup::{OFTEN, Setup, live};
use super::subject::{Answers, Key, Subject};
use super::threads::{Driven, drive, nanos_each};

/// The time per request, and what came of them.
pub(crate) fn sample(driven: Driven, requests: usize, exact: RangeInclusive<u64>) -> Sample {
    let nanos = nanos_each(driven.wall, requests);
    Sample { nanos, slowest: None, admitted: driven.admitted, exact, waited: driven.waited }
}

/// All requests for one key.
pub(crate) struct Hot {
    pub(crate) setup: Setup,
    pub(crate) threads: usize,
    pub(crate) requests: usize,
    /// How many of the tokens due by the end may still be missing, because a reading of the clock lags behind the
    /// stop watch.
    pub(crate) late: u64,
}

impl Work for Hot {
    type Key = u64;
    const FRESH: bool = true;

    fn setup(&self) -> Setup {
        self.setup
    }

    fn run<S: Subject<u64>>(&self, subject: &S) -> Sample {
        let key = keys::key(42);
        let driven = drive(self.threads, self.requests, |range| {
            range.map(|_| u64::from(subject.check(black_box(&key)))).sum()
        });
        sample(driven, self.requests, self.exact(driven.wall))
    }
}

impl Hot {
    /// A full bucket to begin with, then a token per interval, as long as there are requests for them.
    pub(crate) fn exact(&self, wall: Duration) -> RangeInclusive<u64> {
        let refilled = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX) / self.setup.interval;
        let most = u64::from(self.setup.burst) + refilled;
        // A coarse clock may also have been late at the start, which brings its lag in tokens afterwards.
        let ahead = if self.late > 2 { self.late } else { 0 };
        let requests = self.requests as u64;
        requests.min(most - refilled.min(self.late))..=requests.min(most + ahead)
    }
}

/// Requests for live keys, each key as likely as any other, one by one or in batches. All are admitted.
pub(crate) struct Uniform<K> {
    keys: Vec<K>,
    /// The keys themselves, in the order of the requests: a server, too, has just read the key that it asks about,
    /// so finding the key must not cost the cache miss that finding its word does.
    visits: Vec<K>,
    batch: usize,
    threads: usize,
}

impl<K: Key> Uniform<K> {
    pub(crate) fn new(keys: Vec<K>, visits: &[usize], batch: usize) -> Self {
        let visits = visits.iter().map(|&index| keys[index].clone()).collect();
        Self { keys, visits, batch, threads: 1 }
    }

    /// The same requests by so many threads together.
    pub(crate) fn by_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }
}

impl<K: Key> Work for Uniform<K> {
    type Key = K;
    const FRESH: bool = false;

    fn setup(&self) -> Setup {
        live(self.keys.len(), OFTEN)
    }

    fn prepare<S: Subject<K>>(&self, subject: &S) {
        for key in &self.keys {
            black_box(subject.check(key));
        }
    }

    fn run<S: Subject<K>>(&self, subject: &S) -> Sample {
        // Taken once per chunk of requests; no other thread wants it.
        let answers = Mutex::new(Answers::with_capacity(self.batch));
        let driven = drive(self.threads, self.visits.len(), |range| {
            let visits = &self.visits[range];
            if self.batch == 1 {
                return visits.iter().map(|key| u64::from(subject.check(black_box(key)))).sum();
            }
            let mut answers = answers.lock();
            let batches = visits.chunks(self.batch);
            batches.map(|batch| subject.check_batch(black_box(batch), &mut answers)).sum()
        });
        let requests = self.visits.len();
        sample(driven, requests, requests as u64..=requests as u64)
    }
}
