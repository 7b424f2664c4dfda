//! What `serve` promises, over real sockets, on each driver. HTTP/2 is in `http2.rs`; what only a whole program shows, as that it
//! runs out of descriptors, is in the examples' smoke tests.

#[macro_use]
mod harness;

use std::{
    convert::Infallible,
    future::{self, IntoFuture},
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{self, Sender},
    },
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Path, Request, connect_info::Connected},
    handler::HandlerWithoutStateExt,
    http::{Method, StatusCode},
    routing::{MethodRouter, get, post},
};
use futures_util::{StreamExt, stream};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, sync::Notify};
use tower::limit::ConcurrencyLimitLayer;
use wharf::DriverChoice;
use wharf_async::{Runtime, net::TcpListener};
use wharf_axum::{Accepted, MakeService, Serve};

use harness::{Client, PATIENCE, Server, pattern};

/// The time-out where a test waits for it.
const HEADER_TIMEOUT: Duration = Duration::from_millis(200);

/// As long as an acknowledgement may take, and more.
const STALL_TIMEOUT: Duration = Duration::from_millis(500);

/// A handler that says its path.
fn says_its_path() -> Router {
    let say = |Path(path): Path<String>| async { path };
    Router::new().route("/{path}", get(say).post(say))
}

/// Asks eight times at once, on two listeners, what is made of a handler that counts itself.
fn at_most_one_at_once<M: MakeService + Clone>(
    driver: DriverChoice,
    make: impl FnOnce(MethodRouter) -> M,
) {
    let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (under_way.clone(), most.clone());
    let app = make(get(move || {
        let (under_way, most) = counts.clone();
        async move {
            most.fetch_max(under_way.fetch_add(1, Relaxed) + 1, Relaxed);
            thread::sleep(Duration::from_millis(10));
            under_way.fetch_sub(1, Relaxed);
        }
    }));
    let runtime = Runtime::builder().driver(driver).build().unwrap();
    let other = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let addresses = [other.local_addr()];
    let server = Server::start_with(driver, app, |serve| serve.and(other));
    let addresses = addresses.into_iter().chain([server.address]).cycle();
    let mut clients: Vec<_> = addresses.take(8).map(Client::connect).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!((under_way.load(Relaxed), most.load(Relaxed)), (0, 1));
    server.stop();
}

