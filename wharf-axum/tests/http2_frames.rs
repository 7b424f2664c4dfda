//! What `serve` promises about clients of HTTP/2 that no library would be: frame by frame, on each driver.

#[macro_use]
mod harness;

use std::{
    convert::Infallible,
    io::{self, ErrorKind, Read, Write},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, routing::get};
use futures_util::stream;
use socket2::SockRef;
use tokio::sync::Notify;
use wharf::DriverChoice;
use wharf_axum::Serve;

use harness::{Client, PATIENCE, Server};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// As long as an acknowledgement may take, and more.
const STALL_TIMEOUT: Duration = Duration::from_millis(500);

/// GET / of http://a, as HPACK has it.
const HEAD: &[u8] = &[0x82, 0x86, 0x84, 0x41, 1, b'a'];

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

/// The code of an error.
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// As [`HEAD`], with more fields than hyper allows: one of 4,000 bytes, and five times the same out of the table that it was put into.
fn large_head() -> Vec<u8> {
    let field = [&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e][..], &[b'a'; 4_000]].concat();
    [HEAD, &field, &[0xbe; 5]].concat()
}

/// SETTINGS_INITIAL_WINDOW_SIZE: how much of each answer may come without being allowed.
fn window(bytes: u32) -> Vec<u8> {
    [&[0, 4][..], &bytes.to_be_bytes()].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A client that has said its settings and asked for /.
fn ask(server: &Server, settings: &[u8]) -> Client {
    let mut client = server.connect();
    let first = [PREFACE, &frame(SETTINGS, 0, 0, settings)].concat();
    client.send(first);
    client.send(frame(HEADERS, 5, 1, HEAD));
    client
}

/// Allows more of the answer.
fn allow(client: &mut Client, bytes: u32) {
    for stream in [0, 1] {
        client.send(frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()));
    }
}

struct Frame {
    kind: u8,
    flags: u8,
    payload: Vec<u8>,
}

/// The next frame. Pings and settings are answered. None: the connection was reset.
fn next(client: &mut Client) -> Option<Frame> {
    let mut head = [0; 9];
    if !is_there(client.stream().read_exact(&mut head)) {
        return None;
    }
    let [_, a, b, c] = [0, head[0], head[1], head[2]];
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    client.stream().read_exact(&mut payload).unwrap();
    let (kind, flags) = (head[3], head[4]);
    let answer = match (kind, flags & 1) {
        (PING, 0) => frame(PING, 1, 0, &payload),
        (SETTINGS, 0) => frame(SETTINGS, 1, 0, &[]),
        _ => Vec::new(),
    };
    is_there(client.stream().write_all(&answer)).then_some(Frame {
        kind,
        flags,
        payload,
    })
}

/// Whether a connection is there still; it is told once that it was reset.
fn is_there(result: io::Result<()>) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionReset};
    let Err(error) = result else {
        return true;
    };
    // On Windows it may be the second.
    let is_reset = matches!(error.kind(), ConnectionReset | ConnectionAborted);
    assert!(is_reset, "it is not reset: {error}");
    false
}

/// The next frame of an answer's body.
fn next_data(client: &mut Client) -> Frame {
    loop {
        let frame = next(client).expect("it is not cut");
        if frame.kind == 0 {
            return frame;
        }
    }
}

/// The next bytes of an answer.
fn data(client: &mut Client) -> Vec<u8> {
    loop {
        let frame = next_data(client);
        if !frame.payload.is_empty() {
            return frame.payload;
        }
    }
}

fn read_to_the_end(client: &mut Client) {
    while next_data(client).flags & 1 == 0 {}
}

/// More than the systems take at once, and less than what they have room for.
const LARGE: usize = 3 << 20;

/// Room of a client's system that takes little at once.
const LITTLE: usize = 64 << 10;

/// A client that has asked for /, allows all of the answer of so many bytes, and whose system has room for so many at once.
fn ask_for_all(server: &Server, len: usize, room: usize) -> Client {
    let mut client = server.connect();
    let socket = SockRef::from(client.stream());
    socket.set_recv_buffer_size(room).unwrap();
    let settings = frame(SETTINGS, 0, 0, &window(2 * len as u32));
    let all = (2 * len as u32).to_be_bytes();
    let allowed = frame(WINDOW_UPDATE, 0, 0, &all);
    client.send([PREFACE, &settings, &allowed, &frame(HEADERS, 5, 1, HEAD)].concat());
    client
}

