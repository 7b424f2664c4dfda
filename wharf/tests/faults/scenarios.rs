//! What the process does in which a call fails: sets up, says that it is ready, waits for a word, acts, and says what came of
//! it.
//!
//! Each scenario does the same thing twice, and says both; then it proves on the same port, with an echo on another
//! connection, that nothing else has suffered, and that no descriptor was left behind.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::Duration,
};

use rustix::io::Errno;
use wharf::{Buffer, Completion, CompletionPort, DriverChoice, Payload, Transmit, Workers};

use crate::harness::*;

type Port = CompletionPort<&'static str>;

pub fn run(scenario: &str) {
    let (driver, scenario) = scenario.split_once(' ').expect("a driver and a scenario");
    let driver = Driver::ALL.into_iter().find(|it| it.name() == driver);
    let driver = driver.expect("a driver");
    match scenario {
        "make" | "make-any" => make(driver, scenario == "make-any"),
        _ => act(driver, scenario),
    }
}

/// Waits until calls are about to fail.
fn ready() {
    println!("ready {}", rustix::thread::gettid().as_raw_nonzero());
    let mut word = String::new();
    io::stdin().read_line(&mut word).expect("a word");
}

fn make(driver: Driver, any: bool) {
    let before = descriptors();
    let mut builder = driver.builder::<()>();
    if any {
        builder = builder.driver(DriverChoice::Auto);
    }
    ready();
    match builder.build() {
        Ok(port) => println!("port: {}", port.driver().name),
        Err(error) => println!("port: {}", name(&error)),
    }
    assert_eq!(descriptors(), before, "descriptors stay behind");
}

fn act(driver: Driver, scenario: &str) {
    let port: Port = port(driver, 2);
    let bystander = pair(&port, "bystander");
    let before = descriptors();
    let outcome = match scenario {
        "associate" => {
            let mut pairs = vec![streams(driver), streams(driver)];
            ready();
            twice(|| {
                let (ours, _peer) = pairs.pop().expect("a pair for each");
                ours.associate(&port, "new").map(drop)
            })
        }
        "wait" => wait(&port, None),
        "wait-briefly" => wait(&port, Some(Duration::from_micros(1500))),
        "receive" | "receive-many" => receive(&port, scenario == "receive-many"),
        "send" | "send-many" => send(&port, scenario == "send-many"),
        "shutdown" => {
            let (socket, _peer) = pair(&port, "ended");
            ready();
            tell(socket.shutdown().and_then(|_| result(next(&port))))
        }
        "batch" => batch(&port, 1),
        "register" => batch(&port, 40),
        "take-back" => take_back(&port),
        "receive-datagram" | "send-datagram" => datagram(&port, scenario == "send-datagram"),
        "accept" => accept(&port, driver),
        "connect" | "connect-from" => connect_twice(&port, driver, scenario == "connect-from"),
        "peer-address" | "own-address" | "unread" => ask(&port, scenario),
        "read" | "write" | "flush" => use_file(&port, scenario),
        "transmit" => transmit(&port, driver),
        "workers" => workers(&port),
        "close" => {
            let (socket, _peer) = pair(&port, "closed");
            ready();
            socket.close();
            "ok".into()
        }
        other => panic!("there is no scenario {other}"),
    };
    println!("{outcome}; afterwards: {}", echo(&port, bystander));
    eventually("descriptors are what they were", || descriptors() <= before);
}

/// The name of the system's error, wherever it is inside.
fn name(error: &io::Error) -> String {
    let mut inside: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|it| it as _);
    let mut number = error.raw_os_error();
    while let (None, Some(deeper)) = (number, inside) {
        number = deeper
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error);
        inside = deeper.source();
    }
    let known = NAMES
        .iter()
        .find(|(_, errno)| number == Some(errno.raw_os_error()));
    known.map_or_else(|| format!("{error:?}"), |(name, _)| (*name).to_owned())
}

fn tell<T>(result: io::Result<T>) -> String {
    result.map_or_else(|error| name(&error), |_| "ok".into())
}

fn result(completion: Completion<&'static str>) -> io::Result<usize> {
    completion.result
}

