//! What the tests of the toolkit share: each promise on every driver, and a handler that reports its calls.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{Mutex, mpsc},
    time::Duration,
};

use wharf::{Buffer, DriverChoice};
use wharf_server::{Client, Ended, Handler, Server, Settings};

/// Nothing that is waited for takes as long, unless it is broken.
pub const GUARD: Duration = Duration::from_secs(30);

macro_rules! on_every_driver {
    ($(fn $name:ident($settings:ident) $body:block)*) => {
        #[cfg(windows)]
        mod windows {
            $(#[test] fn $name() { super::$name(crate::harness::settings(wharf::DriverChoice::Windows)); })*
        }
        #[cfg(unix)]
        mod readiness {
            $(#[test] fn $name() { super::$name(crate::harness::settings(wharf::DriverChoice::Readiness)); })*
        }
        #[cfg(unix)]
        mod uring {
            $(#[test] fn $name() {
                if crate::harness::uring_can_be_tested() {
                    super::$name(crate::harness::settings(wharf::DriverChoice::Uring));
                }
            })*
        }
        $(fn $name($settings: Settings) $body)*
    };
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

pub fn settings(driver: DriverChoice) -> Settings {
    let mut settings = Settings::default();
    settings.listen = "127.0.0.1:0".parse().unwrap();
    settings.driver = driver;
    settings
}

pub fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    stream.set_write_timeout(Some(GUARD)).unwrap();
    stream
}

pub fn echo(client: &Client, bytes: Buffer) {
    let _ = client.send(bytes);
}

pub fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut received = vec![0; bytes.len()];
    stream.read_exact(&mut received).unwrap();
    assert!(received == bytes, "other bytes than were sent");
}

pub fn exchange(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    expect(stream, bytes);
}

/// A server that goes may interrupt who started it, once: unlike `read`, this tries again.
pub fn expect_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "{rest:?}");
}

/// What a handler was called with, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Call {
    Connected(u64),
    Received(u64, Vec<u8>),
    Disconnected(u64, &'static str),
    Failed,
}

/// Reports its calls; panics when it is told to.
pub struct Reporter(Mutex<mpsc::Sender<Call>>);

impl Reporter {
    pub fn new() -> (Self, mpsc::Receiver<Call>) {
        let (sender, receiver) = mpsc::channel();
        (Reporter(Mutex::new(sender)), receiver)
    }

    fn report(&self, call: Call) {
        let _ = self.0.lock().unwrap().send(call);
    }
}

/// Why a client is gone, in a word.
pub fn name_of(ended: &Ended) -> &'static str {
    match ended {
        Ended::ByPeer => "by peer",
        Ended::ByServer => "by server",
        Ended::Failed(_) => "failed",
        Ended::Idle => "idle",
        Ended::Stalled => "stalled",
        Ended::Panicked(message) => {
            assert_eq!(message, "as it was told");
            "panicked"
        }
        Ended::Aborted => "aborted",
        Ended::Cut => "cut",
        _ => "otherwise",
    }
}

impl Handler for Reporter {
    fn connected(&self, client: &Client) {
        self.report(Call::Connected(client.id()));
    }

    fn received(&self, client: &Client, bytes: Buffer) {
        self.report(Call::Received(client.id(), bytes.to_vec()));
        match &bytes[..] {
            b"panic" => panic!("as it was told"),
            b"close" => client.close(),
            b"pause" => client.pause_reading(),
            _ => {}
        }
        let _ = client.send(bytes);
    }

    fn disconnected(&self, client: &Client, ended: &Ended) {
        self.report(Call::Disconnected(client.id(), name_of(ended)));
    }

    fn failed(&self, _: &std::io::Error) {
        self.report(Call::Failed);
    }
}
