//! The command `tollgate`.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use jiff::SignedDuration;
use tollgate::Quota;
use tollgate::replay::{self, AlgorithmName, FieldNames, Format, KeyBy, Options, Picture, Progress, Report};

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
  tollgate replay access.log.2.gz --limit 60/min --limit \"1000/h burst 50\" --key ip,path
  tollgate replay access.log --limit 60/min --algorithm gcra,fixed-window --svg refused.svg
  tollgate replay access.log --limit 5000000/min --cost-field bytes
  tollgate replay caddy.json --limit 10/s --key-field request.client_ip,request.host
  tollgate replay - --limit 5/s --time-field at --key-field account --json < requests.csv

The report, for each limit:
  requests           lines that were understood
  admitted, refused  what the limit would have answered; a refused request costs its key nothing
  tokens asked       the sum of --cost-field; admitted: of the requests that were let in
  cost above limit   requests that cost more than the limit ever gives at once
  keys seen          distinct keys in the log
  keys ever refused  those that were refused at least once
  longest refusal    the longest time for which a key was refused without a break, from the first
                     refused request of a row until the moment it would have been let in again
  most refused keys  the ten most refused of each limit, with what every limit refused them
  the bars           requests and refusals over time, each row on a scale of its own

Time is taken from the log alone. It is RFC 3339, Unix time in seconds, milliseconds or finer, or
as in the Common Log Format; without an offset it is UTC. A line is late when it comes further out
of order than --reorder holds lines back for (or than a million held lines reach); it is decided at
the time reached by then. Malformed lines are counted, the first are shown, and none is used. Lines
are at most 64 KiB, and a CSV record spans at most 16 of them. The report needs a table of the
distinct keys, so memory grows with their number, and not with the length of the log.";

/// Tell what limits would have done to a recorded log.
///
/// Reads a web server's access log (Common or Combined Log Format), JSON lines or CSV, plain or compressed by gzip, and
/// asks each limit about every request in it, in the order of time.
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

    /// How to count: gcra, token-bucket, leaky-bucket, fixed-window, sliding-window or sliding-log
    ///
    /// May be given several times and with commas; every limit is tried in each. Windows lie as they would in production, at full minutes, hours and days of UTC, and
    /// take no burst. The leaky bucket lets one request go at once, and the others of a burst wait.
    #[arg(long, short, value_name = "ALGORITHM", default_value = "gcra", value_delimiter = ',')]
    algorithm: Vec<AlgorithmName>,

    /// How the log is written: clf, json or csv; without it, told by the first lines
    #[arg(long, short, value_name = "FORMAT")]
    format: Option<Format>,

    /// Access logs: what each request is counted by: ip, path, method, user, or several with commas [default: ip]
    ///
    /// An IPv6 client counts as its /64 network, and an IPv4 address in IPv6 form as the IPv4 address. The path is
    /// taken without its query. A part that is absent from the log is the key "-", shared by all such requests.
    #[arg(long, short, value_name = "KEY")]
    key: Option<KeyBy>,

    /// JSON and CSV: the field that each request is counted by, or several with commas; without it, the client's address
    ///
    /// A field within an object is named with a dot, as in the examples below. Addresses count as with --key, without
    /// their port. A line without the field is malformed; where it is null or empty, the key is "-". Without the option the
    /// usual names are tried, and the report says which was taken.
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    key_field: Vec<String>,

    /// JSON and CSV: the field of the time; without it, the usual names are tried
    #[arg(long, value_name = "FIELD")]
    time_field: Option<String>,

    /// The field of what a request costs, a whole number, instead of 1 each; bytes in access logs
    #[arg(long, value_name = "FIELD")]
    cost_field: Option<String>,

    /// How long to hold lines back so that later lines can be sorted before them, like 90s or 5min
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time)]
    reorder: Duration,

    /// For how many live keys each limit has room
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000)]
    max_keys: usize,

    /// Draw requests and refusals over time into this file, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,

    /// Show no progress bar; there is none either when standard error is no terminal
    #[arg(long, short)]
    quiet: bool,
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
    let progress = if args.quiet { Progress::hidden() } else { Progress::on_terminal() };
    let input = replay::open(&args.file, &progress)?;
    let picture = args.svg.as_deref().map(|path| Picture::create(path, &args.file)).transpose()?;
    let options = Options {
        limits: args.limit,
        algorithms: args.algorithm,
        format: args.format,
        key: args.key,
        fields: FieldNames { time: args.time_field, key: args.key_field, cost: args.cost_field },
        reorder: args.reorder,
        max_keys: args.max_keys,
    };
    let replayed = replay::replay(&args.file, input, &options, &progress);
    progress.clear();
    let report = replayed?;
    if let Some(picture) = picture {
        picture.draw(&report)?;
    }
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
