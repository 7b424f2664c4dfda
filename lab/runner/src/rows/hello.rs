//! Row 13: the cost of `hello` over HTTP, one thread on one processor, the load on the other.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    cost_table::CostTable,
    from_value, http,
    other_loads::{self, OtherLoad},
    to_value,
};
use crate::{
    Lab,
    contestants::{Role, http::TOKIO},
    figures::{PAIRS, Runs, failures, rounds},
};

const CONNECTIONS: [u32; 4] = [1, 8, 64, 512];

pub const COSTS: CostTable = CostTable {
    standard: TOKIO,
    standard_is: "axum on tokio",
    answers: "requests",
};

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    pub points: Vec<Point>,
    others: Vec<OtherLoad>,
}

#[derive(Serialize, Deserialize)]
pub struct Point {
    pub connections: u32,
    pub runs: Vec<Runs>,
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let contestants = lab.http(&[Role::Floor, Role::Wharf, Role::Again])?;
    let turn_ms = lab.turn_ms(500);
    let measure_point = |connections| {
        eprintln!("  {}", name(connections));
        let words = words(connections, turn_ms);
        let runs = rounds(&contestants, lab.rounds(PAIRS), |contestant| {
            http::cost_turn(lab, contestant, &words)
        });
        Point { connections, runs }
    };
    let points = CONNECTIONS.map(measure_point).into();
    eprintln!("  the loads of others");
    let contestants = lab.http(&[Role::Floor, Role::Wharf])?;
    to_value(Figures {
        turn_ms,
        points,
        others: other_loads::measure(&contestants),
    })
}

/// `8 connections`.
pub fn name(connections: u32) -> String {
    let plural = if connections == 1 { "" } else { "s" };
    format!("{connections} connection{plural}")
}

fn words(connections: u32, turn_ms: u32) -> String {
    format!(
        "-c {connections} --http /hello --answer hello --threads 1 --warmup 100ms -d {turn_ms}ms"
    )
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    let mut text = String::from(
        "`GET /hello` of an axum router, HTTP/1.1, keep-alive. One thread (of Wharf's at most one at a time) on processor 0, \
         `wharf bench --threads 1` on processor 1, a fresh server for each turn; the contestants take turns. What counts is \
         requests for each second of the server's processor time; a ratio is the median of the rounds' ratios, with its 95% \
         interval. The loop is closed; *bound* is as in row 1.\n\n",
    );
    for point in &figures.points {
        text += &format!(
            "**{}** (`wharf bench ADDRESS {} --server-pid PID`)\n\n{}\n",
            name(point.connections),
            words(point.connections, figures.turn_ms),
            COSTS.tell(&point.runs)
        );
    }
    text += &other_loads::tell(&figures.others);
    let all = || figures.points.iter().flat_map(|point| &point.runs);
    text += &http::tell_unbuilt(all().map(|runs| &runs.name));
    text += &failures(all());
    Ok(text)
}
