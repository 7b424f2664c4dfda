//! What the toolkit promises where the log panics at every line, and what a handler's panic carries does so too.

use std::{
    io::{Read, Write},
    net::TcpStream,
    panic::{panic_any, resume_unwind},
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use tracing::{Event, Metadata, Subscriber, span};
use wharf::{Buffer, DriverChoice};
use wharf_server::{Client, Ended, Handler, Result, Server, Settings, codec::Raw};

/// Nothing that is waited for takes as long, unless it is broken.
const GUARD: Duration = Duration::from_secs(30);

/// Panics as it takes a line.
struct Hostile;

static LINES: AtomicUsize = AtomicUsize::new(0);

impl Subscriber for Hostile {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {
        LINES.fetch_add(1, Ordering::SeqCst);
        resume_unwind(Box::new("the log"));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// What a panic carries, which panics when it is dropped.
struct Trap;

impl Drop for Trap {
    fn drop(&mut self) {
        resume_unwind(Box::new("a trap"));
    }
}

/// An echo; panics when it is told to.
struct Teller(mpsc::Sender<bool>);

impl Handler for Teller {
    type Session = ();
    type Codec = Raw;
    type Message = ();

    fn codec(&self) -> Raw {
        Raw
    }

    fn connected(&self, _: &Client) -> Result {
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), bytes: Buffer) -> Result {
        match &bytes[..] {
            b"panic" => resume_unwind(Box::new("as it was told")),
            b"trap!" => panic_any(Trap),
            _ => drop(client.send(bytes)),
        }
        Ok(())
    }

    fn disconnected(&self, _: &Client, (): &mut (), _: &Ended) {
        let _ = self.0.send(false);
    }

    fn panicked(&self, _: &Client, _: &str) {
        let _ = self.0.send(true);
    }
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    stream
}

fn exchange(stream: &mut TcpStream) {
    stream.write_all(b"ahoy").unwrap();
    let mut echo = [0; 4];
    stream.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"ahoy");
}

/// One client at a time, so that accepting pauses for each, which is said.
fn nobody_is_lost_on_the_way(driver: DriverChoice) {
    static SET: Once = Once::new();
    SET.call_once(|| tracing::subscriber::set_global_default(Hostile).expect("the first"));
    let mut settings = Settings::default();
    settings.listen = vec!["127.0.0.1:0".parse().unwrap()];
    settings.driver = driver;
    settings.clients_max = 1;
    settings.workers = 1;
    settings.workers_max = 1;
    let (tell, told) = mpsc::channel();
    let server = Server::start(&settings, Teller(tell)).unwrap();
    let lines = LINES.load(Ordering::SeqCst);
    for word in [b"panic", b"trap!", b"panic", b"trap!"] {
        let mut peer = connect(&server);
        exchange(&mut peer);
        peer.write_all(word).unwrap();
        assert_eq!(told.recv_timeout(GUARD), Ok(true), "it is told of its end");
    }
    let mut peer = connect(&server);
    exchange(&mut peer);
    drop(peer);
    assert_eq!(told.recv_timeout(GUARD), Ok(false));
    assert_eq!(server.snapshot().workers.len(), 1, "the worker is there");
    let report = server.stop(GUARD);
    assert_eq!((report.clients, report.cut), (5, 0));
    assert!(LINES.load(Ordering::SeqCst) >= lines + 5, "it was said");
}

#[cfg(unix)]
#[test]
fn nobody_is_lost_to_a_log_that_panics_on_readiness() {
    nobody_is_lost_on_the_way(DriverChoice::Readiness);
}

#[cfg(unix)]
#[test]
fn nobody_is_lost_to_a_log_that_panics_on_the_best_driver() {
    nobody_is_lost_on_the_way(DriverChoice::Auto);
}

#[cfg(windows)]
#[test]
fn nobody_is_lost_to_a_log_that_panics_on_windows() {
    nobody_is_lost_on_the_way(DriverChoice::Windows);
}
