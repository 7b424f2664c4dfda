//! Outgoing connections: what is to be connected to and how often, and the handle of one that was asked for. How it goes is in
//! [`dialling`](crate::dialling).

use std::{fmt, io, sync::Arc, time::Duration};

use wharf::names::{Names, TIMEOUT, Target, ToTarget};

use crate::{Client, Clients, Server, dialling::Dialling};

/// How long a round of attempts may take, where nothing else is asked for.
const CONNECT_TIMEOUT: Duration = TIMEOUT;

/// The shortest pause between two attempts.
const BACKOFF_MIN: Duration = Duration::from_millis(1);

/// A connection that is to be made, to be given to [`Clients::dial`] or [`Server::dial`]. The server then has a [`Client`] at the
/// other end: with the same handler, frames, limits and time-outs as those that connect to it, and told from these by
/// [`Client::dialled`].
///
/// An *attempt* finds the addresses of the target and tries each, by the rules of RFC 8305 ([`wharf::names`]), within the
/// [time-out](Self::timeout). Where none can be connected to, the handler is told
/// ([`dial_failed`](crate::Handler::dial_failed)), and the next attempt is made after a pause, if there is to be
/// [another](Self::attempts).
///
/// ```
/// use std::{io::Write, net::TcpListener, time::Duration};
/// use wharf_server::{Dial, Server};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = TcpListener::bind("127.0.0.1:0")?; // another program
/// let server = Server::builder()
///     .listen("127.0.0.1:0".parse()?)
///     .serve(|client, bytes| client.send(bytes))?;
/// let dial = Dial::to(listener.local_addr()?)?
///     .attempts(5)
///     .backoff(Duration::from_millis(100), Duration::from_secs(10));
/// server.dial(dial)?;
/// let (mut peer, _) = listener.accept()?;
/// peer.write_all(b"ahoy")?; // it is answered, as any client of the server is
/// # std::io::Read::read_exact(&mut peer, &mut [0; 4])?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is connected before it is given to `dial`"]
pub struct Dial {
    pub(crate) target: Target,
    pub(crate) tag: u64,
    pub(crate) attempts: Option<u32>,
    pub(crate) backoff_first: Duration,
    pub(crate) backoff_max: Duration,
    pub(crate) timeout: Duration,
    pub(crate) reconnects: bool,
    pub(crate) names: Names,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::tls::Client>,
}

impl Dial {
    /// To an address, to several, or to a name and a port. One attempt is made, within ten seconds, and no other when the client has
    /// ended; the methods change that.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): it is neither address nor name with a port; the error says what would do.
    pub fn to(target: impl ToTarget) -> io::Result<Dial> {
        Ok(Dial {
            target: target.to_target()?,
            tag: 0,
            attempts: Some(1),
            backoff_first: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            timeout: CONNECT_TIMEOUT,
            reconnects: false,
            names: Names::shared().clone(),
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// Has TLS spoken with it. An attempt fails too if its handshake does, or is not done [in time](crate::Settings::tls_handshake_timeout).
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::tls::Client) -> Self {
        self.tls = Some(tls);
        self
    }

    /// A number by which the program knows the client ([`Dialled::tag`]); 0 by default.
    pub fn tag(mut self, tag: u64) -> Self {
        self.tag = tag;
        self
    }

    /// How many attempts in a row may fail; `None` for no limit. 1 by default.
    pub fn attempts(mut self, attempts: impl Into<Option<u32>>) -> Self {
        self.attempts = attempts.into();
        self
    }

    /// The pauses between attempts: at most `first` after the first that fails, twice as much after each that follows, and never more
    /// than `longest`. Each is shortened by up to a half, by chance, so that many clients of a server that went down do not all come
    /// back at once. 1 ms at least; by default 100 ms and 30 s.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff_first = first;
        self.backoff_max = longest;
        self
    }

    /// The time for one attempt: for the look-up of the name and all addresses together. 10 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether it is connected again when the client has ended, until the program ends it by [`Client::close`], [`Client::abort`] or
    /// [`Dialled::stop`]. A connection that did not last for the longest pause of the [back-off](Self::backoff) counts as an attempt
    /// that has failed: so a server that accepts and closes at once is not called without a pause, and not more often than
    /// [may be](Self::attempts). These are 1 by default: to outlast a server that is started anew, allow more.
    pub fn reconnect(mut self, reconnects: bool) -> Self {
        self.reconnects = reconnects;
        self
    }

    /// Who finds the addresses of a name; by default the [look-ups of the process](Names::shared).
    pub fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    /// Finds what can't work.
    pub(crate) fn check(&self) -> io::Result<()> {
        let wrong = if self.attempts == Some(0) {
            "attempts is 0, so nothing would be tried; allow at least 1, or None for no limit"
                .into()
        } else if self.backoff_first < BACKOFF_MIN {
            format!(
                "the first pause is {:?}, so a server that is down would be called without end; use {BACKOFF_MIN:?} or more",
                self.backoff_first
            )
        } else if self.backoff_first > self.backoff_max {
            format!(
                "the first pause is {:?}, more than the longest of {:?}; use backoff(first, longest)",
                self.backoff_first, self.backoff_max
            )
        } else if self.timeout.is_zero() {
            "timeout is 0, so no attempt could succeed; use some seconds".into()
        } else if self.has_port_0() {
            format!(
                "no server is at port 0 ({}); use one within 1 and 65535",
                self.target
            )
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, wrong))
    }

