//! The tables, in Markdown: read on the screen, and copied into the README as they are.

use std::fmt::Write as _;
use std::path::Path;

use super::Outcome;
use super::rounds::{Arm, CONTENDERS, Rounds, Sample, median, race, ratio};

/// The report of a run, line by line on the screen as it grows.
#[derive(Default)]
pub(crate) struct Report {
    text: String,
    wrong: Vec<String>,
}

impl Report {
    pub(crate) fn line(&mut self, line: &str) {
        println!("{line}");
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// The head of a table with these columns.
    pub(crate) fn head(&mut self, columns: &[&str]) {
        self.line("");
        self.row(columns);
        self.row(&vec!["---"; columns.len()]);
    }

    pub(crate) fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        let mut line = String::from("|");
        for cell in cells {
            line.push(' ');
            line.push_str(cell.as_ref());
            line.push_str(" |");
        }
        self.line(&line);
    }

    /// A row that compares the four. `samples` in the order of [`CONTENDERS`]; the ratio is governor's figure over
    /// tollgate's.
    pub(crate) fn compare(&mut self, work: &str, goal: &str, samples: &[Vec<Sample>]) {
        let mut cells = vec![work.to_owned()];
        cells.extend(samples.iter().map(|samples| figure(samples)));
        let [low, middle, high] = ratio(&samples[1], &samples[0]);
        cells.push(format!("{middle:.2}x ({low:.2}-{high:.2})"));
        cells.push(goal.to_owned());
        cells.push(self.admitted(work, &CONTENDERS, samples));
        self.row(&cells);
    }

    /// What was admitted, against the exact figure. Says who was wrong, and remembers it.
    pub(crate) fn admitted(&mut self, work: &str, names: &[&str], samples: &[Vec<Sample>]) -> String {
        let mut cell = samples.first().map_or_else(String::new, |samples| balance(samples));
        let mut all_exact = true;
        for (name, samples) in names.iter().zip(samples) {
            if samples.iter().any(|sample| !sample.exact.contains(&sample.admitted)) {
                all_exact = false;
                let wrong = format!("{name} {}", balance(samples));
                let _ = write!(cell, "; {wrong}");
                self.wrong.push(format!("{work}: {wrong}"));
            }
        }
        if all_exact {
            cell.push_str(", all exact");
        }
        cell
    }

    /// Saves the report, and fails if anybody admitted too many or too few: a fast wrong answer is no result.
    pub(crate) fn finish(self, file: Option<&Path>) -> Outcome<()> {
        if let Some(file) = file {
            std::fs::write(file, &self.text)?;
        }
        if self.wrong.is_empty() {
            return Ok(());
        }
        Err(format!("not the exact number admitted:\n{}", self.wrong.join("\n")).into())
    }
}

/// An arm's median, with the slowest single request where each was timed, and the number of rounds in which
/// other programs had the core for too long.
pub(crate) fn figure(samples: &[Sample]) -> String {
    let mut figure = time(median(samples));
    if let Some(slowest) = samples.iter().filter_map(|sample| sample.slowest).max_by(f64::total_cmp) {
        // Writing to a string cannot fail.
        let _ = write!(figure, " (max {})", time(slowest));
    }
    let disturbed = samples.iter().filter(|sample| sample.is_disturbed()).count();
    if disturbed > 0 {
        let _ = write!(figure, " [{disturbed} disturbed]");
    }
    figure
}

/// A time in the unit that suits it.
pub(crate) fn time(nanos: f64) -> String {
    match nanos {
        ..1e3 => format!("{nanos:.1} ns"),
        ..1e6 => format!("{:.1} µs", nanos / 1e3),
        _ => format!("{:.2} ms", nanos / 1e6),
    }
}

/// Admitted and exact over all rounds.
fn balance(samples: &[Sample]) -> String {
    let admitted: u64 = samples.iter().map(|sample| sample.admitted).sum();
    let least: u64 = samples.iter().map(|sample| sample.exact.start()).sum();
    let most: u64 = samples.iter().map(|sample| sample.exact.end()).sum();
    if least == most { format!("{admitted} of {most}") } else { format!("{admitted} of {least}..{most}") }
}

/// The machine and the moment, without which no figure means anything.
pub(crate) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown").to_owned();
    format!("{model}, {cores} cores, {} {}, load before {load}", std::env::consts::OS, std::env::consts::ARCH)
}

/// One table: arms with their labels and goals, each beside the first.
pub(crate) fn beside_the_first(
    report: &mut Report,
    name: &str,
    versus: &str,
    arms: Vec<(&str, &str, Arm<'_>)>,
    rounds: Rounds,
) -> Outcome<()> {
    let (mut labels, mut contenders) = (Vec::new(), Vec::new());
    for (label, goal, arm) in arms {
        labels.push((label, goal));
        contenders.push(arm);
    }
    let samples = race(contenders, rounds)?;
    report.head(&[name, "time", versus, "goal", "admitted vs exact"]);
    for ((label, goal), samples_of_one) in labels.iter().zip(&samples) {
        let [low, middle, high] = ratio(samples_of_one, &samples[0]);
        let admitted =
            report.admitted(&format!("{name}, {label}"), &[*label], std::slice::from_ref(samples_of_one));
        report.row(&[
            (*label).to_owned(),
            figure(samples_of_one),
            format!("{middle:.2}x ({low:.2}-{high:.2})"),
            (*goal).to_owned(),
            admitted,
        ]);
    }
    Ok(())
}
