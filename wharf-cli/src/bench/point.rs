//! What a sweep measures at one place: with so many workers, under so much load.

use serde::Serialize;

use super::sweep_plot;

/// A point of the sweep.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Point {
    pub(super) workers: u64,
    pub(super) load: Amount,
    /// The median of each figure by itself.
    #[serde(flatten)]
    pub(super) median: Figures,
    pub(super) least: Figures,
    pub(super) most: Figures,
}

/// What one measurement comes to.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Figures {
    pub(super) rate_hz: f64,
    pub(super) requests_per_cpu_s: f64,
    pub(super) p99_ns: f64,
    pub(super) switches_per_request: f64,
}

/// How much load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Amount {
    Little,
    Much,
}

impl Point {
    /// Of all measurements of a point, if there is any.
    pub(super) fn of(workers: u64, load: Amount, measured: &[Figures]) -> Option<Point> {
        if measured.is_empty() {
            return None;
        }
        let at = |place: fn(usize) -> usize| {
            let figure = |of: fn(&Figures) -> f64| {
                let mut figures: Vec<f64> = measured.iter().map(of).collect();
                figures.sort_by(f64::total_cmp);
                figures[place(figures.len())]
            };
            Figures {
                rate_hz: figure(|figures| figures.rate_hz),
                requests_per_cpu_s: figure(|figures| figures.requests_per_cpu_s),
                p99_ns: figure(|figures| figures.p99_ns),
                switches_per_request: figure(|figures| figures.switches_per_request),
            }
        };
        Some(Point {
            workers,
            load,
            median: at(|count| count / 2),
            least: at(|_| 0),
            most: at(|count| count - 1),
        })
    }

    /// For its picture.
    pub(super) fn measured(&self) -> sweep_plot::Measured {
        let drawn = |figures: Figures| sweep_plot::Figures {
            rate_hz: figures.rate_hz,
            p99_ns: figures.p99_ns,
            switches_per_request: figures.switches_per_request,
        };
        sweep_plot::Measured {
            workers: self.workers,
            is_much: self.load == Amount::Much,
            median: drawn(self.median),
            range: Some((drawn(self.least), drawn(self.most))),
        }
    }
}
