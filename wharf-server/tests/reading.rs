//! What the toolkit promises of reading from a client, which can be paused, and of the end of what is to be read: each promise
//! on every driver.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

#[macro_use]
mod harness;
#[path = "harness/raw.rs"]
mod raw;

use harness::{GUARD, connect, expect, expect_end};
use raw::{Call, Reporter, echo, exchange, name_of, serve};
use socket2::SockRef;
use wharf::Buffer;
use wharf_server::{AfterEnd, Client, Ended, Handler, Result, Server, Settings};

/// No length of a piece divides it.
const PERIOD: usize = 251;

fn pattern(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(|at| (at % PERIOD) as u8).collect()
}

/// Says the pattern for as long as anything is taken; returns how much was.
fn fill_with_pattern(peer: &mut TcpStream) -> usize {
    /// More than the two systems hold back.
    const MAX: usize = 256 << 20;

    peer.set_nonblocking(true).unwrap();
    let (mut said, mut last) = (0, Instant::now());
    // Nothing tells that it is all: so it is, when nothing more is taken for a while.
    while last.elapsed() < Duration::from_millis(200) {
        match peer.write(&pattern(said, 10_000)) {
            Ok(count) => (said, last) = (said + count, Instant::now()),
            Err(_) => thread::yield_now(),
        }
        assert!(said < MAX, "the peer is not held back");
    }
    peer.set_nonblocking(false).unwrap();
    said
}

fn only_client(server: &Server) -> Client {
    server.clients().snapshot().remove(0)
}

/// Has a client that its handler has paused, and its peer.
fn pause_one(server: &Server) -> (TcpStream, Client) {
    let mut peer = connect(server);
    exchange(&mut peer, b"pause");
    let clients = server.clients().snapshot();
    (peer, clients.into_iter().max_by_key(Client::id).unwrap())
}

fn await_end(calls: &mpsc::Receiver<Call>) -> &'static str {
    loop {
        if let Call::Disconnected(_, ended) = calls.recv_timeout(GUARD).unwrap() {
            return ended;
        }
    }
}

fn next(calls: &mpsc::Receiver<Call>) -> Call {
    calls.recv_timeout(GUARD).unwrap()
}

/// Reports what it receives, and pauses reading at each call while it is told to.
struct Pauser {
    pauses: Arc<AtomicBool>,
    received: Mutex<mpsc::Sender<Vec<u8>>>,
}

impl Handler for Pauser {
    raw_bytes!();

    fn connected(&self, _: &Client) -> Result {
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), bytes: Buffer) -> Result {
        if self.pauses.load(Ordering::SeqCst) {
            client.pause_reading();
            // Once more changes nothing.
            client.pause_reading();
        }
        let _ = self.received.lock().unwrap().send(bytes.to_vec());
        Ok(())
    }
}

/// Reports the end of each peer, and of each client; echoes.
struct Keeper {
    after: fn() -> AfterEnd,
    told: Mutex<mpsc::Sender<&'static str>>,
}

impl Keeper {
    /// A server with this handler, and what that is told.
    fn serve(
        settings: &Settings,
        after: fn() -> AfterEnd,
    ) -> (Server, mpsc::Receiver<&'static str>) {
        let (sender, told) = mpsc::channel();
        let told_by = Keeper {
            after,
            told: Mutex::new(sender),
        };
        (Server::start(settings, told_by).unwrap(), told)
    }

    fn tell(&self, what: &'static str) {
        let _ = self.told.lock().unwrap().send(what);
    }
}

impl Handler for Keeper {
    raw_bytes!();

    fn connected(&self, _: &Client) -> Result {
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), bytes: Buffer) -> Result {
        assert!(!client.peer_has_ended());
        let _ = client.send(bytes);
        Ok(())
    }

    fn resumed(&self, _: &Client, (): &mut ()) -> Result {
        self.tell("called again");
        Ok(())
    }

    fn peer_ended(&self, client: &Client, (): &mut ()) -> AfterEnd {
        assert!(client.peer_has_ended());
        self.tell("peer ended");
        (self.after)()
    }

    fn disconnected(&self, _: &Client, (): &mut (), ended: &Ended) {
        self.tell(name_of(ended));
    }

    fn panicked(&self, _: &Client, _: &str) {
        self.tell("panicked");
    }
}

fn keep_sending() -> AfterEnd {
    AfterEnd::KeepSending
}

/// Has a client whose peer has ended its side, as the handler knows, and its peer.
fn half_close_one(server: &Server, told: &mpsc::Receiver<&'static str>) -> (TcpStream, Client) {
    let mut peer = connect(server);
    exchange(&mut peer, b"all I have to say");
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(told.recv_timeout(GUARD).unwrap(), "peer ended");
    let clients = server.clients().snapshot();
    (peer, clients.into_iter().max_by_key(Client::id).unwrap())
}

