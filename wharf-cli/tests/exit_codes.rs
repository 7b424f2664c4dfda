//! The exit codes that `--help` lists: each is caused, and none is left out.

#![cfg(unix)]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpListener,
    process::{Child, Command, Stdio},
    thread,
};

use common::{
    Serve, WHARF, client_of, client_that_does_not_read, eventually, full_disk, full_pipe, reserved,
    run, run_filtered, serve_on,
};
use rustix::process::{Pid, Signal, kill_process};

fn wharf(words: &str) -> Command {
    let mut command = Command::new(WHARF);
    command.args(words.split_whitespace());
    command
}

/// The code of a command that ends by itself.
fn code(words: &str) -> Option<i32> {
    run(wharf(words)).0
}

/// The code of one that prints to a full disk.
fn code_on_full_disk(words: &str) -> Option<i32> {
    let mut command = wharf(words);
    command.stdout(full_disk()).stderr(Stdio::null());
    command.status().expect("wharf starts").code()
}

/// A command, a code, and how it comes to end with that.
type Case = (&'static str, i32, fn() -> Option<i32>);

const CASES: &[Case] = &[
    ("serve", 0, || {
        let serve = Serve::start("auto", &[]);
        serve.signal(Signal::TERM);
        serve.wait().0.code()
    }),
    ("serve", 1, || code_on_full_disk("serve --help")),
    ("serve", 2, || code("serve --workers 0")),
    ("serve", 10, || {
        let serve = serve_on("127.0.0.1:0", "auto");
        run_filtered(libc::SYS_epoll_create1, libc::EMFILE, serve).0
    }),
    ("serve", 20, || {
        let serve = serve_on("127.0.0.1:0", "auto");
        run_filtered(libc::SYS_socket, libc::ENOBUFS, serve).0
    }),
    ("serve", 30, || {
        let first = Serve::start("auto", &[]);
        run(serve_on(&first.address.to_string(), "auto")).0
    }),
    ("serve", 40, || {
        let serve = serve_on("127.0.0.1:0", "auto");
        run_filtered(libc::SYS_listen, libc::EADDRINUSE, serve).0
    }),
    ("serve", 50, accept_fails),
    ("serve", 130, || serve_is_signalled_twice(Signal::INT)),
    ("serve", 143, || serve_is_signalled_twice(Signal::TERM)),
    ("bench", 0, || code("bench -n 10 -c 2")),
    ("bench", 1, || code("bench no-such-host.invalid:80 -n 1")),
    ("bench", 2, || code("bench --svg x.svg")),
    ("bench", 3, || code("bench -n 10 -c 2 --fail-if p50>1ns")),
    ("bench", 4, answer_is_wrong),
    ("bench", 130, || bench_is_signalled_twice(Signal::INT)),
    ("bench", 143, || bench_is_signalled_twice(Signal::TERM)),
    ("demo", 0, || code("demo")),
    ("demo", 1, || code_on_full_disk("demo")),
    ("demo", 2, || code("demo again")),
    ("doctor", 0, || code("doctor")),
    ("doctor", 1, || code_on_full_disk("doctor")),
    ("doctor", 2, || code("doctor --workers 1")),
    ("doctor", 10, || {
        run_filtered(libc::SYS_epoll_create1, libc::EMFILE, wharf("doctor")).0
    }),
];

fn accept_fails() -> Option<i32> {
    let (_kept, address) = reserved();
    let connects = thread::spawn(move || client_of(address));
    let serve = serve_on(&address.to_string(), "auto");
    let (code, ..) = run_filtered(libc::SYS_accept4, libc::EINVAL, serve);
    connects.join().expect("it connects");
    code
}

fn serve_is_signalled_twice(signal: Signal) -> Option<i32> {
    let mut serve = Serve::start("auto", &["--stop-timeout", "10m"]);
    let _stuck = client_that_does_not_read(&serve);
    // The same within 200 ms is the first.
    eventually("it ends", || {
        serve.signal(signal);
        serve.has_ended()
    });
    serve.wait().0.code()
}

fn answer_is_wrong() -> Option<i32> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut bytes = [0; 64];
        while stream.read_exact(&mut bytes).is_ok() {
            bytes[63] ^= 1;
            let _ = stream.write_all(&bytes);
        }
    });
    code(&format!("bench {address} -c 1 -n 10"))
}

