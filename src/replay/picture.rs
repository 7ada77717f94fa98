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

use super::log::LogSummary;
use super::report::{LimitReport, OverTime, Report};
use super::series::round_width;
use super::text::{clock_time, date, duration, number, percent, printable, shorten};
use super::time::UnixNanos;

const WIDTH: u32 = 1_100;
const HEADER: u32 = 76;
/// The panel of all requests, and that of each limit: several of them still fit on a screen.
const REQUESTS_HEIGHT: u32 = 190;
const REFUSED_HEIGHT: u32 = 130;
/// The title of a panel, which is the legend of its colour too.
const CAPTION: u32 = 32;
/// The times below an axis.
const TIMES: u32 = 34;
const MARGIN: u32 = 28;
/// Room for the numbers beside the axis, up to millions.
const AXIS: u32 = 72;

const FONT: &str = "sans-serif";
const TEXT: RGBColor = RGBColor(33, 37, 41);
const FAINT: RGBColor = RGBColor(108, 117, 125);
const GRID: RGBColor = RGBColor(233, 236, 239);
const AXES: RGBColor = RGBColor(173, 181, 189);
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

    /// Draws a report over what is in the file.
    ///
    /// # Errors
    ///
    /// [`PictureError`] when it cannot be written.
    pub fn draw<'a>(mut self, report: impl Into<Drawing<'a>>) -> Result<(), PictureError> {
        let drawn = draw(&report.into()).map_err(|error| io::Error::other(error.to_string()));
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

/// What a picture shows.
#[derive(Debug)]
pub struct Drawing<'a> {
    /// What it is about, before the name of the log.
    pub(super) title: &'static str,
    pub(super) log: &'a LogSummary,
    /// By what requests were counted.
    pub(super) by: &'a str,
    pub(super) over_time: Option<&'a OverTime>,
    /// The title of the panel for each row of what was refused.
    pub(super) titles: Vec<String>,
}

impl<'a> From<&'a Report> for Drawing<'a> {
    fn from(report: &'a Report) -> Drawing<'a> {
        let title = |limit: &LimitReport| {
            let (refused, share) = (number(limit.refused), percent(limit.refused, limit.requests));
            format!("refused by {}: {refused}, {share}", limit.name(report))
        };
        Drawing {
            title: "What limits would have done to",
            log: &report.log,
            by: report.log.key.as_deref().unwrap_or_default(),
            over_time: report.over_time.as_ref(),
            titles: report.limits.iter().map(title).collect(),
        }
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

/// The picture's text: a panel for all requests, and below it one for each limit, all over the same time. The limits share
/// their scale, so that one can compare them; in one panel those that decide alike would hide each other.
fn draw(report: &Drawing<'_>) -> Result<String, Box<dyn Error>> {
    let mut picture = String::new();
    let limits = REFUSED_HEIGHT * u32::try_from(report.titles.len())?;
    {
        let size = (WIDTH, HEADER + REQUESTS_HEIGHT + limits + TIMES + MARGIN);
        let root = SVGBackend::with_string(&mut picture, size).into_drawing_area();
        root.fill(&WHITE)?;
        let (header, rest) = root.split_vertically(HEADER);
        draw_header(&header, report)?;
        if let Some(over_time) = report.over_time {
            draw_panels(&rest, report, over_time)?;
        }
        root.present()?;
    }
    Ok(picture)
}

fn draw_panels(area: &Area<'_>, report: &Drawing<'_>, over_time: &OverTime) -> Result<(), Box<dyn Error>> {
    let each = duration(over_time.bucket);
    let (requests, mut rest) = area.split_vertically(REQUESTS_HEIGHT);
    let highest = highest(&over_time.requests);
    let title = format!("{} requests, counted in each {each}", number(report.log.requests));
    Panel { title, counts: &over_time.requests, highest, color: REQUESTS, times: 0 }
        .draw(&requests, over_time)?;
    let highest = over_time.refused.iter().map(|counts| self::highest(counts)).max().unwrap_or(0);
    let last = report.titles.len().saturating_sub(1);
    for (position, (title, counts)) in report.titles.iter().zip(&over_time.refused).enumerate() {
        let times = if position == last { TIMES } else { 0 };
        let (panel, below) = rest.split_vertically(REFUSED_HEIGHT + times);
        rest = below;
        let color = COLORS[position % COLORS.len()];
        Panel { title: title.clone(), counts, highest, color, times }.draw(&panel, over_time)?;
    }
    Ok(())
}

fn highest(counts: &[u64]) -> u64 {
    counts.iter().copied().max().unwrap_or(0)
}

fn draw_header(area: &Area<'_>, report: &Drawing<'_>) -> Result<(), Box<dyn Error>> {
    const LONGEST: usize = 80;
    let name = if report.log.file == "-" { "standard input" } else { &report.log.file };
    let title = format!("{} {}", report.title, shorten(&printable(name), LONGEST));
    area.draw(&Text::new(title, (MARGIN.cast_signed(), 20), (FONT, 24).into_font().color(&TEXT)))?;
    let mut about = format!("{} requests", number(report.log.requests));
    if let (Some(from), Some(to)) = (report.log.from, report.log.to) {
        about = format!("{about}, {} to {} UTC, by {}", date(from), date(to), printable(report.by));
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

/// Counts over time.
struct Panel<'a> {
    title: String,
    counts: &'a [u64],
    /// The top of the scale.
    highest: u64,
    color: RGBColor,
    /// Room for the times below the axis; none where another panel follows.
    times: u32,
}

impl Panel<'_> {
    fn draw(&self, area: &Area<'_>, over_time: &OverTime) -> Result<(), Box<dyn Error>> {
        const SWATCH: i32 = 12;
        let axis = TimeAxis::new(over_time);
        let (caption, area) = area.split_vertically(CAPTION);
        let left = (MARGIN / 2 + AXIS).cast_signed();
        caption.draw(&Rectangle::new([(left, 9), (left + SWATCH, 9 + SWATCH)], self.color.filled()))?;
        let title =
            Text::new(self.title.clone(), (left + 2 * SWATCH, 9), (FONT, 17).into_font().color(&TEXT));
        caption.draw(&title)?;
        let top = self.highest.max(1).saturating_add(self.highest / 16);
        let mut chart = ChartBuilder::on(&area)
            .margin_left(MARGIN / 2)
            .margin_right(MARGIN)
            .margin_bottom(6)
            .x_label_area_size(self.times)
            .y_label_area_size(AXIS)
            .build_cartesian_2d(axis, 0..top)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(AXES)
            .y_labels(6)
            .label_style((FONT, 14).into_font().color(&FAINT))
            .y_label_formatter(&|count| number(*count))
            .draw()?;
        let outline = outline(self.counts, over_time, axis);
        chart.draw_series(AreaSeries::new(outline, 0, self.color.mix(0.35)).border_style(self.color))?;
        Ok(())
    }
}
