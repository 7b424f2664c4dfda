//! A contestant's process: started, pinned, and gone when it is dropped.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::processor_time;

/// No server takes as long to start, unless it is broken.
const START_MAX: Duration = Duration::from_secs(20);

/// A running server. Killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts it on these processors, and waits for its first line.
    pub fn start(processors: &str, words: &[String]) -> Result<Server, String> {
        let mut child = spawn(processors, words)?;
        let line = first_line(&mut child);
        let address = line
            .strip_prefix("listening on ")
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        match address {
            Some(address) => {
                discard(child.stderr.take());
                Ok(Server { child, address })
            }
            None => Err(failure(child, words)),
        }
    }

    /// Starts a server that says no such line, and waits until it can be connected to at this address.
    pub fn start_at(
        address: SocketAddr,
        processors: &str,
        words: &[String],
    ) -> Result<Server, String> {
        let mut child = spawn(processors, words)?;
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            let has_ended = !matches!(child.try_wait(), Ok(None));
            if has_ended || begin.elapsed() > START_MAX {
                return Err(failure(child, words));
            }
            thread::sleep(Duration::from_millis(5));
        }
        discard(child.stdout.take());
        discard(child.stderr.take());
        Ok(Server { child, address })
    }

    /// How much time of processors its threads have used that are there.
    pub fn processor_time(&self) -> Result<Duration, String> {
        processor_time::of_process(self.pid())
    }

    pub fn pid(&self) -> u32 {
        // `taskset` becomes what it starts.
        self.child.id()
    }

    /// Private memory of the process that holds data, in bytes.
    pub fn anonymous_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }

    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }
}

fn first_line(child: &mut Child) -> String {
    let Some(output) = child.stdout.take() else {
        return String::new();
    };
    let (sender, line) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        // What can't be read is no line.
        let _ = BufReader::new(output).read_line(&mut line);
        let _ = sender.send(line);
    });
    line.recv_timeout(START_MAX).unwrap_or_default()
}

fn spawn(processors: &str, words: &[String]) -> Result<Child, String> {
    let mut command = Command::new("taskset");
    command.args(["-c", processors]).args(words);
    // Some end with their standard input, which ends with us.
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let spawned = command.spawn();
    spawned.map_err(|error| format!("can't start taskset: {error}"))
}

/// Reads away what it says, so that it never waits for a reader.
fn discard(said: Option<impl Read + Send + 'static>) {
    if let Some(mut said) = said {
        thread::spawn(move || io::copy(&mut said, &mut io::sink()));
    }
}

fn failure(mut child: Child, words: &[String]) -> String {
    let _ = child.kill();
    let mut messages = String::new();
    if let Some(stderr) = &mut child.stderr {
        let _ = stderr.read_to_string(&mut messages);
    }
    // Some say there what is wrong.
    if let Some(stdout) = &mut child.stdout {
        let _ = stdout.read_to_string(&mut messages);
    }
    let _ = child.wait();
    let said = messages.lines().next().unwrap_or("it said nothing");
    format!("`{}` did not start: {said}", words.join(" "))
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
