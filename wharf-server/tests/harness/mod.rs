//! What the tests of the toolkit share: each promise on every driver, and a handler that reports its calls.

use std::{io::Read, net::TcpStream, time::Duration};

use wharf::DriverChoice;
use wharf_server::{Server, Settings};

/// Nothing that is waited for takes as long, unless it is broken.
pub const GUARD: Duration = Duration::from_secs(30);

/// The types of a handler that gets bytes as they arrive, and has no sessions.
#[allow(unused_macros, reason = "not every test has such a handler")]
macro_rules! raw_bytes {
    () => {
        type Session = ();
        type Codec = wharf_server::codec::Raw;
        type Message = ();

        fn codec(&self) -> wharf_server::codec::Raw {
            wharf_server::codec::Raw
        }
    };
}

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
    settings.listen = vec!["127.0.0.1:0".parse().unwrap()];
    settings.driver = driver;
    settings
}

pub fn connect<M: Send>(server: &Server<M>) -> TcpStream {
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    stream.set_write_timeout(Some(GUARD)).unwrap();
    stream
}

pub fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut received = vec![0; bytes.len()];
    stream.read_exact(&mut received).unwrap();
    assert!(received == bytes, "other bytes than were sent");
}

/// A server that goes may interrupt who started it, once: unlike `read`, this tries again.
#[allow(dead_code, reason = "not every test waits for an end")]
pub fn expect_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "{rest:?}");
}
