//! `wharf bench`: what it counts, what it notices, and how it ends.

#![cfg(unix)]

mod common;

use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
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

/// Runs it with `--json`, whatever comes of it: exit code, and figures.
fn outcome(words: &str) -> (Option<i32>, Value) {
    let (code, output, errors) = bench(&format!("{words} --json"));
    let figures = serde_json::from_str(&output);
    (code, figures.unwrap_or_else(|_| panic!("{errors}{output}")))
}

#[track_caller]
fn count(figures: &Value, name: &str) -> u64 {
    let count = figures[name].as_u64();
    count.unwrap_or_else(|| panic!("no {name} in {figures}"))
}

/// Starts it, for who wants to watch it.
fn start(words: &str) -> Child {
    Command::new(WHARF)
        .arg("bench")
        .args(words.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("wharf starts")
}

/// Sends the first signal, and waits for the end: exit code, output, messages.
fn interrupt(child: Child) -> (Option<i32>, String, String) {
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    (
        output.status.code(),
        String::from_utf8(output.stdout).expect("text"),
        String::from_utf8(output.stderr).expect("text"),
    )
}

/// Runs a script in name spaces of its own, with this program as `$0`: exit code, output, messages. None where that is
/// not allowed; then a test says so and judges nothing.
fn apart(kinds: &str, script: &str) -> Option<(Option<i32>, String, String)> {
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args([kinds, "sh", "-ec", script, WHARF]);
        command.stdin(Stdio::null());
        command
    };
    let may = unshare("true").output();
    if !may.is_ok_and(|output| output.status.success()) {
        eprintln!("NOT JUDGED: there are no name spaces of our own here");
        return None;
    }
    Some(run(unshare(script)))
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
        "-n 300 -c 10 --frames lines --pipeline 4",
        "-n 300 -c 10 --frames u32 --size 4 --pipeline 16",
        "-n 50 -c 5 --frames varint --size 100k",
        "-n 300 -c 10 --frames fixed --size 16",
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
        ("http://host:80/", "as in host:80 --http /"),
        ("https://host", "as in host:443"),
        ("::1", "as in [::1]:21000"),
        ("localhost:0", "no server is at port 0"),
        ("--rate 10G", "use 1G or less"),
        (&format!("--rate {}", "9".repeat(400)), "use 1G or less"),
        ("-d 99999999999999999999h", "longer than any clock runs"),
        ("--timeout 0s", "use 1s or more"),
        ("--connect-timeout 0s", "use 1s or more"),
        ("--connect-timeout 5", "use 5s or 5ms"),
        (
            "--sweep-workers 1..2 --svg /no/such/place.svg",
            "can't draw /no/such/place.svg: No such file",
        ),
        ("-c 0", "below the least, 1"),
        ("--size 1x", "use k, M, G"),
        ("-d 5", "use 5s or 5ms"),
        ("-d 0s", "use 1s or more"),
        ("--work gauss:1ms", "use exp, fixed or bimodal"),
        ("--work fixed:11s", "use a shorter mean"),
        ("--work fixed:1ms --size 64", "cannot be used with"),
        ("--frames u16 --size 1", "it has 2 to 65537"),
        ("--frames u32 --work fixed:1ms", "cannot be used with"),
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

#[test]
fn times_may_be_sums_and_longer_than_any_clock_runs() {
    let figures = figures("-c 2 -d 0m0.2s --warmup 0s10ms");
    assert_eq!(figures["warmup_s"], 0.01);
    let ages = "18446744073709549568s";
    bench_all(&[
        format!("-n 50 --drain-timeout {ages} --connect-timeout {ages} --timeout {ages}"),
        format!("-n 50 -d {ages} --drain-timeout {ages}"),
        format!("-n 50 --rate 0.5k -d {ages} --drain-timeout {ages}"),
    ]);
}

#[track_caller]
fn bench_all(all: &[String]) {
    for words in all {
        let (code, output, errors) = bench(words);
        assert_eq!(code, Some(0), "{words}: {errors}{output}");
    }
}

#[test]
fn an_open_loop_that_can_not_keep_up_ends_and_says_what_did_not_leave() {
    for words in ["", "--pipeline 65536"] {
        let (_, figures) = outcome(&format!(
            "-c 4 --rate 1G -d 300ms --warmup 0s --drain-timeout 60s {words}"
        ));
        let due = count(&figures, "requests") + count(&figures, "unsent");
        assert!((299_000_000..301_000_000).contains(&due), "{figures}");
        assert_eq!(count(&figures, "missing"), 0, "{figures}");
    }
}

#[test]
fn the_first_signal_is_heard_however_much_is_due() {
    for words in ["", "--pipeline 65536"] {
        let received = Arc::new(AtomicUsize::new(0));
        let counted = received.clone();
        let address = changed_echo(move |bytes, _| {
            counted.fetch_add(bytes.len(), Ordering::Relaxed);
        });
        let child = start(&format!(
            "{address} -c 4 --rate 1G -d 1h --warmup 0s {words}"
        ));
        eventually("it loads", || received.load(Ordering::Relaxed) > 10_000);
        let (_, output, errors) = interrupt(child);
        assert!(output.contains("ended by a signal"), "{output}{errors}");
        assert!(!errors.contains("second signal"), "{errors}");
    }
}

#[test]
fn patience_counts_from_when_a_request_left() {
    // With this number, it leaves after 3.5 s.
    let figures = figures("-c 1 --rate 0.25 -n 1 --seed 1 --drain-timeout 3s");
    assert_eq!(figures["requests"], 1);
    assert!(figures["measured_s"].as_f64() > Some(3.0), "{figures}");
}

#[test]
fn a_server_that_answers_one_after_the_other_is_waited_for() {
    let turn = Mutex::new(());
    let address = changed_echo(move |_, _| {
        let _turn = turn.lock().unwrap();
        thread::sleep(Duration::from_millis(800));
    });
    // The last one waits for 4 s, longer than without any answer.
    let figures = figures(&format!("{address} -c 5 -n 5 --drain-timeout 3s"));
    assert_eq!(figures["requests"], 5);
}

/// Echoes so many requests on each connection, or on its first connection only, and resets or closes it with the next.
fn fickle(requests: usize, first_only: bool) -> SocketAddr {
    let connections = AtomicUsize::new(0);
    server(move |mut stream, _| {
        let is_first = connections.fetch_add(1, Ordering::Relaxed) == 0;
        let mut bytes = [0; 64];
        let mut made = 0;
        while stream.read_exact(&mut bytes).is_ok() {
            made += 1;
            let is_over = made > requests && (is_first || !first_only);
            if is_over || stream.write_all(&bytes).is_err() {
                return;
            }
        }
    })
}

#[test]
fn the_load_of_a_lost_connection_moves_to_those_that_live() {
    let words = "-c 2 --threads 2 --rate 200 -d 2s --warmup 0s";
    for (again, reconnected) in [("", 0), ("--reconnect", 1)] {
        let address = fickle(10, true);
        let (code, figures) = outcome(&format!("{address} {words} {again}"));
        // The request that was lost with the connection.
        assert_eq!(code, Some(4), "{figures}");
        for (name, expected) in [("missing", 1), ("lost", 1), ("reconnected", reconnected)] {
            assert_eq!(count(&figures, name), expected, "{name} in {figures}");
        }
        // 400 are due on average. Five standard deviations fewer are more than one connection alone had.
        let made = count(&figures, "requests") + count(&figures, "unsent");
        assert!(made >= 300, "{figures}");
    }
}

#[test]
fn what_is_due_counts_to_the_end_though_no_connection_is_left() {
    let address = fickle(5, false);
    let (code, figures) = outcome(&format!("{address} -c 2 --rate 200 -d 2s --warmup 0s"));
    assert_eq!(code, Some(4), "{figures}");
    assert_eq!(count(&figures, "lost"), 2, "{figures}");
    assert_eq!(count(&figures, "requests"), 10, "{figures}");
    assert_eq!(figures["measured_s"], 2.0);
    let unsent = count(&figures, "unsent");
    assert!((288..488).contains(&unsent), "{figures}");
}

#[test]
fn lost_connections_are_made_again_where_that_is_asked_for() {
    let address = fickle(10, false);
    let (code, figures) = outcome(&format!("{address} -n 200 -c 2 --reconnect"));
    assert_eq!(code, Some(4), "{figures}");
    // Ten are answered on each connection, and one is lost with it.
    let (answered, missing) = (count(&figures, "requests"), count(&figures, "missing"));
    assert_eq!(answered + missing, 200, "{figures}");
    let (lost, again) = (count(&figures, "lost"), count(&figures, "reconnected"));
    assert!(lost >= 17 && again >= 16, "{figures}");
    assert_eq!(count(&figures, "unmade"), 0, "{figures}");

    let (_, output, _) = bench(&format!("{} -n 200 -c 2", fickle(10, false)));
    assert!(
        output.contains("lost        2 connections, which --reconnect would make again"),
        "{output}"
    );
    assert!(output.contains("not made    178 requests"), "{output}");
}

/// Takes two connections, answers one request on each, and is gone.
fn passing_server() -> SocketAddr {
    // An address of its own: else another test's server may have the port, once this one is gone.
    let listener = TcpListener::bind("127.7.7.7:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let both = [listener.accept(), listener.accept()];
        drop(listener);
        for accepted in both {
            let (mut stream, _) = accepted.expect("a connection");
            let mut bytes = [0; 64];
            stream.read_exact(&mut bytes).expect("a request");
            stream.write_all(&bytes).expect("it is there");
        }
    });
    address
}

