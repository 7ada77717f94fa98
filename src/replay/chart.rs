//! [`write_chart`]: requests and refusals over time, a row of bars each, for a terminal or a pipe.

use std::io::{self, Write};
use std::time::Duration;

use super::series::View;
use super::text::{clock_time, duration, number};

/// Bars in a row: with the names and the peaks beside them they fit into 80 to 100 columns.
pub(super) const MOST_BARS: usize = 60;

/// The narrowest chart that has room for both ends of its time, of up to 12 characters, and a gap between them.
const LEAST_WIDTH: usize = 28;

/// Heights in eighths of a line.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Writes a row for all requests and one of each name, as what a limit refused. Every row has its own scale, with its
/// highest bar beside it, so that few refusals show among many requests.
pub(super) fn write_chart(view: &View, names: &[String], out: &mut impl Write) -> io::Result<()> {
    let View { start, width, rows } = view;
    let bars = rows[0].len();
    let names = || std::iter::once("requests").chain(names.iter().map(String::as_str));
    let longest = names().map(|name| name.chars().count()).max().unwrap_or(0);
    let area = bars.max(LEAST_WIDTH);
    let bucket = duration(Duration::from_nanos(*width));
    writeln!(out, "\n requests, and what was refused, in each {bucket}")?;
    for (name, counts) in names().zip(rows) {
        let highest = counts.iter().copied().max().unwrap_or(0);
        let row: String = counts.iter().map(|count| bar(*count, highest)).collect();
        let peak = if highest == 0 { "none".to_owned() } else { format!("up to {}", number(highest)) };
        writeln!(out, " {name:longest$}  {row:area$}  {peak}")?;
    }
    let end = start + width * bars as u64;
    let (from, to) = (clock_time(*start, end - start), clock_time(end, end - start));
    let gap = area.saturating_sub(to.len());
    writeln!(out, " {:longest$}  {from:gap$}{to}", "")
}

/// What is not nothing can be seen.
fn bar(count: u64, highest: u64) -> char {
    if count == 0 {
        return ' ';
    }
    let eighths = (u128::from(count) * BARS.len() as u128).div_ceil(u128::from(highest));
    BARS[usize::try_from(eighths).unwrap_or(BARS.len()).min(BARS.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nothing_is_no_bar_and_only_the_highest_is_full() {
        let bars = |counts: &[u64]| counts.iter().map(|count| bar(*count, 1_000)).collect::<String>();
        assert_eq!(bars(&[0, 1, 125, 126, 500, 875, 876, 1_000]), " ▁▁▂▄▇██");
        assert_eq!(bar(0, 0), ' ');
        assert_eq!(bar(u64::MAX, u64::MAX), '█');
    }
}
