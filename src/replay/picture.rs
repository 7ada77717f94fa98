//! [`Picture`]: requests and refusals over time as an SVG file.

use std::error::Error;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::*;

use super::report::{OverTime, Report};
use super::series::round_width;
use super::text::{clock_time, date, duration, number, percent, printable, shorten};
use super::time::UnixNanos;

const WIDTH: u32 = 1_100;
const HEADER: u32 = 76;
const REQUESTS_HEIGHT: u32 = 210;
const REFUSED_HEIGHT: u32 = 290;
/// A line of the legend.
const LEGEND_LINE: u32 = 22;
const FOOTER: u32 = 20;
const MARGIN: u32 = 28;
/// Room for the numbers beside the axis, up to millions.
const AXIS: u32 = 72;

const FONT: &str = "sans-serif";
const TEXT: RGBColor = RGBColor(33, 37, 41);
const FAINT: RGBColor = RGBColor(108, 117, 125);
const GRID: RGBColor = RGBColor(233, 236, 239);
const REQUESTS: RGBColor = RGBColor(134, 142, 150);

/// The colours of Okabe and Ito, which the colour-blind can tell apart too.
const COLORS: [RGBColor; 7] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// A file that will hold a picture of a report.
#[derive(Debug)]
pub struct Picture {
    path: PathBuf,
    file: File,
}

impl Picture {
    /// Opens the file for writing, before a long log is read. What is in it stays until there is a picture.
    ///
    /// # Errors
    ///
    /// [`PictureError`] when it cannot be written, or is `log` itself.
    pub fn create(path: &Path, log: &str) -> Result<Picture, PictureError> {
        let fail = |error| PictureError { path: path.to_owned(), error };
        // Neither exists where one of them cannot be resolved, and then they are not the same.
        if let (Ok(picture), Ok(log)) = (path.canonicalize(), Path::new(log).canonicalize())
            && picture == log
        {
            return Err(fail(io::Error::other("it is the log itself; give another name")));
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(fail)?;
        Ok(Picture { path: path.to_owned(), file })
    }

    /// Draws the report over what is in the file.
    ///
    /// # Errors
    ///
    /// [`PictureError`] when it cannot be written.
    pub fn draw(mut self, report: &Report) -> Result<(), PictureError> {
        let drawn = draw(report).map_err(|error| io::Error::other(error.to_string()));
        let written = drawn.and_then(|picture| {
            // Only a file has a length; what is written to a pipe or a device goes there.
            if self.file.metadata()?.is_file() {
                self.file.set_len(0)?;
            }
            self.file.write_all(picture.as_bytes())
        });
        written.map_err(|error| PictureError { path: self.path, error })
    }
}

/// A picture that cannot be written.
#[derive(Debug)]
pub struct PictureError {
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for PictureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write --svg {}: {}", self.path.display(), self.error)
    }
}

impl Error for PictureError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The picture's text.
fn draw(report: &Report) -> Result<String, Box<dyn Error>> {
    let mut picture = String::new();
    let legend = LEGEND_LINE * u32::try_from(report.limits.len())?;
    let height = HEADER + REQUESTS_HEIGHT + REFUSED_HEIGHT + legend + FOOTER;
    {
        let root = SVGBackend::with_string(&mut picture, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE)?;
        let (header, rest) = root.split_vertically(HEADER);
        draw_header(&header, report)?;
        let (requests, rest) = rest.split_vertically(REQUESTS_HEIGHT);
        let (refused, legend) = rest.split_vertically(REFUSED_HEIGHT);
        if let Some(over_time) = &report.over_time {
            let each = duration(over_time.bucket);
            let rows: Vec<&Vec<u64>> = over_time.refused.iter().collect();
            draw_panel(
                &requests,
                &format!("Requests in each {each}"),
                over_time,
                &[&over_time.requests],
                true,
            )?;
            draw_panel(&refused, &format!("Refused in each {each}"), over_time, &rows, false)?;
            draw_legend(&legend, report)?;
        }
        root.present()?;
    }
    Ok(picture)
}

fn draw_header(area: &Area<'_>, report: &Report) -> Result<(), Box<dyn Error>> {
    const LONGEST: usize = 80;
    let name = if report.file == "-" { "standard input" } else { &report.file };
    let title = format!("What limits would have done to {}", shorten(&printable(name), LONGEST));
    area.draw(&Text::new(title, (MARGIN.cast_signed(), 20), (FONT, 24).into_font().color(&TEXT)))?;
    let mut about = format!("{} requests", number(report.requests));
    if let (Some(from), Some(to)) = (report.from, report.to) {
        about = format!("{about}, {} to {} UTC, by {}", date(from), date(to), printable(&report.key));
    }
    area.draw(&Text::new(about, (MARGIN.cast_signed(), 50), (FONT, 16).into_font().color(&FAINT)))?;
    Ok(())
}

