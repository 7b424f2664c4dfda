//! Connecting: by address or by name, to one address after the other.

use std::{
    error, fmt,
    future::poll_fn,
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
};

use wharf::{Finished, OperationId};

use super::{Slot, StreamState, Target, TcpStream, stream::Inner};
use crate::{
    context,
    runtime::{Key, Shared},
};

/// No address could be connected to.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectError {
    /// What was to be connected to.
    pub target: String,
    /// Each address that was tried, with what it came to.
    pub tried: Vec<(SocketAddr, io::Error)>,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "can't connect to {}", self.target)?;
        for (address, error) in &self.tried {
            write!(formatter, "; {address}: {error}")?;
        }
        Ok(())
    }
}

impl error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        let last = self.tried.last()?;
        Some(&last.1)
    }
}

/// Finds the addresses of a name. A task does that, since it may take long: so a time-out can end the wait.
pub(super) async fn resolve(target: Target) -> io::Result<Vec<SocketAddr>> {
    let (name, port) = match target {
        Target::Addresses(addresses) => return Ok(addresses),
        Target::Name(name, port) => (name, port),
    };
    let asked = name.clone();
    let resolved = crate::spawn_blocking(move || (asked.as_str(), port).to_socket_addrs());
    let addresses: Vec<_> = match resolved.await? {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            let what = format!("the addresses of {name} are not known: {error}");
            return Err(io::Error::new(error.kind(), what));
        }
    };
    if addresses.is_empty() {
        let what = format!("{name} has no address");
        return Err(io::Error::new(io::ErrorKind::NotFound, what));
    }
    Ok(addresses)
}

/// Connects to the first address that can be connected to.
pub(super) async fn connect(target: Target) -> io::Result<TcpStream> {
    let name = target.to_string();
    let addresses = resolve(target).await?;
    let mut tried = Vec::new();
    for address in addresses {
        match connect_to(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => tried.push((address, error)),
        }
    }
    let kind = tried
        .last()
        .map_or(io::ErrorKind::NotFound, |it| it.1.kind());
    let error = ConnectError {
        target: name,
        tried,
    };
    Err(io::Error::new(kind, error))
}

/// An attempt to connect, which ends when this is dropped.
struct Connecting {
    shared: Arc<Shared>,
    operation: OperationId,
}

impl Drop for Connecting {
    fn drop(&mut self) {
        // It has ended, as a rule.
        let _ = self.shared.port.cancel(self.operation);
    }
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let (slot, state) = (Slot::default(), Arc::new(StreamState::default()));
    let connecting = context::with_current(|shared| {
        let key = Key::Stream(state.clone());
        let operation = shared.port.with(slot.clone()).connect(address, key)?;
        io::Result::Ok(Connecting {
            shared: Arc::clone(shared),
            operation,
        })
    })?;
    let (result, what) = poll_fn(|context| slot.poll(context)).await;
    result?;
    match what {
        Finished::Connected { socket } => Ok(TcpStream::new(Inner::new(
            &connecting.shared,
            socket,
            state,
        ))),
        _ => Err(io::Error::other("the operation connected no socket")),
    }
}
