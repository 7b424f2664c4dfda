//! The settings of a server, and the errors of its start.

use std::{
    fmt, io,
    net::{IpAddr, Ipv6Addr},
    ops::RangeInclusive,
    time::Duration,
};

use ipnet::IpNet;
use wharf::DriverChoice;

use crate::{
    Listen, ListenAddress,
    addresses::Addresses,
    outbox::{CHUNK_BYTES, SlowReader},
};

/// A client has a receive under way, or instead of it the operation that has its turn; a send at its socket and one of its
/// outbox; and a timer while it lingers. Twice as many are room enough. A dial has no more: a timer, and a few attempts.
const OPERATIONS_PER_CLIENT: usize = 8;

/// Operations for accepts, the server's own timers and posts, which clients can't use up.
const OPERATIONS_KEPT: usize = 1_024;

/// The most clients: a port's handles, but for some that are the server's own.
const CLIENTS_MAX: usize = wharf::HANDLES_MAX - 64;

/// The shortest time from one tick to the next.
const TICK_MIN: Duration = Duration::from_millis(1);

/// The memory for a client's state, in the library too.
const CLIENT_BYTES: usize = 2_048;

/// What a session of TLS takes in the worst case beside that: its own state, a part of a record, records that were opened.
#[cfg(feature = "tls")]
const SESSION_BYTES: usize = 100 << 10;

