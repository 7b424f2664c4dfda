//! Outgoing connections, on real sockets: servers that are down, that come up, that close at once, that do not answer; names with dead
//! addresses; stops at any moment; pools.

#[macro_use]
mod harness;

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use wharf::{
    Buffer,
    names::{ConnectError, Names, NamesLimits},
};
use wharf_server::{
    Client, Clients, Dial, DialFailed, Ended, Handler, Lease, Listen, Pool, PoolLimits, Result,
    Server, Settings,
};

use harness::{GUARD, connect, expect, expect_end};

/// What a handler was told.
#[derive(Debug)]
enum Told {
    Connected {
        client: Client,
        tag: Option<u64>,
    },
    Failed {
        failures: u32,
        error: io::Error,
        again: bool,
    },
    Gone(&'static str),
}

/// Tells its calls, and echoes.
struct Teller(Mutex<mpsc::Sender<Told>>);

impl Teller {
    fn tell(&self, told: Told) {
        let _ = self.0.lock().unwrap().send(told);
    }
}

impl Handler for Teller {
    raw_bytes!();

    fn connected(&self, client: &Client) -> Result {
        let tag = client.dialled().map(|dialled| dialled.tag());
        let client = client.clone();
        self.tell(Told::Connected { client, tag });
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), bytes: Buffer) -> Result {
        client.send(bytes)?;
        Ok(())
    }

    fn disconnected(&self, _: &Client, (): &mut (), ended: &Ended) {
        self.tell(Told::Gone(match ended {
            Ended::ByPeer => "by peer",
            Ended::ByServer => "by server",
            Ended::Silent => "silent",
            Ended::Stalled => "stalled",
            _ => "otherwise",
        }));
    }

    fn dial_failed(&self, _: &Clients, failed: &DialFailed<'_>) {
        let copy = match failed
            .error
            .get_ref()
            .and_then(|it| it.downcast_ref::<ConnectError>())
        {
            Some(error) => io::Error::new(failed.error.kind(), error.to_string()),
            None => io::Error::new(failed.error.kind(), failed.error.to_string()),
        };
        self.tell(Told::Failed {
            failures: failed.failures,
            error: copy,
            again: failed.again_after.is_some(),
        });
    }
}

fn start(settings: &Settings) -> (Server, mpsc::Receiver<Told>) {
    let (sender, told) = mpsc::channel();
    let server = Server::start(settings, Teller(Mutex::new(sender))).unwrap();
    (server, told)
}

fn next(told: &mpsc::Receiver<Told>) -> Told {
    told.recv_timeout(GUARD).expect("it is told something")
}

fn connected(told: &mpsc::Receiver<Told>) -> (Client, Option<u64>) {
    match next(told) {
        Told::Connected { client, tag } => (client, tag),
        told => panic!("connected, and not {told:?}"),
    }
}