    fn has_port_0(&self) -> bool {
        match &self.target {
            Target::Name(_, port) => *port == 0,
            Target::Addresses(addresses) => addresses.iter().any(|it| it.port() == 0),
            _ => false,
        }
    }

    /// The pause after so many failures in a row.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        let doubled = 1_u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let longest = self
            .backoff_first
            .saturating_mul(doubled)
            .min(self.backoff_max);
        longest.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

/// A connection that a server was asked to make ([`Clients::dial`]): its attempts, its client, and the attempts after that. Clones are
/// the same.
pub struct Dialled<M = ()>(pub(crate) Arc<Dialling<M>>);

impl<M> Dialled<M> {
    /// Its number, never used again by the same server.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The program's number for it ([`Dial::tag`]).
    pub fn tag(&self) -> u64 {
        self.0.dial.tag
    }

    /// What it is connected to.
    pub fn target(&self) -> &Target {
        &self.0.dial.target
    }

    /// Whether it has come to its end: no attempt will be made any more, and its client, if there was one, is gone.
    pub fn is_over(&self) -> bool {
        self.0.is_over()
    }

    /// Its client, while there is one, and the handler was told of it.
    pub fn client(&self) -> Option<Client<M>> {
        self.0.clients.get(self.0.client_id()?)
    }

    /// Makes no attempt any more, from any thread: one that is under way is given up. A client that is there stays, and is not connected
    /// again when it has ended. The handler is not told.
    pub fn stop(&self)
    where
        M: Send + 'static,
    {
        if self.0.stop() {
            self.0.tell_over(None, None);
        }
    }
}

impl<M> Clone for Dialled<M> {
    fn clone(&self) -> Self {
        Dialled(self.0.clone())
    }
}

impl<M> PartialEq for Dialled<M> {
    /// Whether they are the same.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<M> Eq for Dialled<M> {}

impl<M> fmt::Debug for Dialled<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Dialled")
            .field("id", &self.id())
            .field("target", &self.target().to_string())
            .finish_non_exhaustive()
    }
}

/// An attempt that has failed, as the [handler](crate::Handler::dial_failed) is told.
#[derive(Debug)]
#[non_exhaustive]
pub struct DialFailed<'a, M = ()> {
    /// Which connection was to be made.
    pub dialled: &'a Dialled<M>,
    /// How many attempts in a row have failed, with this one.
    pub failures: u32,
    /// Why. It names what was tried: a name that has no address, or each address with what it came to
    /// ([`ConnectError`](wharf::names::ConnectError)).
    pub error: &'a io::Error,
    /// The next attempt is made after so long; none: there will be no other.
    pub again_after: Option<Duration>,
}

impl<M: Send + 'static> Clients<M> {
    /// Has a connection made, from any thread; see [`Dial`]. The client that comes of it is told to the handler as any other
    /// ([`connected`](crate::Handler::connected)).
    ///
    /// # Errors
    /// Nothing is tried. [`InvalidInput`](io::ErrorKind::InvalidInput): a setting can't work, which one and what would is in the
    /// text. [`QuotaExceeded`](io::ErrorKind::QuotaExceeded): there are as many as [may be](crate::Settings::dials_max).
    /// [`NotConnected`](io::ErrorKind::NotConnected): the server stops.
    pub fn dial(&self, dial: Dial) -> io::Result<Dialled<M>> {
        self.dial_for(dial, None)
    }
}

impl<M: Send + 'static> Server<M> {
    /// Has a connection made: [`Clients::dial`].
    ///
    /// # Errors
    /// As there.
    pub fn dial(&self, dial: Dial) -> io::Result<Dialled<M>> {
        self.clients().dial(dial)
    }
}

impl<M> Client<M> {
    /// What it came of, if it was [dialled](Clients::dial); none if it has connected to the server.
    pub fn dialled(&self) -> Option<&Dialled<M>> {
        self.0.key().dialled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dial() -> Dial {
        Dial::to("localhost:80").expect("a target")
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_differ_by_chance() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let dial = dial().backoff(first, longest);
        for (failures, most) in [(1, 100), (2, 200), (4, 800), (5, 1_000), (99, 1_000)] {
            let most = Duration::from_millis(most);
            let pauses: Vec<_> = (0..50).map(|_| dial.pause(failures)).collect();
            let within = |pause: &Duration| (most / 2..=most).contains(pause);
            assert!(pauses.iter().all(within), "{failures}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        }
        let far = self::dial().backoff(Duration::MAX, Duration::MAX);
        assert!(far.pause(u32::MAX) <= Duration::MAX);
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_value() {
        assert!(dial().check().is_ok());
        let (second, none) = (Duration::from_secs(1), Duration::ZERO);
        for (wrong, text) in [
            (dial().attempts(0), "attempts is 0"),
            (dial().backoff(none, second), "the first pause is 0ns"),
            (
                dial().backoff(Duration::from_micros(999), second),
                "is 999µs, so a server that is down would be called without end; use 1ms",
            ),
            (
                dial().backoff(second, second / 2),
                "1s, more than the longest of 500ms",
            ),
            (dial().timeout(none), "timeout is 0"),
            (
                Dial::to("127.0.0.1:0").expect("a target"),
                "port 0 (127.0.0.1:0)",
            ),
            (
                Dial::to("localhost:0").expect("a target"),
                "port 0 (localhost:0)",
            ),
        ] {
            let error = wrong.check().expect_err(text);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(text), "{error}");
        }
        assert!(Dial::to("localhost").is_err());
    }
}