/// A process that ends with its test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Processor time that a process has used, in hundredths of a second; 0 where there is no such process.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.split_whitespace().skip(13).take(2);
    fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

fn bench_is_signalled_twice(signal: Signal) -> Option<i32> {
    // At its end it waits for ever, since nobody reads its report.
    let (_nobody_reads, output) = full_pipe();
    let mut command = wharf("bench -d 1h -c 4 --warmup 0s");
    command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::null());
    let mut bench = Ends(command.spawn().expect("wharf starts"));
    let pid = Pid::from_child(&bench.0);
    let children = format!("/proc/{0}/task/{0}/children", bench.0.id());
    let servers = || fs::read_to_string(&children).unwrap_or_default();
    // Before that, a signal ends it before there is anything to print.
    eventually("it measures", || {
        let server = servers().trim().parse();
        server.is_ok_and(|server| ticks(server) > 20)
    });
    kill_process(pid, signal).expect("it runs");
    eventually("the first signal has ended the run", || {
        servers().trim().is_empty()
    });
    eventually("it ends", || {
        let _ = kill_process(pid, signal);
        bench.0.try_wait().expect("it is ours").is_some()
    });
    bench.0.wait().expect("it has ended").code()
}

/// The codes that the help of a command lists, with the commands that it names.
fn listed(words: &str) -> Vec<(i32, String)> {
    let (code, help, _) = run(wharf(&format!("{words} --help")));
    assert_eq!(code, Some(0));
    let codes = help
        .lines()
        .skip_while(|line| !line.starts_with("Exit codes"));
    let codes = codes.skip(1).filter_map(|line| {
        let (number, meaning) = line.trim_start().split_once(' ')?;
        let number = number.parse().ok()?;
        Some((number, meaning.trim().to_owned()))
    });
    codes.collect()
}

/// Causes all codes of a command that its help lists, and no other.
#[track_caller]
fn expect_codes(command: &str) {
    let listed: Vec<i32> = listed(command)
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    let cases: Vec<&Case> = CASES.iter().filter(|(of, ..)| *of == command).collect();
    let caused: Vec<i32> = cases.iter().map(|(_, number, _)| *number).collect();
    assert_eq!(listed, caused, "{command}");
    for (_, number, cause) in cases {
        assert_eq!(cause(), Some(*number), "{command}");
    }
}

#[test]
fn serve_ends_with_each_code_that_its_help_lists() {
    expect_codes("serve");
}

#[test]
fn bench_ends_with_each_code_that_its_help_lists() {
    expect_codes("bench");
}

#[test]
fn demo_ends_with_each_code_that_its_help_lists() {
    expect_codes("demo");
}

#[test]
fn doctor_ends_with_each_code_that_its_help_lists() {
    expect_codes("doctor");
}

#[test]
fn the_help_of_all_lists_the_codes_of_each() {
    let mut all = BTreeSet::new();
    for (number, meaning) in listed("") {
        let commands = meaning
            .rsplit_once('(')
            .expect("commands")
            .1
            .trim_end_matches(')');
        all.extend(
            commands
                .split(", ")
                .map(|command| (command.to_owned(), number)),
        );
    }
    let cases = CASES
        .iter()
        .map(|(command, number, _)| ((*command).to_owned(), *number));
    assert_eq!(all, cases.collect());
    assert_eq!(code(""), Some(2), "a command is missing");
    assert_eq!(code("--version"), Some(0));
    assert_eq!(code_on_full_disk("--help"), Some(1));
}

#[test]
fn each_help_has_an_example_that_is_accepted() {
    for command in ["", "serve", "bench", "demo", "doctor"] {
        for help in ["-h", "--help"] {
            let (_, help, _) = run(wharf(&format!("{command} {help}")));
            let examples = help.lines().skip_while(|line| !line.starts_with("Example"));
            let examples = examples.filter_map(|line| line.strip_prefix("  wharf "));
            let mut count = 0;
            for example in examples {
                count += 1;
                // Help is printed only if all that stands before it is accepted.
                let words = example.replace('\'', "");
                let (code, output, errors) = run(wharf(&format!("{words} --help")));
                assert_eq!(code, Some(0), "{example}: {errors}");
                assert!(output.contains("Usage: wharf"), "{example}");
            }
            assert!(count > 0, "{command}: {help}");
        }
    }
}
