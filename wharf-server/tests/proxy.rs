//! The PROXY protocol, as a proxy would speak it and as peers that mean harm would. HAProxy itself is in `ci/net.sh`.

#[macro_use]
mod harness;
#[path = "harness/raw.rs"]
mod raw;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::mpsc,
    time::{Duration, Instant},
};

use harness::{GUARD, connect, expect, expect_end};
use raw::{Call, Reporter, echo, exchange, serve};
use wharf::Buffer;
use wharf_server::{Client, Handler, Result, Server, ServerBuilder, Settings};

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x0f\xa0\0\x50";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// Every peer of the tests is a proxy.
fn trusting(mut settings: Settings) -> Settings {
    settings.proxy_protocol_from = vec!["127.0.0.0/8".parse().unwrap()];
    settings
}

/// Answers with the client's address.
fn tell_peer(client: &Client, _: Buffer) -> std::io::Result<()> {
    client.send(format!("{}\n", client.peer()))
}

/// Speaks first, and sends back what comes.
struct Greets;

impl Handler for Greets {
    raw_bytes!();

    fn connected(&self, client: &Client) -> Result {
        client.send(format!("hello {}\n", client.peer()))?;
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), bytes: Buffer) -> Result {
        client.send(bytes)?;
        Ok(())
    }
}

fn greeting(settings: &Settings) -> Server {
    ServerBuilder::from(settings.clone()).start(Greets).unwrap()
}

/// Takes its first bytes later: reading is paused when it connects.
struct Paused(std::sync::Mutex<mpsc::Sender<Client>>);

impl Handler for Paused {
    raw_bytes!();

    fn connected(&self, client: &Client) -> Result {
        client.pause_reading();
        self.0.lock().unwrap().send(client.clone())?;
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), bytes: Buffer) -> Result {
        client.send(bytes)?;
        Ok(())
    }
}

/// The peer is refused: it sees the end, or a reset, and not a byte.
fn expect_refusal(mut peer: TcpStream) {
    let mut rest = Vec::new();
    let _ = peer.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{}", rest.escape_ascii());
}

