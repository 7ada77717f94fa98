//! [`write_policy_table`]: a report on policies for people, for terminals of 80 to 100 columns.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table};

use super::super::chart::{MOST_BARS, write_chart};
use super::super::log_table::{log_hints, write_log, write_malformed};
use super::super::picture::Drawing;
use super::super::series::View;
use super::super::table::number_table;
use super::super::text::{duration, number, percent, printable, share, shorten};
use super::report::{AttributeReport, Difference, KeyReport, PolicyReport, PolicyRow, RefusedBy, SetReport};

/// How wide a key may be beside the other columns.
const KEY_WIDTH: usize = 40;

/// How wide a policy's id and the name of a file may be.
const ID_WIDTH: usize = 24;

/// Writes the report as tables, and a chart of it over time.
///
/// # Errors
///
/// What `out` returns.
pub fn write_policy_table(report: &PolicyReport, out: &mut impl Write) -> io::Result<()> {
    write_log(&report.log, out)?;
    write_attributes(&report.attributes, out)?;
    if report.log.requests > 0 {
        writeln!(out, "\n{}", totals_table(report).trim_fmt())?;
        for set in sets(report).filter(|set| !set.policies.is_empty()) {
            writeln!(out, "\n{}", policies_table(set, report).trim_fmt())?;
        }
        write_chart_of(report, out)?;
        for (what, difference) in differences(report) {
            write_difference(what, difference, out)?;
        }
        if !report.policy.most_refused.is_empty() {
            writeln!(out, "\n{}", keys_table(report).trim_fmt())?;
        }
    }
    write_malformed(&report.log, out)?;
    for note in &report.notes {
        writeln!(out, "\nnote: {}", printable(note))?;
    }
    for hint in hints(report) {
        writeln!(out, "\nhint: {hint}")?;
    }
    Ok(())
}

fn write_attributes(attributes: &[AttributeReport], out: &mut impl Write) -> io::Result<()> {
    if attributes.is_empty() {
        return Ok(());
    }
    let one = |attribute: &AttributeReport| match &attribute.field {
        Some(field) if *field != attribute.name => format!("{} from {field}", attribute.name),
        _ => attribute.name.clone(),
    };
    let all: Vec<String> = attributes.iter().map(|attribute| printable(&one(attribute))).collect();
    writeln!(out, "reads  {}", all.join(", "))
}

/// The one that is compared with first, as it is in force first.
fn sets(report: &PolicyReport) -> impl Iterator<Item = &SetReport> {
    report.against.iter().chain([&report.policy])
}