on_every_driver! {
    fn a_paused_client_is_held_back_and_every_byte_comes_in_order_once_it_is_read_again(settings) {
        let (sender, received) = mpsc::channel();
        let pauses = Arc::new(AtomicBool::new(true));
        let handler = Pauser { pauses: pauses.clone(), received: Mutex::new(sender) };
        let server = Server::start(&settings, handler).unwrap();
        let mut peer = connect(&server);
        let said = fill_with_pattern(&mut peer);
        let client = only_client(&server);
        let mut all = received.recv_timeout(GUARD).unwrap();
        assert!(all.len() <= settings.buffer_bytes);
        assert!(received.try_recv().is_err(), "it was called again");
        // One piece more each time.
        for _ in 0..3 {
            client.resume_reading();
            all.extend(received.recv_timeout(GUARD).unwrap());
        }
        pauses.store(false, Ordering::SeqCst);
        while all.len() < said {
            // The last call may still have paused it.
            client.resume_reading();
            all.extend(received.recv_timeout(GUARD).unwrap());
        }
        assert!(all == pattern(0, said), "other bytes than were sent");
        peer.write_all(b"more").unwrap();
        assert_eq!(received.recv_timeout(GUARD).unwrap(), b"more");
    }

    fn pausing_by_other_threads_loses_nothing_and_doubles_nothing(settings) {
        const BYTES: usize = 4 << 20;
        let server = serve(&settings, echo).unwrap();
        let mut peer = connect(&server);
        exchange(&mut peer, b"here");
        let client = only_client(&server);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::SeqCst) {
                        client.pause_reading();
                        client.resume_reading();
                    }
                    client.resume_reading();
                });
            }
            let mut says = peer.try_clone().unwrap();
            let talker = scope.spawn(move || {
                for at in (0..BYTES).step_by(1 << 16) {
                    says.write_all(&pattern(at, 1 << 16)).unwrap();
                }
            });
            expect(&mut peer, &pattern(0, BYTES));
            talker.join().unwrap();
            // Pieces by themselves, so that most receives begin with nothing there.
            for round in 0..500_u32 {
                exchange(&mut peer, &round.to_le_bytes());
            }
            done.store(true, Ordering::SeqCst);
        });
        exchange(&mut peer, b"and afterwards");
        drop(peer);
        let report = server.stop(GUARD);
        let bytes = (4 + BYTES + 4 * 500 + 14) as u64;
        assert_eq!((report.received_bytes, report.sent_bytes, report.cut), (bytes, bytes, 0));
    }

    fn a_client_that_is_paused_from_elsewhere_is_not_read_from_after_one_more_call(settings) {
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let mut peer = connect(&server);
        exchange(&mut peer, b"here");
        let client = only_client(&server);
        client.pause_reading();
        let said = fill_with_pattern(&mut peer);
        assert!(said > settings.buffer_bytes);
        assert!(client.traffic().received_bytes <= (4 + settings.buffer_bytes) as u64);
        drop(calls);
    }

    fn sends_go_on_while_reading_is_paused_and_the_end_of_the_peer_comes_behind_its_bytes(settings) {
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let (mut peer, client) = pause_one(&server);
        assert_eq!([next(&calls), next(&calls)], [Call::Connected(1), Call::Received(1, b"pause".to_vec())]);
        peer.write_all(b"last words").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        for _ in 0..100 {
            client.send(vec![3; 1000]).unwrap();
            expect(&mut peer, &[3; 1000]);
        }
        assert!(calls.try_recv().is_err(), "it was read from");
        client.resume_reading();
        assert_eq!(next(&calls), Call::Received(1, b"last words".to_vec()));
        expect(&mut peer, b"last words");
        expect_end(&mut peer);
        assert_eq!(next(&calls), Call::Disconnected(1, "by peer"));
    }

    fn a_paused_client_can_be_closed_and_aborted(settings) {
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        // Often, since its turn is parked just when it is closed.
        for _ in 0..50 {
            let (mut peer, client) = pause_one(&server);
            peer.write_all(b"not received").unwrap();
            client.send(b"farewell").unwrap();
            client.close();
            expect(&mut peer, b"farewell");
            expect_end(&mut peer);
            drop(peer);
            assert_eq!(await_end(&calls), "by server");
            let (mut peer, client) = pause_one(&server);
            client.abort();
            assert_eq!(peer.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert_eq!(await_end(&calls), "aborted");
            client.resume_reading();
        }
        assert_eq!(server.stop(GUARD).cut, 0);
        assert!(calls.iter().all(|call| !matches!(call, Call::Disconnected(..))), "one ended twice");
    }

    fn a_paused_client_ends_once_whatever_ends_it_at_once(settings) {
        const CLIENTS: usize = 50;
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        for round in 0..CLIENTS {
            let (peer, client) = pause_one(&server);
            thread::scope(|scope| {
                scope.spawn(|| client.resume_reading());
                scope.spawn(|| client.close());
                scope.spawn(|| client.pause_reading());
                if round % 2 == 0 {
                    scope.spawn(|| client.abort());
                }
            });
            drop(peer);
            await_end(&calls);
        }
        assert_eq!(server.stop(GUARD).cut, 0);
        assert!(calls.iter().all(|call| !matches!(call, Call::Disconnected(..))), "one ended twice");
    }

    fn a_stop_ends_paused_clients_in_order_and_a_drop_cuts_them(settings) {
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let paused: Vec<_> = (0..10).map(|_| pause_one(&server)).collect();
        let stopping = thread::spawn(move || server.stop(GUARD));
        for (mut peer, _) in paused {
            expect_end(&mut peer);
        }
        assert_eq!(stopping.join().unwrap().cut, 0);
        let ends = calls.iter().filter(|call| matches!(call, Call::Disconnected(_, "by server")));
        assert_eq!(ends.count(), 10);

        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let _paused: Vec<_> = (0..10).map(|_| pause_one(&server)).collect();
        drop(server);
        let ends = calls.iter().filter(|call| matches!(call, Call::Disconnected(_, "cut")));
        assert_eq!(ends.count(), 10);
    }

    fn a_stop_ends_each_client_once_while_other_threads_pause_and_resume(settings) {
        const CLIENTS: usize = 20;
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let mut peers: Vec<_> = (0..CLIENTS).map(|_| connect(&server)).collect();
        for peer in &mut peers {
            exchange(peer, b"here");
        }
        let clients = server.clients().snapshot();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::SeqCst) {
                        clients.iter().for_each(Client::pause_reading);
                        clients.iter().for_each(Client::resume_reading);
                    }
                });
            }
            for peer in &mut peers {
                exchange(peer, b"still here");
            }
            assert_eq!(server.stop(GUARD).cut, 0);
            done.store(true, Ordering::SeqCst);
        });
        let ends = calls.iter().filter(|call| matches!(call, Call::Disconnected(_, "by server")));
        assert_eq!(ends.count(), CLIENTS);
    }

    fn a_send_that_fails_ends_a_paused_client(settings) {
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let (peer, client) = pause_one(&server);
        SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        let deadline = Instant::now() + GUARD;
        while client.ended().is_none() {
            assert!(Instant::now() < deadline);
            let _ = client.send(b"is anybody there?");
        }
        assert_eq!(await_end(&calls), "failed");
    }

    fn a_paused_client_is_not_idle_until_it_is_read_again(settings) {
        let mut settings = settings;
        settings.idle_timeout = Some(Duration::from_millis(100));
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let (_peer, client) = pause_one(&server);
        // Another is cut as idle, and another, in the same time.
        for _ in 0..2 {
            let mut idle = connect(&server);
            exchange(&mut idle, b"here");
            expect_end(&mut idle);
            assert_eq!(await_end(&calls), "idle");
        }
        assert!(client.ended().is_none());
        client.resume_reading();
        assert_eq!(await_end(&calls), "idle");
    }

    fn a_paused_client_that_takes_nothing_goes_by_itself(settings) {
        let mut settings = settings;
        settings.stall_timeout = Some(Duration::from_millis(200));
        settings.unsent_bytes_max = 64 << 20;
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let (_peer, client) = pause_one(&server);
        client.send(vec![7; 32 << 20]).unwrap();
        assert_eq!(await_end(&calls), "stalled");
    }

    fn a_paused_client_is_called_again_if_that_is_asked_for(settings) {
        struct Recalled(Mutex<mpsc::Sender<()>>);
        impl Handler for Recalled {
            raw_bytes!();

            fn connected(&self, _: &Client) -> Result {
                Ok(())
            }

            fn received(&self, client: &Client, (): &mut (), bytes: Buffer) -> Result {
                client.pause_reading();
                let _ = client.send(bytes);
                Ok(())
            }
            fn resumed(&self, _: &Client, (): &mut ()) -> Result {
                self.0.lock().unwrap().send(()).unwrap();
                Ok(())
            }
        }
        let (sender, called) = mpsc::channel();
        let server = Server::start(&settings, Recalled(Mutex::new(sender))).unwrap();
        let mut peer = connect(&server);
        exchange(&mut peer, b"ahoy");
        let client = only_client(&server);
        for _ in 0..100 {
            client.call_again();
            called.recv_timeout(GUARD).unwrap();
        }
        client.resume_reading();
        exchange(&mut peer, b"ahoy");
    }

    fn a_half_closed_client_takes_what_any_thread_sends_until_it_is_closed(settings) {
        let (server, told) = Keeper::serve(&settings, keep_sending);
        let (mut peer, client) = half_close_one(&server, &told);
        assert!(client.peer_has_ended());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        client.send(b"12345678").unwrap();
                    }
                });
            }
            expect(&mut peer, &b"12345678".repeat(4 * 500));
        });
        assert_eq!(server.clients().get(client.id()), Some(client.clone()));
        // It is not read from in any case.
        client.pause_reading();
        client.resume_reading();
        client.call_again();
        assert_eq!(told.recv_timeout(GUARD).unwrap(), "called again");
        let farewell = pattern(0, 900_000);
        client.send(farewell.clone()).unwrap();
        client.close();
        expect(&mut peer, &farewell);
        expect_end(&mut peer);
        assert_eq!(told.recv_timeout(GUARD).unwrap(), "by server");
        assert_eq!(server.stop(GUARD).cut, 0);
        assert!(told.recv().is_err(), "it was told more than once");
    }

    fn a_handler_is_told_of_the_end_of_a_peer_once_and_by_itself_lets_it_go(settings) {
        let (server, told) = Keeper::serve(&settings, AfterEnd::default);
        for _ in 0..50 {
            let mut peer = connect(&server);
            peer.write_all(b"ahoy").unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            expect(&mut peer, b"ahoy");
            expect_end(&mut peer);
            let two = [told.recv_timeout(GUARD).unwrap(), told.recv_timeout(GUARD).unwrap()];
            assert_eq!(two, ["peer ended", "by peer"]);
        }
        server.stop(GUARD);
        assert!(told.recv().is_err(), "it was told more than once");
    }

    fn a_handler_is_not_told_of_the_end_of_a_peer_that_is_reset_or_closed_first(settings) {
        let (server, told) = Keeper::serve(&settings, keep_sending);
        let mut peer = connect(&server);
        exchange(&mut peer, b"here");
        SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        assert_eq!(told.recv_timeout(GUARD).unwrap(), "failed");
        let mut peer = connect(&server);
        exchange(&mut peer, b"here");
        let client = only_client(&server);
        client.close();
        expect_end(&mut peer);
        drop(peer);
        assert_eq!(told.recv_timeout(GUARD).unwrap(), "by server");
        assert!(!client.peer_has_ended());
    }

    fn a_half_closed_client_can_end_in_every_way(settings) {
        let (server, told) = Keeper::serve(&settings, keep_sending);
        let (mut peer, client) = half_close_one(&server, &told);
        client.abort();
        assert_eq!(peer.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(told.recv_timeout(GUARD).unwrap(), "aborted");
        // Its peer goes altogether, which only a send can tell.
        let (peer, client) = half_close_one(&server, &told);
        drop(peer);
        let deadline = Instant::now() + GUARD;
        while client.ended().is_none() {
            assert!(Instant::now() < deadline);
            let _ = client.send(b"is anybody there?");
        }
        assert_eq!(told.recv_timeout(GUARD).unwrap(), "failed");
        let (mut peer, _) = half_close_one(&server, &told);
        assert_eq!(server.stop(GUARD).cut, 0);
        expect_end(&mut peer);
        assert_eq!(told.recv_timeout(GUARD).unwrap(), "by server");

        let (server, told) = Keeper::serve(&settings, keep_sending);
        let _kept = half_close_one(&server, &told);
        drop(server);
        assert_eq!(told.recv_timeout(GUARD).unwrap(), "cut");

        let (server, told) = Keeper::serve(&settings, || panic!("as it was told"));
        let mut peer = connect(&server);
        exchange(&mut peer, b"here");
        peer.shutdown(Shutdown::Write).unwrap();
        expect_end(&mut peer);
        let two = [told.recv_timeout(GUARD).unwrap(), told.recv_timeout(GUARD).unwrap()];
        assert_eq!(two, ["peer ended", "panicked"]);
    }

    fn a_half_closed_client_is_cut_when_it_is_idle_and_when_it_takes_nothing(settings) {
        let mut settings = settings;
        settings.idle_timeout = Some(Duration::from_millis(200));
        let (server, told) = Keeper::serve(&settings, keep_sending);
        let (_peer, client) = half_close_one(&server, &told);
        // A pause has no meaning for it any more.
        client.pause_reading();
        assert_eq!(told.recv_timeout(GUARD).unwrap(), "idle");

        settings.idle_timeout = None;
        settings.stall_timeout = Some(Duration::from_millis(200));
        settings.unsent_bytes_max = 64 << 20;
        let (server, told) = Keeper::serve(&settings, keep_sending);
        let (_peer, client) = half_close_one(&server, &told);
        client.send(vec![7; 32 << 20]).unwrap();
        assert_eq!(told.recv_timeout(GUARD).unwrap(), "stalled");
    }
}
