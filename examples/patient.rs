//! What the proxies on the toolkit share: each client that comes has a connection dialled for it, with retries, and the bytes of one go
//! to the other. A side that does not read is waited for; the end of each direction passes on behind its bytes, and an error on one side
//! ends both.

use wharf::Buffer;
use wharf_server::{
    AfterEnd, Client, Clients, Dial, DialFailed, Dialled, Ended, Handler, Result, codec::Raw,
};

/// A side to which more waits to be sent is waited for: nothing more is read for it.
const UNSENT_MAX: usize = 64 << 10;

/// Each client that comes has this dialled for it.
#[derive(Debug)]
pub struct Proxy {
    /// Its tag is the number of the client.
    pub dial: Dial,
}

/// What one side is told of the other.
#[derive(Debug)]
pub enum Told {
    /// It is connected.
    IsConnected(Client<Told>),
    /// It waits until this side has taken what was sent to it.
    Waits,
}

/// What is kept of each side.
#[derive(Debug, Default)]
pub struct Side {
    other: Option<Client<Told>>,
    /// While there is no other: what is to bring it.
    dialled: Option<Dialled<Told>>,
}

impl Handler for Proxy {
    type Session = Side;
    type Codec = Raw;
    type Message = Told;

    fn codec(&self) -> Raw {
        Raw
    }

    fn connected(&self, client: &Client<Told>) -> Result<Side> {
        let Some(dialled) = client.dialled() else {
            // What it sends stays with the system until there is somebody to take it.
            client.pause_reading();
            let dial = self.dial.clone().tag(client.id());
            return Ok(Side {
                other: None,
                dialled: Some(client.clients().dial(dial)?),
            });
        };
        let other = client.clients().get(dialled.tag());
        let other = other.ok_or("its client has gone meanwhile")?;
        other.tell(Told::IsConnected(client.clone()))?;
        Ok(Side {
            other: Some(other),
            dialled: None,
        })
    }

    fn received(&self, client: &Client<Told>, side: &mut Side, bytes: Buffer) -> Result {
        let other = side.other.as_ref().ok_or("nothing is read before")?;
        other.send(bytes)?;
        if other.unsent() > UNSENT_MAX {
            client.pause_reading();
            other.tell(Told::Waits)?;
        }
        Ok(())
    }

    fn told(&self, client: &Client<Told>, side: &mut Side, told: Told) -> Result {
        match told {
            Told::IsConnected(other) => {
                side.other = Some(other);
                client.resume_reading();
            }
            // The call comes once the client has taken most of what was sent to it.
            Told::Waits => client.call_again(),
        }
        Ok(())
    }

    fn resumed(&self, _: &Client<Told>, side: &mut Side) -> Result {
        if let Some(other) = &side.other {
            other.resume_reading();
        }
        Ok(())
    }

    /// The end passes on behind all bytes, and the other direction goes on.
    fn peer_ended(&self, _: &Client<Told>, side: &mut Side) -> AfterEnd {
        match &side.other {
            Some(other) if other.peer_has_ended() => {
                other.close();
                AfterEnd::Close
            }
            Some(other) => {
                let _ = other.end_sending();
                AfterEnd::KeepSending
            }
            None => AfterEnd::Close,
        }
    }

    fn disconnected(&self, _: &Client<Told>, side: &mut Side, ended: &Ended) {
        if let Some(dialled) = &side.dialled {
            dialled.stop();
        }
        match (&side.other, ended) {
            (Some(other), Ended::ByPeer | Ended::ByServer) => other.close(),
            // Else a part of the bytes would be taken for the whole.
            (Some(other), _) => other.abort(),
            (None, _) => {}
        }
    }

    fn dial_failed(&self, clients: &Clients<Told>, failed: &DialFailed<'_, Told>) {
        eprintln!("{}", failed.error);
        if failed.again_after.is_none() {
            if let Some(client) = clients.get(failed.dialled.tag()) {
                client.close();
            }
        }
    }
}
