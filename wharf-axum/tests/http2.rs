//! What `serve` promises to clients of HTTP/2 that say so with their first bytes, on each driver. The client is hyper's, on
//! wharf-async.

#[macro_use]
mod harness;

use std::{
    convert::Infallible,
    future::Future,
    io::{ErrorKind, Read, Write},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request as Asked},
    routing::{connect, get, post},
};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use hyper::{Request, StatusCode, client::conn::http2, ext::Protocol};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
};
use wharf_async::{JoinHandle, JoinSet, Runtime, hyper::Executor, net::TcpStream, time};

use harness::{PATIENCE, Server, pattern};

/// What a client begins with: the preface, and its settings.
const FIRST_BYTES: [u8; 33] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The time-out where a test waits for it.
const HEADER_TIMEOUT: Duration = Duration::from_millis(200);

fn says_its_path() -> Router {
    Router::new().route("/{path}", get(|Path(path): Path<String>| async { path }))
}

/// Runs a client, on a runtime of its own.
fn client<T>(talk: impl Future<Output = T>) -> T {
    let runtime = Runtime::builder().threads(1..=4).build().unwrap();
    let talk = runtime.block_on(async { time::timeout(PATIENCE, talk).await });
    talk.expect("it ends in time")
}

/// A connection, for any number of requests at once.
#[derive(Clone)]
struct Connection(http2::SendRequest<Body>);

impl Connection {
    /// Connects. The handle is of the task that serves the connection until its end.
    async fn open(server: &Server) -> (Connection, JoinHandle<hyper::Result<()>>) {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let made = http2::handshake(Executor::current(), stream).await;
        let (sender, connection) = made.unwrap();
        (Connection(sender), wharf_async::spawn(connection))
    }

    async fn send(&mut self, request: Request<Body>) -> hyper::Result<(StatusCode, Bytes)> {
        self.0.ready().await?;
        let answer = self.0.send_request(request).await?;
        let (head, body) = answer.into_parts();
        Ok((head.status, body.collect().await?.to_bytes()))
    }

