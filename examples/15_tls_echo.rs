//! The echo server with TLS: the handler does not change, and knows what was agreed on if it asks.
//!
//! `cargo run -p wharf-examples --example tls_echo`, then `openssl s_client -connect 127.0.0.1:21015`. It makes a certificate for
//! `localhost` and prints it; `TLS_CERT` and `TLS_KEY` in the environment name files of PEM with another. A line on its standard input, or
//! the end of it, stops it.

use std::error::Error;

use wharf_server::{Client, Handler, Server, codec::Raw, tls};

fn main() -> Result<(), Box<dyn Error>> {
    let address = wharf_examples::address("--listen", "127.0.0.1:21015")?;
    let identity = wharf_examples::identity()?;
    // A client that speaks other protocols only is refused; one that names none is welcome.
    let tls = tls::Server::builder(identity).alpn(["echo"]).build()?;
    let server = Server::builder().listen(address.into()).tls(tls);
    let server = server.start(Echo)?;
    wharf_examples::run(server);
    Ok(())
}

/// Greets with what was agreed on, then sends back what comes.
struct Echo;

impl Handler for Echo {
    type Session = ();
    type Codec = Raw;
    type Message = ();

    fn codec(&self) -> Raw {
        Raw
    }

    /// The handshake is done.
    fn connected(&self, client: &Client) -> wharf_server::Result {
        let agreed = client.tls().ok_or("everybody here speaks TLS")?;
        client.send(format!("{}, {}\n", agreed.version, agreed.cipher_suite))?;
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), bytes: wharf::Buffer) -> wharf_server::Result {
        client.send(bytes)?;
        Ok(())
    }
}
