//! The code that a program runs for its clients.

use std::{error::Error, time::Duration};

use crate::{
    Client, Clients, DialFailed, Ended, Report,
    codec::{Codec, FrameError},
};

/// An error that a handler returns: any error, or a text (`Err("no such room".into())`).
pub type Failure = Box<dyn Error + Send + Sync>;

/// The result of a handler. `?` takes any error.
pub type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// The code that a program runs for its clients. Called by any worker; by one worker at a time for each client, so that a
/// [session](Self::Session) needs no lock.
///
/// A method may block: another worker serves the other clients meanwhile. An error that it returns ends the client
/// ([`Ended::ByHandler`]), and stands in the log; so does a panic ([`Ended::Panicked`]). A handler that only receives can be
/// a closure: [`ServerBuilder::serve`](crate::ServerBuilder::serve), or with frames
/// [`ServerBuilder::serve_frames`](crate::ServerBuilder::serve_frames).
///
/// ```
/// use std::{io::{BufRead, BufReader, Write}, net::TcpStream, time::Duration};
/// use wharf_server::{Client, Handler, Result, Server, codec::Lines};
///
/// /// Numbers the lines of each client.
/// struct Numbering;
///
/// impl Handler for Numbering {
///     type Session = u64;
///     type Codec = Lines;
///     type Message = ();
///
///     fn codec(&self) -> Lines {
///         Lines::new()
///     }
///
///     fn connected(&self, _: &Client) -> Result<u64> {
///         Ok(0)
///     }
///
///     fn received(&self, client: &Client, lines: &mut u64, line: &str) -> Result {
///         *lines += 1;
///         client.send(format!("{lines} {line}\n"))?;
///         Ok(())
///     }
/// }
///
/// # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
/// let server = Server::builder().listen("127.0.0.1:0".parse()?).start(Numbering)?;
/// let mut peer = TcpStream::connect(server.local_addr())?;
/// peer.write_all(b"ahoy\nsail\n")?;
/// let mut lines = BufReader::new(peer).lines();
/// assert_eq!((lines.next().unwrap()?, lines.next().unwrap()?), ("1 ahoy".into(), "2 sail".into()));
/// # drop(lines);
/// # server.stop(Duration::from_secs(10));
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `Handler`",
    label = "this is to handle the clients of a server",
    note = "a closure is given to `serve`, not to `start`: `builder.serve(|client, bytes| client.send(bytes))`",
    note = "what is shared with other code goes into the handler: a field that is an `Arc`",
    note = "a type implements `Handler`: it names a `Session`, a `Codec` and a `Message`, and has `codec`, `connected`, `received`"
)]
pub trait Handler: Send + Sync + Sized + 'static {
    /// What the server keeps for each client: [`connected`](Self::connected) makes it, and the other methods get it.
    type Session: Send + 'static;
    /// How a client's bytes are cut into frames. [`Raw`](crate::codec::Raw) does not cut them.
    type Codec: Codec;
    /// What other threads may [tell](Client::tell) a client. `()` if they tell it nothing.
    type Message: Send + 'static;

    /// A codec for a new client.
    fn codec(&self) -> Self::Codec;

    /// A client has connected; nothing has been received from it yet. Makes its session. After a panic,
    /// [`panicked`](Self::panicked) is called and nothing else.
    ///
    /// # Errors
    /// The client has no session and is gone, and no other method is called for it. What was sent to it may be lost: a server that
    /// has something to say first makes a session, sends, and [closes](Client::close) the client.
    fn connected(&self, client: &Client<Self::Message>) -> Result<Self::Session>;

    /// A frame has arrived.
    ///
    /// The next bytes of this client are received once all frames are handled. Meanwhile the call holds a worker, and neither
    /// the end of this client nor an orderly stop is seen: a handler that has long work to do does a piece of it, and asks to
    /// be [called again](Client::call_again) for the rest. Between frames the server looks: a client that is gone or closed, or
    /// whose reading is [paused](Client::pause_reading), gets no further frame, and a client with many frames takes turns with
    /// the others.
    ///
    /// # Errors
    /// The client is gone.
    fn received(
        &self,
        client: &Client<Self::Message>,
        session: &mut Self::Session,
        frame: <Self::Codec as Codec>::Frame<'_>,
    ) -> Result;

    /// The client was [told](Client::tell) something.
    ///
    /// # Errors
    /// The client is gone.
    fn told(
        &self,
        client: &Client<Self::Message>,
        session: &mut Self::Session,
        message: Self::Message,
    ) -> Result {
        let _ = (client, session, message);
        Ok(())
    }

    /// A [timer](Client::set_timer) of the client is due; `token` is what it was set with.
    ///
    /// # Errors
    /// The client is gone.
    fn timer(
        &self,
        client: &Client<Self::Message>,
        session: &mut Self::Session,
        token: u64,
    ) -> Result {
        let _ = (client, session, token);
        Ok(())
    }

    /// A call for this client has [asked for another](Client::call_again). Other clients have had their turns meanwhile.
    ///
    /// # Errors
    /// The client is gone.
    fn resumed(&self, client: &Client<Self::Message>, session: &mut Self::Session) -> Result {
        let _ = (client, session);
        Ok(())
    }

    /// The client's bytes are no frame. Its session may tell it so: what is sent here still arrives, and then the client is gone
    /// ([`Ended::BadFrame`]).
    fn bad_frame(
        &self,
        client: &Client<Self::Message>,
        session: &mut Self::Session,
        error: &FrameError,
    ) {
        let _ = (client, session, error);
    }

    /// The peer has ended its sending side, in order and behind all its bytes: nothing more is received. It may still read
    /// what is sent to it: a client that has sent its only request waits for the answer like this.
    ///
    /// Called once, if it is called: not for a client that is [closing](Client::close), nor for one whose connection failed;
    /// and while reading is [paused](Client::pause_reading), the end is not noticed. What is returned says what follows.
    fn peer_ended(&self, client: &Client<Self::Message>, session: &mut Self::Session) -> AfterEnd {
        let _ = (client, session);
        AfterEnd::Close
    }

    /// The client is gone: the last call with its session, which is dropped then. Not called if [`connected`](Self::connected)
    /// made no session, nor if a call for it has panicked: its session was dropped at once, and [`panicked`](Self::panicked) is called
    /// instead. A program that notes its clients elsewhere too removes them in both.
    fn disconnected(
        &self,
        client: &Client<Self::Message>,
        session: &mut Self::Session,
        ended: &Ended,
    ) {
        let _ = (client, session, ended);
    }

    /// A call for this client has panicked; it is gone, and its session was dropped.
    fn panicked(&self, client: &Client<Self::Message>, message: &str) {
        let _ = (client, message);
    }

    /// The server's [tick](crate::Settings::tick): by one worker at a time, until the server has stopped. A panic is logged, and the next
    /// tick comes.
    fn tick(&self, clients: &Clients<Self::Message>, tick: Tick) {
        let _ = (clients, tick);
    }

    /// An attempt to [dial](crate::Clients::dial) has failed: the name was not found, or none of its addresses could be connected to. By
    /// one worker at a time for each dial. The pause before the next attempt begins after the call.
    fn dial_failed(
        &self,
        clients: &Clients<Self::Message>,
        failed: &DialFailed<'_, Self::Message>,
    ) {
        let _ = (clients, failed);
    }

    /// The server begins to [stop](crate::Server::stop): no client comes any more, and each that is there is closed after this
    /// call. The thread that stops the server makes it, so it does not wait for long.
    fn stopping(&self, clients: &Clients<Self::Message>) {
        let _ = clients;
    }

    /// The server has stopped: the last call of all, unless [workers are left](crate::Report::workers_left) in their handlers.
    fn stopped(&self, report: &Report) {
        let _ = report;
    }

    /// The server can't accept any more, and the reason is no shortage that will pass: no client will come after this.
    fn failed(&self, error: &std::io::Error) {
        let _ = error;
    }
}

