//! The [TLS](crate::tls) of a client, in its conversation: how its handshake goes on, and how what was opened is handed out.
//!
//! What one receive brings is opened at once, since it has to be before it is known what it is; at most a few records more than a
//! receive buffer holds. It is handed out as frames are: as long as the handler takes them, and the rest in a later turn.

use wharf::user_code::log;

use crate::{
    Client, Ended,
    marks::Mark,
    shared::ServerState,
    tls::{Session, Stands},
};

impl<M> Client<M> {
    /// How its session stands.
    pub(crate) fn stands(&self) -> Stands {
        self.with_session(|session| session.stands())
    }

    fn with_session<T>(&self, call: impl FnOnce(&mut Session) -> T) -> T {
        let called = self.state().outbox().with_session(call);
        called.unwrap_or_else(|| unreachable!("its bytes are sealed, so it has a session"))
    }
}

impl<M: Send + 'static> ServerState<M> {
    /// The client's handshake goes on. Returns how it stands.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn handshake(&self, client: &Client<M>, bytes: &mut [u8]) -> Result<Stands, String> {
        let opened = client.state().outbox().open(&client.0, bytes);
        if client.unsent() > 0 {
            self.clients.watch_patience();
        }
        match opened {
            Ok(stands) => Ok(stands),
            Err(error) => Err(format!("its TLS handshake failed: {error}")),
        }
    }

    /// The client has sent bytes, its handshake is done.
    pub(crate) fn sealed_received(&self, client: &Client<M>, bytes: &mut [u8]) {
        match client.state().outbox().open(&client.0, bytes) {
            Ok(_) => self.hand_on_opened(client),
            Err(error) => {
                log(|| {
                    tracing::info!(client = client.id(), peer = %client.peer(), "closed: its TLS is wrong: {error}");
                });
                // In order, so that it is told why.
                client.close_for(Ended::Failed(error));
            }
        }
    }

    /// Hands out what was opened, as far as the handler takes it.
    pub(crate) fn hand_on_opened(&self, client: &Client<M>) {
        let marks = &client.state().marks;
        if marks.set(Mark::Frames, false) {
            // Those of the buffer before.
            self.frames(client, |handler| handler.go_on(client));
        }
        while !marks.has(Mark::Frames) {
            let takes = client.takes_frames();
            let (opened, stands) = client.with_session(|session| session.take_opened(takes));
            let is_all = stands.opened_bytes == 0;
            if is_all && stands.peer_has_ended && opened.is_none() && !client.peer_has_ended() {
                marks.set(Mark::PeerSaidEnd, true);
            }
            let Some(buffer) = opened else {
                marks.set(Mark::Frames, !is_all);
                return;
            };
            self.frames(client, |handler| handler.received(client, buffer));
            if is_all && !stands.peer_has_ended {
                return;
            }
        }
    }
}
