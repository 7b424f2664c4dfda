//! Two processes: the test, and its child, which may make no system calls.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Trial};
use rustix::thread::{SecureComputingMode, set_secure_computing_mode};
use wharf::{CompletionPort, DriverChoice};

const TIMERS: usize = 100_000;

/// In the process that may make no system calls: the driver, and what it is to do.
const DRIVER: &str = "WHARF_NO_SYSTEM_CALLS";
const ACT: &str = "WHARF_NO_SYSTEM_CALLS_ACT";

pub fn run() {
    if let (Ok(driver), Ok(act)) = (env::var(DRIVER), env::var(ACT)) {
        return confined(&driver, &act);
    }
    let trial = |driver, name, test: fn(&str)| {
        Trial::test(format!("{driver}::{name}"), move || {
            test(driver);
            Ok(())
        })
    };
    let trials = ["readiness", "uring"].into_iter().flat_map(|driver| {
        [
            trial(driver, "a_timer_set_and_cancelled_makes_none", makes_none),
            trial(driver, "one_is_noticed", one_is_noticed),
        ]
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn confined(driver: &str, act: &str) {
    let choice = match driver {
        "uring" => DriverChoice::Uring,
        _ => DriverChoice::Readiness,
    };
    let port = CompletionPort::<usize>::builder().driver(choice).build();
    let Ok(port) = port else {
        return println!("not to be had");
    };
    let start = Instant::now() + Duration::from_secs(3600);
    let set_and_cancel = |deadline, key| {
        let timer = port.timer_at(deadline, key).expect("a timer");
        let timer = port.cancel_timer_quietly(timer).expect("it is set");
        assert_eq!(timer.key, key);
    };
    // The alarm is set to this one, and memory is found.
    set_and_cancel(start, 0);
    // The standard library makes their buffers when they are first asked for.
    let _ = (io::stdin(), io::stdout());
    let seconds = |key: usize| Duration::from_secs(key as u64 % 100);
    if set_secure_computing_mode(SecureComputingMode::Strict).is_err() {
        return println!("not to be had");
    }
    say("begins\n");
    for key in 0..TIMERS {
        set_and_cancel(start + seconds(key), key);
    }
    if act == "earlier" {
        set_and_cancel(start - Duration::from_secs(1), 0);
    }
    say("ends\n");
}

/// In one `write`, and waits for the answer, in one `read`.
fn say(what: &str) {
    rustix::io::write(io::stdout(), what.as_bytes()).expect("a write");
    rustix::io::read(io::stdin(), &mut [0; 1]).expect("a read");
}

/// The child, which makes no more system calls.
struct Confined {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Confined {
    /// None if this system does not confine it, or has no such driver.
    fn start(driver: &str, act: &str) -> Option<Confined> {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .env(DRIVER, driver)
            .env(ACT, act)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program");
        let stdout = child.stdout.take().expect("it is piped");
        let mut confined = Confined {
            child,
            says: BufReader::new(stdout),
        };
        match confined.hears_one_of(&["begins", "not to be had"])? {
            0 => Some(confined),
            _ => {
                println!("{driver}: not judged, since this system has none or does not confine");
                confined.child.wait().expect("an end");
                None
            }
        }
    }

    /// Reads lines up to one of these, and says which. None if it ends before.
    fn hears_one_of(&mut self, expected: &[&str]) -> Option<usize> {
        for line in self.says.by_ref().lines() {
            let line = line.expect("text");
            if let Some(which) = expected.iter().position(|it| line == *it) {
                return Some(which);
            }
        }
        None
    }

    fn answer(&mut self) {
        let stdin = self.child.stdin.as_mut().expect("it is piped");
        stdin.write_all(b".").expect("a write");
    }

    /// How often it has called `read` and `write`.
    fn reads_and_writes(&self) -> u64 {
        let io = fs::read_to_string(format!("/proc/{}/io", self.child.id())).expect("its counts");
        let counts = io.lines().filter_map(|line| {
            let (name, count) = line.split_once(": ")?;
            let counts = ["syscr", "syscw"].contains(&name);
            counts.then(|| count.parse::<u64>().expect("a number"))
        });
        counts.sum()
    }
}

fn makes_none(driver: &str) {
    let Some(mut confined) = Confined::start(driver, "later") else {
        return;
    };
    let before = confined.reads_and_writes();
    confined.answer();
    let ends = confined.hears_one_of(&["ends"]);
    assert!(ends.is_some(), "the kernel has ended it for a system call");
    let calls = confined.reads_and_writes() - before;
    // The one to read the answer, and the one to say that it ends. What it waits in now may be counted already.
    assert!((2..=3).contains(&calls), "{calls} for {TIMERS} timers");
    confined.answer();
    confined.child.wait().expect("an end");
}

/// Else the other test could not fail: a timer that is due before all others makes one.
fn one_is_noticed(driver: &str) {
    let Some(mut confined) = Confined::start(driver, "earlier") else {
        return;
    };
    confined.answer();
    assert!(confined.hears_one_of(&["ends"]).is_none());
    let status = confined.child.wait().expect("an end");
    assert_eq!(status.signal(), Some(9), "{status}");
}