/// Takes a large answer, of which so much is there, and allows as much again as it takes, as clients do.
fn take_all(client: &mut Client, mut taken: usize) {
    loop {
        let frame = next_data(client);
        taken += frame.payload.len();
        if frame.flags & 1 == 1 {
            break;
        }
        let len = (frame.payload.len() as u32).max(1).to_be_bytes();
        client.send(self::frame(WINDOW_UPDATE, 0, 0, &len));
    }
    assert_eq!(taken, LARGE);
}

/// A client that allows all of an answer at once, and for six time-outs reads a frame of it now and then: its system takes what it reads,
/// less than what waits in the server's system.
fn read_slowly(
    driver: DriverChoice,
    set: impl FnOnce(Serve<Router>) -> Serve<Router>,
    meanwhile: impl FnOnce(&mut Server),
) -> Server {
    const LEN: usize = 16 << 20;
    let large = get(|| async { vec![7; LEN] });
    let mut server = Server::start_with(driver, Router::new().route("/", large), set);
    let mut client = ask_for_all(&server, LEN, LITTLE);
    let mut taken = data(&mut client).len();
    meanwhile(&mut server);
    let start = Instant::now();
    while taken < LEN {
        taken += data(&mut client).len();
        if start.elapsed() < 6 * STALL_TIMEOUT {
            thread::sleep(STALL_TIMEOUT / 25);
        }
    }
    server
}

/// A client whose system has all of an answer at once, when it leaves or the server does; and which reads a frame of it now and then, and
/// allows as much again, for longer than one that is silent has.
fn read_out_slowly(driver: DriverChoice, leave: impl FnOnce(&mut Server, &mut Client)) -> Server {
    const LEN: usize = 8 * FRAME;
    const FRAME: usize = 16 << 10;
    let mut server = Server::start(driver, get(|| async { vec![7; LEN] }));
    let mut client = ask_for_all(&server, LEN, 8 * LEN);
    let mut taken = data(&mut client).len();
    leave(&mut server, &mut client);
    while taken < LEN {
        thread::sleep(STALL_TIMEOUT);
        taken += data(&mut client).len();
        // That fails if the connection was reset.
        client.send(frame(WINDOW_UPDATE, 0, 0, &(FRAME as u32).to_be_bytes()));
    }
    server
}