/// Does something twice, and tells both.
fn twice(mut act: impl FnMut() -> io::Result<()>) -> String {
    let first = tell(act());
    format!("{first}; then: {}", tell(act()))
}

/// An echo, on a connection that nothing was done to.
fn echo(port: &Port, (socket, mut peer): (wharf::Socket<&'static str>, Stream)) -> String {
    let mut echoed = || -> io::Result<()> {
        socket.receive(Buffer::with_capacity(8))?;
        peer.write_all(b"ahoy")?;
        let buffer = received(port);
        socket.send(buffer)?;
        result(next(port))?;
        peer.read_exact(&mut [0; 4])
    };
    tell(echoed())
}

fn wait(port: &Port, first: Option<Duration>) -> String {
    let (socket, mut peer) = pair(port, "waited for");
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    if first.is_none() {
        peer.write_all(b"ahoy").expect("a write");
    }
    ready();
    if let Some(timeout) = first {
        let answer = port.wait(timeout).expect("a wait");
        assert!(matches!(answer, wharf::Wait::TimedOut), "{answer:?}");
        peer.write_all(b"ahoy").expect("a write");
    }
    tell(result(completed(port.wait(None).expect("a wait"))))
}

fn receive(port: &Port, many: bool) -> String {
    let (socket, mut peer) = pair(port, "receiving");
    peer.write_all(b"ahoy").expect("a write");
    ready();
    twice(|| {
        let buffers = vec![Buffer::with_capacity(1), Buffer::with_capacity(1)];
        match many {
            true => socket.receive_vectored(buffers).map(drop)?,
            false => socket.receive(Buffer::with_capacity(2)).map(drop)?,
        }
        result(next(port)).map(drop)
    })
}

fn send(port: &Port, many: bool) -> String {
    let (socket, _peer) = pair(port, "sending");
    ready();
    twice(|| {
        match many {
            true => {
                let payloads = [b"ah", b"oy"].map(|part| Payload::from(&part[..]));
                socket.send_vectored(payloads.into()).map(drop)?;
            }
            false => socket.send(b"ahoy").map(drop)?,
        }
        result(next(port)).map(drop)
    })
}

/// Echoes on several connections at once, so that they go through a ring.
fn batch(port: &Port, rounds: usize) -> String {
    let mut pairs: Vec<_> = (0..4).map(|_| pair(port, "batched")).collect();
    ready();
    for _ in 0..rounds {
        for (socket, peer) in &mut pairs {
            peer.write_all(b"ahoy").expect("a write");
            until_arrived(socket, 4);
            socket.receive(Buffer::with_capacity(8)).expect("a start");
        }
        for _ in &pairs {
            if let Err(error) = result(next(port)) {
                return name(&error);
            }
        }
    }
    "ok".into()
}

/// Closes sockets that a driver which remembers descriptors has by now: their peers are told.
fn take_back(port: &Port) -> String {
    let mut pairs: Vec<_> = (0..4).map(|_| pair(port, "closed")).collect();
    for _ in 0..40 {
        for (socket, peer) in &mut pairs {
            peer.write_all(b"ahoy").expect("a write");
            until_arrived(socket, 4);
            socket.receive(Buffer::with_capacity(8)).expect("a start");
        }
        pairs.iter().for_each(|_| drop(next(port)));
    }
    ready();
    for (socket, mut peer) in pairs {
        socket.close();
        match peer.read(&mut [0; 1]) {
            Ok(0) => {}
            told => return format!("the peer is told {told:?}"),
        }
    }
    "ok".into()
}

fn datagram(port: &Port, sends: bool) -> String {
    let (here, address) = datagrams(port, "here");
    let (there, _) = datagrams(port, "there");
    if !sends {
        for _ in 0..2 {
            there
                .send_to_quietly(&b"ahoy"[..], address)
                .expect("a start");
        }
    }
    ready();
    twice(|| {
        match sends {
            true => there.send_to(b"ahoy", address).map(drop)?,
            false => here.receive(Buffer::with_capacity(8)).map(drop)?,
        }
        result(next(port)).map(drop)
    })
}

fn accept(port: &Port, driver: Driver) -> String {
    let listener = listen(port, "listener");
    let _peers = [(); 3].map(|()| connect(driver, listener.local_addr()));
    ready();
    twice(|| {
        listener.accept()?;
        result(next(port)).map(drop)
    })
}

fn connect_twice(port: &Port, driver: Driver, from: bool) -> String {
    let listener = Listening::on(driver);
    let local = "127.0.0.2:0".parse().expect("an address");
    ready();
    twice(|| {
        let started = match from {
            true => port.connect_from(local, listener.address(), "connecting"),
            false => port.connect(listener.address(), "connecting"),
        };
        if let Err(error) = started {
            return Err(refused(error));
        }
        result(next(port)).map(drop)
    })
}

/// An operation that was refused is told from one that failed.
fn refused(error: io::Error) -> io::Error {
    print!("refused, ");
    error
}

fn ask(port: &Port, what: &str) -> String {
    let (socket, _peer) = pair(port, "asked");
    ready();
    twice(|| match what {
        "peer-address" => socket.peer_addr().map(drop),
        "own-address" => socket.local_addr().map(drop),
        _ => socket.unread().map(drop),
    })
}

fn use_file(port: &Port, how: &str) -> String {
    let file = file_on(port, b"0123456789", "file");
    ready();
    let operate = || {
        let started = match how {
            "read" => file
                .read_at(Buffer::with_capacity(4), 0)
                .map_err(io::Error::from),
            "write" => file.write_at(&b"ahoy"[..], 0).map_err(io::Error::from),
            _ => file.flush(),
        };
        if let Err(error) = started {
            return Err(refused(error));
        }
        result(next(port)).map(drop)
    };
    let first = tell(operate());
    // The first call of each of the threads for files fails, and there may be several by now.
    let then = (0..8).map(|_| operate()).find(Result::is_ok);
    format!("{first}; then: {}", tell(then.expect("it goes on")))
}

fn transmit(port: &Port, driver: Driver) -> String {
    let (socket, _peer) = pair(port, "sending");
    let file = Arc::new(file(driver, b"0123456789"));
    ready();
    twice(|| {
        socket.transmit(Transmit::new(file.clone(), 0..10))?;
        result(next(port)).map(drop)
    })
}

fn workers(port: &Port) -> String {
    let own: CompletionPort<()> = driver_of(port).builder().build().expect("a port");
    ready();
    let told = twice(|| match Workers::start(&own, 1, |_, _| {}) {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(error)),
    });
    own.close();
    told
}