on_every_driver! {
    fn a_client_has_the_address_in_its_header(settings) {
        let server = serve(&trusting(settings), tell_peer).unwrap();
        for header in [V1, V2] {
            let mut peer = connect(&server);
            peer.write_all(&[header, b"who?"].concat()).unwrap();
            expect(&mut peer, b"192.0.2.1:4000\n");
            peer.write_all(b"again").unwrap();
            expect(&mut peer, b"192.0.2.1:4000\n");
        }
    }

    fn a_proxy_that_speaks_for_itself_keeps_its_address(settings) {
        let server = serve(&trusting(settings), tell_peer).unwrap();
        for header in [V2_LOCAL, b"PROXY UNKNOWN\r\n"] {
            let mut peer = connect(&server);
            peer.write_all(&[header, b"who?"].concat()).unwrap();
            let own = format!("{}\n", peer.local_addr().unwrap());
            expect(&mut peer, own.as_bytes());
        }
    }

    fn the_handler_is_told_after_the_header_and_gets_each_byte_behind_it(settings) {
        let server = greeting(&trusting(settings));
        for header in [V1, V2] {
            let mut peer = connect(&server);
            peer.set_nodelay(true).unwrap();
            for byte in header {
                assert!(server.clients().snapshot().is_empty(), "it is not there yet");
                peer.write_all(&[*byte]).unwrap();
            }
            expect(&mut peer, b"hello 192.0.2.1:4000\n");
            exchange(&mut peer, b"ahoy");
            assert_eq!(server.clients().snapshot().len(), 1);
            peer.shutdown(Shutdown::Write).unwrap();
            expect_end(&mut peer);
            while !server.clients().is_empty() {
                std::thread::yield_now();
            }
        }
        let report = server.stop(GUARD);
        assert_eq!(report.received_bytes, 8, "headers are none of the clients' bytes");
    }

    fn bytes_behind_a_header_wait_while_reading_is_paused(settings) {
        let (sender, connected) = mpsc::channel();
        let server = ServerBuilder::from(trusting(settings));
        let server = server.start(Paused(std::sync::Mutex::new(sender))).unwrap();
        let mut peer = connect(&server);
        peer.write_all(&[V2, b"ahoy"].concat()).unwrap();
        let client = connected.recv_timeout(GUARD).unwrap();
        peer.write_all(b" there").unwrap();
        peer.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(peer.read(&mut [0]).is_err(), "nothing is handled yet");
        peer.set_read_timeout(Some(GUARD)).unwrap();
        client.resume_reading();
        expect(&mut peer, b"ahoy there");
    }

    fn what_is_no_header_ends_the_client_unseen(settings) {
        let (reporter, calls) = Reporter::new();
        let server = ServerBuilder::from(trusting(settings)).start(reporter).unwrap();
        let long = [&V2[..14], &[0xff; 2], &[7; 9_000]].concat();
        let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'1'; 9_000]].concat();
        for wrong in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), b"PROXY TCP4 1 2 3 4\r\n", &long, &endless] {
            let mut peer = connect(&server);
            let _ = peer.write_all(wrong);
            expect_refusal(peer);
        }
        let mut peer = connect(&server);
        peer.write_all(&V1[..9]).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        expect_refusal(peer);
        drop(server);
        assert_eq!(calls.into_iter().collect::<Vec<_>>(), [], "the handler is told of none");
    }

    fn a_header_from_elsewhere_ends_the_client_and_other_bytes_do_not(settings) {
        let mut settings = settings;
        settings.proxy_protocol_from = vec!["192.0.2.0/24".parse().unwrap()];
        let server = serve(&settings, echo).unwrap();
        for header in [V1, V2] {
            let mut peer = connect(&server);
            peer.write_all(header).unwrap();
            expect_refusal(peer);
        }
        let mut peer = connect(&server);
        exchange(&mut peer, b"PROXIMA");
        exchange(&mut peer, V1);
        // What could be the beginning of one is the handler's at once, and the rest of it ends the client all the same.
        for (header, some) in [(V1, 3), (V2, 2)] {
            let mut peer = connect(&server);
            for len in 0..some {
                exchange(&mut peer, &header[len..=len]);
            }
            peer.write_all(&header[some..]).unwrap();
            expect_refusal(peer);
        }
        let mut peer = connect(&server);
        exchange(&mut peer, b"PROX");
        exchange(&mut peer, b"IMA");
        exchange(&mut peer, V1);
        let greeting = greeting(&settings);
        let mut peer = connect(&greeting);
        let hello = format!("hello {}\n", peer.local_addr().unwrap());
        expect(&mut peer, hello.as_bytes());
    }

    fn a_header_that_is_late_ends_the_client_in_each_manner_of_being_late(settings) {
        let mut settings = trusting(settings);
        settings.proxy_header_timeout = Duration::from_millis(200);
        let (reporter, calls) = Reporter::new();
        let server = ServerBuilder::from(settings).start(reporter).unwrap();
        let start = Instant::now();
        let silent = connect(&server);
        let mut half = connect(&server);
        half.write_all(&V2[..V2.len() - 1]).unwrap();
        let mut in_time = connect(&server);
        exchange_behind(&mut in_time, V2);
        let mut slow = connect(&server);
        // A byte now and then, of a header that is long enough for that.
        let long = [&V2[..14], &[0x0f, 0]].concat();
        slow.write_all(&long).unwrap();
        slow.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        while slow.write_all(&[0]).is_ok() && !is_ended(&mut slow) {
            assert!(start.elapsed() < GUARD);
        }
        expect_refusal(silent);
        expect_refusal(half);
        assert!(start.elapsed() >= Duration::from_millis(200));
        exchange(&mut in_time, b"it stays");
        drop((in_time, server));
        let calls: Vec<Call> = calls.into_iter().collect();
        assert_eq!(calls.iter().filter(|call| matches!(call, Call::Connected(_))).count(), 1);
    }

    fn clients_are_counted_by_the_address_in_the_header(settings) {
        let mut settings = trusting(settings);
        settings.clients_per_address_max = 2;
        let server = serve(&settings, echo).unwrap();
        let other = b"PROXY TCP4 192.0.2.3 192.0.2.2 4000 80\r\n";
        let mut peers: Vec<_> = [V1, V2, other, V2_LOCAL, V2_LOCAL, V2_LOCAL].map(|header| {
            let mut peer = connect(&server);
            exchange_behind(&mut peer, header);
            peer
        }).into();
        let mut third = connect(&server);
        third.write_all(V1).unwrap();
        expect_refusal(third);
        drop(peers.remove(0));
        while server.clients().len() > peers.len() {
            std::thread::yield_now();
        }
        let mut third = connect(&server);
        exchange_behind(&mut third, V1);
    }

    fn a_flood_of_half_headers_keeps_its_places_no_longer_than_a_header_may_take(settings) {
        let mut settings = trusting(settings);
        settings.proxy_header_timeout = Duration::from_millis(300);
        settings.clients_max = 50;
        let server = serve(&settings, echo).unwrap();
        let flood: Vec<_> = (0..200).map(|number| {
            let mut peer = connect(&server);
            peer.write_all(&V2[..number % V2.len()]).unwrap();
            peer
        }).collect();
        // Behind all of them in the backlog: four times the table.
        let mut polite = connect(&server);
        exchange_behind(&mut polite, V1);
        assert_eq!(server.clients().snapshot().len(), 1);
        flood.into_iter().for_each(expect_refusal);
        exchange(&mut polite, b"still there");
    }

    fn a_stop_does_not_wait_for_headers(settings) {
        let mut settings = trusting(settings);
        settings.proxy_header_timeout = Duration::from_secs(3_600);
        let server = serve(&settings, echo).unwrap();
        let mut peers: Vec<_> = (0..8).map(|_| connect(&server)).collect();
        for peer in &mut peers {
            peer.write_all(&V1[..10]).unwrap();
        }
        while server.clients().len() < peers.len() {
            std::thread::yield_now();
        }
        let ends: Vec<_> = peers.into_iter().map(|peer| std::thread::spawn(|| expect_refusal(peer))).collect();
        let report = server.stop(GUARD);
        assert_eq!((report.clients, report.received_bytes, report.cut), (8, 0, 0));
        ends.into_iter().for_each(|end| end.join().unwrap());
    }
}

/// A header, bytes behind it in the same piece, and their echo.
fn exchange_behind(peer: &mut TcpStream, header: &[u8]) {
    peer.write_all(&[header, b"ahoy"].concat()).unwrap();
    expect(peer, b"ahoy");
}

/// Whether the peer sees the end, or a reset.
fn is_ended(peer: &mut TcpStream) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    match peer.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => !matches!(error.kind(), TimedOut | WouldBlock),
    }
}
