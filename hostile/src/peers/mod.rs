//! The hostile peers, by name.
//!
//! Each has few threads and many sockets that never block, and a bounded rate: what is to be seen is whether the server is
//! fair, not how fast this machine is. What they send are zeros, which are requests of `--app work` too (for no time).

mod connections;
mod frames;
mod segments;
mod silent;
mod together;
mod work;

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::App;

/// A hostile peer.
#[derive(Debug)]
pub struct Peer {
    pub name: &'static str,
    /// What it does, in a sentence.
    pub does: &'static str,
    /// What it means something to.
    pub only: Only,
    /// How many connections it has at most, for the most that the server allows.
    pub clients: fn(Limits) -> usize,
    /// Whether it takes all places that there are, so that a newcomer waits by design.
    pub fills_the_table: bool,
    pub run: fn(&Means),
}

/// Which servers a peer means something to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// All of them.
    Any,
    /// Those with `--app work`.
    Work,
    /// Those that cut bytes into frames.
    Frames,
}

impl Only {
    /// Whether a server that does this is such a one.
    pub fn is(self, app: App) -> bool {
        match self {
            Only::Any => true,
            Only::Work => app == App::Work,
            Only::Frames => matches!(app, App::Frames(_)),
        }
    }
}

/// What a server allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub clients_max: usize,
    /// How many handlers run at once.
    pub concurrency: usize,
}

impl Limits {
    /// All places but those for the polite.
    fn places(self) -> usize {
        self.clients_max.saturating_sub(16).max(1)
    }

    fn places_at_most(self, most: usize) -> usize {
        self.places().min(most)
    }
}

/// Places beyond the limit that `connect-flood` asks for; the backlog holds them.
const BEYOND: usize = 200;

/// All of them, in the order in which they run.
pub const PEERS: &[Peer] = &[
    Peer {
        name: "never-reads",
        does: "sends as fast as it can and reads nothing",
        only: Only::Any,
        clients: |limits| limits.places_at_most(64),
        fills_the_table: false,
        run: silent::never_reads,
    },
    Peer {
        name: "byte-a-second",
        does: "sends as fast as it can and reads one byte a second",
        only: Only::Any,
        clients: |limits| limits.places_at_most(200),
        fills_the_table: false,
        run: silent::byte_a_second,
    },
    Peer {
        name: "single-bytes",
        does: "fills the kernel's buffers, then sends single bytes, and reads nothing",
        only: Only::Any,
        clients: |limits| limits.places_at_most(16),
        fills_the_table: false,
        run: silent::single_bytes,
    },
    Peer {
        name: "connect-flood",
        does: "takes every place and more with connections that say nothing, lets go, and comes again",
        only: Only::Any,
        clients: |limits| limits.clients_max + BEYOND,
        fills_the_table: true,
        run: connections::flood,
    },
    Peer {
        name: "connect-and-end",
        does: "connects, and ends or resets at once, 2,000 times a second",
        only: Only::Any,
        clients: |limits| limits.places_at_most(64),
        fills_the_table: false,
        run: connections::connect_and_end,
    },
    Peer {
        name: "half-open",
        does: "sends half a request and stays, or ends its side and never reads",
        only: Only::Any,
        clients: |limits| limits.places_at_most(300),
        fills_the_table: false,
        run: silent::half_open,
    },
    Peer {
        name: "resets",
        does: "resets after connecting, in the middle of sending, with an answer unread, while the server receives, half-closed",
        only: Only::Any,
        clients: |limits| limits.places_at_most(100),
        fills_the_table: false,
        run: connections::resets,
    },
    Peer {
        name: "urgent",
        does: "sends urgent bytes between the others",
        only: Only::Any,
        clients: |limits| limits.places_at_most(32),
        fills_the_table: false,
        run: segments::urgent,
    },
    Peer {
        name: "one-byte-segments",
        does: "sends large messages in segments of one byte, and reads",
        only: Only::Any,
        clients: |limits| limits.places_at_most(16),
        fills_the_table: false,
        run: segments::one_byte_segments,
    },
    Peer {
        name: "many-silent",
        does: "hundreds of clients that read nothing, and each say a little, then single bytes",
        only: Only::Any,
        clients: Limits::places,
        fills_the_table: false,
        run: silent::many_silent,
    },
    Peer {
        name: "worst-phase",
        does: "every client at once does the same of the above, twice a second",
        only: Only::Any,
        clients: Limits::places,
        fills_the_table: false,
        run: together::worst_phase,
    },
    Peer {
        name: "frames-900",
        does: "sends 900 requests in one segment, each for the longest time that is allowed",
        only: Only::Work,
        clients: |limits| limits.places_at_most(4 * limits.concurrency),
        fills_the_table: false,
        run: work::frames_900,
    },
    Peer {
        name: "slow-frames",
        does: "sends requests for the longest time byte by byte, and reads",
        only: Only::Work,
        clients: |limits| limits.places_at_most(8 * limits.concurrency),
        fills_the_table: false,
        run: work::slow_frames,
    },
    Peer {
        name: "bad-frames",
        does: "sends what is no request: unknown kinds, longer times than allowed, other bytes than zero, pieces",
        only: Only::Work,
        clients: |limits| limits.places_at_most(100),
        fills_the_table: false,
        run: work::bad_frames,
    },
    Peer {
        name: "frames",
        does: "sends the smallest frames without end, the longest one slowly or in half, and what is no frame",
        only: Only::Frames,
        clients: |limits| limits.places_at_most(200),
        fills_the_table: false,
        run: frames::frames,
    },
    Peer {
        name: "all",
        does: "all of them together, with a part of the places each",
        only: Only::Any,
        clients: Limits::places,
        fills_the_table: false,
        run: together::all,
    },
];

