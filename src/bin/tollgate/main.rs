//! The command `tollgate`.

mod check_config;
#[cfg(feature = "server")]
mod probe;
mod replay;
#[cfg(feature = "server")]
mod serve;

use std::error::Error;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Rate limiting from the command line.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Replay(Box<replay::ReplayArgs>),
    CheckConfig(check_config::CheckConfigArgs),
    #[cfg(feature = "server")]
    Serve(Box<serve::ServeArgs>),
    #[cfg(feature = "server")]
    Probe(Box<probe::ProbeArgs>),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Replay(args) => replay::run(*args),
        Command::CheckConfig(args) => check_config::run(&args),
        #[cfg(feature = "server")]
        Command::Serve(args) => serve::run(*args),
        #[cfg(feature = "server")]
        Command::Probe(args) => match probe::run(*args) {
            Ok(false) => return ExitCode::FAILURE,
            done => done.map(drop),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes to standard output.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        // Whoever reads it has seen enough, as with `| head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result.map_err(|error| format!("cannot write the report: {error}"))?),
    }
}
