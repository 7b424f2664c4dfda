//! What comes before a client's own bytes: the [`header`] of the PROXY protocol.
//!
//! A client from which something is awaited has the mark [`Prelude`](Mark::Prelude): what it sends comes here first, in the client's
//! turn. It is there, counted, and ends with the server like any other; but its handler has not been told of it, and no thread finds
//! it among the [clients](crate::Clients). When nothing more is awaited, the handler is told, and gets the bytes that came
//! behind. What does not come in time ends the client, in the rounds of [patience](crate::patience).
//!
//! The exception is [`Awaited::NoHeader`]: nothing is awaited, only the first bytes are looked at, and the handler is told at once.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use wharf::{Buffer, user_code::log};

use crate::{
    Client, Ended, Peer,
    header::{self, Header},
    marks::Mark,
    proxy::Proxies,
    shared::ServerState,
};

/// What comes before one client's own bytes, and what it told.
pub(crate) struct Prelude {
    awaited: Mutex<Awaited>,
    /// Bytes that came behind it, while its handler could not take them.
    rest: Mutex<Option<Buffer>>,
    /// A proxy sends a header for it, and it is counted by the address in that.
    is_proxied: bool,
    /// That address.
    peer: OnceLock<Peer>,
}

/// What is awaited.
pub(crate) enum Awaited {
    /// A header; so much of it has come.
    Header(Vec<u8>),
    /// No header may come from there.
    NoHeader,
    /// Nothing any more.
    Nothing,
}

impl Prelude {
    /// What is awaited from a peer, where these proxies send headers.
    pub(crate) fn of(peer: Peer, proxies: &Proxies) -> Option<Box<Prelude>> {
        if proxies.are_none() {
            return None;
        }
        let is_proxied = proxies.has(peer);
        let awaited = match is_proxied {
            true => Awaited::Header(Vec::new()),
            false => Awaited::NoHeader,
        };
        Some(Box::new(Prelude {
            awaited: Mutex::new(awaited),
            rest: Mutex::new(None),
            is_proxied,
            peer: OnceLock::new(),
        }))
    }

    /// Nothing under the locks can panic.
    fn awaited(&self) -> MutexGuard<'_, Awaited> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its handler is told of the client only after it.
    pub(crate) fn comes_first(&self) -> bool {
        matches!(*self.awaited(), Awaited::Header(_))
    }

    pub(crate) fn is_proxied(&self) -> bool {
        self.is_proxied
    }

    /// The address in the header.
    pub(crate) fn peer(&self) -> Option<Peer> {
        self.peer.get().copied()
    }

    /// The bytes that came behind it, if they wait.
    pub(crate) fn take_rest(&self) -> Option<Buffer> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        rest.take()
    }

    /// The bytes that came behind it wait until they are taken.
    fn keep_rest(&self, buffer: Buffer) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        *rest = Some(buffer);
    }
}

/// Where a step of the prelude leaves the client.
enum Step {
    /// More of it has to come.
    Goes,
    /// So many bytes at the front of the buffer were the last of it.
    IsOver(usize),
}

impl<M: Send + 'static> ServerState<M> {
    /// The client has sent something before its own bytes, or its first ones.
    #[cold]
    pub(crate) fn prelude_received(&self, client: &Client<M>, prelude: &Prelude, buffer: Buffer) {
        let was_first = prelude.comes_first();
        match self.prelude_step(client, prelude, &buffer) {
            Err(wrong) => {
                log(
                    || tracing::info!(client = client.id(), peer = %client.peer(), "closed: {wrong}"),
                );
                client.end(Ended::NotBegun(wrong));
            }
            Ok(Step::Goes) => client.state().discard(buffer.len()),
            Ok(Step::IsOver(bytes)) => {
                *prelude.awaited() = Awaited::Nothing;
                // They are a proxy's, and not counted as received from the client.
                client.state().discard(bytes);
                client.state().marks.set(Mark::Prelude, false);
                // What it owes from now on are its first bytes.
                let round = self.clients.patience().round();
                client.state().owing().note(round);
                if was_first {
                    self.connected(client);
                }
                self.hand_on(client, prelude, buffer, bytes);
            }
        }
        self.go_on(client);
    }

    /// Hands on what came behind so many bytes of the prelude.
    fn hand_on(&self, client: &Client<M>, prelude: &Prelude, mut buffer: Buffer, bytes: usize) {
        let rest = buffer.len() - bytes;
        if rest == 0 || client.ended().is_some() || client.is_closing() {
            return;
        }
        buffer.copy_within(bytes.., 0);
        buffer.set_len(rest);
        if client.takes_frames() {
            self.frames(client, |handler| handler.received(client, buffer));
        } else {
            // Its handler has paused reading, or wants to be called again before.
            prelude.keep_rest(buffer);
            client.state().marks.set(Mark::Frames, true);
        }
    }

    fn prelude_step(
        &self,
        client: &Client<M>,
        prelude: &Prelude,
        bytes: &[u8],
    ) -> Result<Step, String> {
        match &mut *prelude.awaited() {
            Awaited::Header(before) => {
                let len_before = before.len();
                before.extend_from_slice(&bytes[..bytes.len().min(header::BYTES_MAX)]);
                let Some(header) = header::parse(before)? else {
                    return Ok(Step::Goes);
                };
                self.take_header(client, prelude, &header)?;
                Ok(Step::IsOver(header.len - len_before))
            }
            Awaited::NoHeader if header::is_header(bytes) => {
                Err("it sent a PROXY header, and is none of the proxies that may".to_owned())
            }
            Awaited::NoHeader | Awaited::Nothing => Ok(Step::IsOver(0)),
        }
    }

    /// From here on the client's address is the one in the header, by which it is counted.
    fn take_header(
        &self,
        client: &Client<M>,
        prelude: &Prelude,
        header: &Header,
    ) -> Result<(), String> {
        let Some(address) = header.client else {
            return Ok(());
        };
        let peer = Peer::from(address);
        if !self.addresses.admit(peer) {
            let max = self.addresses.max.unwrap_or_default();
            return Err(format!("{peer} has {max} clients, the most an address may"));
        }
        if prelude.peer.set(peer).is_err() {
            unreachable!("client {} has one header", client.id());
        }
        Ok(())
    }
}