on_every_driver! {
    fn a_connection_is_kept_and_what_is_pipelined_is_answered_in_order(driver) {
        let server = Server::start(driver, says_its_path());
        let mut client = server.connect();
        for path in ["a", "b", "c"] {
            assert_eq!(client.get(&format!("/{path}")), path);
        }
        client.send(
            "GET /d HTTP/1.1\r\nhost: test\r\n\r\n\
             GET /none/such HTTP/1.1\r\nhost: test\r\n\r\n\
             GET /e HTTP/1.1\r\nhost: test\r\n\r\n",
        );
        assert_eq!(client.answer().text(), "d");
        assert_eq!(client.answer().status, 404);
        assert_eq!(client.answer().text(), "e");
        client.send("GET /f HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        assert_eq!(client.answer().text(), "f");
        client.expect_closed();
        server.stop();
    }

    /// As they are; what `into_make_service` makes has its layers before.
    fn a_layers_limit_holds_for_all_connections_of_all_listeners(driver) {
        let limit = || ConcurrencyLimitLayer::new(1);
        at_most_one_at_once(driver, |method| Router::new().route("/", method).layer(limit()));
        at_most_one_at_once(driver, |method| method.layer(limit()));
    }

    /// Also one that begins as HTTP/2 does.
    fn a_request_may_come_byte_by_byte(driver) {
        let server = Server::start(driver, says_its_path());
        for request in [
            "POST /a HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n",
            "PRI /a HTTP/1.1\r\nhost: test\r\n\r\n",
        ] {
            let mut client = server.connect();
            for byte in request.bytes() {
                client.send([byte]);
            }
            let answer = client.answer();
            match request.starts_with("POST") {
                true => assert_eq!(answer.text(), "a"),
                false => assert_eq!(answer.status, 405),
            }
            assert_eq!(client.get("/b"), "b");
        }
        server.stop();
    }

    fn handlers_that_block_do_not_halt_the_others(driver) {
        const BLOCKED: usize = 6;
        let (release, released) = mpsc::channel();
        let released = Arc::new(Mutex::new(released));
        let wait = || async move {
            released.lock().unwrap().recv_timeout(PATIENCE).unwrap()
        };
        let app = says_its_path()
            .route("/wait", get(wait))
            .route("/release", get(|| async move { release.send("released").unwrap() }));
        let server = Server::start(driver, app);
        let mut blocked: Vec<Client> = (0..BLOCKED).map(|_| server.connect()).collect();
        for client in &mut blocked {
            client.ask("/wait");
        }
        let mut other = server.connect();
        assert_eq!(other.get("/a"), "a");
        for _ in 0..BLOCKED {
            other.get("/release");
        }
        for mut client in blocked {
            assert_eq!(client.answer().text(), "released");
        }
        server.stop();
    }

    fn connect_info_is_the_address_of_the_peer(driver) {
        let tell = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
        let app = Router::new().route("/", get(tell));
        let server = Server::start(driver, app.into_make_service_with_connect_info::<SocketAddr>());
        for _ in 0..2 {
            let mut client = server.connect();
            let address = client.stream().local_addr().unwrap().to_string();
            assert_eq!(client.get("/"), address);
            assert_eq!(client.get("/"), address);
        }
        server.stop();
    }

    fn connect_info_may_be_a_type_of_the_programs_own(driver) {
        let tell = |ConnectInfo(Ends { peer, own }): ConnectInfo<Ends>| async move {
            format!("{peer} {own}")
        };
        let server = Server::start(driver, get(tell).into_make_service_with_connect_info::<Ends>());
        let mut client = server.connect();
        let peer = client.stream().local_addr().unwrap();
        assert_eq!(client.get("/"), format!("{peer} {}", server.address));
        server.stop();
    }

    fn a_connect_info_that_panics_costs_its_own_connection(driver) {
        let app = says_its_path().into_make_service_with_connect_info::<Panics>();
        let server = Server::start(driver, app);
        for _ in 0..3 {
            let mut client = server.connect();
            client.expect_closed();
        }
        server.stop();
    }

    fn routers_and_what_they_make_are_served(driver) {
        async fn hello() -> &'static str {
            "hello"
        }
        for server in [
            Server::start(driver, Router::new().route("/", get(hello))),
            Server::start(driver, Router::new().route("/", get(hello)).into_make_service()),
            Server::start(driver, get(hello)),
            Server::start(driver, get(hello).into_make_service()),
            Server::start(driver, hello.into_make_service()),
        ] {
            assert_eq!(server.connect().get("/"), "hello");
            server.stop();
        }
    }
}

/// It can't be made.
#[derive(Debug, Clone)]
struct Panics;

impl Connected<Accepted<'_>> for Panics {
    fn connect_info(_: Accepted<'_>) -> Self {
        panic!("as a test wants it")
    }
}

/// Both ends of a connection.
#[derive(Debug, Clone)]
struct Ends {
    peer: SocketAddr,
    own: SocketAddr,
}

impl Connected<Accepted<'_>> for Ends {
    fn connect_info(accepted: Accepted<'_>) -> Self {
        Ends {
            peer: accepted.peer,
            own: accepted.stream.local_addr().unwrap(),
        }
    }
}

// The end of a server.

/// A handler that waits, and one that blocks its thread, until the test lets them go on; both say when they have begun.
fn waits_and_blocks() -> (Router, mpsc::Receiver<()>, Arc<Notify>, Sender<()>) {
    let (begin, begun) = mpsc::channel();
    let go = Arc::new(Notify::new());
    let (unblock, unblocked) = mpsc::channel();
    let unblocked = Arc::new(Mutex::new(unblocked));
    let (begins, goes) = (begin.clone(), go.clone());
    let wait = || async move {
        begins.send(()).unwrap();
        goes.notified().await;
        "waited"
    };
    let block = || async move {
        begin.send(()).unwrap();
        unblocked.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        "blocked"
    };
    let app = says_its_path()
        .route("/wait", get(wait))
        .route("/block", get(block));
    (app, begun, go, unblock)
}