    async fn ask(&mut self, path: &str) -> hyper::Result<(StatusCode, Bytes)> {
        let request = Request::get(format!("http://test{path}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Asks for a path, and gets what it has: a text.
    async fn get(&mut self, path: &str) -> String {
        let (status, body) = self.ask(path).await.unwrap();
        assert_eq!(status, 200);
        String::from_utf8(body.into()).unwrap()
    }
}

on_every_driver! {
    fn many_requests_are_answered_on_one_connection(driver) {
        let server = Server::start(driver, says_its_path());
        client(async {
            let (connection, _) = Connection::open(&server).await;
            let mut requests = JoinSet::new();
            for number in 0..64 {
                let mut connection = connection.clone();
                requests.spawn(async move {
                    assert_eq!(connection.get(&format!("/{number}")).await, number.to_string());
                });
            }
            while let Some(answered) = requests.join_next().await {
                answered.unwrap();
            }
        });
        server.stop();
    }

    /// They are answered by settings.
    fn the_first_bytes_may_come_one_by_one(driver) {
        let server = Server::start(driver, says_its_path());
        let mut client = server.connect();
        for byte in FIRST_BYTES {
            client.send([byte]);
        }
        let mut settings = [0; 4];
        client.stream().read_exact(&mut settings).unwrap();
        assert_eq!(settings[3], 4);
        drop(client);
        server.stop();
    }

    fn large_bodies_come_and_go_whole(driver) {
        let server = Server::start(driver, post(|body: Body| async { body }));
        let bytes = pattern(1 << 20);
        let echo = client(async {
            let (mut connection, _) = Connection::open(&server).await;
            let request = Request::post("http://test/").body(Body::from(bytes.clone()));
            connection.send(request.unwrap()).await.unwrap().1
        });
        assert!(echo == bytes, "{} bytes, or others", echo.len());
        server.stop();
    }

    fn a_handler_that_blocks_does_not_halt_the_others_of_its_connection(driver) {
        let (release, released) = mpsc::channel();
        let released = Arc::new(Mutex::new(released));
        let block = || async move {
            released.lock().unwrap().recv_timeout(PATIENCE).unwrap()
        };
        let app = says_its_path()
            .route("/block", get(block))
            .route("/release", get(|| async move { release.send("released").unwrap() }));
        let server = Server::start(driver, app);
        client(async {
            let (mut connection, _) = Connection::open(&server).await;
            let mut blocked = connection.clone();
            let blocked = wharf_async::spawn(async move { blocked.get("/block").await });
            assert_eq!(connection.get("/a").await, "a");
            connection.get("/release").await;
            assert_eq!(blocked.await.unwrap(), "released");
        });
        server.stop();
    }

    fn a_handler_that_panics_costs_its_own_request(driver) {
        async fn panics() -> StatusCode {
            panic!("as a test wants it")
        }
        let server = Server::start(driver, says_its_path().route("/panic", get(panics)));
        client(async {
            let (mut connection, _) = Connection::open(&server).await;
            for _ in 0..10 {
                connection.ask("/panic").await.unwrap_err();
                assert_eq!(connection.get("/a").await, "a");
            }
        });
        server.stop();
    }

    fn a_server_that_stops_answers_what_is_under_way_and_ends_the_rest(driver) {
        let (begin, begun) = mpsc::channel();
        let go = Arc::new(Notify::new());
        let goes = go.clone();
        let wait = || async move {
            begin.send(()).unwrap();
            goes.notified().await;
            "waited"
        };
        let mut server = Server::start(driver, says_its_path().route("/wait", get(wait)));
        client(async {
            let (mut waits, waits_end) = Connection::open(&server).await;
            let mut idle = waits.clone();
            let waits = wharf_async::spawn(async move { waits.get("/wait").await });
            begun.recv_timeout(PATIENCE).unwrap();
            let (mut other, other_end) = Connection::open(&server).await;
            assert_eq!(other.get("/a").await, "a");

            server.begin_stop();
            other_end.await.unwrap().unwrap();
            other.ask("/a").await.unwrap_err();
            go.notify_one();
            assert_eq!(waits.await.unwrap(), "waited");
            waits_end.await.unwrap().unwrap();
            idle.ask("/a").await.unwrap_err();
        });
        server.wait_for_the_end();
    }

    /// Asked whether it is still there, it does not say so.
    fn who_has_gone_is_cut(driver) {
        let server = Server::start_with(driver, says_its_path(), |serve| {
            serve.header_timeout(HEADER_TIMEOUT)
        });
        for begun in [&FIRST_BYTES[..24], &FIRST_BYTES] {
            let began = Instant::now();
            loop {
                let start = Instant::now();
                let client = server.connect();
                let mut stream = client.stream();
                let _ = Write::write_all(&mut stream, begun);
                let mut received = Vec::new();
                // The answer to its settings was to come, which resets it if it had to.
                let _ = stream.read_to_end(&mut received);
                assert!(began.elapsed() < PATIENCE);
                // One whose own thread was late with its first bytes does not count.
                if !received.is_empty() {
                    assert!(start.elapsed() >= 2 * HEADER_TIMEOUT);
                    break;
                }
            }
        }
        server.stop();
    }

    /// What it asks for is answered, until nothing more goes out.
    fn who_asks_and_takes_nothing_is_cut(driver) {
        let server = Server::start_with(driver, says_its_path(), |serve| {
            serve.stall_timeout(HEADER_TIMEOUT)
        });
        let client = server.connect();
        let mut stream = client.stream();
        Write::write_all(&mut stream, &FIRST_BYTES).unwrap();
        stream.set_write_timeout(Some(HEADER_TIMEOUT)).unwrap();
        // PING: 8 bytes, which come back.
        let pings = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8].repeat(1_000);
        // A write that waits is written further: the server may only have been late. Cut, it has another error.
        let (mut at, start) = (0, Instant::now());
        loop {
            assert!(start.elapsed() < PATIENCE, "it is not cut");
            match Write::write(&mut stream, &pings[at..]) {
                Ok(len) => at = (at + len) % pings.len(),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        while server.runtime.snapshot().tasks > 1 {
            assert!(start.elapsed() < 2 * PATIENCE, "its task does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        server.stop();
    }

    /// Nor is one that is silent within a body: it may have to wait until the server reads what it has sent for another request.
    fn a_body_has_no_time_out(driver) {
        let app = Router::new().route("/echo", post(|body: Bytes| async { body }));
        let server = Server::start_with(driver, app, |serve| serve.body_timeout(HEADER_TIMEOUT));
        client(async {
            let (mut connection, _) = Connection::open(&server).await;
            let go = Arc::new(Notify::new());
            let (first, goes) = (Arc::new(Notify::new()), go.clone());
            first.notify_one();
            let pieces = stream::iter([(first, "ahoy"), (goes, " you")]).then(|(goes, piece)| async move {
                goes.notified().await;
                Ok::<_, Infallible>(piece)
            });
            let request = Request::post("http://test/echo").body(Body::from_stream(pieces)).unwrap();
            let echo = wharf_async::spawn(async move { connection.send(request).await });
            // It takes the time-out, twice.
            for _ in 0..2 {
                wharf::blocking(|| {
                    let mut silent = server.connect();
                    silent.send("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nahoy");
                    assert_eq!(silent.answer().status, 400);
                    silent.expect_closed();
                });
            }
            go.notify_one();
            let (status, echo) = echo.await.unwrap().unwrap();
            assert_eq!((status, &echo[..]), (StatusCode::OK, &b"ahoy you"[..]));
        });
        server.stop();
    }

    fn connections_are_upgraded(driver) {
        let app = says_its_path().route("/echo", connect(upgrades_to_echo));
        let server = Server::start(driver, app);
        client(async {
            let (mut connection, _) = Connection::open(&server).await;
            let request = Request::connect("http://test/echo").extension(Protocol::from_static("echo"));
            // Without their settings it does not know that the server has it.
            assert_eq!(connection.get("/a").await, "a");
            let request = request.body(Body::empty()).unwrap();
            let answer = connection.0.send_request(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            let mut stream = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
            stream.write_all(b"ahoy").await.unwrap();
            stream.shutdown().await.unwrap();
            let mut echo = String::new();
            stream.read_to_string(&mut echo).await.unwrap();
            assert_eq!(echo, "ahoy");
        });
        server.stop();
    }

    /// Asked whether it is still there, it says so, in the time that it has.
    fn who_is_idle_is_not_cut(driver) {
        const LONG: Duration = Duration::from_secs(2);
        let server = Server::start_with(driver, says_its_path(), |serve| serve.header_timeout(LONG));
        client(async {
            let (mut connection, _) = Connection::open(&server).await;
            assert_eq!(connection.get("/a").await, "a");
            // It takes the time-out, twice.
            for _ in 0..2 {
                wharf::blocking(|| server.connect().expect_closed());
            }
            assert_eq!(connection.get("/b").await, "b");
        });
        server.stop();
    }
}

/// Sends all back that comes after the upgrade.
async fn upgrades_to_echo(mut request: Asked) {
    let upgrade = hyper::upgrade::on(&mut request);
    let echo = async move {
        let mut stream = TokioIo::new(upgrade.await.unwrap());
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        stream.shutdown().await.unwrap();
    };
    wharf_async::spawn(echo).detach();
}
