//! The service beside throttlecrab-server: `cargo bench --features server --bench serve`.
//!
//! Each is started anew for each row, on free ports, and asked by the same loaders: `wrk` for HTTP, `redis-benchmark` for RESP, and for gRPC one of
//! tonic's clients in here. They share the cores with the service. Options as `compare`; `THROTTLECRAB_SERVER` names the program (0.4.40,
//! by `cargo install --locked throttlecrab-server`). A row whose loader or program is missing says so.

#[path = "../common/mod.rs"]
mod common;
mod grpc;
mod loaders;
mod memory;
mod services;

use std::time::Duration;

use common::Outcome;
use common::options::Options;
use common::table::{Report, machine};
use loaders::{Load, Speed};
use services::{Contender, Service};

/// Each with both services: 5 minutes in all.
const ROUNDS: usize = 3;
const TURN: Duration = Duration::from_secs(8);
const QUICK_TURN: Duration = Duration::from_secs(1);

/// As throttlecrab's own figures were made.
const CONNECTIONS: usize = 32;
/// In a pipeline, as the issue of these rows has it.
const PIPELINE: usize = 64;

fn main() -> Outcome<()> {
    let options = Options::from_args()?;
    let rounds = options.rounds(ROUNDS).measured;
    let turn = if options.quick { QUICK_TURN } else { TURN };
    let mut report = Report::default();
    report.line(&format!(
        "serve: {}; {rounds} interleaved rounds of {turn:?}; the loader shares the cores",
        machine()
    ));
    report.head(&[
        "work",
        "tollgate",
        "99% within",
        "throttlecrab",
        "99% within",
        "tollgate / throttlecrab",
        "goal",
    ]);
    let rows = [
        ("HTTP, 32 connections", Load::Http, "1.2x"),
        ("gRPC, 32 connections", Load::Grpc, "1.2x"),
        ("RESP, 32 connections", Load::Resp { pipeline: 1 }, "1.2x"),
        ("RESP, 32 connections, 64 in a pipeline", Load::Resp { pipeline: PIPELINE }, "500000/s"),
        ("HTTP, 1 000 keys in a request", Load::Batch, "1000000/s"),
    ];
    for (name, load, goal) in rows.into_iter().filter(|(name, ..)| options.wants(name)) {
        let mut cells = vec![name.to_owned()];
        let (ours, theirs) = measure(load, rounds, turn);
        cells.extend(figures(&ours).into_iter().chain(figures(&theirs)));
        cells.push(match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => format!("{:.2}x", ours.per_second / theirs.per_second),
            _ => String::new(),
        });
        cells.push(goal.to_owned());
        report.row(&cells);
    }
    if options.wants("memory") {
        memory::table(&mut report, options.size(1_000_000, 10_000));
    }
    report.finish(options.table.as_deref())
}

/// The median of each, or why there is none.
fn measure(load: Load, rounds: usize, turn: Duration) -> (Outcome<Speed>, Outcome<Speed>) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(once(Contender::Tollgate, load, turn));
        theirs.push(once(Contender::Throttlecrab, load, turn));
    }
    (median(ours), median(theirs))
}

fn once(contender: Contender, load: Load, turn: Duration) -> Outcome<Speed> {
    let service = Service::start(contender)?;
    load.run(&service, turn)
}

fn median(samples: Vec<Outcome<Speed>>) -> Outcome<Speed> {
    let mut samples: Vec<Speed> = samples.into_iter().collect::<Outcome<_>>()?;
    samples.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
    Ok(samples[samples.len() / 2])
}

fn figures(speed: &Outcome<Speed>) -> [String; 2] {
    match speed {
        Ok(Speed { per_second, p99_micros }) => [format!("{per_second:.0}/s"), format!("{p99_micros:.0} µs")],
        Err(missing) => [missing.to_string(), String::new()],
    }
}