const NAMES: &[(&str, Errno)] = &[
    ("EACCES", Errno::ACCESS),
    ("EADDRINUSE", Errno::ADDRINUSE),
    ("EADDRNOTAVAIL", Errno::ADDRNOTAVAIL),
    ("EAGAIN", Errno::AGAIN),
    ("ECONNREFUSED", Errno::CONNREFUSED),
    ("ECONNRESET", Errno::CONNRESET),
    ("EDQUOT", Errno::DQUOT),
    ("EFBIG", Errno::FBIG),
    ("EHOSTUNREACH", Errno::HOSTUNREACH),
    ("EINVAL", Errno::INVAL),
    ("EIO", Errno::IO),
    ("EISDIR", Errno::ISDIR),
    ("EMFILE", Errno::MFILE),
    ("EMSGSIZE", Errno::MSGSIZE),
    ("ENETDOWN", Errno::NETDOWN),
    ("ENETUNREACH", Errno::NETUNREACH),
    ("ENFILE", Errno::NFILE),
    ("ENOBUFS", Errno::NOBUFS),
    ("ENODEV", Errno::NODEV),
    ("ENOMEM", Errno::NOMEM),
    ("ENOPROTOOPT", Errno::NOPROTOOPT),
    ("ENOSPC", Errno::NOSPC),
    ("ENOSYS", Errno::NOSYS),
    ("ENOTCONN", Errno::NOTCONN),
    ("ENOTTY", Errno::NOTTY),
    ("ENXIO", Errno::NXIO),
    ("EOPNOTSUPP", Errno::OPNOTSUPP),
    ("EOVERFLOW", Errno::OVERFLOW),
    ("EPERM", Errno::PERM),
    ("EPIPE", Errno::PIPE),
    ("EROFS", Errno::ROFS),
    ("ETIMEDOUT", Errno::TIMEDOUT),
];
