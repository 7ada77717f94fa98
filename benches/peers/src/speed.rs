//! The time per check: a table for each number of threads.

use crate::common::Outcome;
use crate::common::keys;
use crate::common::options::Options;
use crate::common::rounds::{Sample, Work, median, race, ratio};
use crate::common::setup::{ADMITTED, REFUSED, Setup};
use crate::common::table::{Report, figure};
use crate::common::works::{Hot, Uniform};
use crate::peers::{PEERS, arms};
use crate::works::{Fresh, HotText, texts};

/// The columns.
pub(crate) const WORKS: [&str; 5] =
    ["hot key, admitted", "hot key, refused", "uniform keys", "Zipf keys", "fresh keys"];

/// Half a second per round for the slowest at 1 µs; the shorter a round, the less often is it disturbed.
const REQUESTS: usize = 500_000;
/// The size at which everybody's table has outgrown the second-level cache.
const KEYS: usize = 1_000_000;
/// An odd number, so that the median is a round that happened; and few enough for a run of some minutes.
const ROUNDS: usize = 5;

/// What was measured with some number of threads.
pub(crate) struct Panel {
    pub(crate) threads: usize,
    /// Nanoseconds, by the work and, in it, by the peer. Peers without keys, which are the last, are left out where
    /// keys are needed.
    pub(crate) speeds: [Vec<f64>; WORKS.len()],
}

/// Measures all with so many threads, and adds the table.
pub(crate) fn table(options: &Options, report: &mut Report, threads: usize) -> Outcome<Panel> {
    let requests = options.size(REQUESTS, 20_000);
    let texts = texts(options.size(KEYS, 5_000));
    let hot = |setup: Setup| HotText(Hot { setup, threads, requests, late: 2 });
    let visits = |indices: Vec<usize>| Uniform::new(texts.clone(), &indices, 1).by_threads(threads);
    let columns = [
        column(options, WORKS[0], false, || hot(ADMITTED))?,
        column(options, WORKS[1], false, || hot(REFUSED))?,
        column(options, WORKS[2], true, || visits(keys::uniform(texts.len(), requests)))?,
        column(options, WORKS[3], true, || visits(keys::zipf(texts.len(), requests)))?,
        column(options, WORKS[4], true, || Fresh { keys: &texts, threads })?,
    ];

    let title = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
    report.head(&[&[title.as_str()], WORKS.as_slice()].concat());
    for (index, peer) in PEERS.iter().enumerate() {
        let mut cells = vec![peer.name.to_owned()];
        cells.extend(columns.iter().map(|samples| cell(samples, index)));
        report.row(&cells);
    }
    Ok(Panel {
        threads,
        speeds: columns.map(|column| column.iter().map(|samples| median(samples)).collect()),
    })
}

/// One work, if it is wanted; what it needs is made only then.
fn column<W: Work<Key = String>>(
    options: &Options,
    name: &str,
    keyed: bool,
    work: impl FnOnce() -> W,
) -> Outcome<Vec<Vec<Sample>>> {
    if !options.wants(name) {
        return Ok(Vec::new());
    }
    race(arms(&work(), keyed)?, options.rounds(ROUNDS))
}

/// The time and how many times tollgate's that is; and what share of the exact number was admitted, if it was not exact.
fn cell(column: &[Vec<Sample>], index: usize) -> String {
    let [Some(first), samples] = [column.first(), column.get(index)] else { return String::new() };
    let Some(samples) = samples else { return "no keys".to_owned() };
    let mut cell = figure(samples);
    if index > 0 {
        cell = format!("{cell} ({:.2}x)", ratio(samples, first)[1]);
    }
    if samples.iter().any(|sample| !sample.exact.contains(&sample.admitted)) {
        let admitted: u64 = samples.iter().map(|sample| sample.admitted).sum();
        let exact: u64 = samples.iter().map(|sample| sample.exact.end()).sum();
        cell = format!("{cell}, admits {admitted} of {exact}");
    }
    cell
}