/// The settings that a server is started with. [`Server::builder`](crate::Server::builder) has a method for each of them; or they are
/// set one by one:
///
/// ```
/// use std::time::Duration;
/// use wharf_server::{ServerBuilder, Settings};
///
/// let mut settings = Settings::default();
/// settings.idle_timeout = Some(Duration::from_secs(60));
/// let builder = ServerBuilder::from(settings);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// What to listen on; none, the default, is port 21000 of this machine alone.
    pub listen: Vec<Listen>,
    /// How many threads serve; 0 for one more than run at once, or [`workers_max`](Self::workers_max) if that is fewer.
    pub workers: usize,
    /// How many threads may serve when others are blocked in their handlers: they are started when work waits, and end
    /// when they have been idle for some seconds. 0 for 64, or `workers` if that is more. As many blocked handlers stop
    /// the server.
    pub workers_max: usize,
    /// How many threads run at once (the port's concurrency); 0 for as many as the processors that this process may use.
    pub concurrency: usize,
    /// Which driver to use.
    pub driver: DriverChoice,
    /// The size of a receive buffer, in bytes. At least 1. A server with a listener that speaks TLS has larger ones if need be, of 16,645
    /// bytes: the longest record lies whole in one then, and is opened where it lies.
    pub buffer_bytes: usize,
    /// The most memory in receive buffers, in bytes; 0 for as much as the shares of all clients together. While it is reached,
    /// receives wait for a buffer to come back, first in, first out: backpressure for the clients.
    pub buffers_bytes_max: usize,
    /// How many receive buffers one client may have in use at a time, however few bytes are in each: in its handler, or
    /// kept by it. A handler that keeps more waits for itself, so copy bytes that are to be kept. If there are fewer buffers
    /// than the shares of all clients together, the shares shrink, to 1 at least. At least 1.
    pub buffers_per_client: usize,
    /// The most clients at once; while it is reached, others wait in the backlog. At least 1.
    pub clients_max: usize,
    /// The most connections that the server makes at once ([`Clients::dial`](crate::Clients::dial)): those under way, those that wait
    /// for another attempt, and their clients. They do not count among `clients_max`, so that neither takes the place of the other.
    /// 256 by default; 0 for none.
    pub dials_max: usize,
    /// The most clients at once from one address, an IPv6 address counting by its first 64 bits; more are closed as soon
    /// as they are accepted. 0 for a default: a sixteenth of `clients_max`, so that no address fills the table, and an
    /// office behind one has room; but no limit if the server listens on loopback, nor for peers that come over it.
    pub clients_per_address_max: usize,
    /// Addresses without that limit: of proxies, behind which there are many clients.
    pub exempt_addresses: Vec<IpNet>,
    /// Where proxies are that speak the PROXY protocol (HAProxy's, versions 1 and 2): from a peer in these ranges a header is awaited
    /// before all else, and its client has the [address](crate::Client::peer) in it, by which it is counted. A header from any
    /// other peer ends that client. None by default.
    pub proxy_protocol_from: Vec<IpNet>,
    /// A client of a proxy is cut whose header has not come for so long (one and a half of it at the latest). 5 s by default.
    pub proxy_header_timeout: Duration,
    /// Likewise for the peers of local (Unix) sockets: `true` if all of them are such proxies.
    pub proxy_protocol_from_local: bool,
    /// The backlog: the most connections that the system holds before they are accepted. The system has a limit of its own
    /// (sysctl `net.core.somaxconn`).
    pub backlog: u32,
    /// A client that neither sent nor took a byte for so long is cut; `None` waits for ever. What our system has taken to send counts as taken:
    /// let the time be longer than a slow client needs for what is in the system's buffers (up to `net.ipv4.tcp_wmem`, some MiB). The time does not
    /// run while the server has [paused reading](crate::Client::pause_reading), so the server itself ends a client that it has
    /// paused for good.
    pub idle_timeout: Option<Duration>,
    /// A client that took no byte for so long, while some waited to be sent to it, is cut; `None` waits for ever. It takes a byte when its
    /// system acknowledges it, so one that reads slowly stays; on Windows, when our system has no more memory for it. The
    /// memory that it occupies meanwhile is limited, but its place is not free for another client.
    pub stall_timeout: Option<Duration>,
    /// A client that sent nothing for so long after it came is cut, and at the latest after one and a half of it; `None`, the
    /// default, waits for ever.
    pub first_bytes_timeout: Option<Duration>,
    /// A client is cut that has sent the beginning of a frame and not the rest within this time (one and a half of it at the
    /// latest), however it comes; `None`, the default, waits for ever. The time does not run while the server has [paused reading](crate::Client::pause_reading).
    pub frame_timeout: Option<Duration>,
    /// The most bytes that may wait to be sent to one client. [`slow_reader`](Self::slow_reader) says what happens to more.
    pub unsent_bytes_max: usize,
    /// The most sends that may wait to be sent to one client, beside the one that is on its way, however few their bytes are:
    /// for news that are better few and late than many and old. At least 1; by default no limit but that of the bytes.
    pub unsent_max: usize,
    /// What happens when more is sent to a client than may wait. By default it is refused.
    pub slow_reader: SlowReader,
    /// The longest frame, with all that belongs to it, in bytes: a client that sends a longer one is gone. A frame that arrives in
    /// parts occupies up to twice as much for its client. At least 1; 64 KiB by default. [`Raw`](crate::codec::Raw) has no frames.
    pub frame_bytes_max: usize,
    /// How many bytes a second are read from each client. A buffer full ([`buffer_bytes`](Self::buffer_bytes)) is read at once, and then
    /// nothing until it is paid for; time without bytes is not saved up. 0, the default, is no limit.
    pub receive_rate: u32,
    /// The most messages that may wait for one client ([`Client::tell`](crate::Client::tell)). At least 1; 1,024 by default.
    pub messages_max: usize,
    /// The most timers of one client ([`Client::set_timer`](crate::Client::set_timer)), 4 by default.
    pub timers_per_client: usize,
    /// Where a balancer may ask by HTTP whether new clients are welcome: the answer to any request is 200 while the server is ready, and
    /// 503 from the moment on when it is to [stop](crate::Server::stop) or to [drain](crate::Stopper::drain), until it has stopped. None by
    /// default. It is not encrypted and tells no more than that; let it be an address that only balancers reach.
    pub health: Option<Listen>,
    /// For how long an orderly stop goes on as before, but for being not [ready](Self::health): in this time a balancer notices, and sends
    /// new clients elsewhere. Longer than its health checks take to notice; 0 by default.
    pub drain_delay: Duration,
    /// TLS for everything that is listened on, but for what has its [own](Listen::tls). None by default. It is not for
    /// [`health`](Self::health).
    #[cfg(feature = "tls")]
    pub tls: Option<crate::tls::Server>,
    /// A client is cut whose TLS handshake is not done after so long (one and a half of it at the latest); behind a proxy it counts from
    /// the end of the header. 10 s by default.
    #[cfg(feature = "tls")]
    pub tls_handshake_timeout: Duration,
    /// The most TLS handshakes at once, of clients that were accepted: above that, the oldest ends for each newer one. At least 1; 1,000
    /// by default.
    #[cfg(feature = "tls")]
    pub handshakes_at_most: usize,
    /// How often [`Handler::tick`](crate::Handler::tick) is called; `None` never. At least a millisecond.
    pub tick: Option<Duration>,
    /// Whether the server tells the program's [metrics](crate::manual::metrics) how it stands, and its name there: the label `server` of each,
    /// unless the name is empty. The recorder that the program has when the server starts is told; by default none is. With the feature
    /// `metrics`.
    #[cfg(feature = "metrics")]
    pub metrics: Option<String>,
}

