//! A `wharf serve` as a process of its own: started, looked at from outside, stopped.

use std::{
    collections::VecDeque,
    fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to say where it listens.
const START_MAX: Duration = Duration::from_secs(10);

/// How long it may take to stop when all clients are gone.
pub const STOP_MAX: Duration = Duration::from_secs(5);

/// Lines that are kept of what it says.
const LINES_KEPT: usize = 20;

pub struct Server {
    child: Child,
    said: Arc<Mutex<Said>>,
    readers: Vec<JoinHandle<()>>,
    pub address: SocketAddr,
    pub concurrency: u32,
}

#[derive(Default)]
struct Said {
    /// What it printed, but for lines of `--stats`.
    output: VecDeque<String>,
    errors: VecDeque<String>,
    /// The last line of `--stats`, and how many there were.
    stats: (String, u64),
}

impl Said {
    fn line(&mut self, line: String) {
        if line.starts_with("stats ") {
            self.stats = (line, self.stats.1 + 1);
        } else {
            keep(&mut self.output, line);
        }
    }
}

fn keep(lines: &mut VecDeque<String>, line: String) {
    if lines.len() == LINES_KEPT {
        lines.pop_front();
    }
    lines.push_back(line);
}

/// What a process holds, and what it says of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Holdings {
    /// Resident memory, in KiB.
    pub memory: u64,
    pub descriptors: u64,
    pub threads: u64,
    pub clients: u64,
    /// Completions that wait for a worker.
    pub queued: u64,
    /// Operations under way, where the server tells.
    pub operations: Option<u64>,
}

impl Server {
    /// Starts it on a free port of this machine.
    pub fn start(program: &Path, options: &[String]) -> Result<Self, String> {
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--stats", "100ms"])
            // So that it ends if we do.
            .arg("--stop-with-stdin")
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} can't be started: {error}", program.display()))?;
        let said = Arc::new(Mutex::new(Said::default()));
        let mut readers = Vec::new();
        if let Some(output) = child.stdout.take() {
            let said = said.clone();
            readers.push(read_lines(output, move |line| lock(&said).line(line)));
        }
        if let Some(errors) = child.stderr.take() {
            let said = said.clone();
            readers.push(read_lines(errors, move |line| {
                keep(&mut lock(&said).errors, line);
            }));
        }
        let mut server = Server {
            child,
            said,
            readers,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            concurrency: 1,
        };
        server.await_first_line()?;
        Ok(server)
    }

    fn await_first_line(&mut self) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let first = lock(&self.said).output.front().cloned();
            if let Some(line) = first {
                let address = line
                    .strip_prefix("listening on ")
                    .and_then(|rest| rest.split(' ').next()?.parse().ok());
                self.address = address.ok_or_else(|| format!("no address in {line:?}"))?;
                self.concurrency = field(&line, "concurrency=").unwrap_or(1).max(1) as u32;
                return Ok(());
            }
            if self.has_ended() || start.elapsed() > START_MAX {
                return Err(format!("the server does not start: {}", self.last_errors()));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The last of what it logged, in a line.
    pub fn last_errors(&self) -> String {
        let said = lock(&self.said);
        let last: Vec<_> = said.errors.iter().rev().take(3).rev().cloned().collect();
        last.join(" | ")
    }

    /// What it holds now. What it says of itself is as of its last line.
    pub fn holdings(&self) -> io::Result<Holdings> {
        let process = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{process}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        let count = |of: &str| Ok::<_, io::Error>(fs::read_dir(format!("{process}/{of}"))?.count());
        let stats = lock(&self.said).stats.0.clone();
        Ok(Holdings {
            memory: memory.unwrap_or(0),
            descriptors: count("fd")? as u64,
            threads: count("task")? as u64,
            clients: field(&stats, "clients=").unwrap_or(0),
            queued: field(&stats, "queued=").unwrap_or(0),
            operations: field(&stats, "operations="),
        })
    }

    /// Waits for two more lines of `--stats`: of these, one was begun after the call. False if none come.
    pub fn await_stats(&self, patience: Duration) -> bool {
        let start = Instant::now();
        let due = lock(&self.said).stats.1 + 2;
        while lock(&self.said).stats.1 < due {
            if start.elapsed() > patience {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// Stops it in order. Says what was wrong with that.
    pub fn stop(mut self) -> Result<(), String> {
        let start = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM)
            .map_err(|error| format!("it can't be told to stop: {error}"))?;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if start.elapsed() < STOP_MAX => thread::sleep(Duration::from_millis(5)),
                Ok(None) => return Err(format!("SIGTERM: not stopped after {STOP_MAX:?}")),
                Err(error) => return Err(error.to_string()),
            }
        };
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        let last = lock(&self.said).output.back().cloned().unwrap_or_default();
        if !status.success() {
            Err(format!("SIGTERM: {status}: {}", self.last_errors()))
        } else if !last.starts_with("stopped ") {
            Err(format!("SIGTERM: its last line is {last:?}"))
        } else {
            Ok(())
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(said: &Mutex<Said>) -> MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_lines(
    from: impl io::Read + Send + 'static,
    mut take: impl FnMut(String) + Send + 'static,
) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            take(line);
        }
    })
}

/// The number behind a name in a line such as `clients=3 queued=0`.
fn field(line: &str, name: &str) -> Option<u64> {
    let value = line.split(' ').find_map(|part| part.strip_prefix(name));
    value?.trim().parse().ok()
}

/// The options that `serve` knows, as its `--help` says.
pub fn help(program: &Path) -> Result<String, String> {
    let output = Command::new(program)
        .args(["serve", "--help"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{} can't be started: {error}", program.display()))?;
    if !output.status.success() {
        return Err(format!("{} has no `serve`", program.display()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_in_a_line() {
        let line = "stats clients=12 workers=3 queued=0 oldest=-";
        assert_eq!(field(line, "clients="), Some(12));
        assert_eq!(field(line, "queued="), Some(0));
        assert_eq!(field(line, "oldest="), None);
        assert_eq!(field(line, "operations="), None);
    }
}
