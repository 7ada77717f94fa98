//! The speeds as a picture: a panel for each number of threads, a line for each peer, a point for each work.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::common::Outcome;
use crate::peers::PEERS;
use crate::speed::{Panel, WORKS};

const WIDTH: u32 = 1_000;
/// A line of text with air around it.
const LINE: u32 = 30;
/// The legend above, and the numbers of the axis below.
const LEGEND: u32 = 84;
const AXIS: u32 = 56;
/// Room for the longest name.
const NAMES: u32 = 130;
const RADIUS: u32 = 6;
/// Nanoseconds: wide enough for everybody on any machine of today.
const SPAN: std::ops::Range<f64> = 5.0..30_000.0;

/// A grey that can be read on white and on black; nothing is drawn below it.
const TEXT: RGBColor = RGBColor(110, 119, 129);
/// The colours of Okabe and Ito, which the colour-blind can tell apart too.
const COLORS: [RGBColor; WORKS.len()] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
];

/// Draws the panels beside each other.
pub(crate) fn draw(file: &Path, panels: &[Panel]) -> Outcome<()> {
    let lines = u32::try_from(PEERS.len())?;
    let area = SVGBackend::new(file, (WIDTH, LEGEND + lines * LINE + AXIS)).into_drawing_area();
    let (above, below) = area.split_vertically(LEGEND);
    legend(&above)?;
    let (names, plots) = below.split_horizontally(NAMES);
    for (line, peer) in (0..).zip(&PEERS) {
        let font = if line == 0 { FontStyle::Bold } else { FontStyle::Normal };
        let style = text(15, HPos::Right);
        let style = TextStyle { font: style.font.style(font), ..style };
        let middle = LINE * line + LINE / 2;
        names.draw_text(peer.name, &style, (i32::try_from(NAMES)? - 8, i32::try_from(middle)?))?;
    }
    for (panel, plot) in panels.iter().zip(plots.split_evenly((1, panels.len()))) {
        points(panel, &plot)?;
    }
    area.present()?;
    Ok(())
}

fn legend(area: &DrawingArea<SVGBackend<'_>, Shift>) -> Outcome<()> {
    area.draw_text(
        "Nanoseconds per check (wall time over all threads; less is better)",
        &text(17, HPos::Left),
        (12, 18),
    )?;
    let mut left = 18;
    for (work, color) in WORKS.iter().zip(COLORS) {
        area.draw(&Circle::new((left, 46), RADIUS, color.filled()))?;
        area.draw_text(work, &text(14, HPos::Left), (left + 12, 46))?;
        // About the width of a letter of this size: the picture's fonts are the reader's.
        left += 44 + 7 * i32::try_from(work.len())?;
    }
    Ok(())
}

fn points(panel: &Panel, plot: &DrawingArea<SVGBackend<'_>, Shift>) -> Outcome<()> {
    let threads =
        if panel.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", panel.threads) };
    #[allow(clippy::cast_precision_loss, reason = "there are eleven")]
    let lines = PEERS.len() as f64;
    let mut chart = ChartBuilder::on(plot)
        .x_label_area_size(AXIS)
        .margin_right(16)
        .build_cartesian_2d(SPAN.log_scale(), lines..0.0)?;
    chart
        .configure_mesh()
        .disable_y_axis()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(TEXT.mix(0.35))
        .axis_style(TEXT.mix(0.6))
        .x_desc(threads)
        .x_label_style(text(13, HPos::Center))
        .axis_desc_style(text(15, HPos::Center))
        .x_label_formatter(&|nanos| format!("{nanos}"))
        .draw()?;
    let rows = (0..PEERS.len()).map(|line| {
        #[allow(clippy::cast_precision_loss, reason = "there are eleven")]
        let middle = line as f64 + 0.5;
        middle
    });
    for (line, middle) in rows.enumerate() {
        let across = [(SPAN.start, middle), (SPAN.end, middle)];
        chart.draw_series([PathElement::new(across, TEXT.mix(0.2))])?;
        for (speeds, color) in panel.speeds.iter().zip(COLORS) {
            if let Some(&nanos) = speeds.get(line) {
                chart.draw_series([Circle::new((nanos, middle), RADIUS, color.mix(0.9).filled())])?;
            }
        }
    }
    Ok(())
}

fn text(size: u32, horizontal: HPos) -> TextStyle<'static> {
    ("sans-serif", size)
        .with_color(TEXT)
        .into_text_style(&(WIDTH, LINE))
        .pos(Pos::new(horizontal, VPos::Center))
}
