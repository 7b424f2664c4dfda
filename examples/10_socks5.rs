//! A SOCKS5 proxy (RFC 1928) on the bare port: the client says where it wants to go, and the bytes flow as in the
//! [proxy](wharf_examples::relay).
//!
//! Without authentication, and CONNECT only. A name is looked up in the handler, which blocks; other workers go on meanwhile. All
//! its addresses are tried in their order. By default only this machine can connect: the proxy opens to its clients what this
//! machine can reach.
//!
//! `cargo run -p wharf-examples --example socks5`, then `curl --proxy socks5h://127.0.0.1:21010 http://localhost:21005/` with
//! the `http` example running. A line on its standard input, or the end of it, stops it.

use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
    vec,
};

use wharf::{
    Completion, CompletionPort, Finished,
    names::{Names, ToTarget},
};
use wharf_examples::relay::{self, Key, Opening, Sessions, Side, WORKERS_MAX};

/// A client that has not said within this time where it wants to go is gone; and so much time has all of the connecting.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most names that are looked up at the same time, so that workers are left for the other clients.
const LOOKUPS_MAX: usize = WORKERS_MAX / 2;

/// How a request is answered.
const SUCCEEDED: u8 = 0;
const FAILED: u8 = 1;
const NETWORK_UNREACHABLE: u8 = 3;
const HOST_UNREACHABLE: u8 = 4;
const REFUSED: u8 = 5;
const NOT_SUPPORTED: u8 = 7;
const ADDRESS_NOT_SUPPORTED: u8 = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let listen = wharf_examples::address("--listen", "127.0.0.1:21010")?;
    relay::run(listen, Socks::default())?;
    Ok(())
}

#[derive(Default)]
struct Socks {
    /// Names that are being looked up.
    lookups: AtomicUsize,
}

/// What is known of a session while it is opened.
#[derive(Default)]
struct Handshake {
    /// What has come and was not used yet.
    bytes: Vec<u8>,
    /// The client knows that it need not authenticate.
    is_greeted: bool,
    /// Addresses of its destination that were not tried.
    addresses: vec::IntoIter<SocketAddr>,
    /// Until when the client, and then the connecting, has time.
    until: Option<Instant>,
}

impl Handshake {
    /// Begins to count.
    fn begin(&mut self) {
        self.until = Instant::now().checked_add(TIMEOUT);
    }

    fn time_left(&self) -> Duration {
        let left = self
            .until
            .map(|until| until.saturating_duration_since(Instant::now()));
        left.unwrap_or(TIMEOUT)
    }
}

/// What the bytes of a client ask for.
#[derive(Debug, PartialEq)]
enum Asked {
    /// More of them are needed.
    Incomplete,
    /// This is not done.
    Refused(u8),
    /// So many bytes of them ask for this.
    For(Destination, usize),
}

#[derive(Debug, PartialEq)]
enum Destination {
    Address(SocketAddr),
    Name(String, u16),
}

/// A step of one session.
struct Step<'a> {
    socks: &'a Socks,
    port: &'a CompletionPort<Key>,
    sessions: &'a Sessions<Handshake>,
    number: u64,
}

impl Opening for Socks {
    type State = Handshake;

    fn begin(
        &self,
        port: &CompletionPort<Key>,
        sessions: &Sessions<Handshake>,
        number: u64,
    ) -> io::Result<()> {
        let step = Step {
            socks: self,
            port,
            sessions,
            number,
        };
        let mut handshake = Handshake::default();
        handshake.begin();
        step.receive(handshake)
    }

    fn step(
        &self,
        port: &CompletionPort<Key>,
        sessions: &Sessions<Handshake>,
        number: u64,
        done: Completion<Key>,
    ) -> io::Result<()> {
        let Some(mut handshake) = sessions.take(number) else {
            return Ok(());
        };
        let step = Step {
            socks: self,
            port,
            sessions,
            number,
        };
        match (done.result, done.what) {
            (Ok(_), Finished::Connected { socket }) => {
                let client = sessions.socket(number, Side::Client)?;
                client.send_quietly(reply(SUCCEEDED))?;
                sessions.connected(number, socket, handshake.bytes)
            }
            (Err(error), Finished::Connected { .. }) => step.connect(handshake, code_of(&error)),
            (Ok(1..), Finished::Received { buffer, .. }) => {
                handshake.bytes.extend_from_slice(&buffer);
                // It goes back to the pool before anything waits.
                drop(buffer);
                step.advance(handshake)
            }
            (Ok(_), Finished::Received { .. }) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the client has gone before it said where to",
            )),
            // A refusal is out.
            (Ok(_), _) => {
                sessions.close(number);
                Ok(())
            }
            (Err(error), _) => Err(error),
        }
    }
}