#[test]
fn connections_that_can_not_be_made_again_are_named_and_not_tried_all_the_time() {
    for words in [
        "-d 1500ms --warmup 0s",
        "--rate 100 -d 1500ms --warmup 0s",
        // This one ends when it has been in vain for as long as an attempt and an answer may take.
        "-n 1000 --connect-timeout 750ms --drain-timeout 750ms",
    ] {
        let address = passing_server();
        let (code, figures) = outcome(&format!("{address} -c 2 {words} --reconnect"));
        assert!(matches!(code, Some(1 | 4)), "{figures}");
        assert_eq!(count(&figures, "down"), 2, "{figures}");
        let refused = figures["errors"].as_array().into_iter().flatten();
        let refused = refused.filter(|error| error["what"].to_string().contains("refused"));
        let refused: u64 = refused.map(|error| count(error, "count")).sum();
        assert!((2..=30).contains(&refused), "{figures}");
    }
}

#[test]
fn a_request_that_is_not_answered_in_time_gives_its_connection_up() {
    let connections = AtomicUsize::new(0);
    let address = server(move |mut stream, _| {
        let is_first = connections.fetch_add(1, Ordering::Relaxed) == 0;
        let mut bytes = [0; 64];
        while stream.read_exact(&mut bytes).is_ok() {
            if !is_first && stream.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    let (code, output, errors) = bench(&format!("{address} -c 1 -n 5 --timeout 2s --reconnect"));
    assert_eq!(code, Some(4), "{output}");
    for part in [
        "requests    4 answered",
        "timed out   1 requests without an answer within 2 s",
        "lost        1 connections; 1 were made again",
        "1 x request: no answer within 2 s, so that its connection was given up",
    ] {
        assert!(output.contains(part), "no {part:?} in {output}");
    }
    assert!(errors.contains("0 requests were not answered, 1 not within 2 s"));
}

#[test]
fn an_answer_that_comes_after_its_time_does_not_count() {
    let address = changed_echo(|_, _| thread::sleep(Duration::from_millis(700)));
    let (code, figures) = outcome(&format!(
        "{address} -c 2 -d 500ms --warmup 0s --timeout 300ms"
    ));
    assert_eq!(code, Some(4), "{figures}");
    assert_eq!(count(&figures, "requests"), 0, "{figures}");
    assert_eq!(count(&figures, "timed_out"), 2, "{figures}");
}

#[test]
fn where_nothing_counts_there_is_no_success() {
    let address = changed_echo(|_, _| thread::sleep(Duration::from_millis(600)));
    let words = format!("{address} -c 4 -d 200ms --warmup 0s --drain-timeout 60s");
    let (code, output, errors) = bench(&words);
    assert_eq!(code, Some(1), "{errors}{output}");
    assert!(
        output.contains("late        4 answers after the measured time"),
        "{output}"
    );
    assert!(
        errors.contains(
            "nothing was answered in the 200 ms that were measured: 4 answers came later"
        ),
        "{errors}"
    );
    expect_failure(
        "-c 1 --rate 0.0001 -d 100ms --warmup 0s",
        1,
        "no request was due",
    );
}

/// A listener that never accepts, and has no room for another connection; and those that have taken it.
fn never_accepts() -> (socket2::Socket, Vec<socket2::Socket>) {
    use socket2::{Domain, SockAddr, Socket, Type};
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    listener.bind(&SockAddr::from(any)).expect("a port");
    listener.listen(0).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let fill = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_nonblocking(true).expect("it can be");
        // It is under way, or has come to nothing.
        let _ = socket.connect(&address);
        socket
    };
    let taken = (0..4).map(|_| fill()).collect();
    (listener, taken)
}

fn address_of(listener: &socket2::Socket) -> SocketAddr {
    let address = listener.local_addr().expect("an address");
    address.as_socket().expect("of the internet")
}

#[test]
fn a_listener_that_never_accepts_is_given_up() {
    let (listener, _taken) = never_accepts();
    let address = address_of(&listener);
    expect_failure(
        &format!("{address} -c 8 -d 1s --connect-timeout 300ms"),
        1,
        "connect: no connection within 300 ms",
    );
    // More are not begun than a few hundred, else it would take as long for each hundred.
    let (code, _, errors) = bench(&format!(
        "{address} -c 5000 -d 1s --threads 1 --connect-timeout 100ms"
    ));
    assert_eq!(code, Some(1));
    assert!(errors.contains("not tried, since 100 in a row"), "{errors}");
}

#[test]
fn a_signal_ends_it_while_it_connects() {
    let (listener, _taken) = never_accepts();
    let child = start(&format!(
        "{} -c 8 --connect-timeout 1h",
        address_of(&listener)
    ));
    let files = format!("/proc/{}/fd", child.id());
    eventually("it connects", || {
        let files = fs::read_dir(&files).into_iter().flatten().flatten();
        let links = files.filter_map(|file| fs::read_link(file.path()).ok());
        links
            .filter(|link| link.to_string_lossy().starts_with("socket:"))
            .count()
            >= 8
    });
    let (code, _, errors) = interrupt(child);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("ended by a signal before"), "{errors}");
}

#[test]
fn a_connection_to_itself_is_none() {
    let script = "ip link set lo up
        echo 50000 50000 > /proc/sys/net/ipv4/ip_local_port_range
        \"$0\" bench 127.0.0.1:50000 -c $1 -d 1s";
    for (connections, says) in [("1", "made to itself"), ("100", "refused")] {
        let script = script.replace("$1", connections);
        let Some((code, output, errors)) = apart("-rn", &script) else {
            return;
        };
        assert_eq!((code, output.as_str()), (Some(1), ""), "{errors}");
        assert!(errors.contains(says), "{errors}");
    }
}

#[test]
fn an_address_of_ours_without_a_port_left_is_followed_by_the_next() {
    let script = "ip link set lo up
        echo 20000 20049 > /proc/sys/net/ipv4/ip_local_port_range
        \"$0\" bench -c 170 -n 1000 --json";
    let Some((code, output, errors)) = apart("-rn", script) else {
        return;
    };
    assert_eq!(code, Some(0), "{errors}{output}");
    let figures: Value = serde_json::from_str(&output).expect("one object");
    assert_eq!(count(&figures, "connected"), 170, "{figures}");
}

#[test]
fn where_we_have_one_address_only_it_is_said_that_no_port_is_left() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("NOT JUDGED: there is no IPv6 here");
        return;
    }
    let script = "ip link set lo up
        echo 20000 20049 > /proc/sys/net/ipv4/ip_local_port_range
        mkfifo /tmp/listening.$$
        \"$0\" serve --listen '[::1]:7777' > /tmp/listening.$$ &
        read -r line < /tmp/listening.$$
        rm /tmp/listening.$$
        code=0
        \"$0\" bench '[::1]:7777' -c 100 -n 1000 || code=$?
        kill $!
        exit $code";
    let Some((code, output, errors)) = apart("-rn", script) else {
        return;
    };
    assert_eq!(code, Some(1), "{errors}{output}");
    assert!(
        errors.contains("use fewer connections with -c, or widen the range of ports"),
        "{errors}"
    );
}

