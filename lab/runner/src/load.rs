//! `wharf bench`, as the lab uses it: pinned, and read by its JSON. `echo-load` is used in the same way, over TLS and for
//! WebSockets.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde::{Deserialize, Serialize};

use crate::server::Server;

/// The load generator.
#[derive(Debug)]
pub struct Bench {
    program: PathBuf,
    /// What it is started with in any case.
    words: &'static [&'static str],
}

/// What a run of it came to, as far as the lab wants to know.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Run {
    pub rate_hz: f64,
    pub p50_ns: f64,
    pub p99_ns: f64,
    /// Requests for each second of the server's processor time.
    pub requests_per_cpu_s: f64,
    pub switches_per_request: f64,
    /// How much of its processor the busiest thread of the load used.
    pub busiest: f64,
}

#[derive(Deserialize)]
struct Output {
    rate_hz: f64,
    requests: u64,
    unsent: u64,
    missing: u64,
    wrong: u64,
    latency_ns: Latency,
    load: Used,
    server: Option<ServerUsed>,
    errors: Vec<Failure>,
}

#[derive(Deserialize)]
struct Latency {
    p50: f64,
    p99: f64,
}

#[derive(Deserialize)]
struct Used {
    busiest_thread: f64,
}

#[derive(Deserialize)]
struct ServerUsed {
    requests_per_cpu_s: f64,
    switches_per_request: Option<f64>,
}

#[derive(Deserialize)]
struct Failure {
    what: String,
    count: u64,
}

impl Bench {
    pub fn new(lab: &Path) -> Result<Self, String> {
        let program = lab.join("../target/release/wharf");
        Bench::of(program, &["bench", "--json", "--quiet"])
    }

    /// The load over TLS and by WebSockets.
    pub fn echo(lab: &Path) -> Result<Self, String> {
        Bench::of(lab.join("target/release/echo-load"), &[])
    }

    fn of(program: PathBuf, words: &'static [&'static str]) -> Result<Self, String> {
        match program.exists() {
            true => Ok(Bench { program, words }),
            false => Err(format!("{} is missing; run lab/build", program.display())),
        }
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Loads a server from these processors. Errors, and bytes that are wrong or missing, void the run.
    pub fn load(&self, processors: &str, server: &Server, words: &str) -> Result<Run, String> {
        let pid = server.pid().to_string();
        let address = server.address.to_string();
        let mut arguments = vec![address.as_str(), "--server-pid", &pid];
        arguments.extend(words.split_whitespace());
        let output: Output = self.json(processors, &arguments)?;
        if let Some(failure) = output.errors.first() {
            return Err(format!("{} x {}", failure.count, failure.what));
        }
        if output.wrong + output.missing > 0 {
            return Err(format!(
                "{} connections with wrong bytes, {} requests unanswered",
                output.wrong, output.missing
            ));
        }
        if output.requests + output.unsent == 0 {
            return Err("nothing was answered".into());
        }
        let server = output.server.ok_or("the server's process was not seen")?;
        Ok(Run {
            rate_hz: output.rate_hz,
            p50_ns: output.latency_ns.p50,
            p99_ns: output.latency_ns.p99,
            requests_per_cpu_s: server.requests_per_cpu_s,
            switches_per_request: server.switches_per_request.unwrap_or(0.0),
            busiest: output.load.busiest_thread,
        })
    }

    /// Runs it and reads what it prints.
    fn json<T: for<'a> Deserialize<'a>>(
        &self,
        processors: &str,
        arguments: &[&str],
    ) -> Result<T, String> {
        let output = Command::new("taskset")
            .args(["-c", processors])
            .arg(&self.program)
            .args(self.words)
            .args(arguments)
            .output()
            .map_err(|error| format!("can't start taskset: {error}"))?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let messages = String::from_utf8_lossy(&output.stderr);
            messages
                .lines()
                .next()
                .unwrap_or("it said nothing")
                .to_owned()
        })
    }
}
