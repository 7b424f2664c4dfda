//! Row 20: what Windows' names cost: a server with AcceptEx on `wharf-win32`, packets that a program posts, idle clients, and the
//! same server under Wine.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    LOAD, SERVER,
    cost_table::{CostTable, cost},
    from_value, hello, idle,
    posted::{self, Measure},
    sleepers, to_value,
};
use crate::{
    Lab,
    contestants::{
        AGAIN, Contestant, FLOOR,
        win32::{LAYER, SERVE, WINE},
    },
    figures::{
        FEW, PAIRS, Runs, Spread, digits, failures, named, order, pairs, ratio_text, ratios,
        spread, table, time,
    },
    load::Run,
    server::Server,
};

/// The plainest server in a process with threads, as a process with `wharf-win32` has.
const BESIDE_A_THREAD: &str = "floor-epoll beside a thread";

/// Those whose cost is measured: what is compared stands together.
const MEASURED: [&str; 5] = [FLOOR, LAYER, SERVE, AGAIN, BESIDE_A_THREAD];

const COSTS: CostTable = CostTable {
    standard: FLOOR,
    standard_is: "the plainest epoll server",
    answers: "echoes",
};

const CONNECTIONS: [u32; 3] = [1, 64, 512];

/// Beside Wine.
const WORKERS: u32 = 3;
const WINE_WORDS: &str = "-c 64 --size 64 --threads 1 --warmup 300ms";

/// What is asked of `posted`: the port, and once more.
const POSTED_WORDS: [&str; 5] = ["--json", "--rounds", "1", "--only", posted::AGAIN];

/// Memory for more clients than [`idle`] has: it is the program's own, and there before they come.
const READY: &str = "20000";

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    pub points: Vec<Point>,
    pub posted: Vec<Measure>,
    pub idle: idle::Figures,
    wine_turn_ms: u32,
    wine: Vec<Runs>,
}

#[derive(Serialize, Deserialize)]
pub struct Point {
    pub connections: u32,
    pub runs: Vec<Runs>,
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let find = |name: &str| {
        let mut all = lab.contestants.iter().chain(&lab.win32);
        all.find(|contestant| contestant.name == name)
    };
    let layer = find(LAYER).ok_or("win32 is not there; run lab/build")?;
    let contestants: Vec<&Contestant> = MEASURED.into_iter().filter_map(find).collect();
    let turn_ms = lab.turn_ms(500);
    let measure_point = |connections| {
        eprintln!("  {}", hello::name(connections));
        let words = words(connections, turn_ms);
        let runs = pairs(&contestants, lab.rounds(PAIRS), cost, |contestant| {
            let server = Server::start(SERVER, &contestant.command("echo", 1))?;
            lab.bench.load(LOAD, &server, &words)
        });
        Point { connections, runs }
    };
    let points = CONNECTIONS.map(measure_point).into();
    eprintln!("  posted packets");
    let posted = measure_posted(lab)?;
    eprintln!("  idle clients");
    let mut with_memory = layer.command("echo", 1);
    with_memory.extend(["--ready", READY].map(str::to_owned));
    let floor = find(FLOOR).map(|floor| (FLOOR, floor.command("echo", 1)));
    let servers = [(LAYER, with_memory)].into_iter().chain(floor);
    let idle = idle::measure_all(servers, &idle::ECHO)?;
    eprintln!("  under Wine");
    let wine_turn_ms = lab.turn_ms(1_000);
    let servers: Vec<(String, Vec<String>)> = [LAYER, WINE]
        .into_iter()
        .filter_map(find)
        .map(|contestant| {
            (
                contestant.name.to_owned(),
                contestant.command("echo", WORKERS),
            )
        })
        .collect();
    let words = format!("{WINE_WORDS} -d {wine_turn_ms}ms");
    to_value(Figures {
        turn_ms,
        points,
        posted,
        idle,
        wine_turn_ms,
        wine: sleepers::measure_all(lab, &servers, lab.rounds(FEW), &words),
    })
}

fn words(connections: u32, turn_ms: u32) -> String {
    format!("-c {connections} --size 64 --threads 1 -d {turn_ms}ms --warmup 100ms")
}

