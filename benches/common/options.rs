//! The command line of the bench targets that print tables.

use std::path::PathBuf;

use super::Outcome;
use super::rounds::Rounds;

/// What was asked for on the command line.
#[derive(Default)]
pub(crate) struct Options {
    /// Small sizes and one round: shows that everything runs and counts right, measures nothing.
    pub(crate) quick: bool,
    /// Where the table goes besides standard output.
    pub(crate) table: Option<PathBuf>,
    /// Where the chart goes, if the target draws one.
    pub(crate) chart: Option<PathBuf>,
    /// Run only the rows whose name contains this.
    pub(crate) rows: Option<String>,
    /// Measured rounds, when not the default.
    pub(crate) rounds: Option<usize>,
}

impl Options {
    /// Reads the command line. `cargo bench` says `--bench`; its absence means `cargo test --benches`, which
    /// wants to know only whether the bench still runs.
    pub(crate) fn from_args() -> Outcome<Self> {
        let mut options = Self { quick: true, ..Self::default() };
        let mut asked_quick = false;
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--bench" => options.quick = false,
                "--quick" => asked_quick = true,
                "--table" => options.table = Some(args.next().ok_or("--table needs a file")?.into()),
                "--chart" => options.chart = Some(args.next().ok_or("--chart needs a file")?.into()),
                "--rows" => options.rows = Some(args.next().ok_or("--rows needs a part of a row's name")?),
                "--rounds" => options.rounds = Some(args.next().ok_or("--rounds needs a number")?.parse()?),
                // Cargo hands the same arguments to every target, criterion's and libtest's among them.
                _ => {}
            }
        }
        options.quick |= asked_quick;
        Ok(options)
    }

    /// Whether the row of this name is wanted.
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.rows.as_deref().is_none_or(|part| row.contains(part))
    }

    /// `full`, or in quick mode `quick`.
    pub(crate) fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// How often to measure, where `full` rounds are the rule.
    pub(crate) fn rounds(&self, full: usize) -> Rounds {
        let measured = self.rounds.unwrap_or(if self.quick { 1 } else { full }).max(1);
        Rounds { measured, attempts: if self.quick { 1 } else { ATTEMPTS } }
    }
}

/// A choice: enough to get past a short disturbance, and a bound on the time when the machine stays busy.
const ATTEMPTS: usize = 4;
