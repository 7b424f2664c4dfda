//! Row 11: what it costs to cut bytes into frames.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LOAD, SERVER, cost_table::cost, from_value, to_value};
use crate::{
    Lab,
    contestants::Role,
    figures::{Runs, digits, failures, order, ratio_text, table},
    server::Server,
};

/// An echo without frames, and with them.
const WAYS: [&str; 3] = ["none", "u32", "lines"];

const LOADS: [(&str, &str); 2] = [
    ("one frame under way on each connection", "--pipeline 1"),
    ("16 frames under way on each connection", "--pipeline 16"),
];

const ROUNDS: u32 = 15;

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    /// As [`LOADS`].
    loads: Vec<Vec<Runs>>,
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let (turns, turn_ms) = (lab.rounds(ROUNDS), lab.turn_ms(500));
    let mut servers = Vec::new();
    for contestant in lab.servers() {
        if contestant.role == Role::Wharf {
            for way in WAYS {
                let mut command = contestant.command("echo", 1);
                command.extend(["--frames".to_owned(), way.to_owned()]);
                servers.push((name(contestant.name, way), command, way));
            }
        }
    }
    let measure_load = |load: &str| {
        eprintln!("  {load}");
        let mut runs: Vec<Runs> = servers.iter().map(|(name, ..)| Runs::new(name)).collect();
        for round in 0..turns {
            for number in order(round, servers.len()) {
                let (_, command, way) = &servers[number];
                let words = words(load, way, turn_ms);
                let run = Server::start(SERVER, command)
                    .and_then(|server| lab.bench.load(LOAD, &server, &words));
                runs[number].add(run);
            }
        }
        runs
    };
    let loads = LOADS.map(|(_, load)| measure_load(load)).into();
    to_value(Figures { turn_ms, loads })
}

fn name(driver: &str, way: &str) -> String {
    match way {
        "none" => format!("{driver}, without frames"),
        way => format!("{driver}, {way}"),
    }
}

/// Without frames too, the load is frames: the bytes are the same.
fn words(load: &str, way: &str, turn_ms: u32) -> String {
    let frames = if way == "none" { "u32" } else { way };
    format!("-c 64 --size 64 --frames {frames} {load} --threads 1 -d {turn_ms}ms --warmup 100ms")
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    let mut text = format!(
        "As row 1, with `wharf serve --frames` in place of the echo of what has arrived: frames of 64 bytes, with a length of 4 \
         bytes before each (`u32`), or lines. The ratio is to the same driver's echo without frames, in the same rounds: \
         `wharf bench ADDRESS {} --server-pid PID`.\n\n",
        words("--pipeline N", "u32", figures.turn_ms)
    );
    for ((title, _), all) in LOADS.iter().zip(&figures.loads) {
        let rows: Vec<Vec<String>> = all
            .iter()
            .filter_map(|runs| {
                let driver = runs.name.split(',').next()?;
                let plain = all.iter().find(|it| it.name == name(driver, "none"))?;
                let (own, without) = (runs.median(cost)?, plain.median(cost)?);
                Some(vec![
                    runs.name.clone(),
                    ratio_text(runs.ratio(plain, cost)),
                    format!("{}k", digits(own / 1e3)),
                    format!("{:+.0} ns", 1e9 / own - 1e9 / without),
                ])
            })
            .collect();
        let heads = [
            "server",
            "ratio to the echo without frames",
            "echoes a second of its processor",
            "processor time above that of the echo",
        ];
        text += &format!("**{title}**\n\n{}\n", table(&heads, &rows));
    }
    text += &failures(figures.loads.iter().flatten());
    Ok(text)
}