/// A tick of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// Its number: the first is 1. Ticks that were missed are counted.
    pub number: u64,
    /// How many ticks before this one were missed, since a call took too long or the machine was too busy.
    pub missed: u64,
    /// How long after its time it began.
    pub late: Duration,
}

/// What the server does when a peer has [ended](Handler::peer_ended) its sending side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AfterEnd {
    /// The server ends its side too, behind all that was sent, and the client is gone
    /// ([`Ended::ByPeer`]).
    #[default]
    Close,
    /// The client stays among the [clients](crate::Clients), and any thread may send to it, until the server
    /// [closes](Client::close) or [aborts](Client::abort) it, or it ends otherwise.
    ///
    /// A peer that has vanished looks the same, since nothing is received any more: a reset is noticed when the next send
    /// fails. If nothing is sent, only the idle time-out ends the client
    /// ([`Settings::idle_timeout`](crate::Settings::idle_timeout)), which is off by default; so end a client to which nothing
    /// more is to be sent. It keeps its place among [`clients_max`](crate::Settings::clients_max) meanwhile: set an idle
    /// time-out where peers are not trusted.
    KeepSending,
}

/// A closure as a handler: it gets each frame.
pub(crate) struct Closure<C, F> {
    pub(crate) codec: C,
    pub(crate) received: F,
}

impl<C, F, R> Handler for Closure<C, F>
where
    C: Codec + Clone + Sync,
    F: for<'a> Fn(&Client, C::Frame<'a>) -> R + Send + Sync + 'static,
    R: Outcome,
{
    type Session = ();
    type Codec = C;
    type Message = ();

    fn codec(&self) -> C {
        self.codec.clone()
    }

    fn connected(&self, _: &Client) -> Result {
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), frame: C::Frame<'_>) -> Result {
        (self.received)(client, frame).outcome()
    }
}

/// What a closure may return: nothing, or a result whose error ends the client.
#[diagnostic::on_unimplemented(
    message = "a handler's closure can't return `{Self}`",
    label = "returns `{Self}`",
    note = "it returns nothing, or a `Result`, whose error ends the client; put a `;` behind its last expression"
)]
pub trait Outcome: sealed::Sealed {
    #[doc(hidden)]
    fn outcome(self) -> Result;
}

impl Outcome for () {
    fn outcome(self) -> Result {
        Ok(())
    }
}

impl<T, E: Into<Failure>> Outcome for std::result::Result<T, E> {
    fn outcome(self) -> Result {
        self.map(drop).map_err(Into::into)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl<T, E> Sealed for Result<T, E> {}
}
