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
use services::{Contender, Service, Workers};

/// Each row with both services: a quarter of an hour in all.
const ROUNDS: usize = 5;
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
        "CPU a check",
        "throttlecrab",
        "99% within",
        "CPU a check",
        "tollgate / throttlecrab",
        "goal",
    ]);
    let rows = [
        ("HTTP, 32 connections", Load::Http, Workers::Default, "1.2x"),
        ("HTTP, 32 connections, one worker", Load::Http, Workers::One, ""),
        ("gRPC, 32 connections", Load::Grpc, Workers::Default, "1.2x"),
        ("gRPC, 32 connections, one worker", Load::Grpc, Workers::One, ""),
        ("RESP, 32 connections", Load::Resp { pipeline: 1 }, Workers::Default, "1.2x"),
        ("RESP, 32 connections, one worker", Load::Resp { pipeline: 1 }, Workers::One, ""),
        (
            "RESP, 32 connections, 64 in a pipeline",
            Load::Resp { pipeline: PIPELINE },
            Workers::Default,
            "500000/s",
        ),
        ("HTTP, 1 000 keys in a request", Load::Batch, Workers::Default, "1000000/s"),
    ];
    for (name, load, workers, goal) in rows.into_iter().filter(|(name, ..)| options.wants(name)) {
        let mut cells = vec![name.to_owned()];
        let both = measure(load, workers, rounds, turn);
        let [ours, theirs] = [&both[0], &both[1]];
        cells.extend(figures(ours).into_iter().chain(figures(theirs)));
        cells.push(match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => ratio(ours, theirs),
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

/// What each round gave, or why there is none: tollgate's, throttlecrab's.
fn measure(load: Load, workers: Workers, rounds: usize, turn: Duration) -> [Outcome<Vec<Speed>>; 2] {
    let mut speeds = [Ok(Vec::new()), Ok(Vec::new())];
    for round in 0..rounds {
        // Each round begins with the other one.
        for turn_of in 0..2 {
            let which = (round + turn_of) % 2;
            let contender = [Contender::Tollgate, Contender::Throttlecrab][which];
            if let Ok(so_far) = &mut speeds[which] {
                match once(contender, load, workers, turn) {
                    Ok(speed) => so_far.push(speed),
                    Err(missing) => speeds[which] = Err(missing),
                }
            }
        }
    }
    speeds
}

fn once(contender: Contender, load: Load, workers: Workers, turn: Duration) -> Outcome<Speed> {
    load.run(&Service::start(contender, workers)?, turn)
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The median of the rounds' ratios: what disturbs a round disturbs both.
fn ratio(ours: &[Speed], theirs: &[Speed]) -> String {
    let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| ours.per_second / theirs.per_second);
    format!("{:.2}x", median(ratios))
}

/// The medians of checks a second, the time for 99 of 100, and processor time.
fn figures(speeds: &Outcome<Vec<Speed>>) -> [String; 3] {
    match speeds {
        Ok(speeds) => {
            let of = |figure: fn(&Speed) -> f64| median(speeds.iter().map(figure));
            [
                format!("{:.0}/s", of(|speed| speed.per_second)),
                format!("{:.0} µs", of(|speed| speed.p99_micros)),
                format!("{:.2} µs", of(|speed| speed.processor_micros)),
            ]
        }
        Err(missing) => [missing.to_string(), String::new(), String::new()],
    }
}
