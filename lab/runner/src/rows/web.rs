//! Rows 22 to 24: what HTTP/2, HTTPS and a message of a WebSocket cost, by axum on Wharf and on tokio.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    LOAD, SERVER,
    cost_table::{CostTable, cost},
    from_value,
    http::THREADS_MAX,
    tls::Tls,
    to_value,
};
use crate::{
    Lab,
    contestants::{Contestant, web::TOKIO},
    figures::{PAIRS, Runs, failures, pairs},
    h2load,
    load::{Bench, Run},
    server::Server,
};

/// The name of each, and the words of its load.
type Points = [(&'static str, &'static str)];

const HTTP2: &Points = &[
    (
        "16 connections, 32 requests under way on each",
        "-c 16 -m 32 -n 50000",
    ),
    (
        "64 connections, one request under way on each",
        "-c 64 -m 1 -n 30000",
    ),
];

const HTTPS: &Points = &[
    (
        "HTTP/2, 16 connections, 32 requests under way on each",
        "-c 16 -m 32 -n 50000",
    ),
    (
        // A handshake costs as much as many requests do, so there are few.
        "HTTP/1.1, 16 connections, one request under way on each",
        "--h1 -c 16 -n 25000",
    ),
];

const WEB_SOCKETS: &Points = &[
    ("1 connection, 64 bytes", "-c 1 --size 64"),
    ("64 connections, 64 bytes", "-c 64 --size 64"),
    ("64 connections, 16 KiB", "-c 64 --size 16384"),
];

/// Where a server of this has its WebSockets.
pub const WEB_SOCKET_WORDS: &str = "--ws /ws";

#[derive(Serialize, Deserialize)]
pub struct Figures {
    pub points: Vec<Measured>,
}

#[derive(Serialize, Deserialize)]
pub struct Measured {
    pub name: String,
    /// The load.
    command: String,
    pub runs: Vec<Runs>,
}

pub fn measure_http2(lab: &Lab) -> Result<Value, String> {
    measure(lab, HTTP2, |contestant, words| {
        let server = Server::start(SERVER, &contestant.http_command(1, THREADS_MAX))?;
        h2load::turn(LOAD, &server, "http", words)
    })
}

pub fn measure_https(lab: &Lab) -> Result<Value, String> {
    let tls = Tls::new(&lab.folder)?;
    measure(lab, HTTPS, |contestant, words| {
        let server = Server::start(SERVER, &https_command(contestant, &tls, 1))?;
        h2load::turn(LOAD, &server, "https", words)
    })
}

pub fn measure_web_sockets(lab: &Lab) -> Result<Value, String> {
    let load = Bench::echo(&lab.folder)?;
    let more = format!(
        "{WEB_SOCKET_WORDS} --turn-ms {} --warmup-ms 100",
        lab.turn_ms(500)
    );
    let points: Vec<_> = WEB_SOCKETS
        .iter()
        .map(|(name, words)| (*name, format!("{words} {more}")))
        .collect();
    measure(lab, &points, |contestant, words| {
        let server = Server::start(SERVER, &contestant.http_command(1, THREADS_MAX))?;
        load.load(LOAD, &server, words)
    })
}

pub fn https_command(contestant: &Contestant, tls: &Tls, threads: u32) -> Vec<String> {
    let mut command = contestant.http_command(threads, THREADS_MAX);
    command.extend(tls.server_words().map(str::to_owned));
    command
}

/// All points, each by turns.
fn measure(
    lab: &Lab,
    points: &[(&str, impl AsRef<str>)],
    turn: impl Fn(&Contestant, &str) -> Result<Run, String>,
) -> Result<Value, String> {
    let contestants: Vec<&Contestant> = lab.web.iter().collect();
    if contestants.is_empty() {
        return Err("no server of axum is there; run lab/build".into());
    }
    let measure_point = |(name, words): &(&str, _)| {
        eprintln!("  {name}");
        let words: &str = AsRef::as_ref(words);
        Measured {
            name: (*name).to_owned(),
            command: words.to_owned(),
            runs: pairs(&contestants, lab.rounds(PAIRS), cost, |contestant| {
                turn(contestant, words)
            }),
        }
    };
    to_value(Figures {
        points: points.iter().map(measure_point).collect(),
    })
}

pub fn tell_http2(figures: &Value, _: &Path) -> Result<String, String> {
    let about = "`GET /hello` of an axum router by HTTP/2 without TLS, which both know by a connection's first bytes; `axum::serve` on tokio, \
         `wharf_axum::serve` on Wharf. One thread (of Wharf's at most one at a time) on processor 0, `h2load` on processor 1, a fresh \
         server for each turn; the server's processor time is that of the whole turn, with its connections. That there are as many bytes as \
         there should be is checked. *Bound* is as in row 1.";
    tell(
        figures,
        about,
        "h2load -t 1",
        "http://ADDRESS/hello",
        "requests",
    )
}

pub fn tell_https(figures: &Value, _: &Path) -> Result<String, String> {
    let about = "As row 22, over TLS 1.3 (AES-128-GCM, which `h2load` likes best, X25519, an ECDSA certificate), the protocol chosen in the handshake: \
         `wharf_axum::serve_tls` on Wharf; on tokio, where axum has none, tokio-rustls and hyper-util's server after axum's example. Both have \
         rustls with ring.";
    tell(
        figures,
        about,
        "h2load -t 1",
        "https://ADDRESS/hello",
        "requests",
    )
}

pub fn tell_web_sockets(figures: &Value, _: &Path) -> Result<String, String> {
    let about = "A WebSocket that sends back each message: `axum::extract::ws` on tokio, `wharf_axum::ws` on Wharf, both without TLS and with the same \
         library beneath. One thread (of Wharf's at most one at a time) on processor 0; the load, `lab/echo-load` on processor 1, has a message \
         under way on each connection, masks it, and checks every byte.";
    tell(
        figures,
        about,
        "echo-load ADDRESS",
        "--server-pid PID",
        "messages",
    )
}

fn tell(
    figures: &Value,
    about: &str,
    before: &str,
    after: &str,
    answers: &'static str,
) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    let costs = CostTable {
        standard: TOKIO,
        standard_is: "axum on tokio",
        answers,
    };
    let mut text = format!("{about}\n\n");
    for point in &figures.points {
        text += &format!(
            "**{}** (`{before} {} {after}`)\n\n{}\n",
            point.name,
            point.command,
            costs.tell(&point.runs)
        );
    }
    text += &failures(figures.points.iter().flat_map(|point| &point.runs));
    Ok(text)
}
