//! How many instructions a check takes: `cargo bench -p tollgate-instructions`.
//!
//! The same on a busy machine as on an idle one, so that a change of a few instructions shows. What they cost in time,
//! the other benches tell: a count knows nothing of cache misses.
//!
//! Options after `--`: `--check` fails when a row takes more than it is kept with in `counts.toml`, `--keep` writes that file.

mod callgrind;
mod kept;
mod rows;

use std::env;
use std::error::Error;
use std::process::ExitCode;

use kept::{Counts, Kept};
use rows::{ROWS, Row};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A count repeats to the instruction; this is for changes that are worth a look, and not for every one.
const TOLERANCE: f64 = 0.05;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("instructions: {error}");
        ExitCode::FAILURE
    })
}

fn run() -> Outcome<ExitCode> {
    let mut arguments = env::args().skip(1);
    let (mut check, mut keep) = (false, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            callgrind::COUNTED => {
                let (name, times) = (arguments.next(), arguments.next());
                return counted(name.as_deref(), times.as_deref());
            }
            "--check" => check = true,
            "--keep" => keep = true,
            // What cargo says to every bench.
            "--bench" => {}
            other => return Err(format!("unknown option {other}: there are --check and --keep").into()),
        }
    }
    let mut kept = Kept::read()?;
    let counts = table(&kept)?;
    if keep {
        kept.keep(counts)?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(if check { verdict(&kept, &counts) } else { ExitCode::SUCCESS })
}

/// The work itself, in the program that valgrind runs.
fn counted(name: Option<&str>, times: Option<&str>) -> Outcome<ExitCode> {
    let row = ROWS.iter().find(|row| Some(row.name) == name).ok_or("there is no such row")?;
    (row.run)(times.ok_or("how often?")?.parse()?)?;
    Ok(ExitCode::SUCCESS)
}

/// Counts every row, and prints it beside what is kept.
fn table(kept: &Kept) -> Outcome<Counts> {
    println!("| instructions, {} | now | kept | change |", kept.toolchain());
    println!("| --- | --- | --- | --- |");
    let mut counts = Counts::new();
    for row in &ROWS {
        let now = callgrind::instructions(row)?;
        match before(kept, row) {
            Some(before) => {
                println!("| {} | {now:.1} | {before:.1} | {:+.1} % |", row.name, 100.0 * change(before, now));
            }
            None => println!("| {} | {now:.1} | | |", row.name),
        }
        counts.insert(row.name.to_owned(), now);
    }
    Ok(counts)
}

fn before(kept: &Kept, row: &Row) -> Option<f64> {
    kept.counts()?.get(row.name).copied()
}

fn change(before: f64, now: f64) -> f64 {
    now / before - 1.0
}

/// Fails for each row that takes more than it should, or of which nothing is kept.
fn verdict(kept: &Kept, counts: &Counts) -> ExitCode {
    let Some(before) = kept.counts() else {
        println!("\nNothing is kept for {}: there is nothing to compare with.", kept.toolchain());
        return ExitCode::SUCCESS;
    };
    let mut failed = false;
    for (row, &now) in counts {
        match before.get(row) {
            Some(&before) if change(before, now) <= TOLERANCE => continue,
            Some(before) => eprintln!("\n{row}: {now:.1} instructions, {before:.1} are kept."),
            None => eprintln!("\n{row}: nothing is kept of it."),
        }
        failed = true;
    }
    if !failed {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "\nMake it cheaper; or, if it is worth it, keep the new counts and commit them: \
         cargo bench -p tollgate-instructions -- --keep"
    );
    ExitCode::FAILURE
}
