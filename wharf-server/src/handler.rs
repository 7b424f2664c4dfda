//! What a server does with its clients, as its user writes it.

use wharf::Buffer;

use crate::{Client, Ended};

/// What a server does with its clients. Called by any worker; by one at a time for each client.
///
/// Any `Fn(&Client, Buffer)` is a handler that only receives.
pub trait Handler: Send + Sync + 'static {
    /// A client has connected; nothing has been received from it yet.
    fn connected(&self, client: &Client) {
        let _ = client;
    }

    /// Bytes have arrived: at least one, at most a buffer full, cut wherever the network cut them.
    ///
    /// The next bytes of this client are received once this has returned. Meanwhile it holds a worker, and neither the end
    /// of this client nor an orderly stop is seen: a handler that has long work to do does a piece of it, and asks to be
    /// [called again](Client::call_again) for the rest.
    fn received(&self, client: &Client, bytes: Buffer);

    /// A call for this client has [asked for another](Client::call_again). Other clients have had their turns meanwhile.
    fn resumed(&self, client: &Client) {
        let _ = client;
    }

    /// The client is gone: the last call for it.
    fn disconnected(&self, client: &Client, ended: &Ended) {
        let _ = (client, ended);
    }

    /// The server can't accept any more, and not for want of resources: no client will come after this.
    fn failed(&self, error: &std::io::Error) {
        let _ = error;
    }
}

impl<F: Fn(&Client, Buffer) + Send + Sync + 'static> Handler for F {
    fn received(&self, client: &Client, bytes: Buffer) {
        self(client, bytes);
    }
}