impl Default for Settings {
    /// On loopback, port 21000; a worker more than processors, so that a handler may block and another go on at once, and
    /// up to 64 where many do; the classic 15,000-byte
    /// buffers, 2 for each client; 16,384 clients; a backlog of 1,024; no idle time-out; a minute for a client that takes
    /// nothing; 1 MiB unsent a client.
    fn default() -> Self {
        Settings {
            listen: Vec::new(),
            workers: 0,
            workers_max: 0,
            concurrency: 0,
            driver: DriverChoice::Auto,
            buffer_bytes: 15_000,
            buffers_bytes_max: 0,
            buffers_per_client: 2,
            clients_max: 16_384,
            dials_max: 256,
            clients_per_address_max: 0,
            exempt_addresses: Vec::new(),
            proxy_protocol_from: Vec::new(),
            proxy_protocol_from_local: false,
            proxy_header_timeout: Duration::from_secs(5),
            backlog: 1_024,
            idle_timeout: None,
            stall_timeout: Some(Duration::from_secs(60)),
            first_bytes_timeout: None,
            frame_timeout: None,
            unsent_bytes_max: 1 << 20,
            unsent_max: usize::MAX,
            slow_reader: SlowReader::default(),
            frame_bytes_max: 64 << 10,
            receive_rate: 0,
            messages_max: 1_024,
            timers_per_client: 4,
            health: None,
            drain_delay: Duration::ZERO,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "tls")]
            tls_handshake_timeout: Duration::from_secs(10),
            #[cfg(feature = "tls")]
            handshakes_at_most: 1_000,
            tick: None,
            #[cfg(feature = "metrics")]
            metrics: None,
        }
    }
}

impl Settings {
    /// How many workers a server with these settings has from the start, and how many it may have, if so many run at
    /// once.
    pub fn threads(&self, concurrency: usize) -> RangeInclusive<usize> {
        const WORKERS_MAX: usize = 64;
        let max = match (self.workers, self.workers_max) {
            (workers, 0) => workers.max(concurrency + 1).max(WORKERS_MAX),
            (_, max) => max,
        };
        match self.workers {
            0 => (concurrency + 1).min(max)..=max,
            workers => workers..=max,
        }
    }

    /// How many receive buffers there are, and how many of them each client may have.
    pub(crate) fn buffers(&self) -> (usize, usize) {
        let all_shares = self.places().saturating_mul(self.buffers_per_client);
        match self.buffers_bytes_max / self.receive_bytes() {
            0 => (all_shares, self.buffers_per_client),
            buffers => {
                let fitting = (buffers / self.places()).max(1);
                (buffers, self.buffers_per_client.min(fitting))
            }
        }
    }

    /// The size of a receive buffer, in bytes.
    pub(crate) fn receive_bytes(&self) -> usize {
        #[cfg(feature = "tls")]
        if self.has_tls() {
            return self.buffer_bytes.max(crate::tls::RECEIVE_BYTES);
        }
        self.buffer_bytes
    }

    /// Whether a listener speaks TLS.
    #[cfg(feature = "tls")]
    fn has_tls(&self) -> bool {
        self.tls.is_some() || self.listen.iter().any(Listen::has_tls)
    }

    /// A client to which more bytes wait to be sent is no longer read from: one more receive may bring as many again.
    pub(crate) fn unsent_pause_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// The most operations at once: as many as all clients can have, and the server's own.
    pub(crate) fn operations_max(&self) -> usize {
        let of_each = OPERATIONS_PER_CLIENT.saturating_add(self.timers_per_client);
        self.places()
            .saturating_mul(of_each)
            .saturating_add(OPERATIONS_KEPT)
    }

    /// The most clients, accepted and dialled.
    fn places(&self) -> usize {
        self.clients_max.saturating_add(self.dials_max)
    }

    /// The most clients from one address; none is without limit.
    pub fn clients_per_address(&self) -> Option<usize> {
        match self.clients_per_address_max {
            0 if self.listen.iter().all(Listen::is_of_this_machine) => None,
            0 => Some((self.clients_max / 16).max(1)),
            max => Some(max),
        }
    }

