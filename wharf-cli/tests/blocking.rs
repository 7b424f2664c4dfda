//! Workers that block in their handlers, as an operator of the server meets them: which clients are served nevertheless, what the
//! server says of itself, and what `wharf demo` shows.

#![cfg(unix)]

mod common;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use common::{GUARD, Serve, Stopped, WHARF, echo, eventually, run, run_without_proc};
use rustix::process::Signal;

/// A request that takes the longest time that there is, asleep in its handler.
const SLEEP: [u8; 16] = request(10_000_000, 1);
/// The same, computing.
const COMPUTE: [u8; 16] = request(10_000_000, 0);
/// One that takes no time.
const NOTHING: [u8; 16] = request(0, 0);

const fn request(service_us: u32, kind: u8) -> [u8; 16] {
    let [a, b, c, d] = service_us.to_le_bytes();
    [1, 0, 0, 0, 0, 0, 0, 0, a, b, c, d, kind, 0, 0, 0]
}

/// A server of work whose handlers are to be held.
fn start(driver: &str, arguments: &str) -> Serve {
    let mut all = vec![
        "--app",
        "work",
        "--work-max",
        "10s",
        "--stop-timeout",
        "100ms",
    ];
    all.extend(arguments.split_whitespace());
    Serve::start(driver, &all)
}

/// Clients whose requests are all in their handlers, or wait for one.
fn hold(serve: &Serve, count: usize, request: [u8; 16]) -> Vec<TcpStream> {
    let clients = (0..count).map(|_| {
        let mut client = serve.connect();
        client.write_all(&request).unwrap();
        client
    });
    clients.collect()
}

fn is_answered(client: &TcpStream) -> bool {
    client.set_nonblocking(true).unwrap();
    let answered = client.peek(&mut [0; 1]).is_ok();
    client.set_nonblocking(false).unwrap();
    answered
}

/// The next line of output in which all of these words are.
fn line_with(serve: &mut Serve, words: &[&str]) -> String {
    let deadline = Instant::now() + GUARD;
    loop {
        let line = serve.line();
        if words
            .iter()
            .all(|word| line.split(' ').any(|it| it == *word))
        {
            return line;
        }
        assert!(
            Instant::now() < deadline,
            "no line with {words:?}; the last was {line:?}"
        );
    }
}

on_every_driver! {
    fn handlers_that_sleep_hold_up_nobody_while_the_pool_may_grow(driver) {
        let serve = start(driver, "--workers 2 --concurrency 1 --max-workers 12");
        let held = hold(&serve, 10, SLEEP);
        echo(&mut serve.connect(), &NOTHING);
        // And long before one of them was.
        assert!(!held.iter().any(is_answered));
    }

    fn handlers_that_compute_keep_their_places(driver) {
        let mut serve = start(driver, "--workers 3 --concurrency 1 --max-workers 12 --stats 20ms");
        let held = hold(&serve, 2, COMPUTE);
        let line = line_with(&mut serve, &["running=1", "queued=1"]);
        for word in ["workers=3", "parked=2", "blocked=0", "releases=0", "running_max=1"] {
            assert!(line.contains(word), "{word}: {line}");
        }
        assert!(!held.iter().any(is_answered));
    }

    fn a_server_all_of_whose_workers_are_held_says_so_accepts_and_stops(driver) {
        let mut serve = start(driver, "--workers 1 --concurrency 2 --max-workers 2 --stats 20ms");
        let _held = hold(&serve, 2, SLEEP);
        line_with(&mut serve, &["blocked=2", "workers=2"]);
        // The system accepts, and holds what they say.
        let mut waiting = hold(&serve, 3, NOTHING);
        let line = line_with(&mut serve, &["blocked=2", "running=0", "parked=0"]);
        assert!(!line.contains("queued=0"), "{line}");
        let says_so = |serve: &Serve| serve.log().matches("all workers are held").count();
        eventually("it says so", || says_so(&serve) > 0);
        line_with(&mut serve, &["blocked=2"]);
        assert_eq!(says_so(&serve), 1, "once");
        assert!(!waiting.iter().any(is_answered));

        serve.signal(Signal::TERM);
        let log = serve.log_at_the_end();
        let (status, rest) = serve.wait();
        assert_eq!(status.code(), Some(0));
        let last = rest.lines().last().unwrap_or_default();
        assert!(Stopped::parse(&format!("{last}\n")).cut >= 2, "{rest}");
        let log = log.lock().unwrap();
        assert!(log.contains("left in their handlers: wharf-0, wharf-1"), "{log}");
        // Theirs was cut.
        assert!(waiting[0].read(&mut [0; 16]).map_or(true, |len| len == 0));
    }

    fn a_signal_prints_the_table_of_workers(driver) {
        let mut serve = start(driver, "--workers 3 --concurrency 2");
        let _held = hold(&serve, 1, SLEEP);
        let _computes = hold(&serve, 1, COMPUTE);
        // Until both are in their handlers.
        let table = loop {
            let table = serve.table(3);
            if ["blocked", "running"].iter().all(|state| table.iter().any(|line| line.contains(state))) {
                break table;
            }
        };
        let words: Vec<Vec<&str>> = table.iter().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0], ["worker", "state", "for", "packets"]);
        let names: Vec<_> = words[1..4].iter().map(|words| words[0]).collect();
        assert!(["wharf-0", "wharf-1", "wharf-2"].iter().all(|name| names.contains(name)), "{table:?}");
        assert!(table[4].contains("waiting for a worker") || table[4] == "nothing waits for a worker");
    }

    fn a_light_load_uses_one_or_two_workers_of_many(driver) {
        let mut serve = Serve::start(driver, &["--workers", "64", "--concurrency", "2"]);
        let mut client = serve.connect();
        for _ in 0..300 {
            echo(&mut client, b"ahoy");
        }
        let table = serve.table(64);
        let packets = |line: &String| line.split_whitespace().last()?.parse::<u64>().ok();
        let packets: Vec<u64> = table[1..65].iter().filter_map(packets).collect();
        assert_eq!(packets.len(), 64, "{table:#?}");
        assert!(packets.iter().sum::<u64>() >= 300);
        // Two that served, and perhaps others that were there before the last of them had come to wait.
        let warm = packets.iter().filter(|packets| **packets > 10).count();
        // On a machine that is busy with other things, one that waits long for a processor may be stood in for.
        assert!((1..=8).contains(&warm), "{packets:?}");
    }
}

