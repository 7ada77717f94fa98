//! [`Service`]: one of the two, on ports of its own.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::common::Outcome;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    Tollgate,
    Throttlecrab,
}

/// How many threads a service answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workers {
    /// As many as it thinks right: both have one a core.
    Default,
    /// One, so that the loader has a core for itself.
    One,
}

/// A running service. It is killed when this is dropped.
pub(crate) struct Service {
    child: Child,
    pub(crate) contender: Contender,
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) resp: SocketAddr,
}

/// A service that does not listen by then does not start.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of all builds of Linux for this machine, whatever its timer does (`getconf CLK_TCK` is 100).
const MILLIS_A_TICK: u64 = 10;

impl Service {
    pub(crate) fn start(contender: Contender, workers: Workers) -> Outcome<Service> {
        let [http, resp, grpc] = [free_address()?, free_address()?, free_address()?];
        let (mut command, grpc) = match contender {
            Contender::Tollgate => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
                command.args([
                    "serve",
                    "--log",
                    "error",
                    "--listen",
                    &http.to_string(),
                    "--resp",
                    &resp.to_string(),
                ]);
                if workers == Workers::One {
                    command.args(["--workers", "1"]);
                }
                (command, http)
            }
            Contender::Throttlecrab => {
                let program =
                    std::env::var("THROTTLECRAB_SERVER").unwrap_or_else(|_| "throttlecrab-server".to_owned());
                let mut command = Command::new(program);
                command.args(["--log-level", "error"]);
                if workers == Workers::One {
                    // It has no setting for this; tokio, which it runs on, does.
                    command.env("TOKIO_WORKER_THREADS", "1");
                }
                for (protocol, address) in [("http", http), ("redis", resp), ("grpc", grpc)] {
                    command.arg(format!("--{protocol}")).arg(format!("--{protocol}-host=127.0.0.1"));
                    command.arg(format!("--{protocol}-port={}", address.port()));
                }
                (command, grpc)
            }
        };
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = started.map_err(|error| format!("no {contender:?} ({error})"))?;
        let service = Service { child, contender, http, grpc, resp };
        let begun = Instant::now();
        while [http, grpc, resp].iter().any(|address| TcpStream::connect(address).is_err()) {
            if begun.elapsed() > PATIENCE {
                return Err(format!("{contender:?} does not start").into());
            }
            sleep(Duration::from_millis(10));
        }
        Ok(service)
    }

    /// Bytes of memory that it has now.
    pub(crate) fn resident_bytes(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// Processor time that it has taken so far, its own and the kernel's for it.
    pub(crate) fn processor_time(&self) -> Outcome<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name before it, in brackets, may have blanks in it.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<_, _>>()?;
        Ok(Duration::from_millis(ticks * MILLIS_A_TICK))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