on_every_driver! {
    fn a_server_that_stops_answers_what_is_under_way_and_ends_the_rest(driver) {
        let (app, begun, go, unblock) = waits_and_blocks();
        let mut server = Server::start(driver, app);
        let (mut waits, mut blocks) = (server.connect(), server.connect());
        waits.ask("/wait");
        blocks.ask("/block");
        for _ in 0..2 {
            begun.recv_timeout(PATIENCE).unwrap();
        }
        let mut kept = server.connect();
        assert_eq!(kept.get("/a"), "a");
        let mut silent = server.connect();
        let mut half = server.connect();
        half.send("PRI * HT");
        // It was accepted last: so were the others.
        let mut last = server.connect();
        assert_eq!(last.get("/a"), "a");

        server.begin_stop();
        for client in [&mut kept, &mut silent, &mut half, &mut last] {
            client.expect_closed();
        }
        let refused = TcpStream::connect(server.address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        go.notify_one();
        assert_eq!(waits.answer().text(), "waited");
        waits.expect_closed();
        unblock.send(()).unwrap();
        assert_eq!(blocks.answer().text(), "blocked");
        blocks.expect_closed();
        server.wait_for_the_end();
    }

    /// Its time for a head is longer than anything is waited for.
    fn a_head_that_is_not_complete_holds_no_stop_and_an_answer_has_its_time(driver) {
        let (app, begun, go, _unblock) = waits_and_blocks();
        let goes = Arc::new(Notify::new());
        let (begins, ends) = (Arc::new(Notify::new()), goes.clone());
        let piece = begins.clone();
        let pieces = || async move {
            let pieces = stream::iter([begins, ends]);
            Body::from_stream(pieces.then(|it| async move {
                it.notified().await;
                Ok::<_, Infallible>("ahoy")
            }))
        };
        let mut server = Server::start(driver, app.route("/pieces", get(pieces)));
        let (mut waits, mut body) = (server.connect(), server.connect());
        waits.ask("/wait");
        begun.recv_timeout(PATIENCE).unwrap();
        body.ask("/pieces");
        piece.notify_one();
        body.expect(b"HTTP/1.1 200 OK\r\n");
        let mut half = server.connect();
        half.send("GET");
        let mut kept = server.connect();
        assert_eq!(kept.get("/a"), "a");
        kept.send("GET /a HTTP/1.1\r\nhost: te");
        let mut last = server.connect();
        assert_eq!(last.get("/a"), "a");

        server.begin_stop();
        half.expect_closed();
        kept.expect_closed();
        // So their second is over.
        go.notify_one();
        assert_eq!(waits.answer().text(), "waited");
        goes.notify_one();
        let mut rest = String::new();
        body.stream().read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("4\r\nahoy\r\n0\r\n\r\n"), "{rest:?}");
        server.wait_for_the_end();
    }

    /// HTTP/2 begins with the same letters.
    fn a_head_of_a_few_letters_has_its_time_at_a_stop(driver) {
        let app = Router::new().fallback(|method: Method| async move { method.to_string() });
        let mut server = Server::start(driver, app);
        let mut client = server.connect();
        client.send("PR");
        let mut other = server.connect();
        // The letters were read before.
        for _ in 0..10 {
            other.get("/");
        }
        server.begin_stop();
        other.expect_closed();
        client.send("OPFIND / HTTP/1.1\r\nhost: test\r\n\r\n");
        assert_eq!(client.answer().text(), "PROPFIND");
        client.expect_closed();
        server.wait_for_the_end();
    }

    fn a_body_that_is_under_way_at_the_stop_arrives(driver) {
        let (begin, begun) = mpsc::channel();
        let echo = |body: Body| async move {
            begin.send(()).unwrap();
            body
        };
        let mut server = Server::start(driver, post(echo));
        let mut client = server.connect();
        client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 8\r\n\r\nahoy");
        begun.recv_timeout(PATIENCE).unwrap();
        let mut silent = server.connect();
        server.begin_stop();
        silent.expect_closed();
        client.send(" you");
        assert_eq!(client.answer().text(), "ahoy you");
        client.expect_closed();
        server.wait_for_the_end();
    }

    fn an_answer_that_is_under_way_at_the_stop_arrives_whole(driver) {
        const LEN: usize = 32 << 20;
        let mut server = Server::start(driver, get(|| async { vec![b'w'; LEN] }));
        let mut client = server.connect();
        client.ask("/");
        client.expect(b"HTTP/1.1 200 OK\r\n");
        let mut half = server.connect();
        half.send("GET");
        let mut last = server.connect();
        assert_eq!(last.get("/").len(), LEN);
        server.begin_stop();
        half.expect_closed();
        // So the second is over that heads have. The system can't have had room for all of it until now.
        let mut rest = Vec::new();
        client.stream().read_to_end(&mut rest).unwrap();
        assert!(rest.ends_with(&vec![b'w'; LEN - (64 << 10)]), "{} bytes", rest.len());
        server.wait_for_the_end();
    }

    fn connections_end_in_order_if_the_future_is_dropped(driver) {
        let (app, begun, go, _unblock) = waits_and_blocks();
        let server = Server::start(driver, app);
        let mut idle = server.connect();
        assert_eq!(idle.get("/a"), "a");
        let mut waits = server.connect();
        waits.ask("/wait");
        begun.recv_timeout(PATIENCE).unwrap();
        server.abort();
        idle.expect_closed();
        go.notify_one();
        assert_eq!(waits.answer().text(), "waited");
        waits.expect_closed();
    }
}

