//! `tollgate replay`: what limits or policies would have done to a recorded log.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args};
use jiff::SignedDuration;
use serde::Serialize;
use tollgate::Quota;
use tollgate::policy::{AlgorithmName, Policies};
use tollgate::replay::{
    self, FieldNames, Format, KeyBy, Options, Picture, PolicyFile, PolicyOptions, Progress, Reading,
};

use crate::print;

/// The options that only say something of --limit: policies say it themselves.
const OF_LIMITS: [&str; 5] = ["algorithm", "key", "key_field", "cost_field", "max_keys"];

const REPLAY_EXAMPLES: &str = "\
Examples:
  tollgate replay access.log --limit 60/min
  tollgate replay access.log.2.gz --limit 60/min --limit \"1000/h burst 50\" --key ip,path
  tollgate replay access.log --limit 60/min --algorithm gcra,fixed-window --svg refused.svg
  tollgate replay access.log --limit 5000000/min --cost-field bytes
  tollgate replay caddy.json --limit 10/s --key-field request.client_ip,request.host
  tollgate replay - --limit 5/s --time-field at --key-field account --json < requests.csv
  tollgate replay access.log --policy policies.toml
  tollgate replay access.log --policy next.toml --against policies.toml

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

The report on policies:
  reads              the attributes that they look at, and the fields that these were taken from
  requests           those that the policy concerns, and that none of higher priority had refused by name;
                     admitted: those that all policies let in
  refused            those that it refused; where several did, the one with the longest wait
  by others          those that other policies refused
  would refuse       those that it would have refused, if it did not only watch (shadow)
  keys refused       of the keys by its scope, those that it ever refused, or would have
  newly refused      admitted under --against, refused under --policy, and by which of its policies
  newly admitted     refused under --against, and by which of its policies; admitted under --policy

Time is taken from the log alone. It is RFC 3339, Unix time in seconds, milliseconds or finer, or
as in the Common Log Format; without an offset it is UTC. A line is late when it comes further out
of order than --reorder holds lines back for (or than a million held lines reach); it is decided at
the time reached by then. Malformed lines are counted, the first are shown, and none is used. Lines
are at most 64 KiB, and a CSV record spans at most 16 of them. The report needs a table of the
distinct keys, so memory grows with their number, and not with the length of the log.";

/// Tell what limits, or policies, would have done to a recorded log.
///
/// Reads a web server's access log (Common or Combined Log Format), JSON lines or CSV, plain or compressed by gzip, and
/// asks each limit about every request in it, in the order of time; or the policies of a file.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("tried").args(["limit", "policy"]).required(true)))]
#[command(after_long_help = REPLAY_EXAMPLES, after_help = "See --help for examples and what the report means.")]
pub(crate) struct ReplayArgs {
    /// The log to read, or - for standard input
    file: String,

    /// A limit to try: COUNT/PERIOD, or COUNT/PERIOD burst BURST; may be given several times
    ///
    /// COUNT requests come back evenly over each PERIOD (s, min, h, d, or a multiple like 5min), and BURST of them may
    /// be made at once; without it, COUNT.
    #[arg(long, short, value_name = "LIMIT")]
    limit: Vec<Quota>,

    /// A file of policies to try, in TOML, JSON or YAML; see tollgate check-config
    ///
    /// The policies that are active say what concerns which requests, and by which attributes of them. An access log
    /// has ip, route, method, user, status and bytes. Of JSON and CSV, ip, route (without its query), method, user,
    /// status and bytes are found by the names that are usual for them, and all other attributes are the fields of
    /// their names.
    #[arg(long, short, value_name = "FILE", conflicts_with_all = OF_LIMITS)]
    policy: Option<PathBuf>,

    /// Compare --policy with this file, as if it were in force now: who would be newly refused, who newly admitted
    #[arg(long, value_name = "FILE", requires = "policy", conflicts_with = "limit")]
    against: Option<PathBuf>,

