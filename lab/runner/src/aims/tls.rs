//! The aims of row 21: TLS on Wharf costs no more than on tokio-rustls.

use super::{Aim, figures, of_wharf, ratios};
use crate::{
    contestants::tls::{AGAIN, POOL, TOKIO},
    figures::named,
    judge::Bound,
    results::Results,
    rows::{cost_table::cost, tls},
};

/// So much of what tokio-rustls gets done for each second of the server's processor.
const OF_TOKIO: f64 = 1.0;

pub fn aims(results: &Results) -> Vec<Aim> {
    let Some(figures) = figures::<tls::Figures>(results, 21) else {
        return Vec::new();
    };
    let points = figures.points();
    points
        .flat_map(|(name, runs)| {
            let noise = named(runs, AGAIN).zip(named(runs, TOKIO));
            let noise = noise.and_then(|(again, tokio)| again.ratio(tokio, cost));
            of_wharf(runs).map(move |own| {
                Aim::of_all(
                    format!(
                        "row 21, {name}, {}: at least {OF_TOKIO:.2} of tokio-rustls",
                        own.name
                    ),
                    Bound::AtLeast(OF_TOKIO),
                    ratios(Some(own), runs, |runs| {
                        [TOKIO, POOL].contains(&runs.name.as_str())
                    }),
                    noise,
                )
            })
        })
        .collect()
}