// Time-outs.

/// Has clients be served while others wait to be cut. One that is cut itself, since its own thread was late, does not count.
fn serves_while(server: &Server, mut goes_on: impl FnMut() -> bool) {
    let mut served = 0;
    while goes_on() {
        let mut client = server.connect();
        client.ask("/a");
        served += usize::from(client.try_answer().is_ok());
    }
    assert!(served > 0);
}

on_every_driver! {
    fn who_is_slow_with_a_head_is_cut_and_others_are_served(driver) {
        let server = Server::start_with(driver, says_its_path(), |serve| {
            serve.header_timeout(HEADER_TIMEOUT)
        });
        // The last is one that has been served, and idles.
        let begun = ["", "GET /a HT", "GET /a HTTP/1.1\r\nhost: te", "PRI * HTTP/2.0\r\n\r\nS", "."];
        let cut: Vec<_> = begun
            .into_iter()
            .map(|begun| {
                let start = Instant::now();
                let mut client = server.connect();
                match begun {
                    "." => assert_eq!(client.get("/a"), "a"),
                    begun => client.send(begun),
                }
                thread::spawn(move || {
                    client.expect_closed();
                    let cut_after = start.elapsed();
                    assert!(cut_after >= HEADER_TIMEOUT, "{begun:?}: {cut_after:?}");
                })
            })
            .collect();
        serves_while(&server, || !cut.iter().all(|it| it.is_finished()));
        for it in cut {
            it.join().unwrap();
        }
        server.stop();
    }

    fn who_takes_nothing_of_an_answer_is_cut(driver) {
        let app = says_its_path().route("/large", get(|| async { vec![7; 32 << 20] }));
        let server = Server::start_with(driver, app, |serve| serve.stall_timeout(STALL_TIMEOUT));
        let mut client = server.connect();
        client.ask("/large");
        // The task that accepts, and its own.
        for is_there in [false, true] {
            let start = Instant::now();
            while (server.runtime.snapshot().tasks > 1) == is_there {
                assert!(start.elapsed() < PATIENCE);
                thread::sleep(Duration::from_millis(5));
            }
        }
        let error = client.try_answer().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        server.stop();
    }

    /// The system takes nothing more until a large part of its memory is free: for longer than the time-out.
    fn who_takes_an_answer_slowly_is_not_cut(driver) {
        if cfg!(windows) {
            // It does not tell what a peer's system has acknowledged.
            return;
        }
        let app = says_its_path().route("/large", get(|| async { vec![7; 8 << 20] }));
        let server = Server::start_with(driver, app, |serve| serve.stall_timeout(STALL_TIMEOUT));
        let client = server.connect();
        socket2::SockRef::from(client.stream()).set_recv_buffer_size(64 << 10).unwrap();
        client.stream().write_all(b"GET /large HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").unwrap();
        let (mut received, mut piece) = (0, vec![0; 64 << 10]);
        let start = Instant::now();
        loop {
            // For three time-outs it takes little at a time.
            if start.elapsed() < 3 * STALL_TIMEOUT {
                thread::sleep(STALL_TIMEOUT / 10);
            }
            match client.stream().read(&mut piece).unwrap() {
                0 => break,
                len => received += len,
            }
        }
        assert!(received > 8 << 20, "{received} bytes of it came");
        server.stop();
    }

    /// Each byte would be in time, if that counted.
    fn who_sends_a_head_byte_by_byte_for_ever_is_cut(driver) {
        let server = Server::start_with(driver, says_its_path(), |serve| {
            serve.header_timeout(HEADER_TIMEOUT)
        });
        let mut client = server.connect();
        client.send("GET /a HTTP/1.1\r\nname: ");
        let start = Instant::now();
        while client.stream().write_all(b"x").is_ok() {
            assert!(start.elapsed() < PATIENCE);
            thread::sleep(HEADER_TIMEOUT / 20);
        }
        server.stop();
    }

    fn a_request_that_is_under_way_is_not_cut(driver) {
        let (app, begun, go, _unblock) = waits_and_blocks();
        let app = app.route("/echo", post(|body: Body| async { body }));
        let server = Server::start_with(driver, app, |serve| {
            serve.header_timeout(HEADER_TIMEOUT)
        });
        let mut waits = server.connect();
        waits.ask("/wait");
        begun.recv_timeout(PATIENCE).unwrap();
        let mut sends = server.connect();
        sends.send("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 8\r\n\r\nahoy");
        // It takes the time-out, twice.
        for _ in 0..2 {
            server.connect().expect_closed();
        }
        go.notify_one();
        assert_eq!(waits.answer().text(), "waited");
        sends.send(" you");
        assert_eq!(sends.answer().text(), "ahoy you");
        server.stop();
    }

    fn who_is_silent_within_a_body_is_cut_and_holds_no_stop(driver) {
        let tell = |body: Body| async {
            match axum::body::to_bytes(body, usize::MAX).await {
                Ok(bytes) => panic!("{bytes:?}"),
                Err(error) => error.to_string(),
            }
        };
        let app = says_its_path().route("/tell", post(tell));
        let mut server = Server::start_with(driver, app, |serve| {
            serve.body_timeout(HEADER_TIMEOUT)
        });
        for (encoding, body) in [("content-length: 100", ""), ("transfer-encoding: chunked", "4\r\nahoy\r\n")] {
            let mut client = server.connect();
            let start = Instant::now();
            client.send(format!("POST /tell HTTP/1.1\r\nhost: test\r\n{encoding}\r\n\r\n{body}"));
            let told = client.answer();
            assert!(start.elapsed() >= HEADER_TIMEOUT);
            assert!(told.text().contains("has sent nothing of its body for 200ms"), "{told:?}");
            client.expect_closed();
        }
        let mut silent = server.connect();
        silent.send("POST /tell HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nahoy");
        server.begin_stop();
        server.wait_for_the_end();
    }

    fn who_sends_a_body_slowly_is_not_cut(driver) {
        const BODY_TIMEOUT: Duration = Duration::from_secs(3);
        let app = Router::new().route("/echo", post(|body: Bytes| async { body }));
        let server = Server::start_with(driver, app, |serve| serve.body_timeout(BODY_TIMEOUT));
        let mut client = server.connect();
        client.send("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 26\r\n\r\n");
        // For more than the time-out, little at a time.
        for _ in 0..26 {
            thread::sleep(BODY_TIMEOUT / 20);
            client.send("w");
        }
        assert_eq!(client.answer().text(), "w".repeat(26));
        server.stop();
    }

    fn a_bound_of_connections_of_no_end_is_as_none(driver) {
        let server = Server::start_with(driver, says_its_path(), |serve| {
            serve.connections_at_most(usize::MAX)
        });
        assert_eq!(server.connect().get("/a"), "a");
        server.stop();
    }

    fn a_time_out_of_no_end_is_as_none(driver) {
        let server = Server::start_with(driver, says_its_path(), |serve| {
            let serve = serve.header_timeout(Duration::MAX).body_timeout(Duration::MAX);
            serve.stall_timeout(Duration::MAX)
        });
        let mut client = server.connect();
        client.send("POST /a HTTP/1.1\r\nhost: test\r\ncontent-length: 1\r\n\r\nw");
        assert_eq!(client.answer().text(), "a");
        assert_eq!(client.get("/b"), "b");
        server.stop();
    }

    fn without_a_time_out_a_client_may_take_its_time(driver) {
        let server = Server::start_with(driver, says_its_path(), |serve| {
            serve.header_timeout(None).nodelay(false)
        });
        let mut client = server.connect();
        client.send("GET /a HTTP/1.1\r\n");
        thread::sleep(Duration::from_millis(20));
        client.send("host: test\r\n\r\n");
        assert_eq!(client.answer().text(), "a");
        server.stop();
    }
}

