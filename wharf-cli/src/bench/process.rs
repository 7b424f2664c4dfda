//! What another process uses: processor time and context switches, from `/proc` (proc(5)). On
//! Windows it can't be told yet.

#[cfg(unix)]
use std::{fs, path::Path};
use std::{io, time::Duration};

#[cfg(unix)]
use rustix::param::clock_ticks_per_second;

/// What a process used, since it was started or in a while.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    pub pid: u32,
    /// Processor time, of the user's and of the system's.
    pub processor: Duration,
    /// Context switches, those that a thread asked for and the others.
    pub switches: u64,
}

impl Usage {
    /// What a process has used so far. Processor time is counted in ticks of 10 ms; switches are those of the threads
    /// that it has now.
    ///
    /// # Errors
    /// There is no such process, or it is not ours to look at.
    #[cfg(unix)]
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let processor = processor_time(&stat)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/PID/stat"))?;
        let threads = fs::read_dir(format!("/proc/{pid}/task"))?;
        // A thread that ends while we look is no error.
        let switches = threads
            .filter_map(|thread| thread_switches(&thread.ok()?.path()))
            .sum();
        Ok(Usage {
            pid,
            processor,
            switches,
        })
    }

    /// What a process has used so far.
    ///
    /// # Errors
    /// [`Unsupported`](io::ErrorKind::Unsupported), always.
    #[cfg(windows)]
    pub fn of(_pid: u32) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "what another process uses can't be told on Windows yet; leave --server-pid out",
        ))
    }

    /// What was used since `earlier`.
    pub fn since(&self, earlier: &Usage) -> Usage {
        Usage {
            pid: self.pid,
            processor: self.processor.saturating_sub(earlier.processor),
            switches: self.switches.saturating_sub(earlier.switches),
        }
    }
}

#[cfg(unix)]
fn processor_time(stat: &str) -> Option<Duration> {
    // The name is field 2, in parentheses, and may hold anything; utime and stime are fields 14 and 15.
    let fields = stat.rsplit_once(')')?.1;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let ticks = ticks()? + ticks()?;
    Some(Duration::from_secs(ticks) / clock_ticks_per_second() as u32)
}

#[cfg(unix)]
fn thread_switches(thread: &Path) -> Option<u64> {
    let status = fs::read_to_string(thread.join("status")).ok()?;
    let counts = status
        .lines()
        .filter(|line| line.contains("ctxt_switches:"))
        .filter_map(|line| line.rsplit(char::is_whitespace).next()?.parse::<u64>().ok());
    Some(counts.sum())
}

#[cfg(all(test, unix))]
mod tests {
    use std::{
        process::{Command, Stdio},
        time::Instant,
    };

    use super::*;

    #[test]
    fn computing_shows_in_the_usage_of_a_process() {
        let mut child = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .stdin(Stdio::null())
            .spawn()
            .expect("a shell");
        let before = Usage::of(child.id()).expect("it runs");
        let deadline = Instant::now() + Duration::from_secs(60);
        let shows = loop {
            let used = Usage::of(child.id()).expect("it runs").since(&before);
            if used.processor >= Duration::from_millis(20) || Instant::now() > deadline {
                break used.processor >= Duration::from_millis(20) && used.pid == child.id();
            }
        };
        child.kill().expect("it runs");
        child.wait().expect("it was started");
        assert!(shows);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        // No process has the highest number that there can be.
        assert!(Usage::of(i32::MAX as u32).is_err());
    }
}
