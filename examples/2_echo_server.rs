//! The echo server on the toolkit: `wharf-server` does here what the first example does by hand, and what it leaves out.
//!
//! The handler is one closure, called by any free worker with the bytes that have arrived. The server accepts, pauses when
//! there is no room for more clients, keeps each client's bytes in order, stops reading from a client that does not read, ends
//! a client whose handler panics, and stops in order.
//!
//! `cargo run -p wharf-examples --example echo_server`, then `nc 127.0.0.1 21002`. A line on its standard input, or
//! the end of it, stops it.

use std::{error::Error, io, time::Duration};

use wharf_server::Server;

/// How long a stop waits for clients that have not read all bytes that were sent to them.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let address = wharf_examples::address("--listen", "127.0.0.1:21002")?;
    let builder = Server::builder().listen(address.into());
    // The buffer goes out as it came in, without a copy. A client is no longer read from long before too much waits to be sent
    // to it, so a refusal means that it is gone.
    let server = builder.serve(|client, bytes| client.send(bytes))?;
    println!("listening on {}", server.local_addr());

    let _ = io::stdin().read_line(&mut String::new());
    let report = server.stop(STOP_TIMEOUT);
    println!(
        "stopped: {} clients, {} bytes received, {} sent, {} clients cut",
        report.clients, report.received_bytes, report.sent_bytes, report.cut
    );
    Ok(())
}