#[test]
fn what_can_not_work_is_refused_with_its_name_and_a_remedy() {
    type Set = fn(Serve<Router>) -> Serve<Router>;
    let wrong: [(Set, &str); 5] = [
        (
            |it| it.header_timeout(Duration::ZERO),
            "header_timeout is 0",
        ),
        (|it| it.body_timeout(Duration::ZERO), "body_timeout is 0"),
        (|it| it.stall_timeout(Duration::ZERO), "stall_timeout is 0"),
        (|it| it.requests_at_most(0), "requests_at_most is 0"),
        (|it| it.connections_at_most(0), "connections_at_most is 0"),
    ];
    let runtime = wharf_async::Runtime::new().unwrap();
    for (set, told) in wrong {
        let error = runtime.block_on(async {
            let listener = wharf_async::net::TcpListener::bind("127.0.0.1:0")
                .await
                .unwrap();
            let serving = set(wharf_axum::serve(listener, says_its_path()));
            wharf_async::time::timeout(PATIENCE, serving.into_future()).await
        });
        let error = error.expect("it serves").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(
            text.starts_with(told) && text.ends_with("is the default"),
            "{text}"
        );
    }
}

on_every_driver! {
    fn above_the_bound_of_connections_accepting_pauses_until_one_ends(driver) {
        let app = says_its_path().route("/echo", get(upgrades_to_echo));
        let server = Server::start_with(driver, app, |serve| serve.connections_at_most(2));
        let mut kept = server.connect();
        assert_eq!(kept.get("/a"), "a");
        // It has its place also when it is the program's.
        let mut upgraded = server.connect();
        upgraded.send("GET /echo HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nahoy");
        assert_eq!(upgraded.answer().status, 101);
        upgraded.expect(b"ahoy");
        let mut served = Vec::new();
        for leaves in [upgraded, kept] {
            let mut waits = server.connect();
            waits.ask("/b");
            let stream = waits.stream();
            stream.set_read_timeout(Some(HEADER_TIMEOUT)).unwrap();
            let error = stream.peek(&mut [0]).unwrap_err();
            assert!(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            drop(leaves);
            assert_eq!(waits.answer().text(), "b");
            served.push(waits);
        }
        server.stop();
    }
}

// What goes wrong.

on_every_driver! {
    fn a_handler_that_panics_costs_its_own_connection(driver) {
        async fn panics() -> StatusCode {
            panic!("as a test wants it")
        }
        let server = Server::start(driver, says_its_path().route("/panic", get(panics)));
        let mut other = server.connect();
        assert_eq!(other.get("/a"), "a");
        // More often than there are threads.
        for _ in 0..10 {
            let mut client = server.connect();
            client.ask("/panic");
            client.expect_closed();
        }
        assert_eq!(other.get("/b"), "b");
        assert_eq!(server.connect().get("/c"), "c");
        server.stop();
    }

    fn a_handler_whose_peer_has_gone_is_dropped(driver) {
        let (tell, told) = mpsc::channel();
        let begin = tell.clone();
        let wait = || async move {
            let _dropped = Tells(tell);
            begin.send(()).unwrap();
            future::pending::<()>().await;
        };
        let server = Server::start(driver, says_its_path().route("/wait", get(wait)));
        for leave in [Client::reset, drop] {
            let mut client = server.connect();
            client.ask("/wait");
            told.recv_timeout(PATIENCE).unwrap();
            leave(client);
            told.recv_timeout(PATIENCE).unwrap();
        }
        server.stop();
    }

    fn a_peer_that_resets_amid_its_body_costs_nothing(driver) {
        let (tell, told) = mpsc::channel();
        let take = |body: Body| async move {
            tell.send(Ok(0)).unwrap();
            let taken = axum::body::to_bytes(body, usize::MAX).await;
            tell.send(taken.map(|it| it.len())).unwrap();
        };
        let server = Server::start(driver, says_its_path().route("/take", post(take)));
        for encoding in ["content-length: 100", "transfer-encoding: chunked"] {
            let mut client = server.connect();
            client.send(format!("POST /take HTTP/1.1\r\nhost: test\r\n{encoding}\r\n\r\n5\r\nahoy!"));
            told.recv_timeout(PATIENCE).unwrap().unwrap();
            client.reset();
            told.recv_timeout(PATIENCE).unwrap().unwrap_err();
            assert_eq!(server.connect().get("/a"), "a");
        }
        server.stop();
    }

    fn a_peer_that_resets_amid_an_answer_costs_nothing(driver) {
        let (tell, told) = mpsc::channel();
        let endless = || async move { Body::new(Endless(Tells(tell))) };
        let server = Server::start(driver, says_its_path().route("/endless", get(endless)));
        let mut client = server.connect();
        client.ask("/endless");
        client.expect(b"HTTP/1.1 200 OK\r\n");
        // It takes what its client takes, and no place from others.
        assert_eq!(server.connect().get("/a"), "a");
        client.reset();
        told.recv_timeout(PATIENCE).unwrap();
        server.stop();
    }

    fn peers_that_leave_at_any_moment_leave_nothing_behind(driver) {
        const REQUESTS: &str = "GET /a HTTP/1.1\r\nhost: test\r\n\r\n\
            POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nahoy ahoy\
            POST /echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n4\r\nahoy\r\n0\r\n\r\n";
        let app = says_its_path().route("/echo", post(|body: Body| async { body }));
        let server = Server::start(driver, app);
        let mut kept = server.connect();
        for len in 0..=REQUESTS.len() {
            for leave in [Client::reset, drop] {
                let mut client = server.connect();
                client.send(&REQUESTS[..len]);
                leave(client);
            }
            assert_eq!(kept.get("/a"), "a");
        }
        drop(kept);
        // The one that accepts is left.
        let start = Instant::now();
        while server.runtime.snapshot().tasks > 1 {
            assert!(start.elapsed() < PATIENCE);
            thread::sleep(Duration::from_millis(1));
        }
        server.stop();
    }

    fn what_is_no_http_is_refused(driver) {
        let server = Server::start(driver, says_its_path());
        for (sent, status) in [
            ("\x16\x03\x01\x02\0\x01", 400),
            ("ahoy\r\n\r\n", 400),
            ("PRI * HTTP/2.0\r\n\r\nST\r\n\r\n", 400),
        ] {
            let mut client = server.connect();
            client.send(sent);
            assert_eq!(client.answer().status, status, "{sent:?}");
            client.expect_closed();
        }
        server.stop();
    }
}

/// Tells when it is dropped.
struct Tells(Sender<()>);

impl Drop for Tells {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// A body that has no end, and tells when it is dropped.
struct Endless(#[expect(dead_code, reason = "for its drop")] Tells);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'w'; 4096])))))
    }
}

// Bodies and upgrades.

const MIB: usize = 1 << 20;

/// Sends a request while its answer is read.
fn exchange(client: &mut Client, request: Vec<u8>) -> Vec<u8> {
    let mut sender = client.stream().try_clone().unwrap();
    let sends = thread::spawn(move || sender.write_all(&request).unwrap());
    let answer = client.answer();
    sends.join().unwrap();
    assert_eq!(answer.status, 200);
    answer.body
}

on_every_driver! {
    fn large_bodies_come_and_go_whole(driver) {
        let app = Router::new()
            .route("/pieces", post(|body: Body| async { body }))
            .route("/whole", post(|body: Bytes| async { body }));
        let server = Server::start(driver, app);
        let mut client = server.connect();
        let body = pattern(MIB);
        for path in ["/pieces", "/whole"] {
            let head = format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {MIB}\r\n\r\n");
            let echo = exchange(&mut client, [head.as_bytes(), &body].concat());
            assert!(echo == body, "{path}: {} bytes, or others", echo.len());
            let head = format!("POST {path} HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
            let mut request = head.into_bytes();
            // Of all sizes: some fit into a buffer, and some do not.
            let mut rest = &body[..];
            for len in (1..).map(|chunk| chunk * 997) {
                let (chunk, after) = rest.split_at(len.min(rest.len()));
                let size = format!("{:x}\r\n", chunk.len());
                request.extend([size.as_bytes(), chunk, b"\r\n"].concat());
                rest = after;
                if chunk.is_empty() {
                    break;
                }
            }
            let echo = exchange(&mut client, request);
            assert!(echo == body, "{path}, chunked: {} bytes, or others", echo.len());
        }
        server.stop();
    }

    fn a_body_is_asked_for_where_the_client_waits_for_that(driver) {
        let server = Server::start(driver, post(|body: Bytes| async { body }));
        let mut client = server.connect();
        client.send("POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
        client.expect(b"HTTP/1.1 100 Continue\r\n\r\n");
        client.send("ahoy");
        assert_eq!(client.answer().text(), "ahoy");
        server.stop();
    }

    fn connections_are_upgraded_and_lose_no_byte(driver) {
        let app = says_its_path().route("/echo", get(upgrades_to_echo));
        let mut server = Server::start(driver, app);
        let mut client = server.connect();
        // The first bytes of the other protocol come with the request.
        client.send("GET /echo HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nahoy");
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("upgrade")), (101, Some("echo")));
        client.expect(b"ahoy");
        // It is the program's own from now on: the stop does not wait for it, nor end it.
        let mut idle = server.connect();
        assert_eq!(idle.get("/a"), "a");
        server.begin_stop();
        idle.expect_closed();
        let bytes = pattern(MIB);
        thread::scope(|scope| {
            let mut sender = client.stream().try_clone().unwrap();
            let bytes = &bytes;
            scope.spawn(move || {
                sender.write_all(bytes).unwrap();
                sender.shutdown(Shutdown::Write).unwrap();
            });
            client.expect(bytes);
            client.expect_closed();
        });
        server.wait_for_the_end();
    }
}

/// Sends all back that comes after the upgrade.
async fn upgrades_to_echo(mut request: Request) -> (StatusCode, [(&'static str, &'static str); 2]) {
    let upgrade = hyper::upgrade::on(&mut request);
    let echo = async move {
        let mut stream = TokioIo::new(upgrade.await.unwrap());
        let mut bytes = vec![0; 10_000];
        while let len @ 1.. = stream.read(&mut bytes).await.unwrap() {
            stream.write_all(&bytes[..len]).await.unwrap();
        }
        stream.shutdown().await.unwrap();
    };
    wharf_async::spawn(echo).detach();
    let fields = [("connection", "upgrade"), ("upgrade", "echo")];
    (StatusCode::SWITCHING_PROTOCOLS, fields)
}