fn failed(told: &mpsc::Receiver<Told>) -> (u32, io::Error, bool) {
    match next(told) {
        Told::Failed {
            failures,
            error,
            again,
        } => (failures, error, again),
        told => panic!("failed, and not {told:?}"),
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn accept(listener: &TcpListener) -> TcpStream {
    let stream = listener.accept().unwrap().0;
    stream.set_read_timeout(Some(GUARD)).unwrap();
    stream
}

/// An address where nobody listens for as long as the socket is kept: it is bound, so that no other test gets the port.
fn dead() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// A listener that has no room for another connection: the system drops what asks for one.
#[cfg(target_os = "linux")]
struct BlackHole {
    address: SocketAddr,
    _listener: socket2::Socket,
    _fill: Vec<TcpStream>,
}

#[cfg(target_os = "linux")]
fn black_hole() -> BlackHole {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut fill = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        fill.push(stream);
        assert!(fill.len() < 100, "its backlog has no end");
    }
    BlackHole {
        address,
        _listener: socket,
        _fill: fill,
    }
}

fn quick(address: SocketAddr) -> Dial {
    let (first, longest) = (Duration::from_millis(2), Duration::from_millis(20));
    Dial::to(address).unwrap().backoff(first, longest)
}

on_every_driver! {
    fn a_dialled_client_is_a_client_and_says_so(settings) {
        let (listener, address) = listen();
        let (server, told) = start(&settings);
        let dialled = server.dial(Dial::to(address).unwrap().tag(7)).unwrap();
        let mut peer = accept(&listener);
        let (client, tag) = connected(&told);
        assert_eq!(tag, Some(7));
        assert_eq!(dialled.client(), Some(client.clone()));
        assert_eq!(client.peer().address(), Some(address));
        assert_eq!(server.clients().snapshot(), std::slice::from_ref(&client));
        peer.write_all(b"ahoy").unwrap();
        expect(&mut peer, b"ahoy");
        // One that has come by itself is none.
        let mut other = connect(&server);
        other.write_all(b"ahoy").unwrap();
        expect(&mut other, b"ahoy");
        assert_eq!(connected(&told).1, None);
        client.close();
        expect_end(&mut peer);
        drop(peer);
        assert!(matches!(next(&told), Told::Gone("by server")));
        drop(other);
        let report = server.stop(GUARD);
        assert_eq!((report.clients, report.cut, report.received_bytes), (2, 0, 8));
        assert!(dialled.is_over());
    }

    fn a_server_that_is_down_is_called_until_it_is_up(settings) {
        let (socket, address) = dead();
        let (server, told) = start(&settings);
        server.dial(quick(address).attempts(None)).unwrap();
        for nth in 1..=5 {
            let (failures, error, again) = failed(&told);
            assert_eq!((failures, again), (nth, true));
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            assert!(error.to_string().contains(&address.to_string()), "{error}");
        }
        socket.listen(1).unwrap();
        let mut peer = accept(&socket.into());
        peer.write_all(b"ahoy").unwrap();
        expect(&mut peer, b"ahoy");
        server.stop(GUARD);
    }

    fn no_more_attempts_than_may_be(settings) {
        let (_held, address) = dead();
        let (server, told) = start(&settings);
        let dialled = server.dial(quick(address).attempts(3)).unwrap();
        let again = [failed(&told).2, failed(&told).2, failed(&told).2];
        assert_eq!(again, [true, true, false]);
        assert!(dialled.is_over());
        server.stop(GUARD);
        assert!(told.try_recv().is_err());
    }

    fn one_that_accepts_and_closes_at_once_is_given_up(settings) {
        let (listener, address) = listen();
        let (server, told) = start(&settings);
        let dial = quick(address).backoff(Duration::from_millis(5), GUARD);
        let began = Instant::now();
        server.dial(dial.attempts(4).reconnect(true)).unwrap();
        for _ in 0..4 {
            drop(accept(&listener));
            connected(&told);
            assert!(matches!(next(&told), Told::Gone("by peer")));
        }
        let (failures, error, again) = failed(&told);
        assert_eq!((failures, again), (4, false));
        assert!(error.to_string().contains("has lasted for 30s"), "{error}");
        // Three pauses: of 5, 10 and 20 ms, each shortened by a half at most.
        assert!(began.elapsed() >= Duration::from_micros(17_500));
        assert_eq!(server.stop(GUARD).clients, 4);
    }

    fn it_is_connected_again_until_the_program_ends_it(settings) {
        let (listener, address) = listen();
        let (server, told) = start(&settings);
        let dialled = server.dial(quick(address).attempts(None).reconnect(true)).unwrap();
        for _ in 0..3 {
            drop(accept(&listener));
            connected(&told);
            assert!(matches!(next(&told), Told::Gone("by peer")));
        }
        let peer = accept(&listener);
        connected(&told).0.close();
        drop(peer);
        assert!(matches!(next(&told), Told::Gone("by server")));
        // Its end is told before that of the dial.
        let report = server.stop(GUARD);
        assert_eq!(report.clients, 4);
        assert!(dialled.is_over());
    }

    fn what_was_dialled_takes_no_place_of_those_who_come(settings) {
        let mut settings = settings;
        (settings.clients_max, settings.dials_max) = (1, 2);
        let (listener, address) = listen();
        let (server, told) = start(&settings);
        let mut kept = Vec::new();
        for _ in 0..2 {
            server.dial(quick(address)).unwrap();
            kept.push(accept(&listener));
            connected(&told);
        }
        let error = server.dial(quick(address)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
        assert!(error.to_string().contains("2 connections are dialled"), "{error}");
        let mut other = connect(&server);
        other.write_all(b"ahoy").unwrap();
        expect(&mut other, b"ahoy");
        connected(&told);
        // A place is free when one has gone.
        drop(kept.pop());
        assert!(matches!(next(&told), Told::Gone("by peer")));
        let until = Instant::now() + GUARD;
        while server.dial(quick(address)).is_err() {
            assert!(Instant::now() < until);
            std::thread::yield_now();
        }
        drop(other);
        drop(kept);
        server.stop(GUARD);
    }

    fn a_stop_ends_a_pause_and_refuses_what_comes_later(settings) {
        let (_held, address) = dead();
        let (server, told) = start(&settings);
        let dial = quick(address).backoff(GUARD, GUARD).attempts(None);
        let dialled = server.dial(dial.clone()).unwrap();
        assert!(failed(&told).2);
        let clients = server.clients().clone();
        let began = Instant::now();
        server.stop(GUARD);
        assert!(began.elapsed() < GUARD / 2);
        assert!(dialled.is_over());
        let error = clients.dial(dial).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        assert!(told.try_recv().is_err());
    }

    fn a_dial_is_stopped_by_itself(settings) {
        let (_held, address) = dead();
        let (server, told) = start(&settings);
        let dialled = server.dial(quick(address).backoff(GUARD, GUARD).attempts(None)).unwrap();
        assert!(failed(&told).2);
        dialled.stop();
        assert!(dialled.is_over());
        server.stop(GUARD);
        assert!(told.try_recv().is_err());
    }

    fn a_name_that_is_not_found_is_told_and_so_is_one_that_hangs(settings) {
        let (go, hang) = mpsc::channel::<()>();
        let hang = Mutex::new(hang);
        let names = Names::by(NamesLimits::default(), move |name: &str| match name {
            "none.example" => Err(io::Error::other("no such name")),
            _ => {
                let _ = hang.lock().unwrap().recv();
                Ok(Vec::new())
            }
        });
        let (server, told) = start(&settings);
        let dial = |name| Dial::to((name, 80)).unwrap().names(names.clone());
        server.dial(dial("none.example")).unwrap();
        let (_, error, again) = failed(&told);
        assert!(!again && error.to_string().contains("none.example are not known: no such name"));
        server.dial(dial("hangs.example").timeout(Duration::from_millis(20))).unwrap();
        let (_, error, _) = failed(&told);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        // A stop does not wait for a look-up either.
        server.dial(dial("hangs.example")).unwrap();
        let began = Instant::now();
        server.stop(GUARD);
        assert!(began.elapsed() < GUARD / 2);
        drop(go);
    }

    fn the_living_address_of_a_name_is_found(settings) {
        let (listener, address) = listen();
        let dead: SocketAddr = SocketAddr::from(([127, 0, 0, 2], address.port()));
        let found = vec![dead, address];
        let names = Names::by(NamesLimits::default(), move |_: &str| Ok(found.clone()));
        let (server, told) = start(&settings);
        let dial = Dial::to(("it.example", address.port())).unwrap().names(names);
        server.dial(dial).unwrap();
        let peer = accept(&listener);
        assert_eq!(connected(&told).0.peer().address(), Some(address));
        drop(peer);
        server.stop(GUARD);
    }

    fn a_server_that_says_nothing_is_left_by_the_same_time_outs(settings) {
        let mut settings = settings;
        settings.first_bytes_timeout = Some(Duration::from_millis(40));
        let (listener, address) = listen();
        let (server, told) = start(&settings);
        server.dial(quick(address)).unwrap();
        let mut peer = accept(&listener);
        connected(&told);
        assert!(matches!(next(&told), Told::Gone("silent")));
        // It sees the end, one way or the other.
        let _ = peer.read(&mut [0; 1]);
        server.stop(GUARD);
    }

    fn a_server_needs_not_listen(settings) {
        let mut settings = settings;
        settings.listen = vec![Listen::nothing()];
        let (listener, address) = listen();
        let (server, told) = start(&settings);
        assert!(server.local_addrs().is_empty());
        server.dial(quick(address)).unwrap();
        let mut peer = accept(&listener);
        connected(&told);
        peer.write_all(b"ahoy").unwrap();
        expect(&mut peer, b"ahoy");
        drop(peer);
        server.stop(GUARD);
    }

    fn a_pool_gives_what_is_free_and_waits_for_the_rest(settings) {
        let (listener, address) = listen();
        let (server, told) = start(&settings);
        let pool = pool(&server, address, |limits| (limits.clients_max, limits.waiting_max) = (2, 2));
        let first = pool.wait(GUARD).unwrap();
        let second = pool.wait(GUARD).unwrap();
        let peers = [accept(&listener), accept(&listener)];
        assert_ne!(first.client(), second.client());
        let error = pool.wait(Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        // Those that wait are served in their order, and no more than so many may.
        let waits = [later(&pool), later(&pool)];
        let error = pool.wait(GUARD).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let client = second.client().clone();
        drop(second);
        let third = waits[0].recv_timeout(GUARD).unwrap().unwrap();
        assert_eq!(*third.client(), client);
        assert!(waits[1].try_recv().is_err());
        // One that has ended is replaced, for the other that waits.
        first.client().abort();
        drop(first);
        let fourth = waits[1].recv_timeout(GUARD).unwrap().unwrap();
        let _peer = accept(&listener);
        assert_eq!(server.clients().len(), 2);
        let counts = pool.counts();
        assert_eq!((counts.taken, counts.idle, counts.dialling, counts.waiting), (2, 0, 0, 0));
        drop((third, fourth));
        assert_eq!(pool.counts().idle, 2);
        drop(peers);
        server.stop(GUARD);
        drop(told);
    }

    fn what_the_program_has_closed_is_not_connected_again_whatever_came_of_that(settings) {
        let mut settings = settings;
        settings.unsent_bytes_max = 64 << 20;
        let (listener, address) = listen();
        let (server, told) = start(&settings);
        let dialled = server.dial(quick(address).attempts(None).reconnect(true)).unwrap();
        let mut peer = accept(&listener);
        let client = connected(&told).0;
        for _ in 0..64 {
            client.send(vec![0; 1 << 16]).unwrap();
        }
        client.close();
        peer.read_exact(&mut [0]).unwrap();
        // A reset, since some of it is unread: the client has failed, and did not end in order.
        drop(peer);
        assert!(matches!(next(&told), Told::Gone("otherwise")));
        let report = server.stop(GUARD);
        assert!(dialled.is_over());
        assert_eq!(report.clients, 1);
    }

    fn a_handler_dials_anew_when_its_client_has_gone(settings) {
        let mut settings = settings;
        settings.dials_max = 1;
        let (listener, address) = listen();
        let server = Server::start(&settings, DialsAnew(address)).unwrap();
        server.dial(quick(address)).unwrap();
        for _ in 0..5 {
            drop(accept(&listener));
        }
        drop(server);
    }

    fn a_pool_whose_clients_are_refused_by_the_handler_says_so(settings) {
        let (listener, address) = listen();
        let server = Server::start(&settings, Refuses).unwrap();
        let pool = pool(&server, address, |_| {});
        let error = pool.wait(GUARD).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        assert!(error.to_string().contains("no thanks"), "{error}");
        server.stop(GUARD);
        accept(&listener);
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "it was not called again and again");
    }

    fn a_take_within_a_take_needs_no_more_of_the_stack(settings) {
        let mut settings = settings;
        let (listener, address) = listen();
        let (server, _told) = start(&settings);
        let (sender, done) = mpsc::channel();
        take_again(pool(&server, address, |_| {}), 20_000, sender.clone());
        assert!(done.recv_timeout(GUARD).unwrap());
        drop((server, listener));
        // Nor where each is refused.
        settings.dials_max = 0;
        let (server, _told) = start(&settings);
        take_again(pool(&server, address, |_| {}), 20_000, sender);
        assert!(!done.recv_timeout(GUARD).unwrap());
    }

    fn a_thread_may_wait_within_a_take(settings) {
        let (listener, address) = listen();
        let (server, _told) = start(&settings);
        let pool = pool(&server, address, |_| {});
        drop(pool.wait(GUARD).unwrap());
        let (within, (sender, done)) = (pool.clone(), mpsc::channel());
        pool.take(GUARD, move |first| {
            drop(first);
            let _ = sender.send(within.wait(GUARD).is_ok());
        });
        assert!(done.recv_timeout(GUARD).unwrap());
        drop(listener);
    }

    fn a_pool_that_is_dropped_ends_its_connections_and_its_dials(settings) {
        let mut settings = settings;
        settings.dials_max = 1;
        let (listener, address) = listen();
        let (server, told) = start(&settings);
        let keeping = |limits: &mut PoolLimits| limits.idle_timeout = None;
        let end_of = |mut peer: TcpStream| {
            expect_end(&mut peer);
            drop(peer);
            connected(&told);
            assert!(matches!(next(&told), Told::Gone("by server")));
        };
        // What nobody has at that moment.
        let idle = pool(&server, address, keeping);
        drop(idle.wait(GUARD).unwrap());
        drop(idle);
        end_of(accept(&listener));
        // What is taken stays until it is given back; and those that wait get it before.
        let waited = pool(&server, address, |limits| (limits.idle_timeout, limits.clients_max) = (None, 1));
        let lease = waited.wait(GUARD).unwrap();
        let wait = later(&waited);
        drop(waited);
        drop(lease);
        drop(wait.recv_timeout(GUARD).unwrap().unwrap());
        end_of(accept(&listener));
        // A dial without end is given up, and its place is free.
        let (_held, nobody) = dead();
        let endless = Pool::new(server.clients(), quick(nobody).attempts(None), PoolLimits::default()).unwrap();
        assert!(endless.wait(Duration::from_millis(20)).is_err());
        assert!(server.dial(quick(address)).is_err());
        drop(endless);
        server.dial(quick(address)).unwrap();
        drop(accept(&listener));
        server.stop(GUARD);
    }

    fn a_stop_tells_those_that_wait_also_where_a_handler_hangs(settings) {
        let (listener, address) = listen();
        let (go, hang) = mpsc::channel();
        let server = Server::start(&settings, Hangs(Mutex::new(hang))).unwrap();
        let pool = pool(&server, address, |limits| limits.clients_max = 1);
        let lease = pool.wait(GUARD).unwrap();
        let mut peer = accept(&listener);
        peer.write_all(b"hang").unwrap();
        expect(&mut peer, b"hung");
        let wait = later(&pool);
        server.stop(Duration::from_millis(1));
        let error = wait.recv_timeout(GUARD / 2).unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected, "{error}");
        drop((lease, go));
    }

    fn a_stop_at_any_moment_leaves_no_dial_and_nobody_that_waits(settings) {
        let (listener, address) = listen();
        for round in 0..40_u64 {
            let (server, _told) = start(&settings);
            let pool = pool(&server, address, |_| {});
            let taker = std::thread::spawn(move || {
                let waits = [later(&pool), later(&pool), later(&pool)];
                for wait in waits {
                    drop(wait.recv_timeout(GUARD).expect("it is told"));
                }
                pool
            });
            // Any moment will do: those of interest are within microseconds.
            let until = Instant::now() + Duration::from_micros(round * 20);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            assert_eq!(server.stop(GUARD).cut, 0);
            let counts = taker.join().unwrap().counts();
            assert_eq!((counts.dialling, counts.waiting), (0, 0));
        }
        drop(listener);
    }

    fn a_pool_closes_what_nobody_takes(settings) {
        let (listener, address) = listen();
        let (server, told) = start(&settings);
        let pool = pool(&server, address, |limits| limits.idle_timeout = Some(Duration::from_millis(30)));
        let lease = pool.wait(GUARD).unwrap();
        let mut peer = accept(&listener);
        connected(&told);
        drop(lease);
        expect_end(&mut peer);
        drop(peer);
        assert!(matches!(next(&told), Told::Gone("by server")));
        let lease = pool.wait(GUARD).unwrap();
        let peer = accept(&listener);
        connected(&told);
        drop((lease, peer));
        server.stop(GUARD);
    }

    fn who_waits_for_a_pool_is_told_why_there_is_none(settings) {
        let (_held, address) = dead();
        let (server, told) = start(&settings);
        let pool = pool(&server, address, |limits| limits.clients_max = 2);
        let waits = [later(&pool), later(&pool), later(&pool), later(&pool)];
        for wait in waits {
            let error = wait.recv_timeout(GUARD).unwrap().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}");
            assert!(error.to_string().contains(&address.to_string()), "{error}");
            assert!(!failed(&told).2);
        }
        // A stop is told too.
        let slow = quick(address).backoff(GUARD, GUARD).attempts(None);
        let slow = Pool::new(server.clients(), slow, PoolLimits::default()).unwrap();
        let wait = later(&slow);
        assert!(failed(&told).2);
        server.stop(GUARD);
        let error = wait.recv_timeout(GUARD).unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected, "{error}");
        let error = slow.wait(GUARD).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected, "{error}");
    }
}

