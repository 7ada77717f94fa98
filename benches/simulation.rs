//! Many nodes and one store on a virtual clock, whatever goes wrong: `cargo bench --bench simulation --features distributed`.
//!
//! Options after `--`: `--nodes N`, `--keys N`, `--seconds N` (virtual), `--requests N` (a second), `--rate N` (of each key's limit,
//! a divisor of 10⁹), `--keys-of-a-node N`, `--seed N`, `--fault PART` (only faults whose name contains this).
//!
//! It prints the table of its documentation, and fails if a row exceeds its bound.

#[path = "../tests/distributed/simulation/model/mod.rs"]
mod model;

use std::panic::resume_unwind;
use std::process::ExitCode;
use std::thread;

use clap::Parser;

use model::{Fault, Mode, Outcome, Size, simulate};

#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 1_000)]
    nodes: usize,
    #[arg(long, default_value_t = 10_000_000)]
    keys: usize,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    #[arg(long, default_value_t = 20_000)]
    rate: u32,
    #[arg(long, default_value_t = 1_000)]
    keys_of_a_node: usize,
    #[arg(long, default_value_t = 7)]
    seed: u64,
    #[arg(long, default_value = "")]
    fault: String,
    /// Said by `cargo bench`. Its absence means `cargo test --benches`, which wants to know only whether the bench still
    /// runs.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let full = Size {
        nodes: options.nodes,
        keys: options.keys,
        seconds: options.seconds,
        requests_per_second: options.requests,
        rate: options.rate,
        keys_of_a_node: options.keys_of_a_node,
    };
    let size = if options.bench {
        full
    } else {
        Size { nodes: 20, keys: 1_000, requests_per_second: 1_000, ..full }
    };
    println!("{size:?}\n{}", Outcome::HEADER);
    let faults = Fault::ALL.into_iter().filter(|fault| fault.name().contains(&options.fault));
    let mut all_hold = true;
    for fault in faults {
        let run = |mode| simulate(mode, fault, size, options.seed);
        let (direct, leased) = thread::scope(|scope| {
            let leased = scope.spawn(|| run(Mode::Leased));
            (run(Mode::Direct), leased.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        for outcome in [direct, leased] {
            println!("{outcome}");
            all_hold &= outcome.excess <= outcome.bound();
        }
    }
    if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
