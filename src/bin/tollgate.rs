//! The command `tollgate`.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use jiff::SignedDuration;
use tollgate::Quota;
use tollgate::replay::{self, KeyBy, Options, Report};

/// Rate limiting from the command line.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Replay(ReplayArgs),
}

const REPLAY_EXAMPLES: &str = "\
Examples:
  tollgate replay access.log --limit 60/min
  tollgate replay access.log --limit 60/min --limit \"1000/h burst 50\" --key ip,path
  gzip -dc access.log.2.gz | tollgate replay - --limit 10/s --json

The report, for each limit:
  requests           lines that were understood
  admitted, refused  what the limit would have answered; a refused request costs its key nothing
  keys seen          distinct keys in the log
  keys ever refused  those that were refused at least once
  longest refusal    the longest time for which a key was refused without a break, from the first
                     refused request of a row until the moment it would have been let in again
  most refused keys  the ten most refused of each limit, with what every limit refused them

Time is taken from the log alone. A line is late when it comes further out of order than --reorder
holds lines back for (or than a million held lines reach); it is decided at the time reached by
then. Malformed lines are counted and left out; blank lines are neither. The report needs a table
of the distinct keys, so memory grows with their number, and not with the length of the log.";

/// Tell what limits would have done to a recorded access log.
///
/// Reads a web server's access log in Common or Combined Log Format and asks each limit about every request in
/// it, in the order of time.
#[derive(Debug, Args)]
#[command(after_long_help = REPLAY_EXAMPLES, after_help = "See --help for examples and what the report means.")]
struct ReplayArgs {
    /// The log to read, or - for standard input
    file: String,

    /// A limit to try: COUNT/PERIOD, or COUNT/PERIOD burst BURST; may be given several times
    ///
    /// COUNT requests come back evenly over each PERIOD (s, min, h, d, or a multiple like 5min), and BURST of them may
    /// be made at once; without it, COUNT.
    #[arg(long, short, value_name = "LIMIT", required = true)]
    limit: Vec<Quota>,

    /// What each request is counted by: ip, path, method, user, or several with commas
    ///
    /// An IPv6 client counts as its /64 network, and an IPv4 address in IPv6 form as the IPv4 address. The path is
    /// taken without its query. A part that is absent from the log is the key "-", shared by all such requests.
    #[arg(long, short, value_name = "KEY", default_value = "ip")]
    key: KeyBy,

    /// How long to hold lines back so that later lines can be sorted before them, like 90s or 5min
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time)]
    reorder: Duration,

    /// For how many live keys each limit has room
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000)]
    max_keys: usize,

    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let Command::Replay(args) = Cli::parse().command;
    match run_replay(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_replay(args: ReplayArgs) -> Result<(), Box<dyn std::error::Error>> {
    let input = replay::open(&args.file)?;
    let options =
        Options { limits: args.limit, key: args.key, reorder: args.reorder, max_keys: args.max_keys };
    let report = replay::replay(&args.file, input, &options)?;
    match print(&report, args.json) {
        // Whoever reads the report has seen enough of it, as with `| head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result.map_err(|error| format!("cannot write the report: {error}"))?),
    }
}

fn print(report: &Report, json: bool) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    if json {
        serde_json::to_writer_pretty(&mut out, report)?;
        writeln!(out)?;
    } else {
        replay::write_table(report, &mut out)?;
    }
    out.flush()
}

fn parse_time(text: &str) -> Result<Duration, String> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|time| Duration::try_from(time).ok())
        .ok_or_else(|| "write it like 90s, 5min or 1h".to_owned())
}
