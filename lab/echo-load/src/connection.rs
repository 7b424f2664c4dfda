//! One connection, or one after the other: sends a message, and has it back.

use std::{cell::RefCell, io, net::SocketAddr, rc::Rc, sync::Arc, time::Instant};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

use super::{NAME, Phase, Shared, web_socket};

/// With TLS or without.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

#[derive(Debug, Clone)]
pub struct Connection {
    pub address: SocketAddr,
    /// None: without TLS.
    pub config: Option<Arc<ClientConfig>>,
    /// Where a WebSocket is asked for; none: the bytes go as they are.
    pub ws: Option<String>,
    pub size: usize,
    pub per_connection: u64,
    pub shared: Rc<RefCell<Shared>>,
}

impl Connection {
    /// Until the load is over, or something fails.
    pub async fn run(self, number: usize) {
        if let Err(error) = self.echo(number).await {
            self.shared.borrow_mut().failures.push(error.to_string());
        }
    }

    async fn echo(&self, number: usize) -> io::Result<()> {
        // Each has bytes of its own: an answer to another would be seen.
        let message: Vec<u8> = (0..self.size)
            .map(|at| (at * 7 + number * 13) as u8)
            .collect();
        let (sent, expected) = self.frames(message, number);
        let mut answer = vec![0; expected.len()];
        let mut is_first = true;
        while self.phase() != Phase::Over {
            let mut stream = None;
            let mut echoes = 0;
            while self.phase() != Phase::Over && (echoes == 0 || echoes != self.per_connection) {
                let begun = Instant::now();
                // A new connection is part of the first echo's time, as in row 2.
                let stream = match &mut stream {
                    Some(stream) => stream,
                    none => none.insert(self.connect().await?),
                };
                stream.write_all(&sent).await?;
                stream.flush().await?;
                stream.read_exact(&mut answer).await?;
                if answer != expected {
                    return Err(io::Error::other("wrong bytes came back"));
                }
                echoes += 1;
                self.count(begun, is_first);
                is_first = false;
            }
            if let Some(mut stream) = stream {
                // The server may have ended it, for which there is nothing to do.
                let _ = stream.shutdown().await;
            }
        }
        Ok(())
    }

    fn phase(&self) -> Phase {
        self.shared.borrow().phase
    }

    /// A message as it is sent, and as it comes back.
    fn frames(&self, message: Vec<u8>, number: usize) -> (Vec<u8>, Vec<u8>) {
        if self.ws.is_none() {
            return (message.clone(), message);
        }
        // Any other would do: what a server does with it does not depend on it.
        let [first, second, ..] = number.to_le_bytes();
        let mask = [0x37, 0xFA, 0x21 ^ first, 0x3D ^ second];
        (
            web_socket::sent(&message, mask),
            web_socket::received(&message),
        )
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut stream: Box<dyn Stream> = match &self.config {
            None => Box::new(stream),
            Some(config) => {
                let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
                let connector = TlsConnector::from(config.clone());
                Box::new(connector.connect(name, stream).await?)
            }
        };
        if let Some(path) = &self.ws {
            web_socket::upgrade(&mut stream, path).await?;
        }
        Ok(stream)
    }

    fn count(&self, begun: Instant, is_first: bool) {
        let mut shared = self.shared.borrow_mut();
        shared.ready += usize::from(is_first);
        if shared.phase == Phase::Measured {
            shared.echoes += 1;
            let elapsed = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            shared.latency_ns.saturating_record(elapsed);
        }
    }
}
