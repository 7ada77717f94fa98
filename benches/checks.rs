//! The rows of one thread under criterion, to follow a change from one commit to the next:
//! `cargo bench --bench checks -- --save-baseline before`, then `-- --baseline before`.
//!
//! For ratios between limiters see `compare`: criterion measures one after the other, and the machine's speed drifts.

mod common;

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};

use common::Outcome;
use common::clocks::{ClockChoice, Coarse, Precise};
use common::floor::{ClockRead, Floor, KeyHash, Swap};
use common::keys;
use common::setup::{ADMITTED, BATCH, FORGET_EVERY, OFTEN, REFUSED, SHORT_LIVED, Setup, live};
use common::subject::{Answers, Governor, Key, Subject, Tollgate};

fn main() -> Outcome<()> {
    // As for criterion itself: without `--bench` this is `cargo test`, which wants one pass over small tables.
    let measuring = std::env::args().any(|arg| arg == "--bench");
    let live = if measuring { 1_000_000 } else { 1_000 };
    // Half of criterion's defaults, because there are some twenty benchmarks.
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(1_500))
        .measurement_time(Duration::from_millis(2_500))
        .configure_from_args();
    hot_key::<Precise>(&mut criterion, "precise clock")?;
    hot_key::<Coarse>(&mut criterion, "coarse clock")?;
    let numbers = keys::numbers(live);
    live_keys(&mut criterion, "live keys, u64", &numbers)?;
    let texts: Vec<String> = numbers.iter().copied().map(keys::text).collect();
    live_keys(&mut criterion, "live keys, String", &texts)?;
    fresh_keys(&mut criterion)?;
    floor(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// One key, always admitted or nearly always refused.
fn hot_key<C: ClockChoice>(criterion: &mut Criterion, clock: &str) -> Outcome<()> {
    for (answer, setup) in [("admitted", ADMITTED), ("refused", REFUSED)] {
        let mut group = criterion.benchmark_group(format!("hot key {answer}, {clock}"));
        single::<Tollgate<C>>(&mut group, "tollgate", &setup)?;
        single::<Governor<u64, C>>(&mut group, "governor", &setup)?;
        group.finish();
    }
    Ok(())
}

/// What a check cannot do without.
fn floor(criterion: &mut Criterion) -> Outcome<()> {
    let mut group = criterion.benchmark_group("floor");
    single::<KeyHash>(&mut group, "ahash of a u64", &ADMITTED)?;
    single::<ClockRead>(&mut group, "clock read", &ADMITTED)?;
    single::<Swap>(&mut group, "compare-and-swap", &ADMITTED)?;
    single::<Floor>(&mut group, "all three", &ADMITTED)?;
    group.finish();
    Ok(())
}

fn single<S: Subject<u64>>(group: &mut Group<'_>, name: &str, setup: &Setup) -> Outcome<()> {
    let (subject, key) = (S::build(setup)?, keys::key(42));
    group.bench_function(name, |bencher| bencher.iter(|| subject.check(black_box(&key))));
    Ok(())
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Many live keys, each as likely as any other.
fn live_keys<K: Key>(criterion: &mut Criterion, name: &str, keys: &[K]) -> Outcome<()> {
    // As many visits as keys, each visit with its own copy of the key, read in order: the cache misses are the tables'.
    let visits: Vec<K> =
        keys::uniform(keys.len(), keys.len()).into_iter().map(|index| keys[index].clone()).collect();
    let mut group = criterion.benchmark_group(name);
    visit::<K, Tollgate<Precise>>(&mut group, "tollgate", keys, &visits)?;
    visit::<K, Governor<K, Precise>>(&mut group, "governor", keys, &visits)?;
    group.finish();
    Ok(())
}

fn visit<K: Key, S: Subject<K>>(group: &mut Group<'_>, name: &str, keys: &[K], visits: &[K]) -> Outcome<()> {
    let subject = S::build(&live(keys.len(), OFTEN))?;
    for key in keys {
        black_box(subject.check(key));
    }
    let mut next = visits.iter().cycle();
    group.bench_function(name, |bencher| {
        bencher.iter(|| next.next().map(|key| subject.check(black_box(key))));
    });
    // The time is that of the whole batch.
    let mut batches = visits.chunks_exact(BATCH).cycle();
    let mut answers = Answers::with_capacity(BATCH);
    group.bench_function(format!("{name}, {BATCH} at once"), |bencher| {
        bencher.iter(|| batches.next().map(|batch| subject.check_batch(black_box(batch), &mut answers)));
    });
    Ok(())
}

/// Keys never seen before, idle again after a millisecond.
fn fresh_keys(criterion: &mut Criterion) -> Outcome<()> {
    let mut group = criterion.benchmark_group("fresh keys");
    fresh::<Tollgate<Precise>>(&mut group, "tollgate")?;
    fresh::<Governor<u64, Precise>>(&mut group, "governor")?;
    group.finish();
    Ok(())
}

fn fresh<S: Subject<u64>>(group: &mut Group<'_>, name: &str) -> Outcome<()> {
    let subject = S::build(&SHORT_LIVED)?;
    let mut rank = 0;
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            if rank % FORGET_EVERY as u64 == 0 {
                subject.forget_idle();
            }
            rank += 1;
            subject.check(&keys::key(rank))
        });
    });
    Ok(())
}
