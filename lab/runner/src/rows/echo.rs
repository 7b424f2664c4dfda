//! Row 1: the cost of an echo, one thread on one processor, the load on the other.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    LOAD, SERVER,
    cost_table::{CostTable, cost},
    from_value, to_value,
};
use crate::{
    Lab,
    contestants::{AGAIN, Contestant, FLOOR, Role},
    figures::{FEW, PAIRS, Runs, digits, failures, named, pairs, ratio_text, rounds, table, time},
    load::Run,
    machine::Machine,
    plot,
    server::Server,
};

const COSTS: CostTable = CostTable {
    standard: FLOOR,
    standard_is: "the plainest epoll server",
    answers: "echoes",
};

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

/// Those that aims are judged by.
const AIMS: [(u32, u32, u32); 2] = [POINTS[1], POINTS[2]];

const WARMUP_MS: u32 = 100;

/// What older results were measured with, which have it not in them.
fn older_warmup_ms() -> u32 {
    200
}

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    #[serde(default = "older_warmup_ms")]
    warmup_ms: u32,
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

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let turn_ms = lab.turn_ms(500);
    if !lab.points.is_empty() {
        return measure_again(lab, turn_ms);
    }
    let points: Vec<Point> = POINTS
        .iter()
        .map(|point| measure_point(lab, *point, turn_ms))
        .collect();
    let floor = points.get(1).and_then(|point| named(&point.runs, FLOOR));
    let rate_hz = floor
        .and_then(|runs| runs.spread(|run| run.rate_hz))
        .ok_or("the floor has no figures")?;
    let open_rate_hz = (rate_hz.median * OPEN_SHARE / 1e3).round() * 1e3;
    let words = format!(
        "-c 64 --size 64 --threads 1 -d {turn_ms}ms --warmup {WARMUP_MS}ms --rate {open_rate_hz}"
    );
    eprintln!("  open loop at {open_rate_hz} requests/s");
    let open = rounds(&lab.servers(), lab.rounds(FEW), |contestant| {
        turn(lab, contestant, &words)
    });
    to_value(Figures {
        turn_ms,
        warmup_ms: WARMUP_MS,
        points,
        open_rate_hz,
        open,
    })
}

/// Measures some points again, and keeps the rest.
fn measure_again(lab: &Lab, turn_ms: u32) -> Result<Value, String> {
    let kept = lab
        .results
        .of(1)
        .ok_or("row 1 has no results to keep; measure all of it")?;
    let mut figures: Figures = from_value(&kept.figures)?;
    if (figures.turn_ms, figures.warmup_ms) != (turn_ms, WARMUP_MS) {
        return Err(format!(
            "row 1 was measured with turns of {} ms after {} ms; measure all of it",
            figures.turn_ms, figures.warmup_ms
        ));
    }
    for wanted in &lab.points {
        let again = measure_point(lab, *wanted, turn_ms);
        if let Some(point) = figures.points.iter_mut().find(|point| point.is(*wanted)) {
            *point = again;
        }
    }
    to_value(figures)
}

fn measure_point(lab: &Lab, point: (u32, u32, u32), turn_ms: u32) -> Point {
    let (connections, bytes, pipeline) = point;
    eprintln!("  {connections} connections, {bytes} bytes, {pipeline} under way");
    let words = words(point, turn_ms, WARMUP_MS);
    let turn = |contestant: &Contestant| turn(lab, contestant, &words);
    let runs = if AIMS.contains(&point) {
        pairs(&lab.servers_and_again(), lab.rounds(PAIRS), cost, turn)
    } else {
        rounds(&lab.servers(), lab.rounds(FEW), turn)
    };
    Point {
        date: Machine::now().date,
        connections,
        bytes,
        pipeline,
        runs,
    }
}

impl Point {
    pub fn is(&self, point: (u32, u32, u32)) -> bool {
        (self.connections, self.bytes, self.pipeline) == point
    }
}

fn words((connections, bytes, pipeline): (u32, u32, u32), turn_ms: u32, warmup_ms: u32) -> String {
    format!(
        "-c {connections} --size {bytes} --pipeline {pipeline} --threads 1 -d {turn_ms}ms --warmup {warmup_ms}ms"
    )
}

fn turn(lab: &Lab, contestant: &Contestant, words: &str) -> Result<Run, String> {
    let server = Server::start(SERVER, &contestant.command("echo", 1))?;
    lab.bench.load(LOAD, &server, words)
}

/// After each change: two points, against the plainest server and tokio.
pub fn quick(lab: &Lab) -> Result<(), String> {
    let wanted = |contestant: &&Contestant| {
        matches!(contestant.name, FLOOR | AGAIN | "tokio-one" | "tokio-pool")
            || contestant.role == Role::Wharf
    };
    let contestants: Vec<&Contestant> = lab.contestants.iter().filter(wanted).collect();
    for (connections, bytes, pipeline) in AIMS {
        let words = words(
            (connections, bytes, pipeline),
            lab.turn_ms(1_000),
            WARMUP_MS,
        );
        let runs = rounds(&contestants, lab.rounds(15), |contestant| {
            turn(lab, contestant, &words)
        });
        println!(
            "{connections} connections of {bytes} bytes\n\n{}",
            COSTS.tell(&runs)
        );
    }
    Ok(())
}

pub fn tell(figures: &Value, plots: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    let mut text = format!(
        "One thread (or worker) on processor 0, `wharf bench --threads 1` on processor 1, a fresh server for each turn of \
         {} ms after {} ms of warm-up; the contestants take turns. What counts is echoes for each second of the server's \
         processor time; a ratio is the median of the rounds' ratios, with its 95% interval. The loop is closed, so the \
         latencies are those of a server that is always asked again. On one machine a load costs what an echo costs, the \
         kernel's part of both being the same: where the load used more than 80% of its processor (*bound*), the server \
         had time to spare, and throughput and latency are the load's. Cost is the server's also then, and the open loop \
         below asks the same of all of them. At 64 and 512 connections of 64 bytes, which have aims, peers that Wharf was \
         ahead of in each of the first nine rounds have no more.\n\n",
        figures.turn_ms, figures.warmup_ms
    );
    for point in &figures.points {
        let pipelined = if point.pipeline > 1 {
            format!(", {} under way on each", point.pipeline)
        } else {
            String::new()
        };
        text += &format!(
            "**{} connections, {} bytes{pipelined}**, {} (`wharf bench ADDRESS {} --server-pid PID`)\n\n{}\n",
            point.connections,
            point.bytes,
            point.date,
            words(
                (point.connections, point.bytes, point.pipeline),
                figures.turn_ms,
                figures.warmup_ms
            ),
            COSTS.tell(&point.runs)
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
