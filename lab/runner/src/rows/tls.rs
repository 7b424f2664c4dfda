//! Row 21: what an echo over TLS costs, and a new connection with its handshake.

use std::{fs, path::Path, process::Command};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    LOAD, SERVER,
    cost_table::{CostTable, cost},
    from_value, to_value,
};
use crate::{
    Lab,
    contestants::{Contestant, tls::TOKIO},
    figures::{PAIRS, Runs, failures, pairs},
    load::Bench,
    server::Server,
};

const COSTS: CostTable = CostTable {
    standard: TOKIO,
    standard_is: "tokio-rustls on one thread",
    answers: "echoes",
};

/// The name of each, and the words of its load.
const POINTS: [(&str, &str); 4] = [
    ("1 connection, 64 bytes", "-c 1 --size 64"),
    ("64 connections, 64 bytes", "-c 64 --size 64"),
    ("64 connections, 16 KiB", "-c 64 --size 16384"),
    (
        "64 connections, a new one for each echo",
        "-c 64 --size 64 --per-connection 1",
    ),
];

#[derive(Serialize, Deserialize)]
pub struct Figures {
    turn_ms: u32,
    /// As [`POINTS`].
    points: Vec<Vec<Runs>>,
}

impl Figures {
    /// Each with its name.
    pub fn points(&self) -> impl Iterator<Item = (&'static str, &[Runs])> {
        let names = POINTS.iter().map(|(name, _)| *name);
        names.zip(self.points.iter().map(Vec::as_slice))
    }
}

/// The load, and the certificate that it trusts.
pub struct Tls {
    load: Bench,
    cert: String,
    key: String,
}

impl Tls {
    /// Makes a certificate.
    pub fn new(lab: &Path) -> Result<Tls, String> {
        let load = Bench::echo(lab)?;
        let folder = lab.join("target/tls");
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let made = Command::new(load.program())
            .args(["--make".as_ref(), folder.as_os_str()])
            .status();
        match made {
            Ok(status) if status.success() => Ok(Tls {
                load,
                cert: folder.join("cert.pem").display().to_string(),
                key: folder.join("key.pem").display().to_string(),
            }),
            _ => Err("echo-load made no certificate".into()),
        }
    }

    /// One turn of a server, by these words of the load.
    pub fn turn(
        &self,
        contestant: &Contestant,
        (server_on, load_on): (&str, &str),
        threads: u32,
        words: &str,
    ) -> Result<crate::load::Run, String> {
        let mut command = contestant.command("echo", threads);
        command.extend(self.server_words().map(str::to_owned));
        let server = Server::start(server_on, &command)?;
        let words = format!("{} {words}", self.load_words());
        self.load.load(load_on, &server, &words)
    }

    /// By which a server has the certificate.
    pub fn server_words(&self) -> [&str; 4] {
        ["--tls-cert", &self.cert, "--tls-key", &self.key]
    }

    /// By which the load trusts it.
    pub fn load_words(&self) -> String {
        format!("--cert {}", self.cert)
    }
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let tls = Tls::new(&lab.folder)?;
    let contestants: Vec<&Contestant> = lab.tls.iter().collect();
    let turn_ms = lab.turn_ms(500);
    let measure_point = |(name, point)| {
        eprintln!("  {name}");
        let words = words(point, turn_ms);
        pairs(&contestants, lab.rounds(PAIRS), cost, |contestant| {
            tls.turn(contestant, (SERVER, LOAD), 1, &words)
        })
    };
    let points = POINTS.map(measure_point).into();
    to_value(Figures { turn_ms, points })
}

fn words(point: &str, turn_ms: u32) -> String {
    format!("{point} --turn-ms {turn_ms} --warmup-ms 100")
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    let mut text = String::from(
        "As row 1, over TLS 1.3 (AES-256-GCM, X25519, an ECDSA certificate, no resumption). Both servers have rustls, so the difference is what lies around \
         it. One thread, of Wharf's at most one at a time; the load is `lab/echo-load`, on tokio-rustls, whichever server it asks, and \
         checks every byte.\n\n",
    );
    for ((name, words_of), runs) in POINTS.iter().zip(&figures.points) {
        text += &format!(
            "**{name}** (`echo-load ADDRESS {} --server-pid PID`)\n\n{}\n",
            words(words_of, figures.turn_ms),
            COSTS.tell(runs)
        );
    }
    text += &failures(figures.points.iter().flatten());
    Ok(text)
}
