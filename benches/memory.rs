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
use common::options::Options;
use common::setup::{FORGET_EVERY, SHORT_LIVED, Setup, live};
use common::subject::{Governor, Key, OneMutex, Shards, Subject, Tollgate};
use common::table::{Report, machine};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// In thousands. A table that doubles is at its best just before and at its worst just after, so one size would
/// show whatever one likes: these cover an octave in even steps, and a second one beside it.
const POPULATIONS: [usize; 5] = [700, 1_000, 1_400, 2_000, 2_800];

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
            let [heap, resident] = measured_elsewhere(row, count)?;
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

/// Heap and resident bytes per key, as a process of its own finds them: there nobody else has touched memory before.
fn measured_elsewhere(row: &str, count: usize) -> Outcome<[f64; 2]> {
    let mut measuring = Command::new(std::env::current_exe()?);
    measuring.arg("--measure").args(row.split(' ')).arg(count.to_string());
    let output = measuring.output()?;
    if !output.status.success() {
        return Err(format!("{row}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let mut figures = text.split_whitespace().map(str::parse::<f64>);
    match (figures.next(), figures.next()) {
        (Some(heap), Some(resident)) => Ok([heap?, resident?]),
        _ => Err(format!("{row}: unexpected answer {text:?}").into()),
    }
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
    let (heap, resident) = (live_bytes(), resident_bytes()?);
    // The same bound at every size, well above all of them, as an operator would set it.
    let subject = S::build(&Setup { max_keys: 4_000_000, ..live(count, 10) })?;
    let admitted = (0..count as u64).filter(|&rank| subject.check(&key(rank))).count();
    if admitted != count {
        return Err(format!("{admitted} of {count} keys admitted").into());
    }
    let per_key = |before: usize, after: usize| {
        #[allow(clippy::cast_precision_loss, reason = "bytes and keys are far below 2^53")]
        let (bytes, count) = (after.saturating_sub(before) as f64, count as f64);
        bytes / count
    };
    println!("{} {}", per_key(heap, live_bytes()), per_key(resident, resident_bytes()?));
    black_box(subject);
    Ok(())
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
    let before = live_bytes();
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
        live_bytes().saturating_sub(before)
    }))
}

/// Bytes allocated and not yet freed, as asked for: what the allocator adds to each shows only in the resident size.
fn live_bytes() -> usize {
    let stats = HEAP.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Bytes of this process in memory; 0 where the system does not tell in this way.
fn resident_bytes() -> Outcome<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.map_or(Ok(0), str::parse::<usize>)? << 10)
}