/// What is not among them, and why.
pub const LEFT_OUT: &str = "descriptors: passes descriptors. Left out, since descriptors travel over local sockets only, and \
     `wharf serve` listens on none; the library's tests have it";

/// What a hostile peer may use, and what it did.
#[derive(Debug)]
pub struct Means {
    pub server: SocketAddr,
    /// How many connections at once, at most.
    pub clients: usize,
    /// What it does in a second is this part of what it would do alone.
    pub part: f64,
    pub ends: Instant,
    /// What the server does that is attacked.
    pub app: App,
    /// The longest time that a request of `--app work` may ask for.
    pub longest: Duration,
    pub deeds: Deeds,
}

/// What was done, to see that a peer was hostile.
#[derive(Debug, Default)]
pub struct Deeds {
    pub connections: AtomicU64,
    pub refused: AtomicU64,
    /// Connections that the server ended.
    pub ended: AtomicU64,
    pub sent: AtomicU64,
    pub read: AtomicU64,
}

impl Deeds {
    pub fn add(&self, other: &Deeds) {
        let pairs = [
            (&self.connections, &other.connections),
            (&self.refused, &other.refused),
            (&self.ended, &other.ended),
            (&self.sent, &other.sent),
            (&self.read, &other.read),
        ];
        for (one, other) in pairs {
            count(one, other.load(Ordering::Relaxed) as usize);
        }
    }

    pub fn line(&self) -> String {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        format!(
            "connections={} refused={} ended={} sent={} read={}",
            of(&self.connections),
            of(&self.refused),
            of(&self.ended),
            of(&self.sent),
            of(&self.read)
        )
    }
}

