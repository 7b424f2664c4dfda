//! Setting up a server in one expression.

use std::time::Duration;

use ipnet::IpNet;
use wharf::{Buffer, DriverChoice};

use crate::{
    Client, Handler, Listen, Outcome, Server, Settings, SlowReader, StartError,
    codec::{Codec, Raw},
    handler::Closure,
};

/// Starts a [`Server`] with other than the default [`Settings`]. See [`Server::builder`].
#[derive(Debug, Clone, Default)]
#[must_use = "nothing is started before `start` or `serve`"]
pub struct ServerBuilder {
    settings: Settings,
}

impl From<Settings> for ServerBuilder {
    /// Starts from settings that the program has, read from a file for example.
    fn from(settings: Settings) -> Self {
        ServerBuilder { settings }
    }
}

/// A method for each of the settings.
macro_rules! setters {
    ($($name:ident: $type:ty,)*) => {
        impl ServerBuilder {
            $(
                #[doc = concat!("Sets [`Settings::", stringify!($name), "`].")]
                pub fn $name(mut self, $name: $type) -> Self {
                    self.settings.$name = $name;
                    self
                }
            )*
        }
    };
}

setters! {
    workers: usize,
    workers_max: usize,
    concurrency: usize,
    driver: DriverChoice,
    buffer_bytes: usize,
    buffers_bytes_max: usize,
    buffers_per_client: usize,
    clients_max: usize,
    dials_max: usize,
    clients_per_address_max: usize,
    exempt_addresses: Vec<IpNet>,
    proxy_protocol_from: Vec<IpNet>,
    proxy_protocol_from_local: bool,
    proxy_header_timeout: Duration,
    drain_delay: Duration,
    backlog: u32,
    unsent_bytes_max: usize,
    unsent_max: usize,
    slow_reader: SlowReader,
    frame_bytes_max: usize,
    receive_rate: u32,
    messages_max: usize,
    timers_per_client: usize,
}

/// A method for each of the times, which may be `None`.
macro_rules! times {
    ($($name:ident,)*) => {
        impl ServerBuilder {
            $(
                #[doc = concat!("Sets [`Settings::", stringify!($name), "`].")]
                pub fn $name(mut self, time: impl Into<Option<Duration>>) -> Self {
                    self.settings.$name = time.into();
                    self
                }
            )*
        }
    };
}

times! {
    idle_timeout,
    stall_timeout,
    first_bytes_timeout,
    frame_timeout,
    tick,
}

impl ServerBuilder {
    /// Adds to [`Settings::listen`].
    pub fn listen(mut self, listen: Listen) -> Self {
        self.settings.listen.push(listen);
        self
    }

    /// Sets [`Settings::health`].
    pub fn health(mut self, listen: impl Into<Option<Listen>>) -> Self {
        self.settings.health = listen.into();
        self
    }

    /// Sets [`Settings::metrics`]: the name of the server, which may be empty.
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self, server: impl Into<String>) -> Self {
        self.settings.metrics = Some(server.into());
        self
    }

    /// Sets [`Settings::tls`].
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: impl Into<Option<crate::tls::Server>>) -> Self {
        self.settings.tls = tls.into();
        self
    }

    /// Sets [`Settings::tls_handshake_timeout`].
    #[cfg(feature = "tls")]
    pub fn tls_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.settings.tls_handshake_timeout = timeout;
        self
    }

    /// Sets [`Settings::handshakes_at_most`].
    #[cfg(feature = "tls")]
    pub fn handshakes_at_most(mut self, handshakes: usize) -> Self {
        self.settings.handshakes_at_most = handshakes;
        self
    }

    /// Starts the server. When this returns, clients can connect.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub fn start<H: Handler>(self, handler: H) -> Result<Server<H::Message>, StartError> {
        Server::start(&self.settings, handler)
    }

    /// Starts a server whose handler is a closure: it gets the bytes of each client as they arrive, and may return nothing, or a
    /// `Result`, whose error ends the client.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub fn serve<F, R>(self, received: F) -> Result<Server, StartError>
    where
        F: Fn(&Client, Buffer) -> R + Send + Sync + 'static,
        R: Outcome,
    {
        self.serve_frames(Raw, received)
    }

    /// As [`serve`](Self::serve), but the closure gets each [frame](crate::codec).
    ///
    /// ```
    /// use std::{io::{BufRead, BufReader, Write}, net::TcpStream, time::Duration};
    /// use wharf_server::{Server, codec::Lines};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = Server::builder().listen("127.0.0.1:0".parse()?);
    /// let server = builder.serve_frames(Lines::new(), |client, line| {
    ///     client.send(format!("You said {line}.\n"))
    /// })?;
    /// # let mut peer = TcpStream::connect(server.local_addr())?;
    /// # peer.write_all(b"ahoy\n")?;
    /// # let mut line = String::new();
    /// # BufReader::new(peer).read_line(&mut line)?;
    /// # assert_eq!(line, "You said ahoy.\n");
    /// # server.stop(Duration::from_secs(10));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A length-prefixed answer may be too long for its length, so [`frame`](crate::codec::LengthPrefixed::frame) returns a result:
    ///
    /// ```
    /// use wharf_server::{Server, codec::{ByteOrder, LengthPrefixed}};
    ///
    /// const FRAMES: LengthPrefixed = LengthPrefixed::u32(ByteOrder::BigEndian);
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let builder = Server::builder().listen("127.0.0.1:0".parse()?);
    /// let server = builder.serve_frames(FRAMES, |client, frame| client.send(FRAMES.frame(frame)?))?;
    /// # drop(server);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// | rustc says | write |
    /// |---|---|
    /// | E0277, `Outgoing: From<Result<Written, FrameError>>` is not satisfied | `client.send(codec.frame(bytes)?)` |
    /// | E0282, type annotations needed for `Ok(())` | the closure's type: `\|client, frame\| -> wharf_server::Result { ...; Ok(()) }` |
    /// | E0308, `if` and `else` have incompatible types | a `;` behind both, and nothing is returned; or `Ok(())` in the one that returned nothing |
    /// | E0373, the closure may outlive | `move` before it |
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub fn serve_frames<C, F, R>(self, codec: C, received: F) -> Result<Server, StartError>
    where
        C: Codec + Clone + Sync,
        F: for<'a> Fn(&Client, C::Frame<'a>) -> R + Send + Sync + 'static,
        R: Outcome,
    {
        self.start(Closure { codec, received })
    }
}
