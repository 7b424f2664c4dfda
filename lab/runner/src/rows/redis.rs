//! Row 12: the example that speaks the Redis protocol, beside redis-server.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LOAD, SERVER, from_value, to_value};
use crate::{
    Lab,
    figures::{Spread, digits, order, ratio_text, ratios, spread, table},
    server::Server,
};

/// Requests on their way on each connection, what is asked for, and how many requests a turn has: a second or less.
const LOADS: [(u32, &str, u32); 4] = [
    (1, "get", 40_000),
    (1, "set", 40_000),
    (16, "get", 400_000),
    (16, "set", 400_000),
];

const ROUNDS: u32 = 21;

/// Keys that are asked for, at random.
const KEYS: u32 = 10_000;

#[derive(Serialize, Deserialize)]
pub struct Load {
    pub pipeline: u32,
    pub command: String,
    /// redis-server and the example, for each round: requests for each second of the server's processor time. None where a run failed.
    servers: [Vec<Option<f64>>; 2],
}

impl Load {
    /// The example's to redis-server's.
    pub fn ratio(&self) -> Option<Spread> {
        let [redis, ours] = &self.servers;
        // One that failed has no ratio.
        let known = |figures: &[Option<f64>]| -> Vec<f64> {
            let figures = figures.iter();
            figures.map(|figure| figure.unwrap_or(f64::NAN)).collect()
        };
        ratios(&known(ours), &known(redis))
    }

    pub fn name(&self) -> String {
        format!("{}, -P {}", self.command.to_uppercase(), self.pipeline)
    }
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let turns = lab.rounds(ROUNDS);
    let mut loads = Vec::new();
    for (pipeline, command, requests) in LOADS {
        eprintln!("  {command}, {pipeline} under way on each connection");
        let mut servers = [Vec::new(), Vec::new()];
        for round in 0..turns {
            for number in order(round, servers.len()) {
                let turn = turn(lab, number, pipeline, command, requests);
                let turn = turn.inspect_err(|error| eprintln!("  {error}"));
                servers[number].push(turn.ok());
            }
        }
        loads.push(Load {
            pipeline,
            command: command.to_owned(),
            servers,
        });
    }
    to_value(loads)
}

fn turn(
    lab: &Lab,
    number: usize,
    pipeline: u32,
    command: &str,
    requests: u32,
) -> Result<f64, String> {
    let server = match number {
        0 => start_redis()?,
        _ => {
            let program = lab.folder.join("../target/release/examples/redis");
            let words = [&program.display().to_string(), "--listen", "127.0.0.1:0"];
            Server::start(SERVER, &words.map(str::to_owned))?
        }
    };
    // All keys are there afterwards, but for one of 20,000.
    load(server.address, 16, "set", 10 * KEYS)?;
    check(server.address)?;
    let before = server.processor_time()?;
    load(server.address, pipeline, command, requests)?;
    let used = server.processor_time()?.checked_sub(before);
    let used = used.ok_or("one of the server's threads has ended")?;
    Ok(f64::from(requests) / used.as_secs_f64())
}

/// A key has the value that was set: the load itself counts an error as an answer.
fn check(address: SocketAddr) -> Result<(), String> {
    let exchange = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET key:000000000001\r\n")?;
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        Ok::<_, io::Error>(head)
    };
    match exchange() {
        Ok(head) if &head == b"$64\r\n" => Ok(()),
        Ok(head) => Err(format!(
            "a GET was answered with {:?}",
            head.escape_ascii().to_string()
        )),
        Err(error) => Err(format!("a GET was not answered: {error}")),
    }
}

/// On a port that was free a moment ago; nothing is saved to disk.
fn start_redis() -> Result<Server, String> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.map_err(|error| format!("no free port: {error}"))?;
    let port = address.port().to_string();
    let words = [
        "redis-server",
        "--bind",
        "127.0.0.1",
        "--port",
        &port,
        "--save",
        "",
        "--appendonly",
        "no",
        "--io-threads",
        "1",
    ];
    Server::start_at(address, SERVER, &words.map(str::to_owned))
}

fn load(address: SocketAddr, pipeline: u32, command: &str, requests: u32) -> Result<(), String> {
    let output = Command::new("taskset")
        .args(["-c", LOAD, "redis-benchmark", "-c", "50", "-q", "--csv"])
        .args(["-h", &address.ip().to_string()])
        .args(["-p", &address.port().to_string()])
        .args(["-P", &pipeline.to_string(), "-t", command])
        .args([
            "-n",
            &requests.to_string(),
            "-r",
            &KEYS.to_string(),
            "-d",
            "64",
        ])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("can't start redis-benchmark: {error}"))?;
    let told = String::from_utf8_lossy(&output.stdout);
    match output.status.success() && told.to_lowercase().contains(&format!("\"{command}\"")) {
        true => Ok(()),
        false => {
            let errors = String::from_utf8_lossy(&output.stderr);
            let first = errors.lines().chain(told.lines()).next();
            Err(format!(
                "redis-benchmark: {}; Debian's packages redis-server and redis-tools are needed",
                first.unwrap_or("it said nothing")
            ))
        }
    }
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let loads: Vec<Load> = from_value(figures)?;
    let rows: Vec<Vec<String>> = loads
        .iter()
        .map(|load| {
            let cost = |figures: &[Option<f64>]| {
                spread(figures.iter().flatten().copied().collect())
                    .map_or("-".into(), |it| format!("{}k", digits(it.median / 1e3)))
            };
            let [redis, ours] = &load.servers;
            vec![
                load.name(),
                cost(redis),
                cost(ours),
                ratio_text(load.ratio()),
            ]
        })
        .collect();
    let heads = ["load", "redis-server", "wharf's example", "ratio"];
    Ok(format!(
        "`examples/7_redis.rs`, on one processor and so with one worker at a time, beside Debian's redis-server with one thread, \
         which saves nothing; the load, on the other processor, is `redis-benchmark -c 50 -P N -t get` or `set`, with values of 64 \
         bytes and 10,000 keys. Requests for each second of the server's processor time; the ratio is the median of the rounds' \
         ratios.\n\n{}",
        table(&heads, &rows)
    ))
}
