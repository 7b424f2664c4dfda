//! `wharf bench`: what it counts, what it notices, and how it ends.

#![cfg(unix)]

mod common;

use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use common::{GUARD, Serve, WHARF, eventually, run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Runs `wharf bench` to its end: exit code, output, messages.
fn bench(words: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(WHARF);
    command.arg("bench").args(words.split_whitespace());
    run(command)
}

/// Runs it with `--json`, and expects it to succeed.
#[track_caller]
fn figures(words: &str) -> Value {
    let (code, output, errors) = bench(&format!("{words} --json"));
    assert_eq!(code, Some(0), "{errors}{output}");
    serde_json::from_str(&output).expect("one object")
}

#[track_caller]
fn expect_failure(words: &str, code: i32, message: &str) {
    let (ended, output, errors) = bench(words);
    assert_eq!(ended, Some(code), "{errors}{output}");
    assert!(errors.contains(message), "{errors}");
}

/// A server of the test's own: what it does with each connection.
fn server(serve: impl Fn(TcpStream, SocketAddr) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let serve = Arc::new(serve);
    thread::spawn(move || {
        while let Ok((stream, peer)) = listener.accept() {
            stream.set_read_timeout(Some(GUARD)).expect("a guard");
            let serve = serve.clone();
            thread::spawn(move || serve(stream, peer));
        }
    });
    address
}

/// Sends back what it receives, as `change` makes it: given what came, and how much came before.
fn changed_echo(change: impl Fn(&mut Vec<u8>, usize) + Send + Sync + 'static) -> SocketAddr {
    server(move |mut stream, _| {
        let mut before = 0;
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            let mut bytes = buffer[..count].to_vec();
            change(&mut bytes, before);
            before += count;
            if stream.write_all(&bytes).is_err() {
                return;
            }
        }
    })
}

