//! The picture of a sweep: three figures above each other, against the number of workers.

use plotters::{coord::Shift, prelude::*};

use super::point::{Amount, Point};

const SIZE: (u32, u32) = (720, 840);
const COLOURS: [(Amount, &str, RGBColor); 2] = [
    (Amount::Much, "much", RGBColor(0x1f, 0x5f, 0xa8)),
    (Amount::Little, "little", RGBColor(0xc0, 0x5a, 0x1c)),
];

/// A figure of a point, with its scale and what to write at its axis.
struct Figure {
    title: &'static str,
    of: fn(&Point) -> f64,
    /// Without it, both loads are drawn.
    only: Option<Amount>,
}

const FIGURES: [Figure; 3] = [
    Figure {
        title: "throughput under much load, thousand requests a second",
        of: |point| point.rate_hz / 1e3,
        only: Some(Amount::Much),
    },
    Figure {
        title: "99th percentile of the latency, milliseconds",
        of: |point| point.p99_ns / 1e6,
        only: None,
    },
    Figure {
        title: "context switches a request",
        of: |point| point.switches_per_request,
        only: None,
    },
];

/// Draws it, as SVG.
pub(super) fn draw(points: &[Point]) -> Result<String, String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let drawn = draw_all(points, &root);
        drawn.map_err(|error| error.to_string())?;
    }
    Ok(svg)
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw_all(points: &[Point], root: &DrawingArea<SVGBackend<'_>, Shift>) -> Drawn {
    root.fill(&WHITE)?;
    for (figure, area) in FIGURES.iter().zip(root.split_evenly((FIGURES.len(), 1))) {
        draw_figure(points, figure, &area)?;
    }
    root.present()?;
    Ok(())
}

fn draw_figure(
    points: &[Point],
    figure: &Figure,
    area: &DrawingArea<SVGBackend<'_>, Shift>,
) -> Drawn {
    let shown = |point: &&Point| figure.only.is_none_or(|only| point.load == only);
    let highest = points
        .iter()
        .filter(shown)
        .map(figure.of)
        .fold(0.0, f64::max);
    let most = points.iter().map(|point| point.workers).max().unwrap_or(1);
    let mut chart = ChartBuilder::on(area)
        .caption(figure.title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(34)
        .y_label_area_size(54)
        .build_cartesian_2d(
            (1_u64..most.max(2)).log_scale().base(2.0),
            0.0..highest.max(1e-6) * 1.15,
        )?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("workers")
        .x_label_formatter(&|workers| workers.to_string())
        .draw()?;
    for (amount, name, colour) in COLOURS {
        let series: Vec<_> = points
            .iter()
            .filter(shown)
            .filter(|point| point.load == amount)
            .map(|point| (point.workers, (figure.of)(point)))
            .collect();
        if series.is_empty() {
            continue;
        }
        let marks = series.iter().map(|at| Circle::new(*at, 3, colour.filled()));
        chart.draw_series(marks)?;
        chart
            .draw_series(LineSeries::new(
                series.iter().copied(),
                colour.stroke_width(2),
            ))?
            .label(format!("{name} load"))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    if figure.only.is_none() {
        let mut labels = chart.configure_series_labels();
        labels.position(SeriesLabelPosition::UpperLeft).draw()?;
    }
    Ok(())
}
