//! What comes before a client's own bytes: the [`header`] of the PROXY protocol, and behind it the handshake of [TLS](crate::tls).
//!
//! A client from which something is awaited has the mark [`Prelude`](Mark::Prelude): what it sends comes here first, in the client's
//! turn. It is there, counted, and ends with the server like any other; but its handler has not been told of it, and no thread finds
//! it among the [clients](crate::Clients). When nothing more is awaited, the handler is told, and gets the bytes that came
//! behind. What does not come in time ends the client, in the rounds of [patience](crate::patience).
//!
//! The exception is [`Awaited::NoHeader`] where there is no handshake: nothing is awaited, only the first bytes are looked at, and the
//! handler is told at once. It gets what could be the beginning of a header, since that may be all that the client sends before it is
//! answered.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use wharf::{Buffer, user_code::log};

use crate::{
    Client, Ended, Peer,
    header::{self, Header},
    marks::Mark,
    metrics::{Counted, Refusal},
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
    /// A handshake follows.
    has_handshake: bool,
    /// That address.
    peer: OnceLock<Peer>,
}

/// What is awaited.
pub(crate) enum Awaited {
    /// A header; so much of it has come.
    Header(Vec<u8>),
    /// No header may come from there. These bytes have come, and been handed on; one could begin like this.
    NoHeader(Vec<u8>),
    /// A handshake, or the rest of it.
    Handshake,
    /// Nothing any more.
    Nothing,
}

impl Prelude {
    /// What is awaited from a peer, where these proxies send headers, and a handshake follows or not.
    pub(crate) fn of(peer: Peer, proxies: &Proxies, has_handshake: bool) -> Option<Box<Prelude>> {
        let is_proxied = proxies.has(peer);
        match is_proxied {
            true => Some(Self::new(Awaited::Header(Vec::new()), true, has_handshake)),
            false if !proxies.are_none() => Some(Self::new(
                Awaited::NoHeader(Vec::new()),
                false,
                has_handshake,
            )),
            false => has_handshake.then(Self::handshake),
        }
    }

    /// A handshake.
    pub(crate) fn handshake() -> Box<Prelude> {
        Self::new(Awaited::Handshake, false, true)
    }

    fn new(awaited: Awaited, is_proxied: bool, has_handshake: bool) -> Box<Prelude> {
        Box::new(Prelude {
            awaited: Mutex::new(awaited),
            rest: Mutex::new(None),
            is_proxied,
            has_handshake,
            peer: OnceLock::new(),
        })
    }

    /// Nothing under the locks can panic.
    fn awaited(&self) -> MutexGuard<'_, Awaited> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its handler is told of the client only after it.
    pub(crate) fn comes_first(&self) -> bool {
        match *self.awaited() {
            Awaited::Header(_) | Awaited::Handshake => true,
            Awaited::NoHeader(_) => self.has_handshake,
            Awaited::Nothing => false,
        }
    }

