//! Fresh keys that all stay live, up to ten million: the time per request, and the slowest requests.
//! `cargo bench --bench growth`.
//!
//! Options after `--`: `--quick`, `--rows PART`, `--rounds N`, `--table FILE`.

mod common;

use std::ops::RangeInclusive;

use parking_lot::Mutex;

use common::Outcome;
use common::clocks::Precise;
use common::floor::Empty;
use common::histogram::Histogram;
use common::keys;
use common::options::Options;
use common::rounds::{Sample, Work, arm, contenders, median, race};
use common::setup::{Setup, live};
use common::subject::Subject;
use common::table::{Report, machine, time};
use common::threads::{drive, nanos_each};

/// The size for which the goals are stated.
const KEYS: usize = 10_000_000;
/// A small bucket, since each key asks once.
const BURST: u32 = 10;
/// Fewer than elsewhere: each takes seconds.
const ROUNDS: usize = 5;

fn main() -> Outcome<()> {
    let options = Options::from_args()?;
    let rounds = options.rounds(ROUNDS);
    let count = options.size(KEYS, 50_000);
    let mut report = Report::default();
    report.line(&format!(
        "growth: {}; {} interleaved rounds; {count} fresh keys in each",
        machine(),
        rounds.measured
    ));
    report.head(&[
        "work",
        "tollgate",
        "governor",
        "mutex map",
        "64 shards",
        "governor / tollgate",
        "goal",
        "admitted vs exact",
    ]);

    let name = "fresh keys that all stay live, growing to 10 M";
    if options.wants(name) {
        let work = Growth { count };
        report.compare(name, "1x", &race(contenders::<Precise, _>(&work), rounds)?);
    }

    let name = "the same growth, 99.9999th percentile of one check";
    if options.wants(name) {
        let work = Slowest { count };
        let mut arms = contenders::<Precise, _>(&work);
        arms.push(arm::<_, Empty>(&work));
        let samples = race(arms, rounds)?;
        report.compare(name, "20x", &samples[..4]);
        let alone = &samples[4];
        let slowest = alone.iter().filter_map(|sample| sample.slowest).fold(0.0, f64::max);
        report.line("");
        report.line(&format!(
            "What the machine does to a thread by itself (the timed loop with no limiter in it): {} (max {}).",
            time(median(alone)),
            time(slowest)
        ));
    }
    report.finish(options.table.as_deref())
}

/// A first request of each key is always admitted.
fn all(count: usize) -> RangeInclusive<u64> {
    count as u64..=count as u64
}

/// The time per request over the whole growth.
struct Growth {
    count: usize,
}

impl Work for Growth {
    type Key = u64;
    const FRESH: bool = true;

    fn setup(&self) -> Setup {
        live(self.count, BURST)
    }

    fn run<S: Subject<u64>>(&self, subject: &S) -> Sample {
        let driven = drive(1, self.count, |range| {
            range.map(|rank| u64::from(subject.check(&keys::key(rank as u64)))).sum()
        });
        let nanos = nanos_each(driven.wall, self.count);
        Sample {
            nanos,
            slowest: None,
            admitted: driven.admitted,
            exact: all(self.count),
            waited: driven.waited,
        }
    }
}

/// The slowest requests of the growth: each is timed by itself.
struct Slowest {
    count: usize,
}

impl Work for Slowest {
    type Key = u64;
    const FRESH: bool = true;

    fn setup(&self) -> Setup {
        live(self.count, BURST)
    }

    fn run<S: Subject<u64>>(&self, subject: &S) -> Sample {
        let clock = quanta::Clock::new();
        let latencies = Mutex::new(Histogram::new());
        let driven = drive(1, self.count, |range| {
            let mut latencies = latencies.lock();
            let check = |rank| {
                let key = keys::key(rank as u64);
                let before = clock.raw();
                let answer = subject.check(&key);
                let after = clock.raw();
                latencies.record(clock.delta_as_nanos(before, after));
                u64::from(answer)
            };
            range.map(check).sum()
        });
        let latencies = latencies.into_inner();
        #[allow(clippy::cast_precision_loss, reason = "latencies are far below 2^53 ns")]
        let [nanos, slowest] = [latencies.all_but(1), latencies.max()].map(|latency| latency as f64);
        Sample {
            nanos,
            slowest: Some(slowest),
            admitted: driven.admitted,
            exact: all(self.count),
            waited: driven.waited,
        }
    }
}