impl Step<'_> {
    /// Receives more of the handshake. What is kept is kept before that may complete.
    fn receive(&self, handshake: Handshake) -> io::Result<()> {
        let client = self.sessions.socket(self.number, Side::Client)?;
        let left = handshake.time_left();
        self.sessions.keep(self.number, handshake);
        let receiving = client
            .with_timeout(left)
            .receive_from(&self.sessions.buffers);
        receiving.map_err(|refused| refused.error)?;
        Ok(())
    }

    /// Goes as far as the bytes do that are there.
    fn advance(&self, mut handshake: Handshake) -> io::Result<()> {
        if !handshake.is_greeted {
            match greeting(&handshake.bytes)? {
                Greeting::Incomplete => return self.receive(handshake),
                Greeting::WantsToAuthenticate => return self.end_with(b"\x05\xFF".to_vec()),
                Greeting::Known(used) => drop(handshake.bytes.drain(..used)),
            }
            handshake.is_greeted = true;
            let client = self.sessions.socket(self.number, Side::Client)?;
            client.send_quietly(b"\x05\0")?;
        }
        match request(&handshake.bytes)? {
            Asked::Incomplete => self.receive(handshake),
            Asked::Refused(code) => self.refuse(code),
            Asked::For(destination, used) => {
                handshake.bytes.drain(..used);
                match self.socks.addresses(destination) {
                    Ok(addresses) => handshake.addresses = addresses,
                    Err(code) => return self.refuse(code),
                }
                handshake.begin();
                self.connect(handshake, HOST_UNREACHABLE)
            }
        }
    }

    /// Tries the next address. Where none is left, the client is told why the last one failed.
    fn connect(&self, mut handshake: Handshake, mut failure: u8) -> io::Result<()> {
        while let Some(address) = handshake.addresses.next() {
            let left = handshake.time_left();
            if left.is_zero() {
                break;
            }
            self.sessions.keep(self.number, handshake);
            let key = Key::Socket(self.number, Side::Target);
            match self.port.with_timeout(left).connect(address, key) {
                Ok(_) => return Ok(()),
                // Such an address is none of this machine's, or there is no descriptor left.
                Err(refused) => failure = code_of(&refused.error),
            }
            match self.sessions.take(self.number) {
                Some(kept) => handshake = kept,
                None => return Ok(()),
            }
        }
        self.refuse(failure)
    }

    /// Answers the request, and ends the session behind that.
    fn refuse(&self, code: u8) -> io::Result<()> {
        self.end_with(reply(code))
    }

    /// Sends the client's last bytes. When they are out, the session ends: it is off the list before its client sees the end.
    fn end_with(&self, bytes: Vec<u8>) -> io::Result<()> {
        let client = self.sessions.socket(self.number, Side::Client)?;
        client.send(bytes)?;
        Ok(())
    }
}

/// The answer to a request. The address in it is that of the proxy's own socket, which clients don't need: it is left zero.
fn reply(code: u8) -> Vec<u8> {
    vec![5, code, 0, 1, 0, 0, 0, 0, 0, 0]
}

impl Socks {
    /// The addresses of a destination, or why there are none.
    fn addresses(&self, destination: Destination) -> Result<vec::IntoIter<SocketAddr>, u8> {
        let name = match destination {
            Destination::Address(address) => return Ok(vec![address].into_iter()),
            Destination::Name(name, port) => (name, port).to_target(),
        };
        let name = name.map_err(|_| HOST_UNREACHABLE)?;
        if self.lookups.fetch_add(1, Ordering::Relaxed) >= LOOKUPS_MAX {
            self.lookups.fetch_sub(1, Ordering::Relaxed);
            return Err(FAILED);
        }
        // It blocks, for seconds maybe. Said to the port, another worker runs in this one's place at once.
        let found = wharf::blocking(|| Names::shared().find(&name, TIMEOUT));
        self.lookups.fetch_sub(1, Ordering::Relaxed);
        found.map(Vec::into_iter).map_err(|_| HOST_UNREACHABLE)
    }
}

/// What a client offers at first: the methods of authentication that it knows.
enum Greeting {
    Incomplete,
    /// It has so many bytes.
    Known(usize),
    WantsToAuthenticate,
}

fn greeting(bytes: &[u8]) -> io::Result<Greeting> {
    match bytes {
        [5, count, methods @ ..] => Ok(match methods.get(..usize::from(*count)) {
            Some(methods) if methods.contains(&0) => Greeting::Known(2 + methods.len()),
            Some(_) => Greeting::WantsToAuthenticate,
            None => Greeting::Incomplete,
        }),
        [] | [5] => Ok(Greeting::Incomplete),
        _ => Err(invalid("the client does not speak SOCKS5")),
    }
}

fn request(bytes: &[u8]) -> io::Result<Asked> {
    let (kind, rest) = match bytes {
        [5, 1, 0, kind, rest @ ..] => (*kind, rest),
        [5, _, 0, _, ..] => return Ok(Asked::Refused(NOT_SUPPORTED)),
        [] | [5] | [5, _] | [5, _, 0] => return Ok(Asked::Incomplete),
        _ => return Err(invalid("the client's request is none of SOCKS5")),
    };
    let address = |ip: IpAddr, port: [u8; 2]| {
        Destination::Address(SocketAddr::from((ip, u16::from_be_bytes(port))))
    };
    let (destination, used) = match (kind, rest) {
        (1, [a, b, c, d, p, q, ..]) => (address([*a, *b, *c, *d].into(), [*p, *q]), 6),
        (4, rest) if rest.len() >= 18 => {
            let ip: [u8; 16] = rest[..16].try_into().map_err(io::Error::other)?;
            (address(ip.into(), [rest[16], rest[17]]), 18)
        }
        (3, [len, rest @ ..]) if rest.len() >= usize::from(*len) + 2 => {
            let (name, rest) = rest.split_at(usize::from(*len));
            let Ok(name) = std::str::from_utf8(name) else {
                return Ok(Asked::Refused(HOST_UNREACHABLE));
            };
            let port = u16::from_be_bytes([rest[0], rest[1]]);
            (Destination::Name(name.to_owned(), port), name.len() + 3)
        }
        (1 | 3 | 4, _) => return Ok(Asked::Incomplete),
        _ => return Ok(Asked::Refused(ADDRESS_NOT_SUPPORTED)),
    };
    Ok(Asked::For(destination, 4 + used))
}

fn code_of(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => REFUSED,
        io::ErrorKind::NetworkUnreachable => NETWORK_UNREACHABLE,
        io::ErrorKind::HostUnreachable | io::ErrorKind::TimedOut => HOST_UNREACHABLE,
        _ => FAILED,
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
