//! Taking a permit and giving it back: `cargo bench --bench concurrency`.
//!
//! Options as `compare`. Every row also counts what was admitted. Tollgate stands beside tokio's `Semaphore`, which knows no keys,
//! and Cloudflare's `pingora_limits::inflight::Inflight`, which estimates the counts of keys in a table of fixed size and is told
//! to refuse here what goes above the limit.

mod common;

use std::hint::black_box;

use pingora_limits::inflight::Inflight;
use tokio::sync::Semaphore;
use tollgate::concurrency::{ConcurrencyLimit, KeyedConcurrencyLimit};

use common::Outcome;
use common::keys;
use common::options::Options;
use common::rounds::{Arm, race, ratio};
use common::table::{Report, figure, machine};
use common::threads::drive;
use common::works::sample;

const REQUESTS: usize = 4_000_000;

/// Long enough for the ratios to settle to a few percent.
const ROUNDS: usize = 9;

/// More than there are threads, so that a limit that is free refuses nobody.
const MAX: usize = 100;

/// Keys that do not all fit the processor's nearest caches: a choice.
const KEYS: usize = 100_000;

fn main() -> Outcome<()> {
    let options = Options::from_args()?;
    let mut report = Report::default();
    let rounds = options.rounds(ROUNDS);
    report.line(&format!(
        "concurrency: {}; {} interleaved rounds; wall time to take a permit and give it back",
        machine(),
        rounds.measured
    ));
    let bench = Bench { requests: options.size(REQUESTS, 20_000), options };
    one_for_all(&bench, &mut report)?;
    keyed(&bench, &mut report)?;
    report.finish(bench.options.table.as_deref())
}

/// What all rows have in common.
struct Bench {
    options: Options,
    requests: usize,
}

/// Takes a permit of the key and gives it back. Whether there was one.
trait Limit: Sync {
    fn enter(&self, key: u64) -> bool;
}

fn one_for_all(bench: &Bench, report: &mut Report) -> Outcome<()> {
    let names = ["ConcurrencyLimit", "tokio Semaphore", "pingora Inflight"];
    report.head(&["one limit", names[0], names[1], names[2], "vs tokio", "vs pingora", "admitted vs exact"]);
    for (state, held) in [("free", 0), ("saturated", MAX)] {
        let ours = ConcurrencyLimit::new(MAX);
        (0..held).try_for_each(|_| ours.try_acquire().map(std::mem::forget))?;
        let tokio = Semaphore::new(MAX - held);
        let pingora = Inflight::new();
        std::mem::forget(pingora.incr(HOT, isize::try_from(held)?));
        for threads in [1, 2] {
            let work = Work { threads, visits: &[HOT], requests: bench.requests, admits: held == 0 };
            let arms = vec![work.arm(&ours), work.arm(&tokio), work.arm(&pingora)];
            bench.row(report, &format!("{state}, {threads} threads"), &names, arms)?;
        }
    }
    Ok(())
}

fn keyed(bench: &Bench, report: &mut Report) -> Outcome<()> {
    let names = ["KeyedConcurrencyLimit", "pingora Inflight"];
    report.head(&["by key", names[0], names[1], "vs pingora", "admitted vs exact"]);
    let keys = keys::numbers(KEYS);
    let many: Vec<u64> = keys::uniform(KEYS, bench.requests).into_iter().map(|index| keys[index]).collect();
    let rows: [(&str, &[u64], &[u64], usize); 5] = [
        ("one key, none else in flight", &[HOT], &[HOT], 0),
        ("one key, one else in flight", &[HOT], &[HOT], 1),
        ("one key, saturated", &[HOT], &[HOT], MAX),
        ("100 000 keys, none else in flight", &keys, &many, 0),
        ("100 000 keys, one else of each in flight", &keys, &many, 1),
    ];
    for (state, keys, visits, held) in rows {
        let ours = KeyedConcurrencyLimit::new(MAX);
        let pingora = Inflight::new();
        for key in keys {
            (0..held).try_for_each(|_| ours.try_acquire(key).map(std::mem::forget))?;
            // The estimate is too high by the keys that share its counters, which leaves room for one more of a hundred.
            std::mem::forget(pingora.incr(key, isize::try_from(held)?));
        }
        for threads in [1, 2] {
            let work = Work { threads, visits, requests: bench.requests, admits: held < MAX };
            let arms = vec![work.arm(&ours), work.arm(&pingora)];
            bench.row(report, &format!("{state}, {threads} threads"), &names, arms)?;
        }
    }
    Ok(())
}

/// The key where there is but one.
const HOT: u64 = 42;

/// What every limit of a row does: the same visits, again and again, of which none or all are admitted.
#[derive(Clone, Copy)]
struct Work<'a> {
    threads: usize,
    visits: &'a [u64],
    requests: usize,
    admits: bool,
}

impl<'a> Work<'a> {
    fn arm<L: Limit>(self, limit: &'a L) -> Arm<'a> {
        let Work { threads, visits, requests, admits } = self;
        let exact = if admits { requests as u64 } else { 0 };
        Box::new(move || {
            let driven = drive(threads, requests, |range| {
                let mut visits = visits.iter().cycle().skip(range.start % visits.len());
                range.map(|_| u64::from(visits.next().is_some_and(|key| limit.enter(black_box(*key))))).sum()
            });
            Ok(sample(driven, requests, exact..=exact))
        })
    }
}

impl Bench {
    fn row(&self, report: &mut Report, name: &str, names: &[&str], arms: Vec<Arm<'_>>) -> Outcome<()> {
        if !self.options.wants(name) {
            return Ok(());
        }
        let samples = race(arms, self.options.rounds(ROUNDS))?;
        let mut cells = vec![name.to_owned()];
        cells.extend(samples.iter().map(|samples| figure(samples)));
        for other in &samples[1..] {
            let [low, middle, high] = ratio(other, &samples[0]);
            cells.push(format!("{middle:.2}x ({low:.2}-{high:.2})"));
        }
        cells.push(report.admitted(name, names, &samples));
        report.row(&cells);
        Ok(())
    }
}

impl Limit for ConcurrencyLimit {
    #[inline]
    fn enter(&self, _: u64) -> bool {
        black_box(self.try_acquire()).is_ok()
    }
}

impl Limit for Semaphore {
    #[inline]
    fn enter(&self, _: u64) -> bool {
        black_box(self.try_acquire()).is_ok()
    }
}

impl Limit for KeyedConcurrencyLimit {
    #[inline]
    fn enter(&self, key: u64) -> bool {
        black_box(self.try_acquire(&key)).is_ok()
    }
}

impl Limit for Inflight {
    #[inline]
    fn enter(&self, key: u64) -> bool {
        let (_guard, count) = black_box(self.incr(key, 1));
        count <= MAX.cast_signed()
    }
}
