//! What a server listens on, how it is full on several listeners, and how it drains. Programs that nobody here wrote are in
//! `ci/net.sh`.

#[macro_use]
#[allow(dead_code, reason = "the other tests use all of it")]
mod harness;
#[allow(dead_code, reason = "likewise")]
#[path = "harness/raw.rs"]
mod raw;

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use harness::{GUARD, expect, settings};
use raw::{echo, exchange, serve};
#[cfg(unix)]
use socket2::SockRef;
use wharf::DriverChoice;
use wharf_server::{
    Client, Handler, Listen, ListenAddress, Result, Server, Settings, StartError, codec::Lines,
};

fn any_port() -> Listen {
    "127.0.0.1:0".parse().unwrap()
}

fn reach(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    stream
}

/// The TCP addresses of a server.
fn tcp(server: &Server) -> Vec<SocketAddr> {
    let addresses = server.local_addrs();
    addresses.iter().filter_map(ListenAddress::tcp).collect()
}

/// Waits until what has connected was accepted. A server tells of no connection that waits for a place; Linux tells how many wait in the
/// backlog (proc(5), /proc/net/tcp), and then it takes a moment more.
fn until_accepted(address: SocketAddr) {
    let mut pause = Duration::from_millis(50);
    if cfg!(target_os = "linux") {
        let host = u32::from_ne_bytes([127, 0, 0, 1]);
        let listener = format!(
            "{host:08X}:{:04X} 00000000:0000 0A 00000000:",
            address.port()
        );
        let waits = || {
            let table = fs::read_to_string("/proc/net/tcp").unwrap();
            let (_, backlog) = table.split_once(&listener).expect("it listens");
            !backlog.starts_with("00000000")
        };
        let start = Instant::now();
        while waits() {
            assert!(start.elapsed() < GUARD, "it is not accepted");
            thread::yield_now();
        }
        pause = Duration::from_millis(5);
    }
    thread::sleep(pause);
}

/// What a balancer is answered: the whole of it.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = reach(address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

