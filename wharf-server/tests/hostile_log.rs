//! What the toolkit promises where the log panics at every line, and what a handler's panic carries, and bytes that are sent, do so when dropped.

#[macro_use]
mod harness;

use std::{
    io::{Read, Write},
    net::TcpStream,
    panic::{panic_any, resume_unwind},
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use bytes::Bytes;
use harness::{GUARD, connect, expect};
use tracing::{Event, Metadata, Subscriber, span};
use wharf::Buffer;
use wharf_server::{Client, Ended, Handler, Result, Server, Settings};

/// More than systems keep for a client that does not read.
const FLOOD_BYTES: usize = 32 << 20;

/// So many are kept uncopied.
const TRAPPED_BYTES: usize = 10_000;

/// Panics as it takes a line, and as a span is entered or left.
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

    fn enter(&self, _: &span::Id) {
        resume_unwind(Box::new("the log"));
    }

    fn exit(&self, _: &span::Id) {
        resume_unwind(Box::new("the log"));
    }
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
    raw_bytes!();

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

fn exchange(stream: &mut TcpStream) {
    stream.write_all(b"ahoy").unwrap();
    expect(stream, b"ahoy");
}

/// Bytes that panic when they are dropped.
struct Trapped(Vec<u8>, Trap);

impl AsRef<[u8]> for Trapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Sends at once more than anybody takes who does not read.
struct Flood(mpsc::Sender<String>);

impl Handler for Flood {
    raw_bytes!();

    fn connected(&self, _: &Client) -> Result {
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), _: Buffer) -> Result {
        client.send(vec![7; FLOOD_BYTES])?;
        for _ in 0..3 {
            let bytes = Trapped(vec![7; TRAPPED_BYTES], Trap);
            client.send(Bytes::from_owner(bytes))?;
        }
        let _ = self.0.send("sent".to_owned());
        Ok(())
    }

    fn disconnected(&self, _: &Client, (): &mut (), ended: &Ended) {
        let _ = self.0.send(format!("{ended:?}"));
    }
}

on_every_driver! {
    fn nobody_is_lost_to_a_log_that_panics(settings) {
        static SET: Once = Once::new();
        // One client at a time, so that accepting pauses for each, which is said.
        let mut settings = settings;
        SET.call_once(|| tracing::subscriber::set_global_default(Hostile).expect("the first"));
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

    fn no_place_is_lost_to_bytes_that_panic(settings) {
        // What waits for a client that is gone is dropped before it leaves its place.
        let mut settings = settings;
        settings.clients_max = 1;
        settings.unsent_bytes_max = 2 * FLOOD_BYTES;
        let (tell, told) = mpsc::channel();
        let server = Server::start(&settings, Flood(tell)).unwrap();
        for _ in 0..3 {
            let mut peer = connect(&server);
            peer.write_all(b"ahoy").unwrap();
            peer.read_exact(&mut [0]).unwrap();
            assert_eq!(told.recv_timeout(GUARD).unwrap(), "sent");
            drop(peer);
            let ended = told.recv_timeout(GUARD).expect("it is told of its end");
            assert!(ended.starts_with("Failed"), "{ended}");
        }
        let report = server.stop(GUARD);
        assert_eq!((report.clients, report.cut), (3, 0));
    }
}