    pub(crate) fn addresses(&self) -> Addresses {
        let mut exempt = self.exempt_addresses.clone();
        if self.clients_per_address_max == 0 {
            let loopback = [
                IpAddr::from([127, 0, 0, 0]),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ];
            exempt.extend(
                loopback
                    .into_iter()
                    .zip([8, 128])
                    .map(|(address, bits)| IpNet::new_assert(address, bits)),
            );
        }
        Addresses::new(self.clients_per_address(), exempt)
    }

    /// The most memory that clients can occupy in the worst case, if handlers send no more to a client than comes from
    /// it, as an echo does: receive buffers, unsent bytes, and the state of each client. The memory of the process itself comes
    /// on top: its threads' stacks and the program. The system's own buffers of the connections are limited by the
    /// system (sysctl `net.ipv4.tcp_mem`).
    ///
    /// With a handler that sends more, as a chat does, up to `unsent_bytes_max` can wait for each client. With a codec other than
    /// [`Raw`](crate::codec::Raw), each client can occupy another `2 * frame_bytes_max`. Sessions, messages
    /// ([`messages_max`](Self::messages_max)) and what codecs keep are the program's.
    pub fn memory_bytes_max(&self) -> usize {
        let (buffers, _) = self.buffers();
        // A send that waits at the socket takes a whole buffer's memory, however few of its bytes are left.
        let unsent = self.unsent_pause_bytes() + 2 * self.receive_bytes() + 2 * CHUNK_BYTES;
        let of_each = unsent + CLIENT_BYTES;
        let of_all = self.places().saturating_mul(of_each);
        buffers
            .saturating_mul(self.receive_bytes())
            .saturating_add(of_all)
            .saturating_add(self.sessions_bytes_max())
    }

    /// The most memory of TLS.
    fn sessions_bytes_max(&self) -> usize {
        #[cfg(feature = "tls")]
        if self.has_tls() {
            let handshakes = self.handshakes_at_most.min(self.clients_max);
            let all = self.clients_max.saturating_mul(SESSION_BYTES);
            return all.saturating_add(handshakes.saturating_mul(crate::tls::UNOPENED_MAX));
        }
        0
    }

    /// For how long a client may owe its TLS handshake; none if there is no such.
    pub(crate) fn handshake_timeout(&self) -> Option<Duration> {
        #[cfg(feature = "tls")]
        if self.dials_max > 0 || self.has_tls() {
            return Some(self.tls_handshake_timeout);
        }
        None
    }

    /// Finds settings of TLS that can't work.
    #[cfg(feature = "tls")]
    fn check_tls(&self) -> Result<(), StartError> {
        let wrong = if self.tls_handshake_timeout.is_zero() {
            "tls_handshake_timeout is 0, so no handshake could be done in time; 10 s is the default"
        } else if self.handshakes_at_most == 0 {
            "handshakes_at_most is 0, so no client of TLS could come; allow at least 1"
        } else {
            return Ok(());
        };
        Err(StartError::Settings(wrong.to_owned()))
    }

