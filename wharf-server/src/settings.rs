//! What a server is started with, and how starting can fail.

use std::{fmt, io, net::SocketAddr, ops::RangeInclusive, time::Duration};

use wharf::DriverChoice;

/// What a server is started with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Where to listen. Port 0 is any free one.
    pub listen: SocketAddr,
    /// How many threads serve; 0 for one more than run at once, or [`workers_max`](Self::workers_max) if that is fewer.
    pub workers: usize,
    /// How many threads may serve when others are blocked in their handlers: they are started when work waits, and end
    /// when they have been idle for some seconds. 0 for 64, or `workers` if that is more. As many blocked handlers stop
    /// the server.
    pub workers_max: usize,
    /// How many of them run at once; 0 for as many as the processors that this process may use.
    pub concurrency: usize,
    /// Which driver to use.
    pub driver: DriverChoice,
    /// The size of a receive buffer, in bytes. At least 1.
    pub buffer_bytes: usize,
    /// The most memory in receive buffers, in bytes. While it is reached, receiving waits for a buffer to come back.
    pub buffers_bytes_max: usize,
    /// The most clients at once; while it is reached, others wait in the backlog. At least 1.
    pub clients_max: usize,
    /// The most connections that the system holds for us before they are accepted. The system has a limit of its own
    /// (sysctl `net.core.somaxconn`).
    pub backlog: u32,
    /// A client that neither sent nor took a byte for so long is cut; `None` waits for ever.
    pub idle_timeout: Option<Duration>,
    /// The most bytes that may wait to be sent to one client; [`Client::send`](crate::Client::send) refuses more.
    pub unsent_bytes_max: usize,
}

impl Default for Settings {
    /// On loopback, port 21000; a worker more than processors, so that a handler may block and another go on at once, and
    /// up to 64 where many do; the classic 15,000-byte
    /// buffers, 256 MiB of them; 16,384 clients; a backlog of 1,024; no idle time-out; 1 MiB unsent a client.
    fn default() -> Self {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 21_000)),
            workers: 0,
            workers_max: 0,
            concurrency: 0,
            driver: DriverChoice::Auto,
            buffer_bytes: 15_000,
            buffers_bytes_max: 256 << 20,
            clients_max: 16_384,
            backlog: 1_024,
            idle_timeout: None,
            unsent_bytes_max: 1 << 20,
        }
    }
}

impl Settings {
    /// How many workers a server with these settings has from the start, and how many it may have, where so many run at
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

    /// Finds what can't work before anything is started.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let wrong = if self.workers_max > 0 && self.workers > self.workers_max {
            format!(
                "workers_max is {}, fewer than the {} workers to start with; allow at least as many",
                self.workers_max, self.workers
            )
        } else if self.buffer_bytes == 0 {
            "buffer_bytes is 0; a receive needs at least 1 byte".to_owned()
        } else if self.buffers_bytes_max < self.buffer_bytes {
            format!(
                "buffers_bytes_max is {}, less than one buffer of {}; allow at least one",
                self.buffers_bytes_max, self.buffer_bytes
            )
        } else if self.clients_max == 0 {
            "clients_max is 0, so nobody would be served; allow at least 1".to_owned()
        } else if self.backlog > i32::MAX as u32 {
            format!(
                "backlog is {}, above the limit of {}",
                self.backlog,
                i32::MAX
            )
        } else if self.idle_timeout.is_some_and(|timeout| timeout.is_zero()) {
            "idle_timeout is 0, so every client would be cut; use none for no limit".to_owned()
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
    /// It could not be bound to this address.
    Bind(SocketAddr, io::Error),
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
                    bind_remedy(error)
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

fn bind_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there: stop it, or listen on another port (0 is any free one)"
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