#[test]
fn the_addresses_of_a_name_are_tried_in_turn() {
    let serve = Serve::start("readiness", &[]);
    let script = format!(
        "hosts=$(mktemp)
        printf '::1 localhost\\n127.0.0.1 localhost\\n' > $hosts
        mount --bind $hosts /etc/hosts
        code=0
        \"$0\" bench localhost:{} -n 100 --json || code=$?
        umount /etc/hosts
        rm $hosts
        exit $code",
        serve.address.port()
    );
    let Some((code, output, errors)) = apart("-rm", &script) else {
        return;
    };
    assert_eq!(code, Some(0), "{errors}{output}");
    let figures: Value = serde_json::from_str(&output).expect("one object");
    assert_eq!(count(&figures, "requests"), 100, "{figures}");
    assert_eq!(figures["address"], serve.address.to_string());
    // Where none of them answers, each is told of.
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        listener.local_addr().expect("an address")
    };
    expect_failure(
        &format!("localhost:{} -n 1", nobody.port()),
        1,
        &format!("{nobody}: connect: "),
    );
}

#[test]
fn a_reader_that_goes_is_no_failure_and_an_output_that_is_none_is_told_first() {
    for words in ["-n 100", "-n 100 --json"] {
        let mut child = start(words);
        drop(child.stdout.take());
        assert!(child.wait().expect("it ends").success(), "{words}");
    }
    let mut command = Command::new("sh");
    command.args(["-c", "\"$0\" bench -d 1h --json 1< /dev/null", WHARF]);
    let (code, _, errors) = run(command);
    assert_eq!(code, Some(2), "{errors}");
    assert!(
        errors.contains("standard output can't be written"),
        "{errors}"
    );
}

#[test]
fn a_signal_ends_a_sweep_with_the_points_that_it_has() {
    let child = start("--sweep-workers 1..2 -d 300ms --warmup 0s -c 4 --json");
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let mut servers = HashSet::new();
    eventually("its third server runs", || {
        let running = fs::read_to_string(&children).unwrap_or_default();
        servers.extend(running.split_whitespace().map(str::to_owned));
        servers.len() >= 3
    });
    let (code, output, errors) = interrupt(child);
    assert_eq!(code, Some(0), "{errors}");
    let figures: Value = serde_json::from_str(&output).expect("one object");
    assert_eq!(figures["interrupted"], true);
    let points = figures["points"].as_array().expect("a list");
    assert!((2..=4).contains(&points.len()), "{figures}");
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
    // Long enough for an answer on a busy machine.
    let figures = figures(&format!(
        "--sweep-workers 1..3 -d 300ms --warmup 10ms -c 4 --svg {name}"
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
