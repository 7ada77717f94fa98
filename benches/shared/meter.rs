//! What a turn costs, on both sides.

use std::fs;
use std::thread;
use std::time::Duration;

use redis::{Client, Connection};

use crate::common::Outcome;

/// What has been used so far, or in a turn.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Scripts that the server ran.
    pub(crate) scripts: u64,
    /// How often the server found something to read: what arrives together is one.
    pub(crate) reads: u64,
    pub(crate) server: Duration,
    /// All threads of this process.
    pub(crate) here: Duration,
}

/// Reads both.
pub(crate) struct Meter {
    connection: Connection,
    /// How often it has asked itself.
    asked: u64,
}

/// A server that was asked nothing for so long is left alone.
const QUIET: Duration = Duration::from_millis(20);

impl Meter {
    pub(crate) fn new(url: &str) -> Outcome<Meter> {
        Ok(Meter { connection: Client::open(url)?.get_connection()?, asked: 0 })
    }

    /// An empty server, so that every turn begins alike.
    pub(crate) fn forget(&mut self) -> Outcome<()> {
        Ok(redis::cmd("FLUSHALL").exec(&mut self.connection)?)
    }

    pub(crate) fn read(&mut self) -> Outcome<Usage> {
        self.asked += 1;
        let info: String = redis::cmd("INFO").arg("everything").query(&mut self.connection)?;
        let value = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let seconds = |name: &str| -> Outcome<Duration> {
            Ok(Duration::from_secs_f64(value(name).ok_or("no such figure")?.parse()?))
        };
        Ok(Usage {
            scripts: ["cmdstat_eval", "cmdstat_evalsha"]
                .into_iter()
                .filter_map(value)
                .filter_map(calls)
                .sum(),
            reads: value("total_reads_processed").ok_or("no such figure")?.parse::<u64>()? - self.asked,
            server: seconds("used_cpu_user")? + seconds("used_cpu_sys")?,
            here: time_of_threads(),
        })
    }

    /// What was used since, when nobody asks the server any more.
    pub(crate) fn since(&mut self, before: Usage) -> Outcome<Usage> {
        let mut now = self.read()?;
        loop {
            thread::sleep(QUIET);
            let last = std::mem::replace(&mut now, self.read()?);
            if last.reads == now.reads {
                break;
            }
        }
        Ok(Usage {
            scripts: now.scripts - before.scripts,
            reads: now.reads - before.reads,
            server: now.server.saturating_sub(before.server),
            here: now.here.saturating_sub(before.here),
        })
    }
}

/// Of a line such as `calls=21,usec=175,usec_per_call=8.33`.
fn calls(line: &str) -> Option<u64> {
    line.split(',').find_map(|part| part.strip_prefix("calls=")?.parse().ok())
}

/// How long all threads of this process were on a core. Zero where the system does not tell in this way.
fn time_of_threads() -> Duration {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let nanos = threads.flatten().filter_map(|thread| {
        // Nanoseconds on a core come first (Linux, Documentation/scheduler/sched-stats.rst).
        fs::read_to_string(thread.path().join("schedstat"))
            .ok()?
            .split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
    });
    Duration::from_nanos(nanos.sum())
}
