//! Row 1: the cost of an echo, one thread on one processor, the load on the other.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LOAD, SERVER, from_value, to_value};
use crate::{
    Lab,
    contestants::{Contestant, FLOOR},
    figures::{Runs, digits, failures, highest_first, named, ratio_text, rounds, table, time},
    load::Run,
    machine::Machine,
    plot,
    server::Server,
};

/// Above this, the load has no time to spare.
const BUSY_MAX: f64 = 0.8;

/// The open loop offers so much of what the plainest server does in the closed loop.
const OPEN_SHARE: f64 = 0.5;

/// Where an echo is measured: connections, bytes, requests under way on each.
const POINTS: [(u32, u32, u32); 7] = [
    (1, 64, 1),
    (64, 64, 1),
    (512, 64, 1),
    (4_096, 64, 1),
    (64, 1_024, 1),
    (64, 16_384, 1),
    (64, 64, 16),
];

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    pub points: Vec<Point>,
    open_rate_hz: f64,
    open: Vec<Runs>,
}

#[derive(Serialize, Deserialize)]
pub struct Point {
    date: String,
    pub connections: u32,
    pub bytes: u32,
    pub pipeline: u32,
    pub runs: Vec<Runs>,
}

/// Reads `64x64x1`; it has to be one of those that the row has.
pub fn parse_point(text: &str) -> Result<(u32, u32, u32), String> {
    let name = |(connections, bytes, pipeline)| format!("{connections}x{bytes}x{pipeline}");
    let point = POINTS.into_iter().find(|point| name(*point) == text);
    point.ok_or_else(|| {
        format!(
            "there is no such point; there are {}",
            POINTS.map(name).join(", ")
        )
    })
}

pub fn cost(run: &Run) -> f64 {
    run.requests_per_cpu_s
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let (turns, turn_ms) = (lab.rounds(9), lab.turn_ms(700));
    if !lab.points.is_empty() {
        return measure_again(lab, turns, turn_ms);
    }
    let points: Vec<Point> = POINTS
        .iter()
        .map(|point| measure_point(lab, &lab.without_remedies(), *point, turns, turn_ms))
        .collect();
    let floor = points.get(1).and_then(|point| named(&point.runs, FLOOR));
    let rate_hz = floor
        .and_then(|runs| runs.spread(|run| run.rate_hz))
        .ok_or("the floor has no figures")?;
    let open_rate_hz = (rate_hz.median * OPEN_SHARE / 1e3).round() * 1e3;
    let words =
        format!("-c 64 --size 64 --threads 1 -d {turn_ms}ms --warmup 200ms --rate {open_rate_hz}");
    eprintln!("  open loop at {open_rate_hz} requests/s");
    let open = rounds(&lab.without_remedies(), turns, |contestant| {
        turn(lab, contestant, &words)
    });
    to_value(Figures {
        turn_ms,
        points,
        open_rate_hz,
        open,
    })
}

/// Measures some points again, and keeps the rest.
fn measure_again(lab: &Lab, turns: u32, turn_ms: u32) -> Result<Value, String> {
    let kept = lab
        .results
        .of(1)
        .ok_or("row 1 has no results to keep; measure all of it")?;
    let mut figures: Figures = from_value(&kept.figures)?;
    for wanted in &lab.points {
        let again = measure_point(lab, &lab.without_remedies(), *wanted, turns, turn_ms);
        let same = |point: &&mut Point| (point.connections, point.bytes, point.pipeline) == *wanted;
        if let Some(point) = figures.points.iter_mut().find(same) {
            *point = again;
        }
    }
    to_value(figures)
}

fn measure_point(
    lab: &Lab,
    contestants: &[&Contestant],
    (connections, bytes, pipeline): (u32, u32, u32),
    turns: u32,
    turn_ms: u32,
) -> Point {
    eprintln!("  {connections} connections, {bytes} bytes, {pipeline} under way");
    let words = words(connections, bytes, pipeline, turn_ms);
    Point {
        date: Machine::now().date,
        connections,
        bytes,
        pipeline,
        runs: rounds(contestants, turns, |contestant| {
            turn(lab, contestant, &words)
        }),
    }
}

fn words(connections: u32, bytes: u32, pipeline: u32, turn_ms: u32) -> String {
    format!(
        "-c {connections} --size {bytes} --pipeline {pipeline} --threads 1 -d {turn_ms}ms --warmup 200ms"
    )
}

fn turn(lab: &Lab, contestant: &Contestant, words: &str) -> Result<Run, String> {
    let server = Server::start(SERVER, &contestant.command("echo", 1))?;
    lab.bench.load(LOAD, &server, words)
}

/// After each change: two points, against the plainest server and tokio.
pub fn quick(lab: &Lab) -> Result<(), String> {
    let wanted = |contestant: &&Contestant| {
        contestant.name == FLOOR
            || contestant.name.starts_with("wharf")
            || matches!(contestant.name, "tokio-one" | "tokio-pool")
    };
    let contestants: Vec<&Contestant> = lab.contestants.iter().filter(wanted).collect();
    for point in [POINTS[1], POINTS[2]] {
        let point = measure_point(lab, &contestants, point, lab.rounds(15), lab.turn_ms(1_000));
        println!(
            "{} connections of {} bytes\n\n{}",
            point.connections,
            point.bytes,
            tell_point(&point)
        );
    }
    Ok(())
}

