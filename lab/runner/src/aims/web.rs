//! The aims of rows 22 to 24: HTTP/2, HTTPS and WebSockets by axum on Wharf cost no more than on tokio.

use super::{Aim, figures, of_wharf, ratios};
use crate::{
    contestants::web::{AGAIN, TOKIO},
    figures::named,
    judge::Bound,
    results::Results,
    rows::{cost_table::cost, web},
};

/// So much of what tokio gets done for each second of the server's processor.
const OF_TOKIO: f64 = 1.0;

pub fn aims(results: &Results) -> Vec<Aim> {
    let rows = [22, 23, 24].into_iter();
    rows.flat_map(|row| {
        let figures = figures::<web::Figures>(results, row);
        let points = figures.map_or(Vec::new(), |figures| figures.points);
        points.into_iter().flat_map(move |point| of(row, &point))
    })
    .collect()
}

fn of(row: u8, point: &web::Measured) -> Vec<Aim> {
    let runs = &point.runs;
    let noise = named(runs, AGAIN).zip(named(runs, TOKIO));
    let noise = noise.and_then(|(again, tokio)| again.ratio(tokio, cost));
    of_wharf(runs)
        .map(|own| {
            let of_tokio = ratios(Some(own), runs, |runs| runs.name == TOKIO);
            Aim::of_all(
                format!(
                    "row {row}, {}, {}: at least {OF_TOKIO:.2} of tokio",
                    point.name, own.name
                ),
                Bound::AtLeast(OF_TOKIO),
                of_tokio.into_iter().map(|(_, ratio)| ("", ratio)),
                noise,
            )
        })
        .collect()
}