#[test]
fn the_first_line_shows_how_far_the_pool_may_grow() {
    let serve = Serve::start("auto", &["--workers", "3", "--max-workers", "7"]);
    assert!(
        serve.first_line.contains(" workers=3 max_workers=7 "),
        "{}",
        serve.first_line
    );
    let serve = Serve::start("auto", &["--workers", "100"]);
    assert!(serve.first_line.contains(" workers=100 max_workers=100 "));
    let serve = Serve::start("auto", &["--concurrency", "4", "--max-workers", "2"]);
    assert!(serve.first_line.contains(" workers=2 max_workers=2 "));
}

#[test]
fn what_makes_no_sense_is_refused_at_the_start() {
    for (arguments, says) in [
        ("--workers 3 --max-workers 2", "allow at least 3"),
        ("--max-workers 0", "--max-workers"),
        ("--stats 1ms", "the shortest period is 10ms"),
        ("--stats often", "--stats"),
    ] {
        let mut command = Command::new(WHARF);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.args(arguments.split_whitespace());
        let (code, output, errors) = run(command);
        assert_eq!((code, output.as_str()), (Some(2), ""), "{arguments}");
        assert!(errors.contains(says), "{arguments}: {errors}");
    }
}

#[test]
fn without_proc_it_says_so_and_holds_on() {
    let hides = "umount -l /proc && exec \"$0\" serve --listen 127.0.0.1:0 --app work --work-max 1s --workers 1 --max-workers 4 \
                 --concurrency 1 --stop-timeout 100ms --stats 20ms";
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, WHARF]);
        command
    };
    let may = unshare("umount -l /proc").output();
    if !may.is_ok_and(|output| output.status.success()) {
        eprintln!("NOT JUDGED: a namespace of one's own, to hide /proc in, is not permitted here");
        return;
    }
    let mut serve = Serve::from_command(unshare(hides));
    let mut held = serve.connect();
    held.write_all(&request(300_000, 1)).unwrap();
    line_with(&mut serve, &["running=1", "blocked=0", "unknown=1"]);
    let mut next = serve.connect();
    next.write_all(&NOTHING).unwrap();
    eventually("it says so", || {
        serve.log().contains("the states of threads can't be read")
    });
    // Its place stays its own.
    next.read_exact(&mut [0; 16]).unwrap();
    assert!(is_answered(&held));
    serve.signal(Signal::TERM);
    assert_eq!(serve.wait().0.code(), Some(0));
}

#[test]
fn the_demonstration_shows_what_it_says_in_plain_text() {
    let start = Instant::now();
    let mut command = Command::new(WHARF);
    command.arg("demo");
    let (code, output, errors) = run(command);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{output}");
    // Twenty seconds are promised on a machine that does nothing else.
    assert!(start.elapsed() < Duration::from_secs(60));
    let mut rest = output.as_str();
    for says in [
        "1. Three workers",
        "For a second D gets nothing",
        "blocked",
        " waiting for a worker",
        "D is served",
        "2. The same",
        "max_workers=4",
        "D is served after",
        "3. The same four",
        "For a second D gets nothing",
        "running",
        // C and D, or the listener alone if neither was accepted before the places were taken.
        " waiting for a worker",
        "D is served",
        "What to try next",
    ] {
        let at = rest.find(says);
        rest = &rest[at.unwrap_or_else(|| panic!("{says:?} is missing in {output}"))..];
    }
    let (_, third) = output.split_once("3. The same four").unwrap_or_default();
    assert!(third.contains(" parked "), "one is free: {third}");
    assert!(!output.contains('\x1b'));
    // For a script, a paragraph is a line.
    let first = output.lines().next().unwrap();
    assert!(
        first.starts_with("A completion port") && first.ends_with("let go."),
        "{first}"
    );
}

#[test]
fn the_demonstration_may_be_left_before_its_end() {
    let mut command = Command::new(WHARF);
    command.arg("demo").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut demo = command.spawn().unwrap();
    let mut output = BufReader::new(demo.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    drop(output);
    let left = demo.wait_with_output().unwrap();
    assert_eq!((left.status.code(), &left.stderr[..]), (Some(0), &b""[..]));
}

#[test]
fn without_proc_the_demonstration_says_why_it_shows_less() {
    let Some((code, output, errors)) = run_without_proc("demo") else {
        return;
    };
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        output.contains("The first two scenes are left out"),
        "{output}"
    );
    assert!(output.contains("What to try next"), "{output}");
}
