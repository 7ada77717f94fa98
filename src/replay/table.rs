//! [`write_table`]: a report for people, for terminals of 80 to 100 columns.

use std::io::{self, Write};
use std::ops::Range;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use super::chart::{MOST_BARS, write_chart};
use super::log_table::{log_hints, write_log, write_malformed};
use super::report::{LimitReport, Report};
use super::text::{count, duration, number, printable, share, shorten};

/// One rule under the header.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// The most columns of limits side by side, which fit into 130 characters; more are divided evenly among several tables.
const MOST_LIMITS: usize = 6;

/// The width that tables should not exceed; only the keys can be shortened to keep to it.
const WIDTH: usize = 96;

/// The widths between which keys are shortened.
const KEY_WIDTH: std::ops::RangeInclusive<usize> = 24..=56;

/// Writes the report as tables, one column for each limit, and a chart of it over time.
///
/// # Errors
///
/// What `out` returns.
pub fn write_table(report: &Report, out: &mut impl Write) -> io::Result<()> {
    write_log(&report.log, out)?;
    if report.log.requests > 0 {
        for range in side_by_side(report) {
            writeln!(out, "\n{}", limits_table(report, range).trim_fmt())?;
        }
        let names: Vec<String> = report.limits.iter().map(|limit| limit.name(report)).collect();
        write_chart(&report.series.view(MOST_BARS), &names, out)?;
    }
    if !report.most_refused.is_empty() {
        for range in side_by_side(report) {
            writeln!(out, "\n{}", keys_table(report, range).trim_fmt())?;
        }
    }
    write_malformed(&report.log, out)?;
    for hint in hints(report) {
        writeln!(out, "\nhint: {hint}")?;
    }
    Ok(())
}

/// The limits of each table.
fn side_by_side(report: &Report) -> impl Iterator<Item = Range<usize>> {
    let limits = report.limits.len();
    let each = limits.div_ceil(limits.div_ceil(MOST_LIMITS).max(1)).max(1);
    (0..limits).step_by(each).map(move |from| from..limits.min(from + each))
}

fn limits_table(report: &Report, range: Range<usize>) -> Table {
    type Row = (&'static str, fn(&LimitReport) -> Option<String>);
    const ROWS: [Row; 9] = [
        ("requests", |limit| Some(count(limit.requests))),
        ("admitted", |limit| Some(share(limit.admitted, limit.requests))),
        ("refused", |limit| Some(share(limit.refused, limit.requests))),
        ("tokens asked", |limit| limit.tokens.map(|tokens| count(tokens.asked))),
        ("tokens admitted", |limit| limit.tokens.map(|tokens| share(tokens.admitted, tokens.asked))),
        ("cost above limit", |limit| limit.tokens.map(|tokens| share(tokens.too_large, limit.requests))),
        ("keys seen", |limit| Some(count(limit.keys as u64))),
        ("keys ever refused", |limit| Some(share(limit.keys_refused as u64, limit.keys as u64))),
        ("longest refusal", |limit| {
            Some(limit.longest_refusal.map_or_else(|| "endless".to_owned(), duration))
        }),
    ];
    // A row that says nothing of any limit is left out.
    let rows = ROWS.into_iter().filter_map(|(name, value)| {
        let values: Option<Vec<String>> = report.limits[range.clone()].iter().map(value).collect();
        values.map(|values| [name.to_owned()].into_iter().chain(values).collect())
    });
    new_table(vec!["limit".to_owned()], report, range.clone(), rows)
}

fn keys_table(report: &Report, range: Range<usize>) -> Table {
    let header = vec!["most refused keys".to_owned(), "requests".to_owned()];
    let width = key_width(report, range.clone());
    let rows = report.most_refused.iter().map(|row| {
        let refused = row.refused[range.clone()].iter().map(|refused| share(*refused, row.requests));
        let key = shorten(&printable(&row.key), width);
        [key, number(row.requests)].into_iter().chain(refused).collect()
    });
    new_table(header, report, range.clone(), rows)
}

/// A table of these columns and one for each limit: text to the left, numbers to the right.
fn new_table(
    mut header: Vec<String>,
    report: &Report,
    range: Range<usize>,
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Table {
    header.extend(report.limits[range].iter().map(|limit| limit.heading(report)));
    number_table(header, rows)
}

/// A table whose first column is text, and all others numbers.
pub(super) fn number_table(header: Vec<String>, rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = plain_table(header, rows);
    table.set_content_arrangement(ContentArrangement::Disabled);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A table with one rule under the header.
pub(super) fn plain_table(header: Vec<String>, rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(header).add_rows(rows);
    table
}

/// The room that the other columns leave for keys.
fn key_width(report: &Report, range: Range<usize>) -> usize {
    const GAP: usize = 2;
    let heading_width = |limit: &LimitReport| limit.heading(report).lines().map(str::len).max().unwrap_or(0);
    let share_width = |limit: &LimitReport| share(limit.refused, 1).len().max(heading_width(limit)) + GAP;
    let others: usize = report.limits[range].iter().map(share_width).sum();
    WIDTH.saturating_sub("requests".len() + 2 * GAP + others).clamp(*KEY_WIDTH.start(), *KEY_WIDTH.end())
}

/// What the reader may want to do next, when there is something to do.
fn hints(report: &Report) -> Vec<String> {
    let none_refused = report.limits.iter().all(|limit| limit.refused == 0);
    let smaller = none_refused.then_some("no request would have been refused: try a smaller --limit");
    let mut hints = log_hints(&report.log, smaller);
    if report.limits.iter().any(|limit| limit.tokens.is_some_and(|tokens| tokens.too_large > 0)) {
        hints.push(
            "what costs more than a limit gives at once is never let in: give it a larger burst".to_owned(),
        );
    }
    if report.limits.iter().any(|limit| limit.forgotten > 0) {
        hints.push(
            "more keys were live than --max-keys has room for, so some were let in too soon: raise it"
                .to_owned(),
        );
    }
    hints
}
