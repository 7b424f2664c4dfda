//! Whether a server is ready for new clients, as a balancer asks: by HTTP, on an address of its own.
//!
//! It is a small server beside the one that it speaks for, and so answers however busy that one's workers are, until that one has
//! stopped.

use std::time::Duration;

use crate::{
    Client, Listen, ListenAddress, Server, ServerBuilder, Settings, StartError, Stopper,
    codec::Delimited,
};

/// Who asks is done within so long, or is cut.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most that ask at the same time: a sixteenth of them from one address, but for this machine's own.
const CLIENTS_MAX: usize = 256;

/// The longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// What answers; until it is dropped.
#[derive(Debug)]
pub(crate) struct Health(Box<Server>);

impl Health {
    pub(crate) fn start(listen: Listen, of: Stopper) -> Result<Self, StartError> {
        let settings = Settings {
            listen: vec![listen],
            workers: 1,
            workers_max: 1,
            concurrency: 1,
            clients_max: CLIENTS_MAX,
            frame_bytes_max: HEAD_BYTES_MAX,
            first_bytes_timeout: Some(PATIENCE),
            frame_timeout: Some(PATIENCE),
            stall_timeout: Some(PATIENCE),
            idle_timeout: Some(PATIENCE),
            ..Settings::default()
        };
        // The end of a request's head.
        let heads = Delimited::new(b"\r\n\r\n");
        let server = ServerBuilder::from(settings).serve_frames(heads, move |client, head| {
            answer(client, head, of.is_ready())
        })?;
        Ok(Health(Box::new(server)))
    }

    pub(crate) fn addresses(&self) -> Vec<ListenAddress> {
        self.0.local_addrs()
    }
}

/// One answer, and the end of the connection.
fn answer(client: &Client, head: &[u8], is_ready: bool) -> std::io::Result<()> {
    let (status, body) = match is_ready {
        true => ("200 OK", "ready\n"),
        false => ("503 Service Unavailable", "not ready\n"),
    };
    let sent = match head.starts_with(b"HEAD ") {
        true => "",
        false => body,
    };
    client.send(format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{sent}",
        body.len()
    ))?;
    client.close();
    Ok(())
}