    /// What is awaited, in words.
    pub(crate) fn awaits(&self) -> &'static str {
        match *self.awaited() {
            Awaited::Header(_) => "PROXY header was whole",
            _ => "TLS handshake was done",
        }
    }

    /// Whether it is a handshake.
    pub(crate) fn awaits_handshake(&self) -> bool {
        self.has_handshake && !matches!(*self.awaited(), Awaited::Header(_))
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

/// Whether a header begins with what has come before and these bytes; none if that does not show yet.
fn is_forbidden(before: &mut Vec<u8>, bytes: &[u8]) -> Option<bool> {
    let is_header = match before.is_empty() {
        // As a rule that is enough, and nothing is kept.
        true => header::is_header(bytes),
        false => {
            let more = bytes.len().min(header::MARK_BYTES_MAX);
            before.extend_from_slice(&bytes[..more]);
            return header::is_header(before);
        }
    };
    if is_header.is_none() {
        before.extend_from_slice(bytes);
    }
    is_header
}

/// Where a step of the prelude leaves the client.
enum Step {
    /// More of it has to come.
    Goes,
    /// The bytes are the client's own, and yet may be the beginning of what may not come.
    IsInDoubt,
    /// So many bytes at the front of the buffer were the last of it.
    IsOver(usize),
}

impl<M: Send + 'static> ServerState<M> {
    /// The client is there, and something is awaited from it. One that was dialled waits for us to begin.
    pub(crate) fn prelude_begins(&self, client: &Client<M>) {
        if client.dialled().is_none() {
            return;
        }
        if let Err(wrong) = self.handshake(client, &mut []) {
            client.end(Ended::NotBegun(wrong));
        }
    }

    /// The client has sent something before its own bytes, or its first ones.
    #[cold]
    pub(crate) fn prelude_received(
        &self,
        client: &Client<M>,
        prelude: &Prelude,
        mut buffer: Buffer,
    ) {
        if matches!(*prelude.awaited(), Awaited::Handshake) {
            self.handshake_received(client, prelude, &mut buffer);
            drop(buffer);
            self.go_on(client);
            return;
        }
        let was_first = prelude.comes_first();
        match self.prelude_step(client, prelude, &buffer) {
            Err((refusal, wrong)) => {
                self.count(Counted::Refused(refusal));
                log(
                    || tracing::info!(client = client.id(), peer = %client.peer(), "closed: {wrong}"),
                );
                client.end(Ended::NotBegun(wrong));
            }
            Ok(Step::Goes) => client.state().discard(buffer.len()),
            Ok(Step::IsOver(bytes)) if prelude.has_handshake => {
                *prelude.awaited() = Awaited::Handshake;
                client.state().discard(bytes);
                // The time for the header is over, that for the handshake begins.
                client.state().owing().note(self.clients.patience().round());
                if bytes < buffer.len() {
                    self.handshake_received(client, prelude, &mut buffer[bytes..]);
                }
            }
            Ok(Step::IsInDoubt) => self.hand_on(client, prelude, buffer, 0),
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

    /// What was awaited from a client was wrong, or does not come.
    pub(crate) fn count_not_begun(&self, client: &Client<M>) {
        let prelude = client.state().prelude();
        let refusal = match prelude.is_some_and(Prelude::awaits_handshake) {
            true => Refusal::Tls,
            false => Refusal::ProxyHeader,
        };
        // What the server has dialled, it does not refuse.
        if client.dialled().is_none() {
            self.count(Counted::Refused(refusal));
        }
    }

    /// The client has sent a part of its handshake.
    fn handshake_received(&self, client: &Client<M>, prelude: &Prelude, bytes: &mut [u8]) {
        match self.handshake(client, bytes) {
            Ok(stands) if !stands.is_open => client.state().discard(bytes.len()),
            Ok(stands) => {
                // What came behind it is its own.
                let own = (stands.opened_bytes + stands.unopened_bytes).min(bytes.len());
                client.state().discard(bytes.len() - own);
                *prelude.awaited() = Awaited::Nothing;
                client.state().marks.set(Mark::Prelude, false);
                let round = self.clients.patience().round();
                client.state().owing().note(round);
                self.connected(client);
                self.hand_on_opened(client);
            }
            Err(wrong) => {
                log(
                    || tracing::info!(client = client.id(), peer = %client.peer(), "closed: {wrong}"),
                );
                self.count_not_begun(client);
                // In order, so that it is told why.
                client.close_for(Ended::NotBegun(wrong));
            }
        }
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
    ) -> Result<Step, (Refusal, String)> {
        let wrong = |wrong| (Refusal::ProxyHeader, wrong);
        match &mut *prelude.awaited() {
            Awaited::Header(before) => {
                let len_before = before.len();
                before.extend_from_slice(&bytes[..bytes.len().min(header::BYTES_MAX)]);
                let Some(header) = header::parse(before).map_err(wrong)? else {
                    return Ok(Step::Goes);
                };
                self.take_header(client, prelude, &header)?;
                Ok(Step::IsOver(header.len - len_before))
            }
            Awaited::NoHeader(before) => match is_forbidden(before, bytes) {
                Some(true) => {
                    let text = "it sent a PROXY header, and is none of the proxies that may";
                    Err(wrong(text.to_owned()))
                }
                // No handshake begins like a header.
                None if !prelude.has_handshake => Ok(Step::IsInDoubt),
                None | Some(false) => Ok(Step::IsOver(0)),
            },
            Awaited::Handshake | Awaited::Nothing => Ok(Step::IsOver(0)),
        }
    }

    /// From here on the client's address is the one in the header, by which it is counted.
    fn take_header(
        &self,
        client: &Client<M>,
        prelude: &Prelude,
        header: &Header,
    ) -> Result<(), (Refusal, String)> {
        let Some(address) = header.client else {
            return Ok(());
        };
        let peer = Peer::from(address);
        if !self.addresses.admit(peer) {
            let max = self.addresses.max.unwrap_or_default();
            let text = format!("{peer} has {max} clients, the most an address may");
            return Err((Refusal::Address, text));
        }
        if prelude.peer.set(peer).is_err() {
            unreachable!("client {} has one header", client.id());
        }
        Ok(())
    }
}