/// Refuses each client.
struct Refuses;

impl Handler for Refuses {
    raw_bytes!();

    fn connected(&self, _: &Client) -> Result {
        Err("no thanks".into())
    }

    fn received(&self, _: &Client, (): &mut (), _: Buffer) -> Result {
        Ok(())
    }
}

/// Dials again by itself.
struct DialsAnew(SocketAddr);

impl Handler for DialsAnew {
    raw_bytes!();

    fn connected(&self, _: &Client) -> Result {
        Ok(())
    }

    fn received(&self, _: &Client, (): &mut (), _: Buffer) -> Result {
        Ok(())
    }

    fn disconnected(&self, client: &Client, (): &mut (), _: &Ended) {
        // Refused where the server stops.
        let _ = client.clients().dial(quick(self.0));
    }
}

/// Does not return from the call for what it has received.
struct Hangs(Mutex<mpsc::Receiver<()>>);

impl Handler for Hangs {
    raw_bytes!();

    fn connected(&self, _: &Client) -> Result {
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), _: Buffer) -> Result {
        client.send(b"hung")?;
        client.flush()?;
        let _ = self.0.lock().unwrap().recv();
        Ok(())
    }
}

/// Takes a client so many times, each within the call for the one before; then tells whether the last one was to be had.
fn take_again(pool: Pool, times: usize, done: mpsc::Sender<bool>) {
    let next = pool.clone();
    pool.take(GUARD, move |lease| {
        if times == 0 {
            let _ = done.send(lease.is_ok());
            return;
        }
        drop(lease);
        take_again(next, times - 1, done);
    });
}