on_every_driver! {
    fn a_client_is_told_how_many_requests_it_may_have_at_once(driver) {
        for (set, told) in [(None, 100), (Some(7), 7_u32)] {
            let server = Server::start_with(driver, get(|| async {}), |serve| match set {
                Some(requests) => serve.requests_at_most(requests),
                None => serve,
            });
            let mut client = ask(&server, &[]);
            let settings = next(&mut client).unwrap();
            assert_eq!(settings.kind, SETTINGS);
            let mut settings = settings.payload.chunks(6);
            let at_most = settings.find(|it| it[..2] == [0, 3]).unwrap();
            assert_eq!(at_most[2..], told.to_be_bytes());
            drop(client);
            server.stop();
        }
    }

    /// Of some nothing at all, of some what they allow at first, which is less than there is. They answer each ping, and go on to ping.
    fn who_allows_no_more_of_an_answer_is_cut(driver) {
        for (bytes, len) in [(0, 9), (0, 1 << 20), (1, 1 << 20), (10_000, 1 << 20), (65_535, 1 << 20)] {
            let app = get(move || async move { vec![7; len] });
            let server = Server::start_with(driver, app, |serve| serve.stall_timeout(STALL_TIMEOUT));
            let mut client = ask(&server, &window(bytes));
            let ping = frame(PING, 0, 0, &[7; 8]);
            client.send(&ping);
            let (mut taken, start) = (0, Instant::now());
            while let Some(frame) = next(&mut client) {
                assert!(start.elapsed() < PATIENCE, "it is not cut");
                taken += if frame.kind == 0 { frame.payload.len() } else { 0 };
                if frame.kind == PING {
                    thread::sleep(STALL_TIMEOUT / 50);
                    if !is_there(client.stream().write_all(&ping)) {
                        break;
                    }
                }
            }
            assert_eq!(taken, bytes as usize);
            server.stop();
        }
    }

    /// It lets the answers to its pings wait, and takes them, again and again: they are no part of an answer.
    fn who_takes_pings_only_is_cut(driver) {
        const TIMEOUT: Duration = Duration::from_secs(2);
        let app = get(|| async { vec![7; 1 << 20] });
        let server = Server::start_with(driver, app, |serve| serve.stall_timeout(TIMEOUT));
        let client = ask(&server, &window(0));
        let mut stream = client.stream();
        SockRef::from(stream).set_recv_buffer_size(64 << 10).unwrap();
        stream.set_write_timeout(Some(TIMEOUT / 40)).unwrap();
        stream.set_read_timeout(Some(TIMEOUT / 40)).unwrap();
        let pings = frame(PING, 0, 0, &[7; 8]).repeat(1_000);
        let waits = |error: &io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        let (mut at, start, mut memory) = (0, Instant::now(), vec![0; 1 << 20]);
        'open: loop {
            assert!(start.elapsed() < PATIENCE, "it is not cut");
            loop {
                match stream.write(&pings[at..]) {
                    Ok(len) => at = (at + len) % pings.len(),
                    Err(error) if waits(&error) => break,
                    Err(_) => break 'open,
                }
            }
            loop {
                match stream.read(&mut memory) {
                    Ok(0) => break 'open,
                    Ok(_) => {}
                    Err(error) if waits(&error) => break,
                    Err(_) => break 'open,
                }
            }
        }
        server.stop();
    }

    fn who_allows_an_answer_little_by_little_is_not_cut(driver) {
        const LEN: usize = 1 << 20;
        let large = get(|| async { vec![7; LEN] });
        let server = Server::start_with(driver, large, |serve| serve.stall_timeout(STALL_TIMEOUT));
        let mut client = ask(&server, &window(0));
        // For three time-outs it allows little at a time.
        for _ in 0..30 {
            thread::sleep(STALL_TIMEOUT / 10);
            allow(&mut client, 10_000);
        }
        allow(&mut client, 1_000_000);
        let mut taken = 0;
        loop {
            let frame = next(&mut client).expect("it is not cut");
            if frame.kind == 0 {
                taken += frame.payload.len();
                if frame.flags & 1 == 1 {
                    break;
                }
            }
        }
        assert_eq!(taken, LEN);
        drop(client);
        server.stop();
    }

    fn who_reads_an_answer_slowly_is_not_cut(driver) {
        read_slowly(driver, |serve| serve.stall_timeout(STALL_TIMEOUT), |_| {}).stop();
    }

    /// What has not arrived is as much at all times, as more is written when some has.
    fn who_reads_an_answer_slowly_is_not_cut_at_a_stop(driver) {
        let set = |serve: Serve<_>| serve.stall_timeout(STALL_TIMEOUT);
        read_slowly(driver, set, Server::begin_stop).wait_for_the_end();
    }

    /// It is asked whether it is there, and does not come to the question for some time-outs.
    fn who_reads_an_answer_slowly_is_there(driver) {
        read_slowly(driver, |serve| serve.header_timeout(STALL_TIMEOUT), |_| {}).stop();
    }

    fn a_client_may_read_slowly_what_its_system_has_at_a_stop(driver) {
        read_out_slowly(driver, |server, _| server.begin_stop()).wait_for_the_end();
    }

    fn a_client_that_leaves_may_read_slowly_what_its_system_has(driver) {
        let leave = |_: &mut _, client: &mut Client| client.send(frame(GOAWAY, 0, 0, &[0; 8]));
        read_out_slowly(driver, leave).stop();
    }

    /// It has its answer, and allows more of none without end.
    fn who_goes_on_to_allow_holds_no_stop(driver) {
        let app = get(|| async { "whole" });
        let mut server = Server::start_with(driver, app, |serve| serve.stall_timeout(STALL_TIMEOUT));
        let mut client = ask(&server, &[]);
        read_to_the_end(&mut client);
        server.begin_stop();
        let start = Instant::now();
        while client.stream().write_all(&frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])).is_ok() {
            assert!(start.elapsed() < PATIENCE, "it is not cut");
            thread::sleep(Duration::from_millis(20));
        }
        server.wait_for_the_end();
    }

    /// One that has asked nothing, and one that has its answer: neither says anything more, as if its machine were gone. The time-outs
    /// that find such a client are longer than the test may take.
    fn a_client_that_is_gone_holds_up_no_stop(driver) {
        let mut server = Server::start(driver, get(|| async { "whole" }));
        let mut silent = server.connect();
        silent.send(PREFACE);
        assert_eq!(next(&mut silent).unwrap().kind, SETTINGS);
        let mut answered = ask(&server, &[]);
        read_to_the_end(&mut answered);
        server.begin_stop();
        server.wait_for_the_end();
    }

    /// It has reset its request while the answer waited to be allowed, and then says nothing more.
    fn a_client_that_wants_its_answer_no_more_and_is_gone_holds_up_no_stop(driver) {
        let mut server = Server::start(driver, get(|| async { "whole" }));
        let mut client = ask(&server, &window(0));
        while next(&mut client).expect("it is not cut").kind != HEADERS {}
        client.send(frame(RST_STREAM, 0, 1, &CANCEL));
        server.begin_stop();
        server.wait_for_the_end();
    }

    /// The first is given by h2, which has not told hyper of the request; the second has to wait for its client.
    fn an_answer_to_too_large_a_head_is_not_taken_for_another(driver) {
        let mut server = Server::start(driver, get(|| async { vec![7; 10_000] }));
        let mut client = server.connect();
        let first = frame(SETTINGS, 0, 0, &window(4_000));
        client.send([PREFACE, &first, &frame(HEADERS, 5, 1, &large_head())].concat());
        let refused = loop {
            let frame = next(&mut client).expect("it is not cut");
            if frame.kind == HEADERS {
                break frame;
            }
        };
        assert_eq!(refused.flags & 1, 1);
        client.send(frame(HEADERS, 5, 3, HEAD));
        let mut gone = ask(&server, &[]);
        read_to_the_end(&mut gone);
        assert_eq!(next_data(&mut client).payload.len(), 4_000);
        server.begin_stop();
        // It answers no ping, and is cut after its second.
        gone.stream().read_to_end(&mut Vec::new()).unwrap();
        client.send(frame(WINDOW_UPDATE, 0, 3, &6_000_u32.to_be_bytes()));
        let rest = next_data(&mut client);
        assert_eq!((rest.payload.len(), rest.flags & 1), (6_000, 1));
        server.wait_for_the_end();
    }

    /// It is told that the server stops, and allows the rest when a client that is gone would have been cut.
    fn the_end_of_an_answer_is_waited_for_at_a_stop(driver) {
        let mut server = Server::start(driver, get(|| async { vec![7; 10_000] }));
        let mut client = ask(&server, &window(4_000));
        let mut gone = ask(&server, &[]);
        read_to_the_end(&mut gone);
        assert_eq!(next_data(&mut client).payload.len(), 4_000);
        server.begin_stop();
        // It answers no ping, and is cut after its second.
        gone.stream().read_to_end(&mut Vec::new()).unwrap();
        allow(&mut client, 6_000);
        let rest = next_data(&mut client);
        assert_eq!((rest.payload.len(), rest.flags & 1), (6_000, 1));
        server.wait_for_the_end();
    }

    /// All of it is in the systems' buffers when a client that is gone is cut, and the word of the stop is behind it. What the client
    /// goes on to say must not have the system throw away what is on its way.
    fn an_answer_that_is_taken_slowly_arrives_at_a_stop(driver) {
        let mut server = Server::start(driver, get(|| async { vec![7; LARGE] }));
        let mut client = ask_for_all(&server, LARGE, LITTLE);
        let taken = data(&mut client).len();
        let mut gone = server.connect();
        gone.send(PREFACE);
        assert_eq!(next(&mut gone).unwrap().kind, SETTINGS);
        server.begin_stop();
        gone.stream().read_to_end(&mut Vec::new()).unwrap();
        take_all(&mut client, taken);
        server.wait_for_the_end();
    }

    /// It was told of the stop before, and has said that it was.
    fn an_answer_that_is_given_after_the_word_of_a_stop_arrives(driver) {
        let (begin, begun) = mpsc::channel();
        let go = Arc::new(Notify::new());
        let goes = go.clone();
        let late = get(move || async move {
            begin.send(()).unwrap();
            goes.notified().await;
            vec![7; LARGE]
        });
        let mut server = Server::start(driver, late);
        let mut client = ask_for_all(&server, LARGE, LITTLE);
        begun.recv_timeout(PATIENCE).unwrap();
        server.begin_stop();
        while next(&mut client).expect("it is not cut").kind != PING {}
        go.notify_one();
        take_all(&mut client, 0);
        server.wait_for_the_end();
    }

    /// Clients say so that begin nothing more on a connection. The server ends it, when it has written all.
    fn an_answer_arrives_where_its_client_says_that_it_leaves(driver) {
        let server = Server::start(driver, get(|| async { vec![7; LARGE] }));
        let mut client = ask_for_all(&server, LARGE, LITTLE);
        let taken = data(&mut client).len();
        client.send(frame(GOAWAY, 0, 0, &[0; 8]));
        take_all(&mut client, taken);
        drop(client);
        server.stop();
    }

    fn who_takes_nothing_of_what_is_on_its_way_holds_no_stop(driver) {
        let app = get(|| async { vec![7; LARGE] });
        let mut server = Server::start_with(driver, app, |serve| serve.stall_timeout(STALL_TIMEOUT));
        let mut client = ask_for_all(&server, LARGE, LITTLE);
        data(&mut client);
        server.begin_stop();
        server.wait_for_the_end();
    }

    /// It does not say that it was told of the stop, and there is always something that it has asked.
    fn who_goes_on_to_ask_holds_no_stop(driver) {
        let (begin, begun) = mpsc::channel();
        let go = Arc::new(Notify::new());
        let goes = go.clone();
        let late = get(move || async move {
            let _ = begin.send(());
            goes.notified().await;
        });
        let mut server = Server::start(driver, late);
        let client = ask(&server, &[]);
        begun.recv_timeout(PATIENCE).unwrap();
        server.begin_stop();
        let start = Instant::now();
        thread::scope(|scope| {
            let cut = scope.spawn(|| client.stream().read_to_end(&mut Vec::new()));
            for stream in (3..).step_by(2) {
                // When it is cut, that may fail.
                let _ = client.stream().write_all(&frame(HEADERS, 5, stream, HEAD));
                thread::sleep(Duration::from_millis(20));
                go.notify_one();
                if cut.is_finished() {
                    break;
                }
                assert!(start.elapsed() < PATIENCE, "it is not cut");
            }
        });
        server.wait_for_the_end();
    }

    /// Of three requests the first is reset when its handler blocks, and the second before its turn has come.
    fn a_request_that_is_reset_counts_while_its_handler_blocks(driver) {
        let (begin, begun) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let released = Arc::new(Mutex::new(released));
        let block = get(move || async move {
            begin.send(()).unwrap();
            released.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        });
        let app = Router::new().route("/", block).route("/other", get(|| async { "other" }));
        let server = Server::start_with(driver, app, |serve| serve.requests_at_most(1));
        let mut client = ask(&server, &[]);
        begun.recv_timeout(PATIENCE).unwrap();
        for stream in [1, 3] {
            client.send(frame(RST_STREAM, 0, stream, &CANCEL));
            client.send(frame(HEADERS, 5, stream + 2, HEAD));
            client.send(frame(PING, 0, 0, &[7; 8]));
            while next(&mut client).expect("it is not cut").kind != PING {}
            // Other tasks had their turns.
            assert_eq!(server.connect().get("/other"), "other");
            begun.try_recv().unwrap_err();
        }
        release.send(()).unwrap();
        begun.recv_timeout(PATIENCE).unwrap();
        release.send(()).unwrap();
        while next(&mut client).expect("it is not cut").kind != HEADERS {}
        begun.try_recv().unwrap_err();
        drop(client);
        server.stop();
    }

    fn an_answer_of_which_there_is_nothing_yet_is_not_cut(driver) {
        let go = Arc::new(Notify::new());
        let goes = go.clone();
        let late = get(move || async move {
            let late = async move {
                goes.notified().await;
                Ok::<_, Infallible>("late")
            };
            Body::from_stream(stream::once(late))
        });
        let app = Router::new().route("/late", late).route("/", get(|| async { vec![7; 1 << 20] }));
        let server = Server::start_with(driver, app, |serve| serve.stall_timeout(STALL_TIMEOUT));
        let mut waits = server.connect();
        let head = [&[0x82, 0x86, 0x04, 5][..], b"/late", &[0x41, 1, b'a']].concat();
        waits.send([PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(HEADERS, 5, 1, &head)].concat());
        // It takes the time-out, twice.
        for _ in 0..2 {
            let mut cut = ask(&server, &window(0));
            while next(&mut cut).is_some() {}
        }
        go.notify_one();
        assert_eq!(data(&mut waits), b"late");
        drop(waits);
        server.stop();
    }

    /// One that has its answer, and one that has said that it wants it no longer.
    fn who_has_nothing_to_take_any_more_is_not_cut(driver) {
        let app = get(|| async { vec![7; 9] });
        let server = Server::start_with(driver, app, |serve| serve.stall_timeout(STALL_TIMEOUT));
        let mut has = ask(&server, &[]);
        assert_eq!(data(&mut has), [7; 9]);
        let mut wants_none = ask(&server, &window(0));
        // The head of its answer: it is offered the body from then on.
        while next(&mut wants_none).expect("it is not cut").kind != HEADERS {}
        wants_none.send(frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
        // It takes the time-out, twice.
        for _ in 0..2 {
            let mut cut = ask(&server, &window(0));
            while next(&mut cut).is_some() {}
        }
        has.send(frame(1, 5, 3, HEAD));
        assert_eq!(data(&mut has), [7; 9]);
        wants_none.send(frame(1, 5, 3, HEAD));
        while next(&mut wants_none).expect("it is not cut").kind != HEADERS {}
        drop((has, wants_none));
        server.stop();
    }

    /// Of two answers it takes one, and slowly.
    fn who_takes_any_of_its_answers_is_not_cut(driver) {
        const TIMEOUT: Duration = Duration::from_secs(1);
        let large = get(|| async { vec![7; 32 << 20] });
        let server = Server::start_with(driver, large, |serve| serve.stall_timeout(TIMEOUT));
        let mut client = ask(&server, &window(0));
        client.send(frame(1, 5, 3, HEAD));
        thread::scope(|scope| {
            // It takes the time-out, twice.
            let others = scope.spawn(|| {
                for _ in 0..2 {
                    let mut cut = ask(&server, &window(0));
                    while next(&mut cut).is_some() {}
                }
            });
            // A piece's worth at a time: when it is taken, the next is asked for.
            while !others.is_finished() {
                allow(&mut client, 20_000);
                let mut taken = 0;
                while taken < 20_000 {
                    let frame = next(&mut client).expect("it is not cut");
                    taken += if frame.kind == 0 { frame.payload.len() } else { 0 };
                }
                thread::sleep(TIMEOUT / 20);
            }
        });
        drop(client);
        server.stop();
    }

    /// What a client says is not heard while every thread blocks; then it is, before it is judged.
    fn who_could_not_be_heard_is_heard_before_it_is_cut(driver) {
        const TIMEOUT: Duration = Duration::from_secs(1);
        const WORKERS: usize = 8;
        let (begin, begun) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let released = Arc::new(Mutex::new(released));
        let block = get(move || async move {
            begin.send(()).unwrap();
            released.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        });
        let app = Router::new().route("/block", block).route("/", get(|| async { vec![7; 1 << 20] }));
        let server = Server::start_with(driver, app, |serve| serve.stall_timeout(TIMEOUT));
        let mut client = ask(&server, &window(0));
        while next(&mut client).expect("it is not cut").kind != HEADERS {}
        let mut blocked: Vec<_> = (0..WORKERS).map(|_| server.connect()).collect();
        for client in &mut blocked {
            client.ask("/block");
            begun.recv_timeout(PATIENCE).unwrap();
        }
        // That nothing is done for longer than the time-out is what is tested.
        thread::sleep(TIMEOUT + TIMEOUT / 5);
        allow(&mut client, 1 << 20);
        for _ in 0..WORKERS {
            release.send(()).unwrap();
        }
        let mut taken = 0;
        while taken < 1 << 20 {
            let frame = next(&mut client).expect("it is not cut");
            taken += if frame.kind == 0 { frame.payload.len() } else { 0 };
        }
        drop((client, blocked));
        server.stop();
    }
}