fn tell_point(point: &Point) -> String {
    let floor = named(&point.runs, FLOOR);
    let mut rows: Vec<(f64, Vec<String>)> = Vec::new();
    for runs in &point.runs {
        let Some(spread) = runs.spread(cost) else {
            continue;
        };
        let ratio = floor.and_then(|floor| runs.ratio(floor, cost));
        let middle = |figure: fn(&Run) -> f64| runs.median(figure).unwrap_or(0.0);
        let busiest = middle(|run| run.busiest);
        let bound = if busiest > BUSY_MAX { " (bound)" } else { "" };
        rows.push((
            ratio.map_or(0.0, |ratio| ratio.median),
            vec![
                runs.name.clone(),
                ratio_text(ratio),
                format!("{}k", digits(spread.median / 1e3)),
                format!("{}k", digits(middle(|run| run.rate_hz) / 1e3)),
                time(middle(|run| run.p50_ns)),
                time(middle(|run| run.p99_ns)),
                format!("{:.0}%{bound}", busiest * 100.0),
            ],
        ));
    }
    let rows = highest_first(rows);
    let heads = [
        "server",
        "ratio to the plainest epoll server",
        "echoes a second of its processor",
        "echoes a second",
        "p50",
        "p99",
        "load's processor",
    ];
    table(&heads, &rows)
}

pub fn tell(figures: &Value, plots: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    let mut text = format!(
        "One thread (or worker) on processor 0, `wharf bench --threads 1` on processor 1, a fresh server for each turn of \
         {} ms after 200 ms of warm-up; the contestants take turns. What counts is echoes for each second of the server's \
         processor time; a ratio is the median of the rounds' ratios, with its range. The loop is closed, so the \
         latencies are those of a server that is always asked again. On one machine a load costs what an echo costs, the \
         kernel's part of both being the same: where the load used more than 80% of its processor (*bound*), the server \
         had time to spare, and throughput and latency are the load's. Cost is the server's also then, and the open loop \
         below asks the same of all of them.\n\n",
        figures.turn_ms
    );
    for point in &figures.points {
        let pipelined = if point.pipeline > 1 {
            format!(", {} under way on each", point.pipeline)
        } else {
            String::new()
        };
        text += &format!(
            "**{} connections, {} bytes{pipelined}**, {} rounds, {} (`wharf bench ADDRESS {} --server-pid PID`)\n\n{}\n",
            point.connections,
            point.bytes,
            point.runs.first().map_or(0, |runs| runs.runs.len()),
            point.date,
            words(
                point.connections,
                point.bytes,
                point.pipeline,
                figures.turn_ms
            ),
            tell_point(point)
        );
    }
    text += &tell_open(&figures);
    text += &failures(
        figures
            .points
            .iter()
            .flat_map(|point| &point.runs)
            .chain(&figures.open),
    );
    let svg = plot::bars(
        "Echoes a second of the server's processor, over the plainest epoll server's (64 bytes)",
        &bars(&figures),
    );
    plot::save(&plots.join("row-1.svg"), &svg)?;
    text += "\n![Cost of an echo](plots/row-1.svg)\n";
    Ok(text)
}

fn tell_open(figures: &Figures) -> String {
    let floor = named(&figures.open, FLOOR);
    let rows: Vec<Vec<String>> = figures
        .open
        .iter()
        .filter_map(|runs| {
            let middle = |figure: fn(&Run) -> f64| runs.median(figure);
            Some(vec![
                runs.name.clone(),
                ratio_text(floor.and_then(|floor| runs.ratio(floor, cost))),
                format!("{} s", digits(1e6 / middle(cost)?)),
                time(middle(|run| run.p50_ns)?),
                time(middle(|run| run.p99_ns)?),
                format!("{:.0}%", middle(|run| run.busiest)? * 100.0),
            ])
        })
        .collect();
    let heads = [
        "server",
        "ratio to the plainest",
        "processor time a million",
        "p50",
        "p99",
        "load's processor",
    ];
    format!(
        "**The same for all: 64 connections of 64 bytes, open loop at {}k requests a second** (Poisson arrivals, latency \
         from when a request should have left)\n\n{}\n",
        digits(figures.open_rate_hz / 1e3),
        table(&heads, &rows)
    )
}

/// The points of 64 bytes, for the plot: a group of bars for each.
fn bars(figures: &Figures) -> Vec<plot::Group> {
    let small = figures
        .points
        .iter()
        .filter(|point| point.bytes == 64 && point.pipeline == 1);
    small
        .map(|point| plot::Group {
            title: match point.connections {
                1 => "1 connection".to_owned(),
                many => format!("{many} connections"),
            },
            bars: point
                .runs
                .iter()
                .filter_map(|runs| {
                    Some(plot::Bar {
                        name: runs.name.clone(),
                        spread: runs.ratio(named(&point.runs, FLOOR)?, cost)?,
                        is_wharf: runs.name.starts_with("wharf"),
                    })
                })
                .collect(),
        })
        .collect()
}