/// `posted` and the program of Windows' names take turns, of one round each.
fn measure_posted(lab: &Lab) -> Result<Vec<Measure>, String> {
    let own = lab.folder.join("target/release/posted");
    let layer = lab.folder.join("target/peers/win32-posted");
    let turns: [(&Path, &[&str]); 2] = [(&own, &POSTED_WORDS), (&layer, &[])];
    let mut measures: Vec<Measure> = Vec::new();
    for round in 0..lab.rounds(PAIRS) {
        for turn in order(round, turns.len()) {
            for measure in posted::run(turns[turn].0, turns[turn].1)? {
                match measures
                    .iter_mut()
                    .find(|kept| kept.measure == measure.measure)
                {
                    Some(kept) => kept.add(measure),
                    None => measures.push(measure),
                }
            }
        }
    }
    // The names have no post that waits for room, so no bound.
    measures.retain(|measure| measure.contestants.contains_key(posted::WIN32));
    Ok(measures)
}

/// What a packet by Windows' names takes, over what it takes on the port itself.
pub fn posted_ratio(measure: &Measure) -> Option<Spread> {
    times(measure, posted::WIN32)
}

/// The port over itself.
pub fn posted_noise(measure: &Measure) -> Option<Spread> {
    times(measure, posted::AGAIN)
}

/// Of times or of rates, the ratio of the times.
fn times(measure: &Measure, name: &str) -> Option<Spread> {
    let own = measure.contestants.get(name)?;
    let port = measure.contestants.get(posted::PORT)?;
    match measure.is_time() {
        true => ratios(own, port),
        false => ratios(port, own),
    }
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    let mut text = String::from(
        "An echo server in C by Windows' names (`lab/peers/win32`), with AcceptEx and a buffer for each client, built with \
         `wharf-win32` as `ci/install-win32.sh` installs it. A receive and a send have a packet each, as in programs that know no \
         other way. One worker, turns, cost and ratios as in row 1; *beside a thread* is the plainest server in a process with \
         another thread, as every program has that uses `wharf-win32`.\n\n",
    );
    for point in &figures.points {
        text += &format!(
            "**{}** (`wharf bench ADDRESS {} --server-pid PID`)\n\n{}\n",
            hello::name(point.connections),
            words(point.connections, figures.turn_ms),
            COSTS.tell(&point.runs)
        );
    }
    let all = figures.points.iter().flat_map(|point| &point.runs);
    text += &failures(all.chain(&figures.wine));
    text += &tell_posted(&figures.posted);
    text += &format!(
        "\n**Idle clients**, as in row 3. The program has memory for {READY} clients before the first comes, so what comes with each is \
         the layer's.\n\n{}",
        figures.idle.tell(FLOOR, "the plainest server's")
    );
    text += &format!(
        "\n**The same source under Wine**, {WORKERS} workers, which share both processors with the load (`wharf bench ADDRESS \
         {WINE_WORDS} -d {}ms`)\n\n{}",
        figures.wine_turn_ms,
        tell_wine(&figures.wine)
    );
    Ok(text)
}

fn tell_posted(measures: &[Measure]) -> String {
    let rows: Vec<Vec<String>> = measures
        .iter()
        .map(|measure| {
            let median = |name: &str| {
                let spread = measure.contestants.get(name).cloned().and_then(spread);
                spread.map_or("-".into(), |spread| digits(spread.median))
            };
            vec![
                measure.measure.clone(),
                median(posted::PORT),
                median(posted::WIN32),
                ratio_text(posted_ratio(measure)),
                ratio_text(posted_noise(measure)),
            ]
        })
        .collect();
    let heads = [
        "measure",
        "the port",
        "Windows' names",
        "their time over the port's",
        "the port over itself",
    ];
    format!(
        "**Posted packets**, as in row 7: PostQueuedCompletionStatus and GetQueuedCompletionStatus beside the port's own post and \
         wait (`lab/target/peers/win32-posted`, `lab/target/release/posted`)\n\n{}",
        table(&heads, &rows)
    )
}

fn tell_wine(all: &[Runs]) -> String {
    let row = |runs: &Runs| {
        let median = |figure: fn(&Run) -> f64| runs.median(figure);
        Some(vec![
            runs.name.clone(),
            digits(median(|run| run.rate_hz)?),
            time(median(|run| run.p50_ns)?),
            time(median(|run| run.p99_ns)?),
        ])
    };
    let rows: Vec<Vec<String>> = all.iter().filter_map(row).collect();
    let mut text = table(&["server", "echoes a second", "p50", "p99"], &rows);
    if named(all, WINE).is_none() {
        text += "\nNot measured under Wine, since not built.\n";
    }
    text
}