    /// Finds settings that can't work, before anything is started.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        #[cfg(feature = "tls")]
        self.check_tls()?;
        self.check_all()
    }

    fn check_all(&self) -> Result<(), StartError> {
        let wrong = if self.workers_max > 0 && self.workers > self.workers_max {
            format!(
                "workers_max is {}, fewer than the {} workers to start with; allow at least as many",
                self.workers_max, self.workers
            )
        } else if self.buffer_bytes == 0 {
            "buffer_bytes is 0; a receive needs at least 1 byte".to_owned()
        } else if self.buffers_per_client == 0 {
            "buffers_per_client is 0, so nothing could be received; allow at least 1".to_owned()
        } else if (1..self.receive_bytes()).contains(&self.buffers_bytes_max) {
            let (max, one) = (self.buffers_bytes_max, self.receive_bytes());
            format!("buffers_bytes_max is {max}, less than one buffer of {one}; allow at least one")
        } else if self.clients_max == 0 {
            "clients_max is 0, so nobody would be served; allow at least 1".to_owned()
        } else if self.places() > CLIENTS_MAX {
            format!(
                "clients_max is {} and dials_max {}, above the limit of {CLIENTS_MAX} for both: a port takes {} handles, of which some are the server's own",
                self.clients_max,
                self.dials_max,
                wharf::HANDLES_MAX
            )
        } else if self.backlog > i32::MAX as u32 {
            format!(
                "backlog is {}, above the limit of {}",
                self.backlog,
                i32::MAX
            )
        } else if self.idle_timeout.is_some_and(|timeout| timeout.is_zero()) {
            "idle_timeout is 0, so every client would be cut; use none for no limit".to_owned()
        } else if self.stall_timeout.is_some_and(|timeout| timeout.is_zero()) {
            "stall_timeout is 0, so every client would be cut; use none for no limit".to_owned()
        } else if self
            .first_bytes_timeout
            .is_some_and(|timeout| timeout.is_zero())
        {
            "first_bytes_timeout is 0, so every client would be cut; use none for no limit"
                .to_owned()
        } else if self.frame_timeout.is_some_and(|timeout| timeout.is_zero()) {
            "frame_timeout is 0, so every frame would have to come at once; use none for no limit"
                .to_owned()
        } else if self.proxy_header_timeout.is_zero() {
            "proxy_header_timeout is 0, so no header could come in time; 5 s is the default"
                .to_owned()
        } else if self.frame_bytes_max == 0 {
            "frame_bytes_max is 0, so no frame could be received; allow at least 1".to_owned()
        } else if self.unsent_max == 0 {
            "unsent_max is 0, so nothing could wait to be sent; allow at least 1".to_owned()
        } else if self.messages_max == 0 {
            "messages_max is 0, so no client could be told anything; allow at least 1".to_owned()
        } else if self.tick.is_some_and(|tick| tick < TICK_MIN) {
            format!(
                "tick is {:?}, below the least of {TICK_MIN:?}",
                self.tick.unwrap_or_default()
            )
        } else {
            return Ok(());
        };
        Err(StartError::Settings(wrong))
    }
}

/// Why a server could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A setting can't work: which, its value, and what would.
    Settings(String),
    /// The completion port could not be made.
    Port(io::Error),
    /// The listening socket could not be made.
    Socket(io::Error),
    /// It could not be bound to this address, the last of those that were tried.
    Bind(ListenAddress, io::Error),
    /// It could not listen.
    Listen(io::Error),
    /// Accepting could not begin.
    Accept(io::Error),
    /// The workers could not be started.
    Workers(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Settings(wrong) => formatter.write_str(wrong),
            StartError::Port(error) => {
                write!(formatter, "the completion port can't be made: {error}")
            }
            StartError::Socket(error) => write!(formatter, "no socket can be made: {error}"),
            StartError::Bind(address, error) => {
                write!(
                    formatter,
                    "can't bind to {address}: {error}; {}",
                    bind_remedy(address, error)
                )
            }
            StartError::Listen(error) => write!(formatter, "can't listen: {error}"),
            StartError::Accept(error) => write!(formatter, "can't accept: {error}"),
            StartError::Workers(error) => {
                write!(formatter, "the workers can't be started: {error}")
            }
        }
    }
}

fn bind_remedy(address: &ListenAddress, error: &io::Error) -> &'static str {
    let is_local = address.tcp().is_none();
    match error.kind() {
        io::ErrorKind::AddrInUse if is_local => {
            "another program listens there, or this one does already, or it is no socket: stop that program, remove the file, or use another path"
        }
        io::ErrorKind::PermissionDenied if is_local => {
            "the folder is not ours to write to: use one that is, or change its permissions"
        }
        _ if is_local => "use a path of at most 107 bytes, in a folder that is there",
        io::ErrorKind::AddrInUse => {
            "another program listens there, or this one does already: stop it, or listen on another port (0 is any free one)"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege: use a higher one, or grant CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: use one of its own, 127.0.0.1, or 0.0.0.0 for all"
        }
        _ => "check the address",
    }
}

impl From<StartError> for io::Error {
    /// With the error's text, and of the system's kind where the system has refused something.
    fn from(error: StartError) -> Self {
        use std::error::Error;
        let cause = error
            .source()
            .and_then(|cause| cause.downcast_ref::<io::Error>());
        let kind = cause.map_or(io::ErrorKind::InvalidInput, io::Error::kind);
        io::Error::new(kind, error)
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Settings(_) => None,
            StartError::Port(error)
            | StartError::Socket(error)
            | StartError::Bind(_, error)
            | StartError::Listen(error)
            | StartError::Accept(error)
            | StartError::Workers(error) => Some(error),
        }
    }
}
