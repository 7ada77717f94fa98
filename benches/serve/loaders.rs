//! [`Load`]: who asks, and what he measures.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use super::common::Outcome;
use super::services::{Contender, Service};
use super::{CONNECTIONS, grpc};

/// Keys that are asked about, at random where the loader can do so.
const KEYS: u32 = 100_000;
/// Tokens that come back each second, and that a key may spend at once: enough for all to be admitted.
pub(crate) const PLENTY: u32 = 1_000_000;
/// Keys in a batch, as the issue of these rows has it.
const BATCH: usize = 1_000;
/// Connections that send batches: two on each core, so that none waits for the loader.
const BATCH_CONNECTIONS: usize = 4;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    Http,
    Batch,
    Grpc,
    Resp { pipeline: usize },
}

/// What a loader saw, and what it cost the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speed {
    /// Checks.
    pub(crate) per_second: f64,
    /// The time within which 99 of 100 requests were answered.
    pub(crate) p99_micros: f64,
    /// Of the service for a check: loaders differ in how much of a core they leave to it, which does not change this.
    pub(crate) processor_micros: f64,
}

/// What a loader saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) per_second: f64,
    pub(crate) p99_micros: f64,
    /// So many in all.
    pub(crate) checks: f64,
}

impl Load {
    pub(crate) fn run(self, service: &Service, turn: Duration) -> Outcome<Speed> {
        let before = service.processor_time()?;
        let seen = self.ask(service, turn)?;
        let taken = service.processor_time()?.saturating_sub(before);
        let processor_micros = taken.as_secs_f64() * 1e6 / seen.checks;
        Ok(Speed { per_second: seen.per_second, p99_micros: seen.p99_micros, processor_micros })
    }

    fn ask(self, service: &Service, turn: Duration) -> Outcome<Seen> {
        match (self, service.contender) {
            (Load::Http, Contender::Tollgate) => {
                let body = format!(r#"{{"key":"user:1","rate":{PLENTY},"interval":1}}"#);
                wrk(&format!("http://{}/check", service.http), &body, CONNECTIONS, turn)
            }
            (Load::Http, Contender::Throttlecrab) => {
                let body = format!(
                    r#"{{"key":"user:1","max_burst":{PLENTY},"count_per_period":{PLENTY},"period":1}}"#
                );
                wrk(&format!("http://{}/throttle", service.http), &body, CONNECTIONS, turn)
            }
            (Load::Batch, Contender::Tollgate) => {
                let keys: Vec<_> = (0..BATCH).map(|number| format!("\"user:{number}\"")).collect();
                let body = format!(r#"{{"keys":[{}],"rate":{PLENTY},"interval":1}}"#, keys.join(","));
                let url = format!("http://{}/check/batch", service.http);
                let seen = wrk(&url, &body, BATCH_CONNECTIONS, turn)?;
                #[expect(clippy::cast_precision_loss, reason = "a thousand")]
                let each = BATCH as f64;
                Ok(Seen { per_second: seen.per_second * each, checks: seen.checks * each, ..seen })
            }
            (Load::Batch, Contender::Throttlecrab) => Err("has none".into()),
            (Load::Grpc, _) => grpc::run(service, turn),
            (Load::Resp { pipeline }, _) => redis_benchmark(service, pipeline, turn),
        }
    }
}

/// `POST`s the same body again and again.
fn wrk(url: &str, body: &str, connections: usize, turn: Duration) -> Outcome<Seen> {
    let mut script = String::from("wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\n");
    writeln!(script, "wrk.body = '{body}'")?;
    let file = tempfile::NamedTempFile::with_suffix(".lua")?;
    std::fs::write(file.path(), script)?;
    let output = Command::new("wrk")
        .args([
            "--latency",
            "-t",
            "1",
            "-c",
            &connections.to_string(),
            "-d",
            &format!("{}s", turn.as_secs()),
            "-s",
        ])
        .arg(file.path())
        .arg(url)
        .output()
        .map_err(|error| format!("no wrk ({error})"))?;
    let told = String::from_utf8(output.stdout)?;
    if told.contains("Non-2xx") {
        return Err(format!("refused: {told}").into());
    }
    let field = |name: &str| {
        let value = told.lines().find_map(|line| line.trim().strip_prefix(name));
        value.map(str::trim).ok_or_else(|| format!("wrk says no {name}: {told}"))
    };
    // "541234 requests in 8.00s, 1.23MB read"
    let total =
        told.lines().find_map(|line| line.trim().split_once(" requests in ")).ok_or("wrk counts nothing")?;
    let per_second = field("Requests/sec:")?.parse()?;
    Ok(Seen { per_second, p99_micros: micros(field("99%")?)?, checks: total.0.parse()? })
}

/// `1.23ms`, as wrk writes it.
fn micros(time: &str) -> Outcome<f64> {
    for (unit, factor) in [("us", 1.0), ("ms", 1e3), ("s", 1e6)] {
        if let Some(number) = time.strip_suffix(unit) {
            return Ok(number.parse::<f64>()? * factor);
        }
    }
    Err(format!("not a time: {time}").into())
}

fn redis_benchmark(service: &Service, pipeline: usize, turn: Duration) -> Outcome<Seen> {
    let command = match service.contender {
        Contender::Tollgate => "CL.THROTTLE",
        Contender::Throttlecrab => "THROTTLE",
    };
    // It ends after so many requests, and not after a time: as many as are made at about 100 000 a second.
    let requests = turn.as_secs() * 100_000 * if pipeline > 1 { 4 } else { 1 };
    let plenty = PLENTY.to_string();
    let output = Command::new("redis-benchmark")
        .args(["--csv", "-h", "127.0.0.1", "-p", &service.resp.port().to_string()])
        .args(["-c", &CONNECTIONS.to_string(), "-P", &pipeline.to_string(), "-n", &requests.to_string()])
        .args(["-r", &KEYS.to_string(), command, "user:__rand_int__", &plenty, &plenty, "1"])
        .output()
        .map_err(|error| format!("no redis-benchmark ({error})"))?;
    let told = String::from_utf8(output.stdout)?;
    // The test's name, requests per second, and latencies in milliseconds: average, least, 50%, 95%, 99%, most.
    let line = told.lines().rev().find(|line| line.contains(',')).ok_or("redis-benchmark says nothing")?;
    let fields: Vec<_> = line.rsplit(',').map(|field| field.trim_matches('"')).collect();
    let [_, p99, _, _, _, _, per_second, ..] = fields[..] else {
        return Err(format!("not what redis-benchmark says: {line}").into());
    };
    #[expect(clippy::cast_precision_loss, reason = "figures of a bench")]
    let checks = requests as f64;
    Ok(Seen { per_second: per_second.parse()?, p99_micros: p99.parse::<f64>()? * 1e3, checks })
}
