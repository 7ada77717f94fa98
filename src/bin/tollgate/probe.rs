//! `tollgate probe`: how fast a running service answers, and whether what it admits fits the limit.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tollgate::Quota;
use tollgate::probe::{self, Keys, Plan, Progress, Target, Until};

use crate::print;
use crate::replay::parse_time;

const PROBE_EXAMPLES: &str = "\
Examples:
  tollgate probe http://127.0.0.1:8080
  tollgate probe resp://127.0.0.1:6380 --batch 64 --keys 1000000 --limit \"100/s burst 20\"
  tollgate probe grpc://127.0.0.1:8080 --rate 5000 --duration 1min --json
  tollgate probe https://limits.example:8443 --ca ca.pem --checks 100000 --zipf 1.1 --keys 5000
  tollgate probe http://127.0.0.1:8080 --health

Each connection has one request at a time. The keys are new in every run, and nobody else asks for
them. The report:
  checks     those that were answered, and how many a second
  answers    how many of these were admitted, and how many refused
  latency    of requests, which may have several checks; with --rate, counted from when a request was
             due, even if the answer before it came too late to send it then
  failed     checks that were not made, and why
  fits       for each key, at every moment: admitted at most the burst and what had come back since its
             first check; refused only when all of that was spent. What is on its way counts in favour of
             the service, and the clocks may differ by 500 parts in a million.

Ends with 1 if something does not fit, or nothing was answered.";

/// Drive a running service: how fast does it answer, and does what it admits fit the limit?
#[derive(Debug, Args)]
#[command(after_long_help = PROBE_EXAMPLES, after_help = "See --help for examples and what the report means.")]
pub(crate) struct ProbeArgs {
    /// The service: http://HOST:PORT, https://, grpc:// or resp://
    url: Target,

    /// Only ask whether the service is ready, print what it says, and end with 0 if it is
    #[arg(long)]
    health: bool,

    /// Connections, each with one request at a time
    #[arg(long, short, value_name = "COUNT", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    connections: u32,

    /// How long to ask, like 30s or 5min
    #[arg(long, short, value_name = "TIME", default_value = "10s", value_parser = parse_time, conflicts_with = "checks")]
    duration: Duration,

    /// End after so many checks instead
    #[arg(long, short = 'n', value_name = "COUNT")]
    checks: Option<u64>,

    /// So many checks a second, over all connections; without it, as many as are answered
    #[arg(long, short, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    /// How many different keys to check
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    keys: u32,

    /// Ask for the second key 2^SKEW times less often than for the first, and so on; 0 is for all alike
    #[arg(long, value_name = "SKEW", default_value_t = 0.0, value_parser = parse_skew)]
    zipf: f64,

    /// The limit on each key: COUNT/PERIOD, or COUNT/PERIOD burst BURST
    #[arg(long, short, value_name = "LIMIT", default_value = "100/s burst 20")]
    limit: Quota,

    /// Checks in each request: POST /check/batch, `CheckMany`, or a pipeline
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,

    /// https: a file of certificates, in PEM, that the service is trusted by
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Does what was asked for; whether all is well.
pub(crate) fn run(args: ProbeArgs) -> Result<bool, Box<dyn Error>> {
    let (health, json) = (args.health, args.json);
    let plan = plan(args);
    let runtime = tokio::runtime::Runtime::new()?;
    if health {
        let (is_ready, said) = runtime.block_on(probe::is_ready(plan))?;
        print(|out| writeln!(out, "{said}"))?;
        return Ok(is_ready);
    }
    let report = runtime.block_on(probe::run(plan, &Progress::on_terminal()))?;
    print(|out| {
        if json {
            serde_json::to_writer_pretty(&mut *out, &report)?;
            writeln!(out)
        } else {
            write!(out, "{report}")
        }
    })?;
    Ok(report.is_good())
}

fn plan(args: ProbeArgs) -> Plan {
    Plan {
        target: args.url,
        authorities: args.ca,
        connections: args.connections as usize,
        until: args.checks.map_or(Until::Elapsed(args.duration), Until::Checks),
        rate: args.rate,
        keys: Keys { count: args.keys as usize, skew: args.zipf },
        limit: args.limit,
        batch: args.batch as usize,
    }
}

fn parse_skew(text: &str) -> Result<f64, String> {
    // With a skew of 10 the second key is asked a thousand times less often; more makes no difference.
    text.parse()
        .ok()
        .filter(|skew| (0.0..=10.0).contains(skew))
        .ok_or_else(|| "give a number from 0 to 10".to_owned())
}
