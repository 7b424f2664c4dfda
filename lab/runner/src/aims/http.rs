//! The aims of rows 13 to 19: axum on Wharf, beside axum on tokio.

use super::{Aim, figures};
use crate::{
    contestants::{
        self, Role,
        http::{AGAIN, TOKIO},
    },
    figures::{Runs, Spread, named},
    judge::{Bound, Verdict},
    load::Run,
    results::Results,
    rows::{
        all_block, bodies, cost_table::cost, hello, idle, one_blocks, one_computes,
        posted::Measure, sleepers::IDEAL_HZ, tasks,
    },
};

pub fn aims(results: &Results) -> Vec<Aim> {
    let mut aims = hello_aims(results);
    for driver in all_that_play(Role::Wharf) {
        aims.extend(one_blocks_aims(results, driver));
        aims.push(all_block_aim(results, driver));
        aims.push(one_computes_aim(results, driver));
        aims.push(bodies_aim(results, driver));
    }
    aims.extend(tasks_aims(results));
    aims.extend(keep_alive_aim(results));
    aims
}

fn all_that_play(role: Role) -> impl Iterator<Item = &'static str> {
    let all = contestants::http::all().iter();
    all.filter(move |contestant| contestant.role == role)
        .map(|contestant| contestant.name)
}

/// The ratio of two that were measured.
fn ratio(all: &[Runs], own: &str, other: &str, figure: fn(&Run) -> f64) -> Option<Spread> {
    named(all, own)?.ratio(named(all, other)?, figure)
}

fn p99(run: &Run) -> f64 {
    run.p99_ns
}

fn rate(run: &Run) -> f64 {
    run.rate_hz
}

/// Connections, and so much of tokio's requests for each second of the server's processor.
const OF_TOKIO: [(u32, f64); 4] = [(1, 1.0), (8, 1.0), (64, 1.1), (512, 1.1)];

fn hello_aims(results: &Results) -> Vec<Aim> {
    let points = figures::<hello::Figures>(results, 13).map_or(Vec::new(), |kept| kept.points);
    let mut aims = Vec::new();
    for (connections, least) in OF_TOKIO {
        let point = points.iter().find(|point| point.connections == connections);
        let runs = point.map_or(&[][..], |point| &point.runs);
        for driver in all_that_play(Role::Wharf) {
            let mut aim = |what: &str, bound, figure| {
                aims.push(Aim::of_all(
                    format!("row 13, {}, {driver}: {what}", hello::name(connections)),
                    bound,
                    ratio(runs, driver, TOKIO, figure).map(|ratio| ("", ratio)),
                    ratio(runs, AGAIN, TOKIO, figure),
                ));
            };
            let what = format!("at least {least:.2} of tokio's requests");
            aim(&what, Bound::AtLeast(least), cost);
            aim("p99 at most tokio's", Bound::AtMost(1.0), p99);
        }
    }
    aims
}

fn one_blocks_aims(results: &Results, driver: &str) -> [Aim; 3] {
    let runs = figures::<one_blocks::Figures>(results, 14).map_or(Vec::new(), |kept| kept.runs);
    let noise = ratio(&runs, AGAIN, TOKIO, rate);
    let as_written = ratio(&runs, driver, TOKIO, rate).map(|ratio| ("", ratio));
    let remedies = all_that_play(Role::Remedy)
        .filter_map(|remedy| Some((remedy, ratio(&runs, driver, remedy, rate)?)));
    let own = named(&runs, driver).and_then(|runs| runs.spread(p99));
    [
        Aim::of_all(
            format!("row 14, {driver}: at least 3 times what tokio does as it is written"),
            Bound::AtLeast(3.0),
            as_written,
            noise,
        ),
        Aim::of_all(
            format!("row 14, {driver}: no less than tokio's best remedy"),
            Bound::AtLeast(1.0),
            remedies,
            noise,
        ),
        Aim::of_time(
            format!("row 14, {driver}: p99 of those that do not block at most 6 ms"),
            6e6,
            own,
        ),
    ]
}

fn all_block_aim(results: &Results, driver: &str) -> Aim {
    let runs = figures::<all_block::Figures>(results, 15).map_or(Vec::new(), |kept| kept.runs);
    let share = named(&runs, driver).and_then(|runs| runs.spread(|run| run.rate_hz / IDEAL_HZ));
    let what = format!("row 15, {driver}: at least 0.90 of {IDEAL_HZ} a second");
    let share = share.map(|share| ("", share));
    Aim::of_all(what, Bound::AtLeast(0.9), share, None)
}

fn one_computes_aim(results: &Results, driver: &str) -> Aim {
    let runs = figures::<one_computes::Figures>(results, 16).map_or(Vec::new(), |kept| kept.runs);
    let own = named(&runs, driver).and_then(|runs| runs.spread(p99));
    let what = format!("row 16, {driver}: p99 at most 2 ms beside one that computes");
    Aim::of_time(what, 2e6, own)
}

fn bodies_aim(results: &Results, driver: &str) -> Aim {
    let loads = figures::<bodies::Figures>(results, 17).map_or(Vec::new(), |kept| kept.loads);
    let of = |own: &str, other: &str| -> Vec<(&str, Spread)> {
        let loads = loads.iter();
        loads
            .filter_map(|load| Some((load.name.as_str(), ratio(&load.runs, own, other, cost)?)))
            .collect()
    };
    let what = format!("row 17, {driver}: at least 1.00 of tokio, each body and way");
    let bound = Bound::AtLeast(1.0);
    // Of the four, the noise of the one that is told would be right; the worst of all is safe.
    let noise = bound.furthest(of(AGAIN, TOKIO)).map(|told| told.1);
    Aim::of_all(what, bound, of(driver, TOKIO), noise)
}

/// Of this one, Wharf may take longer than tokio: its queue is one for all workers.
const MAY_TAKE_LONGER: (&str, f64) = ("yield_many", 1.5);

fn tasks_aims(results: &Results) -> Vec<Aim> {
    let measures = figures::<Vec<Measure>>(results, 18).unwrap_or_default();
    let aim = |measure: &Measure| {
        let most = match measure.measure.as_str() {
            name if name == MAY_TAKE_LONGER.0 => MAY_TAKE_LONGER.1,
            _ => 1.0,
        };
        let what = format!(
            "row 18, {}: at most {most} of tokio's time",
            measure.measure
        );
        let ratio = tasks::ratio(measure).map(|ratio| ("", ratio));
        Aim::of_all(what, Bound::AtMost(most), ratio, tasks::noise(measure))
    };
    measures.iter().map(aim).collect()
}

fn keep_alive_aim(results: &Results) -> Option<Aim> {
    let figures = figures::<idle::Figures>(results, 19)?;
    let user_bytes = |name: &str| {
        let mut servers = figures.servers.iter();
        let idle = servers.find(|idle| idle.name == name)?;
        Some(idle.user_bytes(figures.many))
    };
    let tokio = user_bytes(TOKIO)?;
    let most = all_that_play(Role::Wharf)
        .filter_map(user_bytes)
        .max_by(f64::total_cmp)?;
    Some(Aim::new(
        "row 19: at most tokio's user-space bytes a keep-alive connection".to_owned(),
        format!("{most:.0} bytes at most; tokio's {tokio:.0}"),
        Verdict::of(most <= tokio),
    ))
}