on_every_driver! {
    fn a_server_serves_on_each_of_its_listeners(settings) {
        let mut settings = settings;
        settings.listen = vec![any_port(), any_port(), TcpListener::bind("127.0.0.1:0").unwrap().into()];
        let server = serve(&settings, echo).unwrap();
        let addresses = tcp(&server);
        assert_eq!((addresses.len(), addresses[0]), (3, server.local_addr()));
        for address in &addresses {
            exchange(&mut reach(*address), b"ahoy");
        }
        let report = server.stop(GUARD);
        assert_eq!((report.clients, report.cut), (3, 0));
        for address in addresses {
            assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
        }
    }

    fn no_more_clients_than_may_be_come_in_by_several_listeners_and_none_is_lost(settings) {
        let mut settings = settings;
        settings.listen = vec![any_port(), any_port(), any_port()];
        settings.clients_max = 2;
        let server = serve(&settings, echo).unwrap();
        let addresses = tcp(&server);
        let (sender, served) = mpsc::channel();
        // Each is served once there is a place, and leaves it then.
        let peers: Vec<_> = (0..30).map(|number| {
            let (address, sender) = (addresses[number % 3], sender.clone());
            thread::spawn(move || {
                let mut peer = reach(address);
                exchange(&mut peer, b"ahoy");
                sender.send(number).unwrap();
            })
        }).collect();
        for _ in 0..30 {
            served.recv_timeout(GUARD).unwrap();
            assert!(server.clients().len() <= 2);
        }
        peers.into_iter().for_each(|peer| peer.join().unwrap());
        assert_eq!(server.stop(GUARD).clients, 30);
    }

    fn a_connection_that_waits_for_a_place_gets_it(settings) {
        let mut settings = settings;
        settings.listen = vec![any_port(), any_port()];
        settings.clients_max = 1;
        let server = serve(&settings, echo).unwrap();
        let addresses = tcp(&server);
        let mut first = reach(addresses[0]);
        exchange(&mut first, b"ahoy");
        // By the other listener, whose accept was under way before the table was full.
        let mut second = reach(addresses[1]);
        second.write_all(b"here").unwrap();
        exchange(&mut first, b"still alone");
        assert_eq!(server.clients().len(), 1);
        drop(first);
        expect(&mut second, b"here");
        drop(second);
        exchange(&mut reach(addresses[0]), b"again");
    }

    fn a_connection_that_was_held_comes_before_those_in_the_backlog_of_another_listener(settings) {
        let mut settings = settings;
        settings.listen = vec![any_port(), any_port()];
        settings.clients_max = 1;
        let server = serve(&settings, echo).unwrap();
        let addresses = tcp(&server);
        for _ in 0..10 {
            let mut first = reach(addresses[0]);
            exchange(&mut first, b"ahoy");
            let mut held = reach(addresses[1]);
            let mut behind = reach(addresses[0]);
            held.write_all(b"held").unwrap();
            behind.write_all(b"behind").unwrap();
            until_accepted(addresses[1]);
            drop(first);
            // The one behind is not served before this one has gone.
            expect(&mut held, b"held");
            assert_eq!(server.clients().snapshot()[0].peer(), held.local_addr().unwrap());
            drop(held);
            expect(&mut behind, b"behind");
        }
    }

    fn a_connection_that_waits_for_a_place_gets_that_of_one_that_was_not_let_in(settings) {
        let mut settings = settings;
        settings.listen = vec![any_port(), any_port()];
        settings.clients_max = 1;
        let (go, wait) = mpsc::channel();
        let (asks, asked) = mpsc::channel();
        let handler = Picky { asked: Mutex::new(asks), go: Mutex::new(wait) };
        let server = Server::start(&settings, handler).unwrap();
        let addresses = tcp(&server);
        let _refused = reach(addresses[0]);
        asked.recv_timeout(GUARD).unwrap();
        let mut waits = reach(addresses[1]);
        waits.write_all(b"ahoy\n").unwrap();
        until_accepted(addresses[1]);
        go.send(false).unwrap();
        go.send(true).unwrap();
        expect(&mut waits, b"ahoy");
    }

    fn a_balancer_sees_that_a_server_drains_while_it_serves(settings) {
        let mut settings = settings;
        settings.health = Some(any_port());
        settings.drain_delay = Duration::from_millis(500);
        let server = serve(&settings, echo).unwrap();
        let (address, health) = (server.local_addr(), server.health_addrs()[0].tcp().unwrap());
        let ready = ask(health, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(ready.starts_with("HTTP/1.1 200 OK\r\n") && ready.ends_with("\r\n\r\nready\n"), "{ready}");
        let head = ask(health, "HEAD / HTTP/1.0\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        let stopper = server.stopper();
        assert!(stopper.is_ready());
        let start = Instant::now();
        let stops = thread::spawn(move || server.stop(GUARD));
        while stopper.is_ready() {
            thread::yield_now();
        }
        let drains = ask(health, "OPTIONS / HTTP/1.0\r\n\r\n");
        assert!(drains.starts_with("HTTP/1.1 503 ") && drains.ends_with("\r\n\r\nnot ready\n"), "{drains}");
        // Who comes now is served.
        exchange(&mut reach(address), b"ahoy");
        let report = stops.join().unwrap();
        assert!(start.elapsed() >= Duration::from_millis(500));
        assert_eq!((report.clients, report.cut), (1, 0));
        assert!(TcpStream::connect(health).is_err(), "it has stopped with the server");
    }

    fn a_server_may_drain_without_stopping(settings) {
        let mut settings = settings;
        settings.health = Some(any_port());
        let server = serve(&settings, echo).unwrap();
        let health = server.health_addrs()[0].tcp().unwrap();
        server.stopper().drain();
        assert!(!server.stopper().is_ready() && !server.stopper().is_stopped());
        assert!(ask(health, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 503 "));
        exchange(&mut harness::connect(&server), b"ahoy");
        server.stopper().stop();
        server.stopper().drain();
        assert!(server.stopper().is_stopped(), "a stop is not taken back");
    }
}

/// Has a codec for those clients for which it is told so.
struct Picky {
    asked: Mutex<mpsc::Sender<()>>,
    go: Mutex<mpsc::Receiver<bool>>,
}

impl Handler for Picky {
    type Session = ();
    type Codec = Lines;
    type Message = ();

    fn codec(&self) -> Lines {
        let _ = self.asked.lock().unwrap().send(());
        let go = self.go.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(go.recv().unwrap_or(true), "it has none for this one");
        Lines::new()
    }

    fn connected(&self, _: &Client) -> Result {
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), line: &str) -> Result {
        client.send(line)?;
        Ok(())
    }
}

#[test]
fn a_free_port_is_that_of_both_families() {
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    if TcpListener::bind(v6).is_err() {
        eprintln!("NOT JUDGED: no IPv6 here");
        return;
    }
    for addresses in [[v4, v6], [v6, v4]] {
        let mut settings = settings(DriverChoice::Auto);
        settings.listen = vec![Listen::any_of(addresses)];
        let server = serve(&settings, echo).unwrap();
        let ports: Vec<_> = tcp(&server).iter().map(SocketAddr::port).collect();
        assert_eq!(ports.len(), 2, "{:?}", server.local_addrs());
        assert_eq!(ports[0], ports[1]);
        exchange(&mut reach((Ipv4Addr::LOCALHOST, ports[0]).into()), b"ahoy");
        exchange(&mut reach((Ipv6Addr::LOCALHOST, ports[0]).into()), b"ahoy");
    }
}

#[test]
fn who_asks_for_the_health_and_says_nothing_or_too_much_is_cut_and_others_are_answered() {
    let mut settings = settings(DriverChoice::Auto);
    settings.health = Some(any_port());
    let server = serve(&settings, echo).unwrap();
    let health = server.health_addrs()[0].tcp().unwrap();
    // More than may ask at the same time.
    let silent: Vec<_> = (0..400).map(|_| reach(health)).collect();
    let start = Instant::now();
    assert!(ask(health, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "before the last of them are cut for their silence"
    );
    let mut endless = reach(health);
    // It may be refused before it has sent all of it.
    let _ = endless.write_all(&[b'a'; 100_000]);
    let mut rest = Vec::new();
    let _ = endless.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{}", rest.escape_ascii());
    assert!(ask(health, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
    for mut peer in silent {
        assert_eq!(peer.read(&mut [0]).unwrap_or(0), 0, "it is cut");
    }
}

#[test]
fn an_address_that_nobody_has_is_told_and_another_of_the_same_name_is_used() {
    let mut settings = settings(DriverChoice::Auto);
    let foreign = SocketAddr::from(([192, 0, 2, 1], 0));
    settings.listen = vec![Listen::any_of([foreign])];
    let error = serve(&settings, echo).unwrap_err();
    assert!(
        matches!(&error, StartError::Bind(address, _) if address.tcp() == Some(foreign)),
        "{error}"
    );
    let own = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    settings.listen = vec![Listen::any_of([foreign, own])];
    let server = serve(&settings, echo).unwrap();
    assert_eq!(server.local_addrs().len(), 1);
    exchange(&mut harness::connect(&server), b"ahoy");
    settings.listen = vec![Listen::any_of([])];
    assert!(matches!(
        serve(&settings, echo),
        Err(StartError::Settings(_))
    ));
}

#[test]
fn a_peer_of_a_socket_for_both_families_has_its_own_address() {
    let mut settings = settings(DriverChoice::Auto);
    settings.listen = vec!["[::]:0".parse().unwrap()];
    let answer = |client: &wharf_server::Client, _| client.send(format!("{}\n", client.peer()));
    let server = match serve(&settings, answer) {
        Ok(server) => server,
        // A machine may have no IPv6 at all.
        Err(StartError::Socket(_) | StartError::Bind(..)) => {
            return eprintln!("NOT JUDGED: no IPv6");
        }
        Err(error) => panic!("{error}"),
    };
    let mut peer = reach((Ipv4Addr::LOCALHOST, server.local_addr().port()).into());
    peer.write_all(b"who?").unwrap();
    let own = format!("{}\n", peer.local_addr().unwrap());
    expect(&mut peer, own.as_bytes());
}

// On Windows other options are inherited.
#[cfg(unix)]
#[test]
fn options_are_set_on_borrowed_sockets_of_listeners_and_clients() {
    let mut settings = settings(DriverChoice::Auto);
    let linger = Duration::from_secs(7);
    settings.listen =
        vec![any_port().options(move |socket| SockRef::from(&socket).set_linger(Some(linger)))];
    let answer = |client: &wharf_server::Client, _| {
        let inherited = client.with_descriptor(|socket| SockRef::from(&socket).linger())?;
        client.send(format!("{inherited:?}\n"))
    };
    let server = serve(&settings, answer).unwrap();
    let mut peer = harness::connect(&server);
    peer.write_all(b"which?").unwrap();
    expect(&mut peer, b"Some(7s)\n");
    settings.listen = vec![any_port().options(|_| Err(std::io::Error::other("no such option")))];
    let error = serve(&settings, echo).unwrap_err();
    assert!(matches!(error, StartError::Socket(_)), "{error}");
}

#[test]
fn a_socket_that_the_program_made_serves_one_server() {
    let mut settings = settings(DriverChoice::Auto);
    settings.listen = vec![TcpListener::bind("127.0.0.1:0").unwrap().into()];
    let server = serve(&settings, echo).unwrap();
    let error = serve(&settings, echo).unwrap_err();
    assert!(error.to_string().contains("make a new one"), "{error}");
    exchange(&mut harness::connect(&server), b"ahoy");
}

#[test]
fn what_is_nothing_to_listen_on_is_refused_with_what_would_do() {
    for (text, remedy) in [
        ("21000", "127.0.0.1:21000"),
        ("localhost:1", "127.0.0.1:21000"),
    ] {
        let error = text.parse::<Listen>().unwrap_err();
        assert!(error.to_string().contains(remedy), "{error}");
    }
    let mut timeless = settings(DriverChoice::Auto);
    timeless.proxy_header_timeout = Duration::ZERO;
    assert!(matches!(
        serve(&timeless, echo),
        Err(StartError::Settings(_))
    ));
}

#[cfg(unix)]
mod local {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;
    use wharf_server::Peer;

    /// A folder of its own, which goes with the test.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("wharf-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn exchange_locally(path: &std::path::Path, bytes: &[u8]) {
        let mut peer = UnixStream::connect(path).unwrap();
        peer.set_read_timeout(Some(GUARD)).unwrap();
        let mut copy = peer.try_clone().unwrap();
        let sent = bytes.to_vec();
        let sends = thread::spawn(move || copy.write_all(&sent).unwrap());
        let mut received = vec![0; bytes.len()];
        peer.read_exact(&mut received).unwrap();
        assert!(received == bytes);
        sends.join().unwrap();
    }

    #[test]
    fn local_sockets_are_served_and_their_files_go() {
        for driver in [DriverChoice::Readiness, DriverChoice::Auto] {
            let folder = Folder::new("local");
            let path = folder.0.join("socket");
            let mut settings = settings(driver);
            settings.listen = vec![Listen::local(&path), any_port()];
            let server = serve(&settings, echo).unwrap();
            assert_eq!(
                server.local_addrs()[0].to_string(),
                format!("unix:{}", path.display())
            );
            exchange_locally(&path, &[7; 300_000]);
            let peer = UnixStream::connect(&path).unwrap();
            while server.clients().len() != 1 {
                thread::yield_now();
            }
            assert_eq!(server.clients().snapshot()[0].peer(), Peer::Local);
            drop(peer);
            assert_eq!(server.stop(GUARD).cut, 0);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_path_with_a_zero_byte_is_refused_and_not_cut() {
        let folder = Folder::new("zero");
        let path = folder.0.join("socket");
        let mut settings = settings(DriverChoice::Auto);
        settings.listen = vec![Listen::local(format!("{}\0.allowed", path.display()))];
        let error = serve(&settings, echo).unwrap_err();
        assert!(error.to_string().contains("zero byte"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_server_that_is_stuck_does_not_hold_up_the_start_of_another() {
        let folder = Folder::new("stuck");
        let path = folder.0.join("socket");
        let stuck = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
        let stuck = stuck.unwrap();
        stuck
            .bind(&socket2::SockAddr::unix(&path).unwrap())
            .unwrap();
        stuck.listen(0).unwrap();
        // Its backlog is full: to connect would wait until it accepts.
        let _waits = UnixStream::connect(&path).unwrap();
        let mut settings = settings(DriverChoice::Auto);
        settings.listen = vec![Listen::local(&path)];
        let (sender, told) = mpsc::channel();
        thread::spawn(move || sender.send(serve(&settings, echo).map(drop)));
        let started = told.recv_timeout(GUARD).expect("it does not wait");
        assert!(matches!(started, Err(StartError::Bind(..))));
    }

    #[test]
    fn a_socket_that_was_left_is_replaced_and_nothing_else_is() {
        let folder = Folder::new("left");
        let path = folder.0.join("socket");
        drop(UnixListener::bind(&path).unwrap());
        let mut settings = settings(DriverChoice::Auto);
        settings.listen = vec![Listen::local(&path)];
        let server = serve(&settings, echo).unwrap();
        assert!(
            matches!(serve(&settings, echo), Err(StartError::Bind(..))),
            "it is in use"
        );
        exchange_locally(&path, b"ahoy");
        // Another has taken its place: that one's file stays.
        std::fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        drop(server);
        assert!(path.exists());
        drop(other);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(serve(&settings, echo), Err(StartError::Bind(..))));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        let long = folder.0.join("a".repeat(200));
        settings.listen = vec![Listen::local(long)];
        let error = serve(&settings, echo).unwrap_err();
        assert!(error.to_string().contains("107 bytes"), "{error}");
    }
}