fn count(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

/// How a hostile peer connects.
#[derive(Debug, Clone, Copy, Default)]
struct Dial {
    /// The smallest buffer and small segments, so that little makes the server's own buffers full too.
    narrow: bool,
}

/// Small segments keep the server's send buffer small, since the kernel makes it so many segments long.
const SEGMENT: u32 = 536;

/// The kernel takes its least instead.
const SMALLEST: usize = 1;

/// What our kernel holds for us at most, so that a thousand sockets don't use up what the system has for all.
const UNSENT_MAX: usize = 64 << 10;

impl Means {
    fn goes_on(&self) -> bool {
        Instant::now() < self.ends
    }

    /// Connects without waiting: loopback does at once where there is room in the backlog, and later otherwise.
    fn dial(&self, dial: Dial) -> io::Result<TcpStream> {
        let number = self.deeds.connections.load(Ordering::Relaxed);
        count(&self.deeds.connections, 1);
        let dialled = self.dial_from(number, dial);
        if dialled.is_err() {
            count(&self.deeds.refused, 1);
        }
        dialled
    }

    fn dial_from(&self, number: u64, dial: Dial) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_send_buffer_size(UNSENT_MAX)?;
        if dial.narrow {
            socket.set_recv_buffer_size(SMALLEST)?;
            socket.set_tcp_mss(SEGMENT)?;
        }
        // Other addresses than the polite clients' have ports of their own, however many wait for their time to end.
        let address = Ipv4Addr::new(127, 0, 0, 2 + (number % 8) as u8);
        socket.bind(&SocketAddr::from((address, 0)).into())?;
        match socket.connect(&self.server.into()) {
            Err(error) if error.raw_os_error() == Some(in_progress()) => {}
            result => result?,
        }
        Ok(socket.into())
    }

    /// So many connections, at 5,000 a second. Fewer if they are refused.
    fn dial_many(&self, many: usize, dial: Dial) -> Vec<Option<TcpStream>> {
        let mut pace = self.pace(5_000.0);
        let mut streams = Vec::with_capacity(many);
        while streams.len() < many && self.goes_on() {
            streams.push(self.dial(dial).ok());
            pace.step();
        }
        streams
    }

    /// As much as goes, without waiting. Takes the stream if the server has ended it.
    fn send(&self, stream: &mut Option<TcpStream>, bytes: &[u8]) -> usize {
        let Some(open) = stream else { return 0 };
        match open.write(bytes) {
            Ok(sent) => {
                count(&self.deeds.sent, sent);
                sent
            }
            Err(error) if is_for_later(&error) => 0,
            Err(_) => {
                count(&self.deeds.ended, 1);
                *stream = None;
                0
            }
        }
    }

    /// Reads what is there, `most` bytes of it. Takes the stream if the server has ended it.
    fn read(&self, stream: &mut Option<TcpStream>, most: usize) -> usize {
        let mut bytes = [0; 16 << 10];
        let Some(open) = stream else { return 0 };
        let most = most.min(bytes.len());
        match open.read(&mut bytes[..most]) {
            Ok(read @ 1..) => {
                count(&self.deeds.read, read);
                read
            }
            Err(error) if is_for_later(&error) => 0,
            Ok(_) | Err(_) => {
                count(&self.deeds.ended, 1);
                *stream = None;
                0
            }
        }
    }

    /// A pace of so many steps a second, or this peer's part of it.
    fn pace(&self, a_second: f64) -> Pace {
        Pace {
            next: Instant::now(),
            each: Duration::from_secs_f64(1.0 / (a_second * self.part).max(1.0)),
            ends: self.ends,
        }
    }
}

fn in_progress() -> i32 {
    rustix::io::Errno::INPROGRESS.raw_os_error()
}

/// A connection that is not there yet is not ready to be written to either.
fn is_for_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected
    )
}

/// Sleeps so that steps come at a rate, a few at once where they come quickly.
#[derive(Debug)]
struct Pace {
    next: Instant,
    each: Duration,
    ends: Instant,
}

impl Pace {
    fn step(&mut self) {
        const AHEAD: Duration = Duration::from_millis(1);
        let now = Instant::now();
        // What was missed is not made up for.
        self.next = self.next.max(now.checked_sub(AHEAD).unwrap_or(now)) + self.each;
        if self.next > now + AHEAD {
            thread::sleep((self.next.min(self.ends)).saturating_duration_since(now));
        }
    }
}

/// Has the connection reset when it is dropped, or now if it is dropped here.
fn reset(stream: TcpStream) {
    // Of one that the server has ended, nothing is left to reset.
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}

/// Zeros to send.
static ZEROS: [u8; 16 << 10] = [0; 16 << 10];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_and_all_comes_last() {
        let mut names: Vec<_> = PEERS.iter().map(|peer| peer.name).collect();
        assert_eq!(names.last(), Some(&"all"));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PEERS.len());
    }

    #[test]
    fn only_the_flood_leaves_no_room() {
        let limits = Limits {
            clients_max: 1_000,
            concurrency: 2,
        };
        for peer in PEERS {
            let clients = (peer.clients)(limits);
            assert_eq!(clients >= 1_000, peer.fills_the_table, "{}", peer.name);
        }
    }
}
