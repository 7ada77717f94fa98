//! Bytes per live key, all in, and the memory under fresh keys without end: `cargo bench --bench memory`.
//!
//! Options after `--`: `--quick`, `--rows PART`, `--table FILE`.

mod common;

use std::alloc::System;
use std::hint::black_box;
use std::process::Command;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use common::Outcome;
use common::clocks::Precise;
use common::keys;
use common::memory::{self, POPULATIONS, live_bytes, measured_by};
use common::options::Options;
use common::setup::{FORGET_EVERY, SHORT_LIVED, Setup, live};
use common::subject::{Governor, Key, OneMutex, Shards, Subject, Tollgate};
use common::table::{Report, machine};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The limiters and their keys, as they are called on the command line of the measuring process.
const ROWS: [&str; 7] = [
    "tollgate u64",
    "tollgate String",
    "governor u64",
    "governor String",
    "mutex-map u64",
    "64-shards u64",
    "64-shards String",
];

fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("--measure") {
        let [subject, keys, count] = [args.next(), args.next(), args.next()].map(Option::unwrap_or_default);
        return measure(&subject, &keys, count.parse()?);
    }

    let options = Options::from_args()?;
    let mut report = Report::default();
    report.line(&format!("memory: {}", machine()));
    per_key(&options, &mut report)?;
    without_end(&options, &mut report)?;
    report.finish(options.table.as_deref())
}

/// The table of bytes per live key.
fn per_key(options: &Options, report: &mut Report) -> Outcome<()> {
    let scale = options.size(1_000, 10);
    let mut columns = vec!["bytes per live key: heap (resident)".to_owned()];
    columns
        .extend(POPULATIONS.map(|thousands| format!("{}.{} M", thousands / 1_000, thousands % 1_000 / 100)));
    columns.extend(["mean", "worst", "goal"].map(str::to_owned));
    report.head(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    for row in ROWS.into_iter().filter(|row| options.wants(row)) {
        let mut cells = vec![row.to_owned()];
        let mut heaps = Vec::new();
        for thousands in POPULATIONS {
            let count = thousands * scale;
            let mut measuring = Command::new(std::env::current_exe()?);
            measuring.arg("--measure").args(row.split(' ')).arg(count.to_string());
            let [heap, resident] = measured_by(&mut measuring)?;
            cells.push(format!("{heap:.1} ({resident:.1})"));
            heaps.push(heap);
        }
        #[allow(clippy::cast_precision_loss, reason = "there are five")]
        let mean = heaps.iter().sum::<f64>() / heaps.len() as f64;
        cells.push(format!("{mean:.1}"));
        cells.push(format!("{:.1}", heaps.into_iter().fold(0.0, f64::max)));
        cells.push(if row.starts_with("tollgate") { "30, 36" } else { "" }.to_owned());
        report.row(&cells);
    }
    Ok(())
}

/// The measuring process: prints heap and resident bytes per live key.
fn measure(subject: &str, keys: &str, count: usize) -> Outcome<()> {
    match (subject, keys) {
        ("tollgate", "u64") => fill::<_, Tollgate<Precise>>(keys::key, count),
        ("tollgate", "String") => fill::<_, Tollgate<Precise>>(text, count),
        ("governor", "u64") => fill::<_, Governor<_, Precise>>(keys::key, count),
        ("governor", "String") => fill::<_, Governor<_, Precise>>(text, count),
        ("mutex-map", "u64") => fill::<_, OneMutex<_, Precise>>(keys::key, count),
        ("64-shards", "u64") => fill::<_, Shards<_, Precise>>(keys::key, count),
        ("64-shards", "String") => fill::<_, Shards<_, Precise>>(text, count),
        _ => Err(format!("nothing known as {subject} with {keys}").into()),
    }
}

fn text(rank: u64) -> String {
    keys::text(keys::key(rank))
}

fn fill<K: Key, S: Subject<K>>(key: impl Fn(u64) -> K, count: usize) -> Outcome<()> {
    // The same bound at every size, well above all of them, as an operator would set it.
    memory::measure::<K, S>(HEAP, &Setup { max_keys: 4_000_000, ..live(count, 10) }, key, count)
}

/// The table of memory under fresh keys that soon go idle.
fn without_end(options: &Options, report: &mut Report) -> Outcome<()> {
    let name = "fresh keys without end that soon go idle";
    if !options.wants(name) {
        return Ok(());
    }
    // Four stretches of the same length: whoever leaks shows it in the difference between the last two.
    let stretch = options.size(5_000_000, 20_000);
    report.head(&[name, "after 1/4", "after 1/2", "after 3/4", "at the end", "keys seen"]);
    for (name, bytes) in [
        ("tollgate", endless::<Tollgate<Precise>>(stretch)?),
        ("governor", endless::<Governor<u64, Precise>>(stretch)?),
        ("mutex map", endless::<OneMutex<u64, Precise>>(stretch)?),
        ("64 shards", endless::<Shards<u64, Precise>>(stretch)?),
    ] {
        let mut cells = vec![name.to_owned()];
        cells.extend(bytes.map(|bytes| format!("{} KiB", bytes >> 10)));
        cells.push((4 * stretch).to_string());
        report.row(&cells);
    }
    Ok(())
}

/// Live bytes after each of four stretches of fresh keys, each key idle again after a millisecond. Idle keys are
/// dropped as in the row of the same name in `compare`.
fn endless<S: Subject<u64>>(stretch: usize) -> Outcome<[usize; 4]> {
    let before = live_bytes(HEAP);
    let subject = S::build(&SHORT_LIVED)?;
    let mut next = 0;
    Ok([(); 4].map(|()| {
        for _ in 0..stretch {
            if next % FORGET_EVERY as u64 == 0 {
                subject.forget_idle();
            }
            black_box(subject.check(&keys::key(next)));
            next += 1;
        }
        live_bytes(HEAP).saturating_sub(before)
    }))
}
