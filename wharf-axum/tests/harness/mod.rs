//! What the tests share: a server on each driver, and a client of HTTP/1 that shows each byte.

#![allow(dead_code, reason = "each test target uses some of it")]

use std::{
    future::IntoFuture,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use tokio::sync::oneshot;
use wharf::DriverChoice;
use wharf_async::{JoinHandle, Runtime, net::TcpListener, time};
use wharf_axum::{MakeService, Serve};

/// Nothing that is waited for takes as long, unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Each test, on every driver that this system has.
macro_rules! on_every_driver {
    ($($(#[$about:meta])* fn $name:ident($driver:ident) $body:block)*) => { $(
        mod $name {
            #[cfg(windows)]
            #[test]
            fn windows() {
                super::$name(wharf::DriverChoice::Windows);
            }

            #[cfg(unix)]
            #[test]
            fn readiness() {
                super::$name(wharf::DriverChoice::Readiness);
            }

            #[cfg(unix)]
            #[test]
            fn uring() {
                if crate::harness::uring_can_be_tested() {
                    super::$name(wharf::DriverChoice::Uring);
                }
            }
        }

        $(#[$about])*
        fn $name($driver: wharf::DriverChoice) $body
    )* };
}

/// A container may forbid io_uring; the tests on it then say so and judge nothing, but in CI that is a failure.
#[cfg(unix)]
pub fn uring_can_be_tested() -> bool {
    match wharf::uring_available() {
        Ok(()) => true,
        Err(error) if std::env::var_os("WHARF_REQUIRE_URING").is_none() => {
            eprintln!("NOT JUDGED: {error}");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// A server on a runtime of its own. One worker runs at a time: each promise has to hold there, too.
pub struct Server {
    pub address: SocketAddr,
    pub runtime: Runtime,
    serving: JoinHandle<io::Result<()>>,
    stop: Option<oneshot::Sender<()>>,
}

impl Server {
    pub fn start<M: MakeService + Clone>(driver: DriverChoice, make: M) -> Server {
        Server::start_with(driver, make, |serve| serve)
    }

    /// Starts one with other settings.
    pub fn start_with<M: MakeService + Clone>(
        driver: DriverChoice,
        make: M,
        set: impl FnOnce(Serve<M>) -> Serve<M>,
    ) -> Server {
        let runtime = Runtime::builder().concurrency(1).threads(1..=8);
        let runtime = runtime.driver(driver).build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr();
        let (stop, stopping) = oneshot::channel();
        let serve = set(wharf_axum::serve(listener, make));
        let serve = serve.with_graceful_shutdown(async { stopping.await.unwrap() });
        assert_eq!(serve.local_addrs()[0], address);
        let serving = runtime.spawn(serve.into_future());
        Server {
            address,
            runtime,
            serving,
            stop: Some(stop),
        }
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Gives the signal to stop.
    pub fn begin_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Sees `serve` return, within the time.
    pub fn wait_for_the_end(self) {
        let serving = self.serving;
        let ended = self
            .runtime
            .block_on(async { time::timeout(PATIENCE, serving).await });
        ended.expect("it stops").unwrap().unwrap();
        let report = self.runtime.stop(PATIENCE);
        assert!(
            report.tasks_left.is_empty() && report.workers_left.is_empty(),
            "{report:?}"
        );
    }

    /// Stops it while no client waits for an answer.
    pub fn stop(mut self) {
        self.begin_stop();
        self.wait_for_the_end();
    }

    /// Drops the future of `serve`.
    pub fn abort(&self) {
        self.serving.abort();
    }
}

/// A connection of HTTP/1.
pub struct Client(BufReader<TcpStream>);

/// What a server answers.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The lines of the head, each with its end; the names are in small letters.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// What a field of the head says.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        Some(fields.find(|field| field.0 == name)?.1)
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        // Pieces that are written apart shall arrive apart.
        stream.set_nodelay(true).unwrap();
        Client(BufReader::new(stream))
    }

    pub fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Asks for a path.
    pub fn ask(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"));
    }

    /// Asks for a path, and gets what it has: a text.
    pub fn get(&mut self, path: &str) -> String {
        self.ask(path);
        let answer = self.answer();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text().to_owned()
    }

    pub fn answer(&mut self) -> Answer {
        self.try_answer().unwrap()
    }

    /// The next answer, with a body of a length that is known, or in chunks.
    pub fn try_answer(&mut self) -> io::Result<Answer> {
        let head = self.head()?;
        let mut answer = Answer {
            status: head["HTTP/1.1 ".len()..][..3].parse().unwrap(),
            head,
            body: Vec::new(),
        };
        if answer.field("transfer-encoding") == Some("chunked") {
            while let len @ 1.. = usize::from_str_radix(self.line()?.trim_end(), 16).unwrap() {
                self.read(len, &mut answer.body)?;
                assert_eq!(self.line()?, "\r\n");
            }
            assert_eq!(self.line()?, "\r\n");
        } else if let Some(len) = answer.field("content-length") {
            self.read(len.parse().unwrap(), &mut answer.body)?;
        }
        Ok(answer)
    }

    fn head(&mut self) -> io::Result<String> {
        let mut head = String::new();
        loop {
            let line = self.line()?;
            if line == "\r\n" {
                return Ok(head);
            }
            head += &line;
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }

    /// Appends so many bytes.
    fn read(&mut self, len: usize, body: &mut Vec<u8>) -> io::Result<()> {
        let start = body.len();
        body.resize(start + len, 0);
        self.0.read_exact(&mut body[start..])
    }

    /// The connection goes on behind what was read.
    pub fn expect(&mut self, bytes: &[u8]) {
        let mut received = Vec::new();
        self.read(bytes.len(), &mut received).unwrap();
        assert!(received == bytes, "other bytes than were sent");
    }

    /// The server has closed the connection, and has sent nothing before.
    pub fn expect_closed(&mut self) {
        let mut rest = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut rest) {
            use io::ErrorKind::{ConnectionAborted, ConnectionReset};
            // Not in order, but closed. On Windows it may be the second.
            let is_closed = matches!(error.kind(), ConnectionReset | ConnectionAborted);
            assert!(is_closed, "it is not closed: {error}");
        }
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }

    /// Leaves with a reset: what is on its way is lost.
    pub fn reset(self) {
        let stream = self.0.into_inner();
        let socket = socket2::SockRef::from(&stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// Bytes that show when any of them is lost, doubled or moved.
pub fn pattern(len: usize) -> Vec<u8> {
    let words = (0u32..).flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes());
    words.take(len).collect()
}
