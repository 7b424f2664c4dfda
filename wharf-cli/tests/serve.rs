//! `wharf serve` and `wharf doctor` as a stranger meets them: the first line, the last line, signals, exit codes.

#![cfg(unix)]

mod common;

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
};

use common::{
    Serve, Stopped, WHARF, client_of, client_that_does_not_read, echo, eventually, expect_end,
    filtered, full_disk, full_pipe, pipe_without_reader, reserved, run, run_filtered,
    run_without_proc, serve_on,
};
use rustix::process::{Pid, Signal, kill_process};

on_every_driver! {
    fn the_first_line_says_where_and_how_it_serves(driver) {
        let serve = Serve::start(driver, &["--workers", "5", "--concurrency", "3"]);
        let port = serve.address.port();
        assert_ne!(port, 0);
        let expected = format!("listening on 127.0.0.1:{port} driver={driver} workers=5 max_workers=64 concurrency=3\n");
        assert_eq!(serve.first_line, expected);
        // It can be connected to from then on.
        echo(&mut serve.connect(), b"ahoy");
    }

    fn a_signal_stops_it_in_order_with_exit_code_0(driver) {
        for signal in [Signal::INT, Signal::TERM] {
            let serve = Serve::start(driver, &[]);
            let mut client = serve.connect();
            echo(&mut client, b"ahoy");
            serve.signal(signal);
            // An idle client is not waited for: the end comes, and then the last line.
            expect_end(&mut client);
            let (status, rest) = serve.wait();
            assert_eq!(status.code(), Some(0));
            let expected = Stopped { clients: 1, received: 4, sent: 4, cut: 0 };
            assert_eq!(Stopped::parse(&rest), expected);
        }
    }

    fn a_second_signal_ends_it_at_once(driver) {
        let mut serve = Serve::start(driver, &["--stop-timeout", "10m"]);
        let _stuck = client_that_does_not_read(&serve);
        serve.signal(Signal::TERM);
        eventually("it stops listening", || TcpStream::connect(serve.address).is_err());
        // The same within 200 ms is the first.
        eventually("it ends", || {
            serve.signal(Signal::TERM);
            serve.has_ended()
        });
        let (status, rest) = serve.wait();
        assert_eq!((status.code(), rest.as_str()), (Some(128 + 15), ""));
    }

    fn what_does_not_finish_by_the_deadline_is_cut_and_counted(driver) {
        let serve = Serve::start(driver, &["--stop-timeout", "200ms"]);
        let _stuck = client_that_does_not_read(&serve);
        let mut other = serve.connect();
        echo(&mut other, b"ahoy");
        let stopped = serve.stop();
        assert_eq!((stopped.clients, stopped.cut), (2, 1));
        expect_end(&mut other);
    }

    fn frames_come_back_whole_and_what_is_none_ends_its_client(driver) {
        for (framing, frames, bad) in [
            ("lines", &b"ahoy\nsail\n"[..], &b"\xFF\n"[..]),
            ("u8", b"\x04ahoy\0", b"\xFF"),
            ("u16", b"\0\x04ahoy", b"\xFF\xFF"),
            ("u32", b"\0\0\0\x04ahoy", b"\0\x01\0\0"),
            ("varint", b"\x04ahoy", b"\xFF\xFF\xFF\xFF\xFF"),
            ("zero", b"ahoy\0sail\0", b"ahoy"),
            ("fixed", b"0123456789abcdef", b"ahoy"),
        ] {
            let serve = Serve::start(driver, &["--frames", framing, "--max-frame", "1000"]);
            let mut client = serve.connect();
            echo(&mut client, frames);
            // The rest of the last frame comes later, and meanwhile another client goes wrong.
            client.write_all(&frames[..frames.len() - 1]).unwrap();
            let mut other = serve.connect();
            other.write_all(bad).unwrap();
            // The server ends it, or the end of its side shows that a frame has no end.
            if ["u8", "zero", "fixed"].contains(&framing) {
                other.shutdown(Shutdown::Write).unwrap();
            }
            expect_end(&mut other);
            client.write_all(&frames[frames.len() - 1..]).unwrap();
            common::expect(&mut client, frames);
            let stopped = serve.stop();
            assert_eq!((stopped.clients, stopped.cut), (2, 0), "{framing}");
        }
    }

    fn a_frame_that_does_not_end_in_time_ends_its_client(driver) {
        let options = ["--frames", "u32", "--frame-timeout", "100ms"];
        let serve = Serve::start(driver, &options);
        let mut client = serve.connect();
        echo(&mut client, b"\0\0\0\x04ahoy");
        client.write_all(b"\0\0\0\x04aho").unwrap();
        assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)), "it goes on");
        eventually("it is said", || serve.log().contains("the rest of a frame did not come"));
        serve.stop();
    }

    fn metrics_are_told_by_http(driver) {
        let mut serve = Serve::start(driver, &["--frames", "lines", "--metrics", "127.0.0.1:0"]);
        let line = serve.line();
        let address: SocketAddr = line.strip_prefix("metrics on ").expect(&line).parse().unwrap();
        let mut client = serve.connect();
        echo(&mut client, b"ahoy\n");
        let told = || ask(address, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
        eventually("its bytes are told", || told().contains("\nwharf_received_bytes_total 5\n"));
        let text = told();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"), "{text}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        for expected in [
            "# TYPE wharf_clients gauge\nwharf_clients 1\n",
            "\nwharf_accepted_clients_total 1\n",
            "\nwharf_frames_total 1\n",
            "\nwharf_ended_clients_total{reason=\"by_peer\"} 0\n",
            "\nwharf_handler_seconds_bucket{le=\"+Inf\"} 2\n",
        ] {
            assert!(body.contains(expected), "{expected} in {body}");
        }
        let head = ask(address, "HEAD / HTTP/1.1\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(ask(address, "GET /favicon.ico HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert!(ask(address, "POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
        // Who asks for too much is cut, and others are answered.
        let mut endless = client_of(address);
        endless.write_all(&[b'a'; 16 << 10]).unwrap();
        expect_end(&mut endless);
        assert!(told().contains("wharf_clients 1\n"));
        serve.stop();
    }

    fn each_line_of_the_log_is_an_object(driver) {
        let options = ["--log", "debug", "--log-format", "json", "--idle-timeout", "50ms"];
        let serve = Serve::start(driver, &options);
        let mut client = serve.connect();
        echo(&mut client, b"ahoy");
        expect_end(&mut client);
        let log = serve.log_at_the_end();
        serve.signal(Signal::TERM);
        serve.wait();
        let said = objects(&log.lock().unwrap());
        let cut = said.iter().find(|line| line["message"] == "cut: idle");
        let cut = cut.unwrap_or_else(|| panic!("{said:?}"));
        let own = client.local_addr().unwrap().to_string();
        assert_eq!((&cut["level"], &cut["client"], &cut["peer"]), (&"INFO".into(), &1.into(), &own.into()));
        // The span of the client, in whose handler that is said.
        assert_eq!((&cut["span"]["name"], &cut["span"]["id"]), (&"client".into(), &1.into()));

        // What is wrong at the start is one too.
        let mut command = serve_on("192.0.2.1:1", driver);
        command.args(["--log-format", "json"]);
        let (code, _, errors) = run(command);
        let said = objects(&errors);
        let last = &said.last().unwrap();
        assert_eq!((code, &last["level"]), (Some(30), &"ERROR".into()));
        assert!(last["message"].as_str().unwrap().starts_with("error: can't bind to 192.0.2.1:1"), "{errors}");
    }

    fn a_log_that_nobody_takes_costs_nobody_a_worker(driver) {
        let (_nobody_reads, full_pipe) = full_pipe();
        let gone = [Stdio::from(full_disk()), pipe_without_reader().into(), full_pipe.into()];
        for errors in gone {
            let mut command = serve_on("127.0.0.1:0", driver);
            command.args(["--log", "trace", "--idle-timeout", "50ms", "--workers", "2", "--max-workers", "2"]);
            let serve = Serve::with_errors(command, errors);
            // Each time one is cut, a worker says so; there are fewer workers.
            for _ in 0..4 {
                let idle = serve.connect();
                let end = (&idle).read(&mut [0; 1]);
                assert!(end.is_err() || end.is_ok_and(|len| len == 0));
            }
            echo(&mut serve.connect(), b"ahoy");
            // It would have said so in a panic.
            let stopped = serve.stop();
            assert_eq!((stopped.clients, stopped.sent), (5, 4));
        }
    }

    fn a_signal_is_heard_although_nobody_reads_the_output(driver) {
        let (_kept, address) = reserved();
        let (_nobody_reads, full_pipe) = full_pipe();
        let mut command = serve_on(&address.to_string(), driver);
        command.args(["--stats", "10ms"]).stdout(full_pipe).stderr(Stdio::null());
        let mut serve = Ends(command.spawn().unwrap());
        let mut client = client_of(address);
        echo(&mut client, b"ahoy");
        kill_process(Pid::from_child(&serve.0), Signal::TERM).unwrap();
        expect_end(&mut client);
        eventually("it ends", || serve.0.try_wait().unwrap().is_some());
        assert_eq!(serve.0.wait().unwrap().code(), Some(0));
    }

    fn a_port_in_use_is_exit_code_30_with_a_remedy(driver) {
        let first = Serve::start(driver, &[]);
        let (code, output, errors) = run(serve_on(&first.address.to_string(), driver));
        assert_eq!((code, output.as_str()), (Some(30), ""));
        assert!(errors.contains("another program listens there"), "{errors}");
        assert!(errors.contains(&first.address.to_string()), "{errors}");
    }
}

/// What is answered by HTTP.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = client_of(address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The lines of a log in JSON. Each has its time, its level and its message.
fn objects(log: &str) -> Vec<serde_json::Value> {
    let object = |line| -> serde_json::Value {
        let object: serde_json::Value = serde_json::from_str(line).expect(line);
        for name in ["timestamp", "level", "message"] {
            assert!(object[name].is_string(), "{name}: {line}");
        }
        object
    };
    log.lines().map(object).collect()
}

/// A process that ends with its test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn by_default_there_is_a_worker_more_than_run_at_once() {
    let serve = Serve::start("auto", &["--concurrency", "2"]);
    assert!(
        serve
            .first_line
            .ends_with(" workers=3 max_workers=64 concurrency=2\n"),
        "{}",
        serve.first_line
    );
}

#[test]
fn a_name_is_looked_up_and_the_first_line_says_what_it_is() {
    let mut command = serve_on("localhost:0", "auto");
    command.args(["--log", "debug"]);
    let serve = Serve::from_command(command);
    assert!(serve.address.ip().is_loopback());
    echo(&mut serve.connect(), b"ahoy");
}

#[test]
fn a_name_that_nobody_has_is_exit_code_30_with_a_remedy() {
    // There is none by definition (RFC 6761), and nobody is asked.
    let command = serve_on("nobody.invalid:0", "auto");
    let (code, _, errors) = run_filtered(libc::SYS_socket, libc::EACCES, command);
    assert_eq!(code, Some(30), "{errors}");
    assert!(errors.contains("nobody.invalid"), "{errors}");
    assert!(
        errors.contains("use an address of this machine"),
        "{errors}"
    );
}

#[test]
fn an_address_that_is_not_ours_is_exit_code_30_with_a_remedy() {
    // From the block that is set aside for documentation (RFC 5737).
    expect_exit(
        run(serve_on("203.0.113.1:21000", "auto")),
        30,
        "this machine has no such address",
    );
}

#[test]
fn a_port_that_is_not_permitted_is_exit_code_30_with_a_remedy() {
    let serve = serve_on("127.0.0.1:80", "auto");
    expect_exit(
        run_filtered(libc::SYS_bind, libc::EACCES, serve),
        30,
        "ports below 1024 need a privilege",
    );
}

#[test]
fn a_port_that_can_not_be_made_is_exit_code_10() {
    let serve = serve_on("127.0.0.1:0", "auto");
    expect_exit(
        run_filtered(libc::SYS_epoll_create1, libc::EMFILE, serve),
        10,
        "the completion port can't be made",
    );
}

#[test]
fn a_socket_that_can_not_be_made_is_exit_code_20() {
    let serve = serve_on("127.0.0.1:0", "auto");
    expect_exit(
        run_filtered(libc::SYS_socket, libc::ENOBUFS, serve),
        20,
        "no socket can be made",
    );
}

#[test]
fn a_socket_that_can_not_listen_is_exit_code_40() {
    let serve = serve_on("127.0.0.1:0", "auto");
    expect_exit(
        run_filtered(libc::SYS_listen, libc::EADDRINUSE, serve),
        40,
        "can't listen",
    );
}

#[test]
fn an_accept_that_fails_for_good_is_exit_code_50() {
    let (_kept, address) = reserved();
    // The first accept comes with the first client.
    let connects = thread::spawn(move || client_of(address));
    let (code, output, errors) = run_filtered(
        libc::SYS_accept4,
        libc::EINVAL,
        serve_on(&address.to_string(), "auto"),
    );
    assert_eq!(code, Some(50), "{errors}");
    assert!(errors.contains("can't accept any more"), "{errors}");
    assert!(output.contains("stopped clients=0"), "{output}");
    connects.join().unwrap();
}

#[test]
fn io_uring_that_is_refused_is_done_without_and_said_once() {
    for errno in [libc::EPERM, libc::ENOSYS, libc::EACCES] {
        let serve = filtered(libc::SYS_io_uring_setup, errno, || {
            Serve::start("auto", &[])
        });
        assert!(
            serve.first_line.contains(" driver=readiness "),
            "{}",
            serve.first_line
        );
        echo(&mut serve.connect(), b"ahoy");
        let says_so = || serve.log().matches("io_uring is refused").count();
        eventually("it says so", || says_so() > 0);
        assert_eq!(says_so(), 1, "{}", serve.log());
    }
}

#[test]
fn exact_time_outs_that_are_refused_are_done_without() {
    for errno in [libc::EPERM, libc::ENOSYS] {
        let mut command = Command::new(WHARF);
        command.args(["bench", "-n", "200", "-c", "4", "--rate", "2k", "--quiet"]);
        // Its own server and its load are both without.
        let (code, _, errors) = run_filtered(libc::SYS_epoll_pwait2, errno, command);
        assert_eq!(code, Some(0), "{errors}");
    }
}

#[test]
fn io_uring_that_is_refused_although_asked_for_is_exit_code_10_with_a_remedy() {
    let serve = serve_on("127.0.0.1:0", "uring");
    expect_exit(
        run_filtered(libc::SYS_io_uring_setup, libc::EPERM, serve),
        10,
        "kernel.io_uring_disabled",
    );
}

#[test]
fn arguments_that_make_no_sense_are_exit_code_2_and_name_the_value() {
    for (arguments, value) in [
        (&["--workers", "0"][..], "0"),
        (&["--buffer", "0"], "0"),
        (&["--max-clients", "0"], "0"),
        (&["--listen", "nowhere"], "nowhere"),
        (&["--listen", ":0"], "0.0.0.0:0"),
        (&["--listen", "*:0"], "0.0.0.0:0"),
        (&["--listen", "unix:"], "unix:/run/"),
        (
            &["--listen", "127.0.0.1:1", "--listen", "127.0.0.1:1"],
            "is given twice",
        ),
        (&["--proxy-protocol-from", "proxy"], "no range of addresses"),
        (&["--health", "nowhere"], "nowhere:21000"),
        (&["--health", "systemd"], "an address of its own"),
        (&["--metrics", "nowhere"], "nowhere:21000"),
        (&["--metrics", "systemd"], "an address of its own"),
        (&["--log-format", "xml"], "json"),
        (&["--drain-delay", "1s"], "add --health"),
        (&["--idle-timeout", "999999h"], "999999h"),
        (&["--stats", "999999h"], "999999h"),
        (&["--driver", "kqueue"], "kqueue"),
        (&["--idle-timeout", "0s"], "0s"),
        (&["--stop-timeout", "soon"], "soon"),
        (&["--stop-timeout", "10"], "10"),
        (&["--work-max", "0s"], "0 would refuse all work"),
        (&["--work-max", "10001ms"], "10s"),
        (&["--frames", "xml"], "xml"),
        (
            &["--frames", "u32", "--max-frame", "1"],
            "use 16 bytes to 64Mi",
        ),
        (&["--buffer", "65Mi"], "use 1 bytes to 64Mi"),
        (
            &["--frames", "u32", "--app", "work"],
            "leave one of both out",
        ),
        (&["--frame-timeout", "1s"], "add --frames"),
        (&["--max-frame", "1000"], "add --frames"),
        (&["--no-such-flag"], "--no-such-flag"),
    ] {
        let mut command = Command::new(WHARF);
        command.arg("serve").args(arguments);
        let (code, output, errors) = run(command);
        assert_eq!((code, output.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(errors.contains(value), "{errors}");
    }
}

#[test]
fn each_default_is_in_the_help_with_its_reason() {
    let mut command = Command::new(WHARF);
    command.args(["serve", "--help"]);
    let (code, output, _) = run(command);
    assert_eq!(code, Some(0));
    let flags = [
        "listen",
        "workers",
        "concurrency",
        "driver",
        "buffer",
        "max-clients",
        "backlog",
        "max-workers",
        "stats",
        "idle-timeout",
        "stop-timeout",
        "work-max",
        "proxy-protocol-from",
        "health",
        "drain-delay",
        "metrics",
        "log-format",
        "frames",
        "max-frame",
        "frame-timeout",
    ];
    for flag in flags {
        let start = output
            .find(&format!("--{flag}"))
            .unwrap_or_else(|| panic!("--{flag}: {output}"));
        assert!(output[start..].contains("[default: "), "--{flag}");
    }
}

#[test]
fn the_doctor_says_what_serve_would_choose() {
    let mut command = Command::new(WHARF);
    command.arg("doctor");
    let (code, output, _) = run(command);
    assert_eq!(code, Some(0));
    for name in [
        "kernel",
        "processors",
        "io_uring",
        "open files",
        "locked memory",
        "backlog",
        "blocked workers",
        "to change",
    ] {
        assert!(
            output.lines().any(|line| line.starts_with(name)),
            "{name}: {output}"
        );
    }
    // And it is what serve does choose.
    let serve = Serve::start("auto", &[]);
    let chosen = serve.first_line.split_once(" driver=").unwrap().1.trim();
    assert!(
        output.contains(&format!("would choose driver={chosen}")),
        "{output}"
    );
}

#[test]
fn the_doctor_may_be_left_before_it_has_said_all() {
    let doctor = |output: Stdio| {
        let mut command = Command::new(WHARF);
        command.arg("doctor").stdout(output).stderr(Stdio::piped());
        command.spawn().unwrap().wait_with_output().unwrap()
    };
    let left = doctor(pipe_without_reader().into());
    assert_eq!((left.status.code(), &left.stderr[..]), (Some(0), &b""[..]));
    // Where nobody can have read it, that is a failure.
    let full = doctor(full_disk().into());
    assert_eq!(full.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&full.stderr).contains("No space left"));
}

#[test]
fn the_doctor_may_say_that_it_does_not_know() {
    let Some((code, output, _)) = run_without_proc("doctor") else {
        return;
    };
    assert_eq!(code, Some(0));
    let backlog = output.lines().find(|line| line.starts_with("backlog"));
    assert!(
        backlog.is_some_and(|line| line.contains("unknown")),
        "{output}"
    );
    assert!(
        output
            .lines()
            .all(|line| line.split_whitespace().count() > 1),
        "{output}"
    );
}

#[test]
fn the_doctor_says_why_io_uring_is_not_allowed_and_what_to_change() {
    let mut command = Command::new(WHARF);
    command.arg("doctor");
    let (code, output, _) = run_filtered(libc::SYS_io_uring_setup, libc::ENOSYS, command);
    assert_eq!(code, Some(0));
    assert!(output.contains("not allowed"), "{output}");
    assert!(output.contains("seccomp"), "{output}");
    assert!(output.contains("would choose driver=readiness"), "{output}");
}

/// Whether it has ended with this code, and said this of why.
#[track_caller]
fn expect_exit((ended, _, errors): (Option<i32>, String, String), code: i32, message: &str) {
    assert_eq!(ended, Some(code), "{errors}");
    assert!(errors.contains(message), "{errors}");
}

#[test]
fn standard_output_may_be_closed() {
    let mut serve = Serve::start("auto", &[]);
    serve.close_output();
    echo(&mut serve.connect(), b"ahoy");
    serve.signal(Signal::TERM);
    assert_eq!(serve.wait().0.code(), Some(0));
}