#[test]
fn without_an_address_it_loads_a_server_of_its_own_which_ends_with_it() {
    let figures = figures("-n 500");
    assert_eq!(figures["requests"], 500);
    assert!(figures["server"]["cpu_s"].is_number());
    let pid = figures["server"]["pid"].as_u64().expect("a number");
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_report_says_what_was_answered_how_fast_and_at_what_cost() {
    let (code, output, errors) = bench("-n 300 -c 10");
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{output}");
    for line in [
        "requests    300 answered",
        "throughput  ",
        "latency     p50 ",
        " p99.9 ",
        "load        ",
        "server      ",
    ] {
        assert!(output.contains(line), "no {line:?} in {output}");
    }
    assert!(output.contains('#'), "a histogram is drawn: {output}");
}

#[test]
fn quiet_prints_nothing() {
    assert_eq!(
        bench("-n 100 --quiet"),
        (Some(0), String::new(), String::new())
    );
}

#[test]
fn every_request_that_was_asked_for_is_made_and_counted_once() {
    for words in [
        "-n 1000 -c 10 --size 1",
        "-n 1000 -c 10 --pipeline 16",
        "-n 100 -c 5 --size 100k --pipeline 4",
        "-n 1 -c 50 --threads 3",
        "-n 1000 -c 10 --rate 20k",
        "-n 1000 -c 10 --rate 20k --skew 2:90 --pipeline 8",
        "-n 200 -c 10 --per-connection 1",
        "-n 200 -c 10 --per-connection 7 --pipeline 3",
        "-n 300 -c 10 --work exp:50us --pipeline 4",
    ] {
        let figures = figures(words);
        let asked: u64 = words
            .split(' ')
            .nth(1)
            .and_then(|n| n.parse().ok())
            .expect("a count");
        assert_eq!(figures["requests"], asked, "{words}: {figures}");
        assert_eq!(
            (&figures["missing"], &figures["wrong"]),
            (&0.into(), &0.into())
        );
    }
}

#[test]
fn what_it_counts_is_what_the_server_counts() {
    let serve = Serve::start("readiness", &[]);
    figures(&format!("{} -n 700 -c 20 --size 300", serve.address));
    let stopped = serve.stop();
    assert_eq!(
        (stopped.clients, stopped.received, stopped.sent),
        (20, 210_000, 210_000)
    );
}

#[test]
fn ten_thousand_connections_are_loaded_at_once() {
    let figures = figures("-n 30000 -c 10000");
    assert_eq!(
        (&figures["connected"], &figures["requests"]),
        (&10_000.into(), &30_000.into())
    );
}

#[test]
fn a_few_connections_carry_the_share_of_the_load_that_was_asked_for() {
    let counts = Arc::new(Mutex::new(Vec::new()));
    let kept = counts.clone();
    let address = server(move |mut stream, _| {
        let mut total = 0;
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            total += count;
            if stream.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        kept.lock().unwrap().push(total / 64);
    });
    figures(&format!(
        "{address} -n 3000 -c 10 --rate 10k --skew 2:90 --pipeline 1000 --seed 7"
    ));
    eventually("all connections have ended", || {
        counts.lock().unwrap().len() == 10
    });
    let mut counts = counts.lock().unwrap().clone();
    counts.sort_unstable();
    let hot: usize = counts[8..].iter().sum();
    // Twelve standard deviations.
    assert!((2_500..=2_900).contains(&hot), "{counts:?}");
}

#[test]
fn connections_that_pass_come_from_several_addresses() {
    let peers = Arc::new(Mutex::new(Vec::new()));
    let kept = peers.clone();
    let address = server(move |mut stream, peer| {
        kept.lock().unwrap().push(peer.ip());
        let mut bytes = [0; 64];
        while stream
            .read_exact(&mut bytes)
            .and_then(|()| stream.write_all(&bytes))
            .is_ok()
        {}
    });
    figures(&format!("{address} -n 200 -c 4 --per-connection 1"));
    // A few more may come: those that were connecting while others made the last requests.
    eventually("all have come", || peers.lock().unwrap().len() >= 200);
    let addresses: HashSet<IpAddr> = peers.lock().unwrap().iter().copied().collect();
    assert!(addresses.len() >= 50, "{addresses:?}");
    assert!(addresses.iter().all(IpAddr::is_loopback));
}

#[test]
fn a_byte_that_is_wrong_is_noticed() {
    let address = changed_echo(|bytes, before| {
        if let Some(byte) = 1_000_usize
            .checked_sub(before)
            .and_then(|at| bytes.get_mut(at))
        {
            *byte ^= 1;
        }
    });
    expect_failure(
        &format!("{address} -c 1 -n 100"),
        4,
        "1 connections brought wrong bytes",
    );
}

#[test]
fn a_byte_that_is_missing_is_noticed() {
    let address = changed_echo(|bytes, before| {
        if before == 0 {
            bytes.pop();
        }
    });
    let words = "-c 1 -d 100ms --warmup 0s --drain-timeout 200ms";
    expect_failure(
        &format!("{address} {words}"),
        4,
        "1 requests were not answered",
    );
}

#[test]
fn a_server_that_does_not_answer_does_not_hang_a_counted_run() {
    let address = server(|mut stream, _| {
        // Half of what was asked for, then silence until the client goes.
        let mut bytes = [0; 64];
        for _ in 0..5 {
            if stream
                .read_exact(&mut bytes)
                .and_then(|()| stream.write_all(&bytes))
                .is_err()
            {
                return;
            }
        }
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let words = "-c 1 -n 10 --drain-timeout 200ms";
    expect_failure(
        &format!("{address} {words}"),
        4,
        "1 requests were not answered",
    );
}

#[test]
fn a_byte_too_many_is_noticed() {
    let address = changed_echo(|bytes, _| bytes.push(0));
    expect_failure(&format!("{address} -c 1 -n 10"), 4, "wrong bytes");
}

#[test]
fn a_server_that_closes_is_told_of_with_the_number_of_times() {
    let address = server(|mut stream, _| {
        let mut bytes = [0; 64];
        let _ = stream
            .read_exact(&mut bytes)
            .and_then(|()| stream.write_all(&bytes));
        let _ = stream.read_exact(&mut bytes);
    });
    let (code, output, _) = bench(&format!("{address} -c 7 -n 100"));
    assert_eq!(code, Some(4), "{output}");
    assert!(
        output.contains("7 x receive: the server has closed the connection"),
        "{output}"
    );
    assert!(output.contains("missing     7 requests"), "{output}");
}

#[test]
fn a_condition_that_is_met_fails_the_run() {
    expect_failure(
        "-n 100 --fail-if p99>1h --fail-if p50>1ns",
        3,
        "failed: p50>1ns: it is ",
    );
    expect_failure("-n 100 --fail-if rate<1G", 3, "failed: rate<1G: it is ");
    assert_eq!(
        bench("-n 100 --quiet --fail-if p99>1h --fail-if errors>0").0,
        Some(0)
    );
}

#[test]
fn what_can_not_be_run_says_why() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        listener.local_addr().expect("an address")
    };
    expect_failure(&format!("{nobody} -n 1"), 1, "Connection refused");
    expect_failure(
        "no-such-host.invalid:80 -n 1",
        1,
        "can't find `no-such-host.invalid:80`",
    );
    let serve = Serve::start("readiness", &[]);
    expect_failure(
        &format!("{} -n 1 --server-pid 2147483647", serve.address),
        1,
        "process 2147483647",
    );
}

#[test]
fn wrong_usage_says_what_would_be_right() {
    for (words, message) in [
        ("127.0.0.1", "use ADDRESS:PORT"),
        ("-c 0", "below the least, 1"),
        ("--size 1x", "use k, M, G"),
        ("-d 5", "use 5s or 5ms"),
        ("-d 0s", "use 1s or more"),
        ("--work gauss:1ms", "use exp, fixed or bimodal"),
        ("--work fixed:11s", "use a shorter mean"),
        ("--work fixed:1ms --size 64", "cannot be used with"),
        ("--skew 2:90", "--rate"),
        ("--skew 64:90 --rate 1k", "leave at least one cold"),
        ("127.0.0.1:1 --driver uring", "cannot be used with"),
        ("--fail-if p98>1ms", "p50, p90, p99"),
        ("--sweep-workers 4..1", "1..4096"),
        ("--svg x.svg", "--sweep-workers"),
    ] {
        expect_failure(words, 2, message);
    }
}

#[test]
fn more_connections_than_files_may_be_open_are_refused_at_the_start() {
    let mut command = Command::new("sh");
    let script = "ulimit -n 300 && exec \"$0\" bench -c 1000";
    command.args(["-c", script, WHARF]);
    let (code, _, errors) = run(command);
    assert_eq!(code, Some(2));
    for part in [
        "1000 connections",
        "1064 open files",
        "the limit is 300",
        "ulimit -Hn",
    ] {
        assert!(errors.contains(part), "{errors}");
    }
}

/// A bench that is under way on a server of its own, and that server's process.
fn under_way(output: Stdio) -> (std::process::Child, u32) {
    let child = Command::new(WHARF)
        .args(["bench", "-d", "1h", "-c", "4"])
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::null())
        .spawn()
        .expect("wharf starts");
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let mut server = None;
    eventually("it has a server with four clients", || {
        server = fs::read_to_string(&children)
            .unwrap_or_default()
            .trim()
            .parse()
            .ok();
        let sockets = |pid: u32| {
            let files = fs::read_dir(format!("/proc/{pid}/fd"))
                .into_iter()
                .flatten()
                .flatten();
            let links = files.filter_map(|file| fs::read_link(file.path()).ok());
            links
                .filter(|link| link.to_string_lossy().starts_with("socket:"))
                .count()
        };
        server.is_some_and(|pid| sockets(pid) >= 5)
    });
    (child, server.expect("it was found"))
}

