//! `wharf serve --app work`: requests that say how long they take.

#![cfg(unix)]

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use common::{Serve, Stopped, WHARF, eventually, expect, expect_end, run};
use rustix::process::Signal;
use socket2::SockRef;

fn start(driver: &str) -> Serve {
    Serve::start(driver, &["--app", "work"])
}

/// A server with a single worker, and more requests than it could serve while anybody waits: 900 of 20 ms from each of
/// these clients.
fn overwhelmed(driver: &str) -> (Serve, Vec<TcpStream>) {
    let alone = ["--workers", "1", "--max-workers", "1", "--concurrency", "1"];
    let log = [
        "--log",
        "debug",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--driver",
        driver,
    ];
    let mut command = Command::new(WHARF);
    command.args(log).args(["--app", "work"]).args(alone);
    let serve = Serve::from_command(command);
    let clients = (0..4).map(|_| {
        let mut client = serve.connect();
        client.write_all(&frame(1, 20_000, 1).repeat(900)).unwrap();
        // The first is served.
        expect(&mut client, &frame(1, 20_000, 1));
        client
    });
    let clients = clients.collect();
    (serve, clients)
}

fn frame(id: u64, service_us: u32, kind: u8) -> [u8; 16] {
    let mut frame = [0; 16];
    frame[..8].copy_from_slice(&id.to_le_bytes());
    frame[8..12].copy_from_slice(&service_us.to_le_bytes());
    frame[12] = kind;
    frame
}

on_every_driver! {
    fn a_request_comes_back_as_it_was_sent(driver) {
        let serve = start(driver);
        let mut client = serve.connect();
        for frame in [frame(7, 0, 0), frame(u64::MAX, 300, 0), frame(0, 300, 1)] {
            common::echo(&mut client, &frame);
        }
    }

    fn a_request_may_come_in_pieces(driver) {
        let serve = start(driver);
        let mut client = serve.connect();
        let frames = [frame(1, 10, 0), frame(2, 10, 1)].concat();
        for byte in &frames {
            client.write_all(&[*byte]).unwrap();
        }
        expect(&mut client, &frames);
    }

    fn many_requests_in_one_are_answered_in_their_order(driver) {
        let serve = start(driver);
        let mut client = serve.connect();
        let frames: Vec<u8> = (0..100).flat_map(|id| frame(id, 1, (id % 2) as u8)).collect();
        // The last is cut, and its rest comes later.
        let (most, rest) = frames.split_at(frames.len() - 3);
        client.write_all(most).unwrap();
        expect(&mut client, &frames[..99 * 16]);
        client.write_all(rest).unwrap();
        expect(&mut client, &frames[99 * 16..]);
    }

    fn what_is_no_request_ends_the_connection_after_what_came_before(driver) {
        let serve = start(driver);
        let mut padded = frame(1, 1, 0);
        padded[15] = 1;
        for wrong in [frame(1, 1, 2), frame(1, 10_000_001, 1), padded] {
            let mut client = serve.connect();
            let good = frame(9, 1, 0);
            client.write_all(&[good, wrong].concat()).unwrap();
            expect(&mut client, &good);
            expect_end(&mut client);
        }
        // Others are served as before.
        common::echo(&mut serve.connect(), &frame(3, 1, 1));
    }

    fn a_sleep_takes_as_long_as_it_says(driver) {
        let serve = Serve::start(driver, &["--app", "work", "--work-max", "50ms"]);
        let mut client = serve.connect();
        let before = Instant::now();
        common::echo(&mut client, &frame(1, 50_000, 1));
        assert!(before.elapsed() >= Duration::from_millis(50));
    }

    fn a_request_above_the_longest_allowed_ends_its_connection(driver) {
        let serve = start(driver);
        let mut client = serve.connect();
        common::echo(&mut client, &frame(1, 20_000, 1));
        client.write_all(&frame(1, 20_001, 1)).unwrap();
        expect_end(&mut client);
    }

    fn many_requests_of_one_client_take_turns_with_those_of_others(driver) {
        let (serve, clients) = overwhelmed(driver);
        for id in 0..3 {
            common::echo(&mut serve.connect(), &frame(id, 10, 0));
        }
        let answered = |client: &TcpStream| {
            client.set_nonblocking(true).unwrap();
            client.peek(&mut [0; 900 * 16]).unwrap_or(0) / 16
        };
        let turns: usize = clients.iter().map(answered).sum();
        // A newcomer waits for some turns, of one request each: not for all, and not for one in 61, which is how often
        // the port would look for newcomers if it counted packets only.
        assert!(turns < 200, "{turns} requests were served first");
    }

    fn nobody_works_for_a_client_that_is_gone(driver) {
        let (serve, clients) = overwhelmed(driver);
        for client in clients {
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
        // It would take longer than this waits.
        eventually("they are seen to be gone", || serve.log().matches("a client is gone").count() == 4);
        common::echo(&mut serve.connect(), &frame(1, 10, 0));
    }

    fn a_stop_drops_requests_that_were_not_begun(driver) {
        let (serve, clients) = overwhelmed(driver);
        serve.signal(Signal::TERM);
        for mut client in clients {
            let mut answers = Vec::new();
            client.read_to_end(&mut answers).unwrap();
            assert!(answers.len() < 300 * 16 && answers.len() % 16 == 0, "{}", answers.len());
        }
        let (status, rest) = serve.wait();
        assert_eq!(status.code(), Some(0));
        let stopped = Stopped::parse(&rest);
        assert_eq!((stopped.clients, stopped.cut), (4, 0));
    }

    fn the_load_generator_speaks_it(driver) {
        let serve = start(driver);
        let mut command = Command::new(WHARF);
        command.args(["bench", &serve.address.to_string(), "--json"]);
        command.args(["-n", "200", "-c", "8", "--work", "fixed:1ms", "--kind", "sleep"]);
        let (code, output, errors) = run(command);
        assert_eq!(code, Some(0), "{errors}");
        let figures: serde_json::Value = serde_json::from_str(&output).unwrap();
        assert_eq!(figures["requests"], 200);
        assert!(figures["latency_ns"]["min"].as_u64() >= Some(1_000_000), "{figures}");
    }
}

#[test]
fn a_server_that_was_told_to_stops_with_its_standard_input() {
    let mut child = Command::new(WHARF)
        .args(["serve", "--listen", "127.0.0.1:0", "--stop-with-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdin = child.stdin.take();
    let mut output = child.stdout.take().unwrap();
    let mut listening = [0; 12];
    output.read_exact(&mut listening).unwrap();
    assert_eq!(&listening, b"listening on");
    drop(stdin);
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success());
    let last = rest.lines().last().unwrap();
    assert_eq!(
        Stopped::parse(last),
        Stopped {
            clients: 0,
            received: 0,
            sent: 0,
            cut: 0
        }
    );
}