fn totals_table(report: &PolicyReport) -> Table {
    type Row = (&'static str, fn(&SetReport) -> u64);
    const ROWS: [Row; 3] = [
        ("matched by no policy", |set| set.unmatched),
        ("admitted", |set| set.admitted),
        ("refused", |set| set.refused),
    ];
    let header = std::iter::once("policies".to_owned());
    let header = header.chain(sets(report).map(file_name));
    let rows = ROWS.into_iter().map(|(name, value)| {
        let values = sets(report).map(|set| share(value(set), report.log.requests));
        std::iter::once(name.to_owned()).chain(values).collect()
    });
    number_table(header.collect(), rows)
}

fn file_name(set: &SetReport) -> String {
    shorten(&printable(&set.file), ID_WIDTH)
}

/// A row for each policy. What is nought for all of them is left out.
fn policies_table(set: &SetReport, report: &PolicyReport) -> Table {
    type Column = (&'static str, fn(&PolicyRow) -> u64, fn(&PolicyRow) -> String);
    const COLUMNS: [Column; 7] = [
        ("requests", |_| 1, |row| number(row.requests)),
        ("admitted", |_| 1, |row| number(row.admitted)),
        ("refused", |_| 1, |row| share(row.refused, row.requests)),
        ("by\nothers", |row| row.refused_by_others, |row| number(row.refused_by_others)),
        ("would\nrefuse", |row| row.would_refuse, |row| share(row.would_refuse, row.requests)),
        ("keys\nrefused", |_| 1, |row| share(row.keys_refused as u64, row.keys as u64)),
        (
            "longest\nrefusal",
            |row| row.refused,
            |row| row.longest_refusal.map_or_else(|| "endless".to_owned(), duration),
        ),
    ];
    let columns = || COLUMNS.iter().filter(|(_, counts, _)| set.policies.iter().any(|row| counts(row) > 0));
    let title = if report.against.is_some() { file_name(set) } else { "policy".to_owned() };
    let header = std::iter::once(title).chain(columns().map(|(name, ..)| (*name).to_owned()));
    let rows = set.policies.iter().map(|row| {
        let values = columns().map(|(.., value)| value(row));
        std::iter::once(shorten(&row.id, ID_WIDTH)).chain(values).collect()
    });
    number_table(header.collect(), rows)
}

/// Only what has bars: of a hundred policies few refuse.
fn write_chart_of(report: &PolicyReport, out: &mut impl Write) -> io::Result<()> {
    let View { start, width, mut rows } = report.series.view(MOST_BARS);
    let mut names = Vec::new();
    let mut shown = vec![rows.remove(0)];
    for (name, row) in report.over_time_rows.iter().zip(rows) {
        if row.iter().any(|count| *count > 0) {
            names.push(shorten(name, ID_WIDTH));
            shown.push(row);
        }
    }
    write_chart(&View { start, width, rows: shown }, &names, out)
}

fn differences(report: &PolicyReport) -> impl Iterator<Item = (&'static str, &Difference)> {
    let newly_refused = report.newly_refused.as_ref().map(|difference| ("newly refused", difference));
    let newly_admitted = report.newly_admitted.as_ref().map(|difference| ("newly admitted", difference));
    newly_refused.into_iter().chain(newly_admitted)
}

fn write_difference(what: &str, difference: &Difference, out: &mut impl Write) -> io::Result<()> {
    let by = if what == "newly refused" { "refused by" } else { "refused before by" };
    if difference.requests == 0 {
        return writeln!(out, "\n {what}: none");
    }
    let rows = difference.policies.iter();
    let rows = rows.map(|row| vec![shorten(&row.policy, ID_WIDTH), share(row.requests, difference.requests)]);
    let header = vec![by.to_owned(), what.to_owned()];
    writeln!(out, "\n{}", number_table(header, rows).trim_fmt())?;
    let row = |row: &RefusedBy| {
        let key = shorten(&printable(row.key.as_deref().unwrap_or_default()), KEY_WIDTH);
        vec![key, shorten(&row.policy, ID_WIDTH), number(row.requests)]
    };
    let header = ["key", by, what].map(str::to_owned).to_vec();
    writeln!(out, "\n{}", of_keys(number_table(header, difference.keys.iter().map(row))).trim_fmt())
}

fn keys_table(report: &PolicyReport) -> Table {
    let keys = &report.policy.most_refused;
    let title = match report.against {
        Some(_) => format!("most refused by {}", file_name(&report.policy)),
        None => "most refused keys".to_owned(),
    };
    let watched = keys.iter().any(|key| key.would_refuse > 0);
    let mut header = vec![title];
    header.extend(["policy", "requests", "refused"].map(str::to_owned));
    header.extend(watched.then(|| "would refuse".to_owned()));
    let row = |key: &KeyReport| {
        let mut row = vec![
            shorten(&printable(&key.key), KEY_WIDTH),
            shorten(&key.policy, ID_WIDTH),
            number(key.requests),
            share(key.refused, key.requests),
        ];
        row.extend(watched.then(|| share(key.would_refuse, key.requests)));
        row
    };
    of_keys(number_table(header, keys.iter().map(row)))
}

/// A table whose second column is text, too.
fn of_keys(mut table: Table) -> Table {
    if let Some(policy) = table.column_mut(1) {
        policy.set_cell_alignment(CellAlignment::Left);
    }
    table
}

fn hints(report: &PolicyReport) -> Vec<String> {
    let rows = || report.policy.policies.iter();
    let idle = rows().all(|row| row.refused + row.would_refuse == 0);
    let mut hints = log_hints(&report.log, idle.then_some("no request would have been refused"));
    for set in sets(report).filter(|set| set.policies.is_empty()) {
        hints.push(format!("{} has no active policy, so it admits everything", printable(&set.file)));
    }
    let absent = report.attributes.iter().filter(|attribute| attribute.requests == 0);
    let absent: Vec<String> = absent.map(|attribute| printable(&attribute.name)).collect();
    if report.log.requests > 0 && !absent.is_empty() {
        let names = absent.join(", ");
        hints.push(format!("no request has {names}: policies that look at it see a request without it"));
    }
    if rows().any(|row| row.requests_too_large > 0) {
        hints.push(
            "what costs more than a limit gives at once is never let in: give it a larger burst".to_owned(),
        );
    }
    hints
}

impl<'a> From<&'a PolicyReport> for Drawing<'a> {
    fn from(report: &'a PolicyReport) -> Drawing<'a> {
        let refused = |row: &PolicyRow| {
            let refused = row.refused + row.would_refuse;
            let share = percent(refused, row.requests);
            let would = if row.would_refuse > 0 { ", or would be," } else { "" };
            format!("refused{would} by {}: {}, {share}", row.id, number(refused))
        };
        let differ =
            |(what, difference): (&str, &Difference)| format!("{what}: {}", number(difference.requests));
        let titles = report.policy.policies.iter().map(refused).chain(differences(report).map(differ));
        Drawing {
            title: "What policies would have done to",
            log: &report.log,
            by: &report.policy.file,
            over_time: report.over_time.as_ref(),
            titles: titles.collect(),
        }
    }
}