/// The log's time, in nanoseconds.
#[derive(Clone, Copy)]
struct TimeAxis {
    start: UnixNanos,
    end: UnixNanos,
}

impl TimeAxis {
    fn new(over_time: &OverTime) -> TimeAxis {
        let start = over_time.from.map_or(0, |from| u64::try_from(from.as_nanosecond()).unwrap_or(0));
        TimeAxis { start, end: start + over_time.requests.len() as u64 * width(over_time) }
    }
}

impl Ranged for TimeAxis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = UnixNanos;

    fn map(&self, value: &UnixNanos, (left, right): (i32, i32)) -> i32 {
        let part =
            i128::from(value - self.start) * i128::from(right - left) / i128::from(self.end - self.start);
        left + i32::try_from(part).unwrap_or(0)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<UnixNanos> {
        const MOST: u64 = 10;
        let step = round_width((self.end - self.start) / MOST);
        let first = self.start.next_multiple_of(step);
        (0..=MOST).map(|number| first + number * step).filter(|tick| *tick <= self.end).collect()
    }

    fn range(&self) -> Range<UnixNanos> {
        self.start..self.end
    }
}

impl ValueFormatter<UnixNanos> for TimeAxis {
    fn format_ext(&self, value: &UnixNanos) -> String {
        clock_time(*value, self.end - self.start)
    }
}

fn width(over_time: &OverTime) -> u64 {
    u64::try_from(over_time.bucket.as_nanos()).unwrap_or(u64::MAX)
}

/// The outline of a bar for each count.
fn outline(counts: &[u64], over_time: &OverTime, axis: TimeAxis) -> Vec<(UnixNanos, u64)> {
    let edge = |bucket: usize| axis.start + width(over_time) * bucket as u64;
    let top = |(bucket, count): (usize, &u64)| [(edge(bucket), *count), (edge(bucket + 1), *count)];
    counts.iter().enumerate().flat_map(top).collect()
}

fn draw_panel(
    area: &Area<'_>,
    title: &str,
    over_time: &OverTime,
    rows: &[&Vec<u64>],
    filled: bool,
) -> Result<(), Box<dyn Error>> {
    let highest = rows.iter().flat_map(|row| row.iter()).copied().max().unwrap_or(0).max(1);
    let head_room = highest.div_ceil(16);
    let axis = TimeAxis::new(over_time);
    let mut chart = ChartBuilder::on(area)
        .margin_left(MARGIN / 2)
        .margin_right(MARGIN)
        .caption(title, (FONT, 17).into_font().color(&TEXT))
        .x_label_area_size(34)
        .y_label_area_size(AXIS)
        .build_cartesian_2d(axis, 0..highest.saturating_add(head_room))?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .y_labels(6)
        .label_style((FONT, 14).into_font().color(&FAINT))
        .y_label_formatter(&|count| number(*count))
        .draw()?;
    for (position, counts) in rows.iter().enumerate() {
        let outline = outline(counts, over_time, axis);
        if filled {
            chart.draw_series(AreaSeries::new(outline, 0, REQUESTS.mix(0.35)).border_style(REQUESTS))?;
        } else {
            chart.draw_series(LineSeries::new(outline, color(position).stroke_width(2)))?;
        }
    }
    Ok(())
}

fn draw_legend(area: &Area<'_>, report: &Report) -> Result<(), Box<dyn Error>> {
    let left = (MARGIN / 2 + AXIS).cast_signed();
    for (position, limit) in report.limits.iter().enumerate() {
        let top = (LEGEND_LINE * u32::try_from(position)?).cast_signed();
        let line = [(left, top + 8), (left + 26, top + 8)];
        area.draw(&PathElement::new(line, color(position).stroke_width(4)))?;
        let (refused, share) = (number(limit.refused), percent(limit.refused, limit.requests));
        let text = format!("{}: {refused} refused, {share}", limit.name(report));
        area.draw(&Text::new(text, (left + 36, top), (FONT, 16).into_font().color(&TEXT)))?;
    }
    Ok(())
}

fn color(position: usize) -> RGBColor {
    COLORS[position % COLORS.len()]
}
