//! Tollgate beside every other rate limiter for Rust: what a check costs, what a key costs, and whether the count is right.
//! `benches/peers/run` says how it is started.
//!
//! Options: `--quick`, `--rows PART` (of a column's name, `growth` or `accuracy`), `--rounds N`, `--table FILE`, `--chart FILE`.

use std::process::Command;
use std::time::Duration;

mod accuracy;
mod chart;
#[path = "../../common/mod.rs"]
mod common;
mod peers;
mod speed;
mod subjects;
mod works;

use common::Outcome;
use common::floor::Empty;
use common::memory::{POPULATIONS, measured_by};
use common::options::Options;
use common::rounds::{Sample, arm, median, race};
use common::table::{Report, machine, time};
use peers::{PEERS, Peer, able, arms};
use works::{Fresh, Tail, texts};

/// A table of this size has grown by doubling some twenty times.
const GROWN: usize = 2_000_000;
/// Fewer than of the speeds: each takes seconds.
const ROUNDS: usize = 3;

fn main() -> Outcome<()> {
    let options = Options::from_args()?;
    let mut report = Report::default();
    report.line(&format!("{}; wall time per check over all threads, keys of 24 bytes", machine()));
    let panels = [speed::table(&options, &mut report, 1)?, speed::table(&options, &mut report, 2)?];
    if let Some(file) = &options.chart {
        chart::draw(file, &panels)?;
    }
    costs(&options, &mut report)?;
    admitted(&options, &mut report)?;
    who(&mut report);
    report.finish(options.table.as_deref())
}

/// Bytes per live key, and the slowest checks while the table grows.
fn costs(options: &Options, report: &mut Report) -> Outcome<()> {
    if !options.wants("growth") {
        return Ok(());
    }
    let keys = texts(options.size(GROWN, 20_000));
    let work = Tail(Fresh { keys: &keys, threads: 1 });
    let mut contenders = arms(&work, true)?;
    contenders.push(arm::<_, Empty>(&work));
    let samples = race(contenders, options.rounds(ROUNDS))?;

    report.head(&[
        "keys that stay live",
        "heap bytes per key, mean",
        "worst size",
        "resident bytes per key, mean",
        "growth: 99.99th percentile of a check",
        "growth: slowest check",
    ]);
    for (peer, samples) in able(true).zip(&samples) {
        let mut cells = vec![peer.name.to_owned()];
        cells.extend(memory(options, peer)?);
        cells.extend(slowest(samples));
        report.row(&cells);
    }
    if let Some(samples) = samples.last() {
        let mut cells =
            vec!["nobody: the timed loop alone".to_owned(), String::new(), String::new(), String::new()];
        cells.extend(slowest(samples));
        report.row(&cells);
    }
    Ok(())
}

/// Mean and worst of heap bytes per key over the populations, and the mean of resident bytes.
fn memory(options: &Options, peer: &Peer) -> Outcome<[String; 3]> {
    let scale = options.size(1_000, 10);
    let program = std::env::current_exe()?.with_file_name("heap");
    let figures = POPULATIONS
        .iter()
        .map(|thousands| {
            measured_by(Command::new(&program).arg(peer.name).arg((thousands * scale).to_string()))
        })
        .collect::<Outcome<Vec<_>>>()?;
    #[allow(clippy::cast_precision_loss, reason = "there are five")]
    let mean =
        |which: usize| figures.iter().map(|figures| figures[which]).sum::<f64>() / figures.len() as f64;
    let worst = figures.iter().map(|&[heap, _]| heap).fold(0.0, f64::max);
    Ok([mean(0), worst, mean(1)].map(|bytes| format!("{bytes:.0}")))
}

/// The percentile's median, and the least of the rounds' maxima: what a limiter does by itself it does in every round.
fn slowest(samples: &[Sample]) -> [String; 2] {
    let least = samples.iter().filter_map(|sample| sample.slowest).fold(f64::INFINITY, f64::min);
    [time(median(samples)), time(least)]
}

/// What each admits of the same traffic.
fn admitted(options: &Options, report: &mut Report) -> Outcome<()> {
    if !options.wants("accuracy") {
        return Ok(());
    }
    let length = Duration::from_secs(if options.quick { 1 } else { 10 });
    let by_traffic = accuracy::of_traffic(length)?;
    let by_threads = accuracy::of_two_threads(options.size(200, 10))?;
    let mut columns = vec!["admitted / exact, at 100/s, 100 at once"];
    columns.extend(accuracy::TRAFFICS.iter().map(|traffic| traffic.name));
    columns.push("2 threads, the last of 100");
    report.head(&columns);
    for (index, peer) in PEERS.iter().enumerate() {
        let mut cells = vec![format!("{} ({})", peer.name, peer.algorithm)];
        cells.extend(by_traffic.iter().map(|ratios| format!("{:.3}", ratios[index])));
        cells.push(format!("{:.4}", by_threads[index]));
        report.row(&cells);
    }
    Ok(())
}

fn who(report: &mut Report) {
    report.head(&["peer", "version", "algorithm", "how it is used, and what it cannot do"]);
    for peer in &PEERS {
        report.row(&[peer.name, peer.version(), peer.algorithm, peer.note]);
    }
}
