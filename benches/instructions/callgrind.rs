//! Counting: this program runs itself under valgrind.

use std::env;
use std::io::ErrorKind;
use std::process::Command;

use crate::Outcome;
use crate::rows::Row;

/// The arguments with which it is told to be the one that is counted: a row's name and a number.
pub(crate) const COUNTED: &str = "--counted";

/// Instructions for each time the row's work is done: those of a longer run, less those of a shorter one.
pub(crate) fn instructions(row: &Row) -> Outcome<f64> {
    let shorter = total(row, row.before)?;
    let longer = total(row, row.before + row.more)?;
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    let each = longer.saturating_sub(shorter) as f64 / row.more as f64;
    // What is left of starts that differ by an instruction or two.
    Ok((each * 10.0).round() / 10.0)
}

/// All instructions of the program, from its start to its end.
fn total(row: &Row, times: usize) -> Outcome<u64> {
    // As many digits for a longer run, and an empty environment: the start of the program is then the same.
    let times = format!("{times:09}");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args([COUNTED, row.name, &times])
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                "valgrind is missing: install it, on Debian and Ubuntu with: apt-get install valgrind"
                    .to_owned()
            }
            _ => format!("valgrind cannot be run: {error}"),
        })?;
    let said = String::from_utf8_lossy(&run.stderr);
    if !run.status.success() {
        return Err(format!("the row {:?} cannot be counted ({}):\n{said}", row.name, run.status).into());
    }
    let collected =
        said.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, total)| total.trim());
    let total =
        collected.ok_or_else(|| format!("valgrind did not tell the number of instructions:\n{said}"))?;
    Ok(total.parse()?)
}