/// A pool of short pauses.
fn pool(server: &Server, address: SocketAddr, set: impl FnOnce(&mut PoolLimits)) -> Pool {
    let mut limits = PoolLimits::default();
    set(&mut limits);
    Pool::new(server.clients(), quick(address), limits).unwrap()
}

/// Takes a client without waiting for it.
fn later(pool: &Pool) -> mpsc::Receiver<io::Result<Lease>> {
    let (sender, receiver) = mpsc::channel();
    pool.take(GUARD, move |lease| drop(sender.send(lease)));
    receiver
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_that_does_not_answer_holds_nobody_up() {
    let hole = black_hole();
    let (listener, address) = listen();
    let (server, told) = start(&harness::settings(wharf::DriverChoice::Auto));
    let began = Instant::now();
    server
        .dial(Dial::to(&[hole.address, address][..]).unwrap())
        .unwrap();
    let peer = accept(&listener);
    assert_eq!(connected(&told).0.peer().address(), Some(address));
    // Before a time-out: the next address is tried meanwhile.
    assert!(began.elapsed() < Duration::from_secs(5));
    // Alone, it takes the time that an attempt has; and a stop does not wait for it.
    let alone = Dial::to(hole.address).unwrap();
    server
        .dial(alone.clone().timeout(Duration::from_millis(50)))
        .unwrap();
    let (_, error, _) = failed(&told);
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    assert!(
        error.to_string().contains(&hole.address.to_string()),
        "{error}"
    );
    server.dial(alone.timeout(GUARD)).unwrap();
    drop(peer);
    let began = Instant::now();
    server.stop(GUARD);
    assert!(began.elapsed() < GUARD / 2);
}
