//! A contestant's process: started, pinned, and gone when it is dropped.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

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
        let mut child = Command::new("taskset")
            .args(["-c", processors])
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("can't start taskset: {error}"))?;
        let line = first_line(&mut child);
        let address = line
            .strip_prefix("listening on ")
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        match address {
            Some(address) => {
                discard_messages(&mut child);
                Ok(Server { child, address })
            }
            None => Err(failure(child, words)),
        }
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

/// Reads its messages away, so that it never waits for a reader.
fn discard_messages(child: &mut Child) {
    if let Some(mut messages) = child.stderr.take() {
        thread::spawn(move || std::io::copy(&mut messages, &mut std::io::sink()));
    }
}

fn failure(mut child: Child, words: &[String]) -> String {
    let _ = child.kill();
    let mut messages = String::new();
    if let Some(stderr) = &mut child.stderr {
        let _ = stderr.read_to_string(&mut messages);
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
