//! `--app echo`: sends back what it receives.

use wharf::Buffer;
use wharf_server::{Client, codec::Raw};

use super::App;

pub struct Echo;

impl App for Echo {
    type Codec = Raw;

    fn codec(&self) -> Raw {
        Raw
    }

    fn received(&self, client: &Client, bytes: Buffer) -> wharf_server::Result {
        // The server stops reading from a client long before its queue is full, so a refusal means that it is gone.
        if let Err(error) = client.send(bytes) {
            tracing::debug!(client = client.id(), %error, "an echo was not sent");
        }
        Ok(())
    }
}
