//! The code that a program runs for its clients.

use wharf::Buffer;

use crate::{Client, Ended};

/// The code that a program runs for its clients. Called by any worker; by one worker at a time for each client.
///
/// Any `Fn(&Client, Buffer)` is a handler that only receives.
pub trait Handler: Send + Sync + 'static {
    /// A client has connected; nothing has been received from it yet.
    fn connected(&self, client: &Client) {
        let _ = client;
    }

    /// Bytes have arrived: at least one, at most a buffer full, cut wherever the network cut them.
    ///
    /// The next bytes of this client are received once this call has returned. Meanwhile the call holds a worker, and neither
    /// the end of this client nor an orderly stop is seen: a handler that has long work to do does a piece of it, and asks to
    /// be [called again](Client::call_again) for the rest.
    fn received(&self, client: &Client, bytes: Buffer);

    /// A call for this client has [asked for another](Client::call_again). Other clients have had their turns meanwhile.
    fn resumed(&self, client: &Client) {
        let _ = client;
    }

    /// The peer has ended its sending side, in order and behind all its bytes: nothing more is received. It may still read
    /// what is sent to it: a client that has sent its only request waits for the answer like this.
    ///
    /// Called once, if it is called: not for a client that is [closing](Client::close), nor for one whose connection failed;
    /// and while reading is [paused](Client::pause_reading), the end is not noticed. What is returned says what follows.
    fn peer_ended(&self, client: &Client) -> AfterEnd {
        let _ = client;
        AfterEnd::Close
    }

    /// The client is gone: the last call for it.
    fn disconnected(&self, client: &Client, ended: &Ended) {
        let _ = (client, ended);
    }

    /// The server can't accept any more, and the reason is no shortage that will pass: no client will come after this.
    fn failed(&self, error: &std::io::Error) {
        let _ = error;
    }
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

impl<F: Fn(&Client, Buffer) + Send + Sync + 'static> Handler for F {
    fn received(&self, client: &Client, bytes: Buffer) {
        self(client, bytes);
    }
}