#[test]
fn a_signal_ends_it_with_its_report() {
    let (mut child, server) = under_way(Stdio::piped());
    let pid = Pid::from_child(&child);
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    // A signal before anything is measured ends it without a report.
    eventually("it measures", || {
        let stat = fs::read_to_string(format!("/proc/{server}/stat")).unwrap_or_default();
        let ticks = |field| stat.split_whitespace().nth(field)?.parse::<u64>().ok();
        ticks(14)
            .zip(ticks(13))
            .is_some_and(|(system, user)| system + user > 120)
    });
    kill_process(pid, Signal::INT).expect("it runs");
    let mut report = String::new();
    while output.read_line(&mut report).expect("text") > 0 {}
    assert!(child.wait().expect("it ends").success(), "{report}");
    assert!(report.contains("ended by a signal"), "{report}");
    assert!(report.contains("throughput  "), "{report}");
    assert!(!Path::new(&format!("/proc/{server}")).exists());
}

#[test]
fn its_server_does_not_outlive_it() {
    let (mut child, server) = under_way(Stdio::null());
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    eventually("the server has ended", || {
        !Path::new(&format!("/proc/{server}/fd/0")).exists()
    });
}

#[test]
fn a_sweep_measures_each_count_under_both_loads_and_draws_them() {
    let file = std::env::temp_dir().join(format!("sweep-{}.svg", std::process::id()));
    let name = file.to_str().expect("a name");
    let figures = figures(&format!(
        "--sweep-workers 1..3 -d 100ms --warmup 10ms -c 4 --svg {name}"
    ));
    let points = figures["points"].as_array().expect("a list");
    let told: Vec<_> = points
        .iter()
        .map(|point| (point["workers"].as_u64(), point["load"].as_str()))
        .collect();
    let expected =
        ["little", "much"].map(|load| [1, 2, 3].map(|workers| (Some(workers), Some(load))));
    assert_eq!(told, expected.concat());
    assert!(
        points
            .iter()
            .all(|point| point["rate_hz"].as_f64().is_some_and(|rate| rate > 0.0))
    );
    let svg = fs::read_to_string(&file).expect("a picture");
    fs::remove_file(&file).expect("it is there");
    assert!(svg.starts_with("<svg") && svg.contains("much load") && svg.contains("little load"));
}
