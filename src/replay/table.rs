//! [`write_table`]: a report for people, for terminals of 80 to 100 columns.

use std::io::{self, Write};
use std::ops::Range;
use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use super::chart::write_chart;
use super::format::Format;
use super::report::{LimitReport, Report};
use super::text::{count, date, duration, number, printable, share, shorten};

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
    write_summary(report, out)?;
    if report.requests > 0 {
        for range in side_by_side(report) {
            writeln!(out, "\n{}", limits_table(report, range).trim_fmt())?;
        }
        write_chart(report, out)?;
    }
    if !report.most_refused.is_empty() {
        for range in side_by_side(report) {
            writeln!(out, "\n{}", keys_table(report, range).trim_fmt())?;
        }
    }
    write_malformed(report, out)?;
    for hint in hints(report) {
        writeln!(out, "\nhint: {hint}")?;
    }
    Ok(())
}

fn write_summary(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let file = if report.file == "-" { "standard input".to_owned() } else { printable(&report.file) };
    writeln!(out, "log    {file}")?;
    write!(out, "format {}", report.format)?;
    if let Some(field) = &report.time_field {
        write!(out, ", time from {}", printable(field))?;
    }
    if let Some(field) = &report.cost_field {
        write!(out, ", cost from {}", printable(field))?;
    }
    let requests = if report.requests == 1 { "request" } else { "requests" };
    let header = if report.format == Format::Csv { "1 header, " } else { "" };
    write!(out, "\nlines  {}: {header}{} {requests}", number(report.lines), number(report.requests))?;
    if report.blank > 0 {
        write!(out, ", {} blank", number(report.blank))?;
    }
    writeln!(out, ", {} malformed, {} late", number(report.malformed), number(report.late))?;
    if let (Some(from), Some(to)) = (report.from, report.to) {
        let span = from.duration_until(to).unsigned_abs();
        writeln!(out, "time   {} to {} UTC ({})", date(from), date(to), duration(span))?;
    }
    if report.key.is_empty() { Ok(()) } else { writeln!(out, "key    {}", printable(&report.key)) }
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
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
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

fn write_malformed(report: &Report, out: &mut impl Write) -> io::Result<()> {
    if report.malformed == 0 {
        return Ok(());
    }
    writeln!(out, "\nmalformed lines")?;
    for line in &report.malformed_lines {
        writeln!(out, "  line {}: {}", line.line, printable(&line.reason))?;
    }
    let more = report.malformed - report.malformed_lines.len() as u64;
    if more > 0 {
        writeln!(out, "  and {} more", number(more))?;
    }
    Ok(())
}

/// What the reader may want to do next, when there is something to do.
fn hints(report: &Report) -> Vec<String> {
    let mut hints = Vec::new();
    if report.lines == 0 {
        hints.push("the log is empty".to_owned());
    } else if report.requests == 0 {
        hints.push(nothing_understood(report.format).to_owned());
    } else if report.limits.iter().all(|limit| limit.refused == 0) {
        hints.push("no request would have been refused: try a smaller --limit".to_owned());
    }
    if report.late > 0 {
        hints.push(late_hint(report));
    }
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

fn nothing_understood(format: Format) -> &'static str {
    match format {
        Format::Clf => {
            "no line is in Common or Combined Log Format: host ident user [time] \"request\" status bytes; \
             JSON lines and CSV can be read too, see --format"
        }
        Format::Json => {
            "no line is a JSON object with the fields that are needed: put each object on a line of its own, as \
             jq -c . or jq -c '.[]' does, and name the fields with --time-field and --key-field"
        }
        Format::Csv => "the log has no record below its header that can be read",
    }
}

fn late_hint(report: &Report) -> String {
    const DAY: Duration = Duration::from_secs(86_400);
    let delay = report.longest_delay;
    // Lines within the span are late only when more were held than fit; a longer span would not help then.
    if delay > DAY || delay <= report.reorder {
        return format!("late lines were up to {} out of order: sort the log by time first", duration(delay));
    }
    // Up to the next whole second.
    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    format!("--reorder {seconds}s would put the late lines in their place")
}
