//! The picture of a sweep: three figures above each other, against the number of workers. The lab draws it too, of what it
//! kept.

use crate::chart::{Ink, Mark, Picture, Plot, Scale, Series};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 170.0;

/// What was measured with so many workers under one of the loads.
pub struct Measured {
    pub workers: u64,
    pub is_much: bool,
    /// The median and, where it is known, the least and the most of the measurements.
    pub median: Figures,
    pub range: Option<(Figures, Figures)>,
}

#[derive(Debug, Clone, Copy)]
pub struct Figures {
    pub rate_hz: f64,
    pub p99_ns: f64,
    pub switches_per_request: f64,
}

/// One of the plots.
struct Figure {
    title: &'static str,
    of: fn(&Figures) -> f64,
    /// Under little load as well.
    both: bool,
}

const FIGURES: [Figure; 3] = [
    Figure {
        title: "Throughput under much load, thousand requests a second",
        of: |figures| figures.rate_hz / 1e3,
        both: false,
    },
    Figure {
        title: "99th percentile of the latency, milliseconds",
        of: |figures| figures.p99_ns / 1e6,
        both: true,
    },
    Figure {
        title: "Context switches a request",
        of: |figures| figures.switches_per_request,
        both: true,
    },
];

/// Draws it, as SVG.
pub fn draw(measured: &[Measured]) -> String {
    let most = measured.iter().map(|measured| measured.workers).max();
    let most = most.unwrap_or(1).max(2);
    let ranges = if measured.iter().any(|measured| measured.range.is_some()) {
        "; a bar is from the least to the most measured"
    } else {
        ""
    };
    let title = "Wharf with more and more workers";
    let description = format!(
        "Three plots against the number of workers, from 1 to {most}: throughput under much load, 99th percentile of the \
         latency, and context switches a request, the last two under much and under little load. Medians{ranges}."
    );
    let mut picture = Picture::new(WIDTH, title, &description);
    for figure in &FIGURES {
        draw_figure(&mut picture, figure, measured, most);
    }
    picture.svg()
}

fn draw_figure(picture: &mut Picture, figure: &Figure, measured: &[Measured], workers_most: u64) {
    let mut series = Vec::new();
    for (is_much, name, ink) in [
        (true, "much load", Ink::Wharf),
        (false, "little load", Ink::WharfToo),
    ] {
        let of_load = measured
            .iter()
            .filter(|measured| measured.is_much == is_much);
        let marks: Vec<Mark> = of_load.map(|measured| mark(figure, measured)).collect();
        if !marks.is_empty() && (is_much || figure.both) {
            series.push(Series {
                name: name.to_owned(),
                ink,
                marks,
            });
        }
    }
    let marks = series.iter().flat_map(|series| &series.marks);
    let tops = marks.map(|mark| mark.range.map_or(mark.y, |range| range.1.max(mark.y)));
    Plot {
        title: figure.title,
        x: ("workers", Scale::DoublesTo(workers_most as f64)),
        y_most: tops.fold(1e-6, f64::max) * 1.1,
        height: HEIGHT,
        series: &series,
    }
    .draw(picture);
}

fn mark(figure: &Figure, measured: &Measured) -> Mark {
    let of = figure.of;
    Mark {
        x: measured.workers as f64,
        y: of(&measured.median),
        range: measured
            .range
            .as_ref()
            .map(|(least, most)| (of(least), of(most))),
    }
}
