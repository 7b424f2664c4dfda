//! The aims of row 20: what Windows' names may cost.

use super::{Aim, figures, noise, ratios};
use crate::{
    contestants::{
        FLOOR,
        win32::{LAYER, SERVE},
    },
    figures::named,
    judge::{Bound, Verdict},
    results::Results,
    rows::{hello, win32},
};

/// So much of what others get done for each second of the server's processor.
const OF_OTHERS: f64 = 0.95;
/// So much of the time of the port's own.
const POSTED_MAX: f64 = 1.2;
const CLIENTS: usize = 10_000;
const IDLE_BYTES_MAX: f64 = 512.0;

pub fn aims(results: &Results) -> Vec<Aim> {
    let Some(figures) = figures::<win32::Figures>(results, 20) else {
        return Vec::new();
    };
    let mut aims = Vec::new();
    for point in &figures.points {
        for (other, what) in [(FLOOR, "the plainest epoll server"), (SERVE, "`serve`")] {
            let connections = hello::name(point.connections);
            let own = named(&point.runs, LAYER);
            aims.push(Aim::of_all(
                format!("row 20, {connections}: at least {OF_OTHERS:.2} of {what}"),
                Bound::AtLeast(OF_OTHERS),
                ratios(own, &point.runs, |runs| runs.name == other),
                noise(&point.runs),
            ));
        }
    }
    aims.extend(figures.posted.iter().map(|measure| {
        Aim::of_all(
            format!(
                "row 20, {}: at most {POSTED_MAX:.2} of the port's own time",
                measure.measure
            ),
            Bound::AtMost(POSTED_MAX),
            win32::posted_ratio(measure).map(|ratio| ("", ratio)),
            win32::posted_noise(measure),
        )
    }));
    aims.push(idle_aim(&figures));
    aims
}

/// A server that has not answered each client is not among those that were measured.
fn idle_aim(figures: &win32::Figures) -> Aim {
    let many = figures.idle.many;
    let mut servers = figures.idle.servers.iter();
    let bytes = servers
        .find(|idle| idle.name == LAYER)
        .map(|idle| idle.user_bytes(many));
    Aim::new(
        format!(
            "row 20: {CLIENTS} clients are answered, and an idle one costs at most {IDLE_BYTES_MAX:.0} user-space bytes"
        ),
        bytes.map_or("not all were answered".into(), |bytes| {
            format!("{bytes:.0} bytes, {many} clients")
        }),
        Verdict::of(many >= CLIENTS && bytes.is_some_and(|bytes| bytes <= IDLE_BYTES_MAX)),
    )
}
