//! What a shared limit costs, beside a client that runs a script per check: `cargo bench --features redis --bench shared`.
//!
//! It starts a `redis-server` of its own (on the PATH, or named in `TOLLGATE_REDIS_SERVER`) on a free port and stops it at the end. Options as
//! `compare`. Every row also counts what was admitted, and what the server was asked.

#[path = "../common/mod.rs"]
mod common;
mod contender;
mod load;
mod meter;
mod outage;
mod table;

// What the tests of the store start, too.
#[path = "../../tests/redis/servers/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a part of the tests"
)]
mod servers;

use std::time::Duration;

use tokio::runtime::Runtime;
use tollgate::Quota;

use common::options::Options;
use common::table::{Report, machine};
use common::{Outcome, keys};
use load::Work;
use servers::Standalone;

/// With one warm-up round, five contenders and four works of a second each: two minutes.
const ROUNDS: usize = 5;
const TURN: Duration = Duration::from_secs(1);
/// Long enough for some round trips.
const QUICK_TURN: Duration = Duration::from_millis(40);

/// As the issue of these rows has it.
const KEYS: usize = 100_000;
/// More than a turn of the slower contenders takes; the faster ones come round.
const VISITS: usize = 1 << 20;

/// More than anybody asks for, and a whole number of GCRA's ticks (16 in a microsecond). The burst is four seconds of it,
/// so that leases of a fifth of that leave three quarters of it to others, as they do with other limits.
const PLENTY: u32 = 16_000_000;
/// A tenth of what the slowest contender asks for.
const SCARCE: u32 = 1_000;

fn quota(rate: u32) -> Quota {
    Quota::per_second(rate).burst(4 * u64::from(rate))
}

fn main() -> Outcome<()> {
    let options = Options::from_args()?;
    let rounds = options.rounds(ROUNDS);
    let turn = if options.quick { QUICK_TURN } else { TURN };
    let runtime = Runtime::new()?;
    let mut report = Report::default();
    report.line(&format!(
        "shared: {}; {} interleaved rounds of {turn:?}; the server shares the cores",
        machine(),
        rounds.measured
    ));
    let hot = |rate| Work::new(vec![keys::text(keys::key(42))], vec![0], quota(rate), turn);
    let many = |visits| {
        let keys = (0..KEYS as u64).map(|rank| keys::text(keys::key(rank))).collect();
        Work::new(keys, visits, quota(PLENTY), turn)
    };
    let works = [
        ("hot key", hot(PLENTY)),
        ("hot key over its limit", hot(SCARCE)),
        ("100 000 keys, uniform", many(keys::uniform(KEYS, VISITS))),
        ("100 000 keys, Zipf(1.0)", many(keys::zipf(KEYS, VISITS))),
    ];
    let mut server: Option<Standalone> = None;
    for (name, work) in &works {
        if options.wants(name) {
            let server = server.get_or_insert_with(Standalone::start);
            table::beside_naive(&mut report, name, work, server, &runtime, rounds)?;
        }
    }
    outage::tables(&mut report, &options, &runtime)?;
    report.finish(options.table.as_deref())
}
