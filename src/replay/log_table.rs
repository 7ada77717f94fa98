//! What every report says of the log, for people.

use std::io::{self, Write};
use std::time::Duration;

use super::format::Format;
use super::log::LogSummary;
use super::text::{date, duration, number, printable};

/// What log it is, how it is written, and what was in it.
pub(super) fn write_log(log: &LogSummary, out: &mut impl Write) -> io::Result<()> {
    let file = if log.file == "-" { "standard input".to_owned() } else { printable(&log.file) };
    writeln!(out, "log    {file}")?;
    write!(out, "format {}", log.format)?;
    if let Some(field) = &log.time_field {
        write!(out, ", time from {}", printable(field))?;
    }
    if let Some(field) = &log.cost_field {
        write!(out, ", cost from {}", printable(field))?;
    }
    let requests = if log.requests == 1 { "request" } else { "requests" };
    let header = if log.format == Format::Csv { "1 header, " } else { "" };
    write!(out, "\nlines  {}: {header}{} {requests}", number(log.lines), number(log.requests))?;
    if log.blank > 0 {
        write!(out, ", {} blank", number(log.blank))?;
    }
    writeln!(out, ", {} malformed, {} late", number(log.malformed), number(log.late))?;
    if let (Some(from), Some(to)) = (log.from, log.to) {
        let span = from.duration_until(to).unsigned_abs();
        writeln!(out, "time   {} to {} UTC ({})", date(from), date(to), duration(span))?;
    }
    match log.key.as_deref() {
        None | Some("") => Ok(()),
        Some(key) => writeln!(out, "key    {}", printable(key)),
    }
}

/// The first lines that were not understood.
pub(super) fn write_malformed(log: &LogSummary, out: &mut impl Write) -> io::Result<()> {
    if log.malformed == 0 {
        return Ok(());
    }
    writeln!(out, "\nmalformed lines")?;
    for line in &log.malformed_lines {
        writeln!(out, "  line {}: {}", line.line, printable(&line.reason))?;
    }
    let more = log.malformed - log.malformed_lines.len() as u64;
    if more > 0 {
        writeln!(out, "  and {} more", number(more))?;
    }
    Ok(())
}

/// What the reader may want to do about the log, or else `about_refusals`.
pub(super) fn log_hints(log: &LogSummary, about_refusals: Option<&str>) -> Vec<String> {
    let mut hints = Vec::new();
    if log.lines == 0 {
        hints.push("the log is empty".to_owned());
    } else if log.requests == 0 {
        hints.push(nothing_understood(log).to_owned());
    } else {
        hints.extend(about_refusals.map(str::to_owned));
    }
    if log.late > 0 {
        hints.push(late_hint(log));
    }
    hints
}

fn nothing_understood(log: &LogSummary) -> &'static str {
    match log.format {
        Format::Clf => {
            "no line is in Common or Combined Log Format: host ident user [time] \"request\" status bytes; \
             JSON lines and CSV can be read too, see --format"
        }
        // Policies say themselves what counts.
        Format::Json if log.key.is_none() => {
            "no line is a JSON object with a time: put each object on a line of its own, as jq -c . or jq -c '.[]' does, \
             and name the field with --time-field"
        }
        Format::Json => {
            "no line is a JSON object with the fields that are needed: put each object on a line of its own, as \
             jq -c . or jq -c '.[]' does, and name the fields with --time-field and --key-field"
        }
        Format::Csv => "the log has no record below its header that can be read",
    }
}

fn late_hint(log: &LogSummary) -> String {
    const DAY: Duration = Duration::from_secs(86_400);
    let delay = log.longest_delay;
    // Lines within the span are late only when more were held than fit; a longer span would not help then.
    if delay > DAY || delay <= log.reorder {
        return format!("late lines were up to {} out of order: sort the log by time first", duration(delay));
    }
    // Up to the next whole second.
    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    format!("--reorder {seconds}s would put the late lines in their place")
}