    /// How to count: gcra, token-bucket, leaky-bucket, fixed-window, sliding-window or sliding-log
    ///
    /// May be given several times and with commas; every limit is tried in each. Windows lie as they would in
    /// production, at full minutes, hours and days of UTC, and take no burst. The leaky bucket lets one request go at
    /// once, and the others of a burst wait.
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

    /// JSON and CSV: the field that each request is counted by, or several with commas; without it, the client's
    /// address
    ///
    /// A field within an object is named with a dot, as in the examples below. Addresses count as with --key, without
    /// their port. A line without the field is malformed; where it is null or empty, the key is "-". Without the option
    /// the usual names are tried, and the report says which was taken.
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

pub(crate) fn run(args: ReplayArgs) -> Result<(), Box<dyn Error>> {
    let reading = Reading {
        format: args.format,
        key: args.key,
        fields: FieldNames {
            time: args.time_field,
            key: args.key_field,
            cost: args.cost_field,
            attributes: None,
        },
        reorder: args.reorder,
    };
    let output = Output { file: args.file, svg: args.svg, json: args.json, quiet: args.quiet };
    let Some(policy) = args.policy else {
        let options =
            Options { limits: args.limit, algorithms: args.algorithm, max_keys: args.max_keys, reading };
        return output.limits(&options);
    };
    let against = args.against.as_deref().map(read).transpose();
    let policy = read(&policy);
    // Whoever has two files to mend wants to hear of both at once.
    let (policy, against) = match (policy, against) {
        (Ok(policy), Ok(against)) => (policy, against),
        (Err(error), Err(other)) => return Err(format!("{error}\n{other}").into()),
        (Err(error), _) | (_, Err(error)) => return Err(error.into()),
    };
    output.policies(&PolicyOptions { policy, against, reading })
}

fn read(path: &Path) -> Result<PolicyFile, tollgate::policy::FileError> {
    let policies = Policies::read(path)?;
    Ok(PolicyFile { file: path.display().to_string(), policies })
}

/// Which log, and where the report goes.
struct Output {
    file: String,
    svg: Option<PathBuf>,
    json: bool,
    quiet: bool,
}

impl Output {
    fn limits(self, options: &Options) -> Result<(), Box<dyn Error>> {
        let (report, picture) =
            self.read(|file, input, progress| Ok(replay::replay(file, input, options, progress)?))?;
        if let Some(picture) = picture {
            picture.draw(&report)?;
        }
        self.print(&report, |mut out| replay::write_table(&report, &mut out))
    }

    fn policies(self, options: &PolicyOptions) -> Result<(), Box<dyn Error>> {
        let (report, picture) =
            self.read(|file, input, progress| Ok(replay::replay_policies(file, input, options, progress)?))?;
        if let Some(picture) = picture {
            picture.draw(&report)?;
        }
        self.print(&report, |mut out| replay::write_policy_table(&report, &mut out))
    }

    /// Replays the log before a progress bar. What cannot be opened is said before anything is read.
    fn read<R>(
        &self,
        replay: impl FnOnce(&str, Box<dyn BufRead>, &Progress) -> Result<R, Box<dyn Error>>,
    ) -> Result<(R, Option<Picture>), Box<dyn Error>> {
        let progress = if self.quiet { Progress::hidden() } else { Progress::on_terminal() };
        let input = replay::open(&self.file, &progress)?;
        let picture = self.svg.as_deref().map(|path| Picture::create(path, &self.file)).transpose()?;
        let replayed = replay(&self.file, input, &progress);
        progress.clear();
        Ok((replayed?, picture))
    }

    fn print(
        &self,
        report: &impl Serialize,
        table: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<(), Box<dyn Error>> {
        print(|out| {
            if self.json {
                serde_json::to_writer_pretty(&mut *out, report)?;
                writeln!(out)
            } else {
                table(out)
            }
        })
    }
}

pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|time| Duration::try_from(time).ok())
        .ok_or_else(|| "write it like 90s, 5min or 1h".to_owned())
}
