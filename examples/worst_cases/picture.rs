//! [`Picture`]: curves over time as SVG that fits a light page and a dark one.

use std::error::Error;

use plotters::prelude::*;

/// Seconds, and a number.
pub(crate) type Point = (f64, f64);

const SIZE: (u32, u32) = (720, 250);
/// Of the colours of Okabe and Ito, which the colour-blind can tell apart, those that show on white and on black.
pub(crate) const BLUE: RGBColor = RGBColor(58, 150, 210);
pub(crate) const GREEN: RGBColor = RGBColor(0, 158, 115);
pub(crate) const ORANGE: RGBColor = RGBColor(213, 94, 0);
/// Stands for the colour of the page's text, which only the page knows.
const TEXT: RGBColor = RGBColor(1, 2, 3);
const TEXT_IN_SVG: &str = "#010203";

pub(crate) enum Mark {
    Area { label: &'static str, color: RGBColor, points: Vec<Point> },
    Curve { label: &'static str, color: RGBColor, points: Vec<Point> },
    Stems { label: &'static str, points: Vec<Point> },
    Level { label: &'static str, color: RGBColor, at: f64 },
}

pub(crate) struct Picture {
    /// Of its file.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Where the time ends.
    pub(crate) seconds: f64,
    /// Where the numbers end.
    pub(crate) top: f64,
    pub(crate) marks: Vec<Mark>,
}

impl Picture {
    /// The text of the picture, as an element that HTML may contain: without a blank line, at which Markdown would end it.
    pub(crate) fn svg(&self) -> Result<String, Box<dyn Error>> {
        let mut svg = String::new();
        self.draw(&mut svg)?;
        let opening = format!(
            r#"<svg role="img" aria-label="{}" style="display: block; max-width: 100%; height: auto" "#,
            self.title
        );
        let themed = svg.replace(TEXT_IN_SVG, "currentColor").replacen("<svg ", &opening, 1);
        Ok(themed)
    }

    fn draw(&self, svg: &mut String) -> Result<(), Box<dyn Error>> {
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let (head, body) = root.split_vertically(46);
        head.draw(&Text::new(self.title, (44, 4), ("sans-serif", 20).into_font().color(&TEXT)))?;
        let mut chart = ChartBuilder::on(&body)
            .x_label_area_size(26)
            .y_label_area_size(40)
            .margin_right(16)
            .margin_top(6)
            .build_cartesian_2d(0.0..self.seconds, 0.0..self.top)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .axis_style(TEXT.mix(0.5))
            .label_style(("sans-serif", 16).into_font().color(&TEXT))
            .x_label_formatter(&|seconds| format!("{seconds} s"))
            .y_label_formatter(&|number| number.to_string())
            .y_labels(6)
            .draw()?;
        for mark in &self.marks {
            match mark {
                Mark::Area { color, points, .. } => {
                    let mut outline = points.clone();
                    outline.push((self.seconds, 0.0));
                    chart.draw_series([Polygon::new(outline, color.mix(0.25))])?;
                    chart.draw_series([PathElement::new(points.clone(), color.stroke_width(2))])?;
                }
                Mark::Curve { color, points, .. } => {
                    chart.draw_series([PathElement::new(points.clone(), color.stroke_width(2))])?;
                }
                Mark::Stems { points, .. } => {
                    let stem = |(x, y): &Point| PathElement::new([(*x, 0.0), (*x, *y)], TEXT.stroke_width(2));
                    chart.draw_series(points.iter().map(stem))?;
                }
                Mark::Level { color, at, .. } => {
                    let level = [(0.0, *at), (self.seconds, *at)];
                    chart.draw_series([PathElement::new(level, color.stroke_width(1))])?;
                }
            }
        }
        self.legend(&head)?;
        root.present()?;
        Ok(())
    }

    /// What each colour means, once.
    fn legend<D: DrawingBackend>(
        &self,
        head: &DrawingArea<D, plotters::coord::Shift>,
    ) -> Result<(), Box<dyn Error>>
    where
        D::ErrorType: 'static,
    {
        let mut entries: Vec<(&str, RGBColor)> = Vec::new();
        for mark in &self.marks {
            let entry = match mark {
                Mark::Area { label, color, .. }
                | Mark::Curve { label, color, .. }
                | Mark::Level { label, color, .. } => (*label, *color),
                Mark::Stems { label, .. } => (*label, TEXT),
            };
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        for (place, (label, color)) in (0..).zip(entries) {
            let left = 44 + place * 210;
            head.draw(&Rectangle::new([(left, 30), (left + 14, 40)], color.filled()))?;
            let font = ("sans-serif", 16).into_font().color(&TEXT);
            head.draw(&Text::new(label, (left + 20, 29), font))?;
        }
        Ok(())
    }
}
