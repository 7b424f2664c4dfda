//! One client, from its first byte to its end.
//!
//! At every moment exactly one thing has the client's *turn*: an operation that is under way, or the worker that
//! handles its completion. Only the holder of the turn takes the next step, and then passes the turn on or ends the client.
//! So no lock is needed, no handler is called twice at once, and the end comes once, after all else. Other threads may
//! only ask: [`Client::close`] and [`Client::pause_reading`] mark the client and cancel its receive, [`Client::abort`] closes
//! its socket; each makes the holder of the turn see it. The turn of a client that is not read from is
//! [parked](crate::reading), and taken up again when another thread asks for something; so is the turn that waits for the socket to
//! drain. A turn that was left in the [outbox](crate::outbox) is taken back by a packet that is posted for this.
//! What a [proxy](crate::prelude) sends before the client's bytes is received in the client's turn too, and the handler is told of the client
//! after it.
//!
//! ```text
//!            data                     much unsent
//! receive ----------> handler -----------------------> drain
//!    ^  |              |  |  ^                           |
//!    |  +-- end, or    |  |  +--- all of it is out ------+
//!    |      closing    |  |  |
//!    +-----------------+  +--+ called again, behind all else that waits: a packet that is posted has the turn
//!    |  ^              |
//!    |  |              | reading is paused, or the peer has ended and is sent more
//!    |  +--- parked <--+
//!    |
//!    v            sent and ended              delivered, or the peer ended
//! shutdown ------------------------> linger ------------------------------> gone
//! ```

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use wharf::{
    Buffer, Payload,
    user_code::{contain, discard, log, panic_message},
};

use crate::{
    AfterEnd, Client, Ended, Failure, Result,
    calls::{Broken, Calls, Stopped},
    client::{Event, Who},
    marks::Mark,
    metrics::Counted,
    outbox::Next,
    prelude::Prelude,
    shared::ServerState,
    span,
};

/// A client is told so many things before other clients have their turns.
const MAIL_PER_TURN: usize = 64;

/// How often a client that lingers is looked at.
const LINGER_LOOK: Duration = Duration::from_millis(50);

/// How long a client lingers at most: its peer takes what was sent, or is no longer there.
const LINGER_MAX: Duration = Duration::from_secs(10);

/// Likewise, if the system does not tell how much was delivered, as Wine does not.
const LINGER_UNTOLD: Duration = Duration::from_secs(1);

impl<M: Send + 'static> ServerState<M> {
    /// The first turn: the client has just been accepted.
    pub(crate) fn begin(&self, client: &Client<M>) {
        match client.state().is_in_prelude() {
            true => self.prelude_begins(client),
            false => self.connected(client),
        }
        self.go_on(client);
    }

    /// The handler is told of the client.
    pub(crate) fn connected(&self, client: &Client<M>) {
        client.state().record_peer();
        self.call_or_end(client, |handler| handler.connected(client));
        self.dialled_client_is_there(client);
    }

    /// Takes the next step: one of the client's operations has completed.
    pub(crate) fn step(&self, client: &Client<M>, event: Event, result: io::Result<usize>) {
        match (event, result) {
            // A send has no turn, except the empty one that drains; and the turn may have been left with the outbox.
            (Event::Send(payload), result) if !payload.is_empty() => {
                // It may be the last of bytes of the user's, and the thread may be one that stops the server.
                contain("the drop of a payload", || drop(payload));
                let next = match result.and_then(|_| client.send_next()) {
                    Ok(next) => next,
                    Err(error) => {
                        client.end(Ended::Failed(error));
                        client.drop_unsent()
                    }
                };
                if next != Next::EndOurSide {
                    client.shut_down_if_all_is_out();
                }
                match next {
                    Next::Nothing => {}
                    Next::GoOn => self.go_on(client),
                    Next::EndOurSide if client.ended().is_some() => self.finish(client),
                    Next::EndOurSide => self.end_our_side(client),
                }
            }
            (Event::Send(_), result) => {
                // All that waited is out, or the turn is taken up before. It is still in its place if nobody has taken it.
                client.state().parked().take();
                match result {
                    Err(error) if client.ended().is_none() && !wharf::raw::is_cancelled(&error) => {
                        self.give_up(client, Ended::Failed(error));
                    }
                    _ => self.go_on(client),
                }
            }
            _ if client.ended().is_some() => self.finish(client),
            (Event::Receive(_), Err(error)) if wharf::raw::is_cancelled(&error) => {
                self.interrupted(client);
            }
            (Event::Shutdown, Err(error)) => self.give_up(client, failed_at_end(client, error)),
            (_, Err(error)) => self.give_up(client, Ended::Failed(error)),
            (Event::Receive(_), Ok(0)) => self.peer_has_ended(client),
            (Event::Receive(buffer), Ok(_)) => self.received(client, buffer),
            (Event::Shutdown, Ok(_)) => self.linger(client),
        }
    }

    fn received(&self, client: &Client<M>, mut buffer: Buffer) {
        if client.state().marks.has(Mark::Lingers) {
            client.state().discard(buffer.len());
            drop(buffer);
            self.receive(client);
            return;
        }
        let state = client.state();
        if state.marks.has_to_be_looked_at() {
            if let Some(pace) = state.pace() {
                pace.charge(buffer.len(), client.since());
            }
            let prelude = state.prelude().filter(|_| state.marks.has(Mark::Prelude));
            if let Some(prelude) = prelude {
                self.prelude_received(client, prelude, buffer);
                return;
            }
            if state.marks.has(Mark::IsSealed) {
                self.sealed_received(client, &mut buffer);
                drop(buffer);
                self.go_on(client);
                return;
            }
        }
        self.frames(client, |handler| handler.received(client, buffer));
        self.go_on(client);
    }

    /// Has frames handed out, and sends what was sent meanwhile.
    pub(crate) fn frames(
        &self,
        client: &Client<M>,
        call: impl FnOnce(&dyn Calls<M>) -> Result<(), Stopped>,
    ) {
        if let Some(Err(broken)) = self.call(client, call) {
            self.break_off(client, &broken);
        }
        // Where it fails, the client is gone.
        let _ = client.flush();
    }

    /// A client's frames can't be handed out any more.
    fn break_off(&self, client: &Client<M>, broken: &Broken) {
        match broken {
            Broken::Handler(error) => end_by_handler(client, error),
            Broken::Frame(error) => {
                log(|| {
                    tracing::info!(client = client.id(), peer = %client.peer(), "closed: {error}");
                });
                self.call(client, |handler| handler.bad_frame(client, error));
                client.close_for(Ended::BadFrame(error.clone()));
            }
        }
    }

    /// A receive was cancelled, since the client is to be closed or its reading was paused.
    fn interrupted(&self, client: &Client<M>) {
        match client.state().marks.has(Mark::Lingers) {
            true => self.receive(client),
            false => self.go_on(client),
        }
    }

    /// The packet that waited in the queue for the client has come.
    pub(crate) fn resume(&self, client: &Client<M>) {
        client.state().handling.store(false, Ordering::Relaxed);
        if client.ended().is_none() && !client.is_closing() {
            self.call_again(client);
        }
        self.go_on(client);
    }

    /// Calls the handler for what has waited for this turn.
    fn call_again(&self, client: &Client<M>) {
        if client.state().marks.set(Mark::Again, false) {
            self.call_or_end(client, |handler| handler.resumed(client));
        } else if client.state().marks.has(Mark::Frames) {
            match client.state().prelude().and_then(Prelude::take_rest) {
                None if client.state().marks.has(Mark::IsSealed) => self.hand_on_opened(client),
                None => self.frames(client, |handler| handler.go_on(client)),
                Some(rest) => {
                    client.state().marks.set(Mark::Frames, false);
                    self.frames(client, |handler| handler.received(client, rest));
                }
            }
        }
    }

    /// Tells the client what it is to be told, for one turn; returns whether there is more.
    fn deliver_mail(&self, client: &Client<M>) -> bool {
        // Before the first is taken: what comes from now on is noted anew.
        client.state().marks.set(Mark::Mail, false);
        for _ in 0..MAIL_PER_TURN {
            if client.ended().is_some() || client.is_closing() {
                return false;
            }
            let Some(mail) = client.mailbox().pop() else {
                return false;
            };
            self.call_or_end(client, |handler| handler.mail(client, mail));
        }
        let has_more = !client.mailbox().is_empty();
        if has_more {
            client.state().marks.set(Mark::Mail, true);
        }
        has_more
    }

    /// Posts a packet that waits in the queue for the client and has its turn. Returns whether it was posted.
    fn give_way(&self, client: &Client<M>) -> bool {
        let handling = &client.state().handling;
        // It waits for us.
        handling.store(true, Ordering::Relaxed);
        let gives_way = self.port.post(client.0.key().clone(), 0).is_ok();
        if !gives_way {
            handling.store(false, Ordering::Relaxed);
        }
        gives_way
    }

    /// Receives the next bytes, unless the client is to end, has too much to take, has the handler called again, or is not to
    /// be read from.
    pub(crate) fn go_on(&self, client: &Client<M>) {
        loop {
            if client.ended().is_some() {
                self.finish(client);
            } else if client.is_closing() {
                self.end_our_side(client);
            } else if client.has_mail() {
                // Before all else: it is told also if it does not read.
                if !self.deliver_mail(client) || !self.give_way(client) {
                    continue;
                }
            } else if self.pauses(client) {
                // It does not read, so it is not read from until what waits is out; unless it is to be told something meanwhile.
                if client.has_mail() && client.takes_turn_back() {
                    continue;
                }
            } else if client.state().marks.has_to_do() {
                match self.answer(client) {
                    Answer::Done => continue,
                    Answer::GaveWay => {}
                    // There are frames, and reading is paused, or was a moment ago: nothing is received before they are handed
                    // out.
                    Answer::Nothing => self.park(client, Duration::MAX),
                }
            } else {
                self.receive_or_park(client);
            }
            return;
        }
    }

    /// Does what is to be done before more is received: see [`Mark`].
    #[cold]
    fn answer(&self, client: &Client<M>) -> Answer {
        if !client.is_called_again() {
            let is_paused = client.state().reading.is_paused();
            if !is_paused && client.state().marks.set(Mark::PeerSaidEnd, false) {
                self.peer_has_ended(client);
                return Answer::GaveWay;
            }
            return Answer::Nothing;
        }
        if self.give_way(client) {
            return Answer::GaveWay;
        }
        // No packet is to be had: so others wait, but how the client stands is looked at all the same.
        self.call_again(client);
        Answer::Done
    }

    fn receive_or_park(&self, client: &Client<M>) {
        if client.receives_nothing() {
            self.park(client, Duration::MAX);
            return;
        }
        let pace = client.state().pace();
        match pace.and_then(|pace| pace.delay(client.since())) {
            Some(delay) => self.park(client, delay),
            None => self.receive(client),
        }
    }

    /// Leaves the client's turn with what waits to be sent to it, if that is too much.
    fn pauses(&self, client: &Client<M>) -> bool {
        if client.state().marks.has(Mark::EndsSending) {
            // Nothing more can be sent to it, and nothing more comes to wait.
            return false;
        }
        if client.pauses_above(client.clients().unsent_pause_bytes()) {
            return true;
        }
        let unsent = client.unsent();
        if unsent > 0 {
            self.clients.watch_patience();
        }
        if unsent <= client.clients().unsent_pause_bytes() {
            return false;
        }
        // An empty send completes when all before it is out. It has the turn as one that is parked does: so that the turn can be taken
        // up before.
        let drain = || Ok(client.0.send(Payload::from(b""))?);
        match client.state().parked().put(drain) {
            Ok(()) => {
                if client.has_mail() || client.is_closing() || client.ended().is_some() {
                    client.unpark();
                }
            }
            Err(error) => self.give_up(client, Ended::Failed(error)),
        }
        true
    }

    /// Leaves the client's turn [parked](crate::reading), until there is something to be done, or for so long.
    fn park(&self, client: &Client<M>, longest: Duration) {
        let timer = || self.port.timer(longest, client.0.key().clone());
        match client.state().parked().put(timer) {
            // From here on the turn is with the operation.
            Ok(()) => {
                if !client.is_to_be_parked(longest < Duration::MAX) {
                    client.unpark();
                }
            }
            Err(error) => self.give_up(client, Ended::Failed(error)),
        }
    }

    /// The operation that had the client's turn while it was parked has completed.
    pub(crate) fn unparked(&self, client: &Client<M>) {
        // It is still in its place if the port has closed.
        client.state().parked().take();
        self.go_on(client);
    }

    fn receive(&self, client: &Client<M>) {
        if let Err(error) = client.0.receive_from(&client.state().buffers) {
            self.give_up(client, Ended::Failed(error));
        } else if (client.is_closing() || client.receives_nothing() || client.has_mail())
            && !client.state().marks.has(Mark::Lingers)
        {
            // Another thread asked for that after the check, and before there was a receive to cancel.
            client.0.cancel_receives();
        }
    }

    fn peer_has_ended(&self, client: &Client<M>) {
        if client.state().marks.has(Mark::Lingers) {
            self.give_up(client, Ended::ByServer);
            return;
        }
        if client.state().is_in_prelude() {
            let awaited = client.state().prelude().map(Prelude::awaits);
            let missing = format!("it ended before its {}", awaited.unwrap_or_default());
            self.count_not_begun(client);
            self.give_up(client, Ended::NotBegun(missing));
            return;
        }
        client.state().peer_side.end();
        if client.state().marks.has(Mark::IsSealed) && !client.stands().peer_has_ended {
            // What was sent to it still goes: only what it sent may lack something.
            client.close_for(Ended::Truncated);
            self.go_on(client);
            return;
        }
        self.frames(client, |handler| handler.end(client));
        if self.keeps_sending(client) {
            client.state().peer_side.half_close();
            self.go_on(client);
        } else if client.ended().is_some() || client.end_if_sent() {
            self.finish(client);
        } else {
            self.end_our_side(client);
        }
    }

    /// Whether more is to be sent to a client whose peer has ended its side.
    fn keeps_sending(&self, client: &Client<M>) -> bool {
        if client.is_closing() {
            return false;
        }
        let after = self.call(client, |handler| handler.peer_ended(client));
        after == Some(AfterEnd::KeepSending)
    }

    /// Ends our side of the stream, behind all that was sent.
    fn end_our_side(&self, client: &Client<M>) {
        if client.unsent() > 0 {
            self.clients.watch_patience();
        }
        if client.ends_behind_unsent() {
            return;
        }
        if client.state().marks.has(Mark::EndsSending) {
            // It has ended already, or does so behind what is at the socket.
            self.linger(client);
            return;
        }
        if let Err(error) = client.0.shutdown() {
            self.give_up(client, failed_at_end(client, error));
        }
    }

    /// Our side has ended. If a socket is closed while received bytes are unread, the connection is reset, and the peer may
    /// lose bytes that it has not read yet; so the socket is closed only once nothing can be lost.
    fn linger(&self, client: &Client<M>) {
        // Where the peer has said so by TLS, its side of the connection may still be there.
        let is_sealed = client.state().marks.has(Mark::IsSealed);
        let any_unread = || is_sealed && client.0.unread().unwrap_or(0) > 0;
        if client.peer_has_ended() && !any_unread() {
            // Nothing can be unread.
            let ended = match client.is_half_closed() {
                true => Ended::ByServer,
                false => Ended::ByPeer,
            };
            self.give_up(client, ended);
            return;
        }
        if is_delivered(client) == Some(true) {
            self.give_up(client, Ended::ByServer);
            return;
        }
        client.state().marks.set(Mark::Lingers, true);
        // Before the receive, which passes the turn on.
        self.look_again(client, 1);
        self.receive(client);
    }

    /// Looks at a client that lingers. Without the turn: closing the socket makes the receive complete, which has it.
    pub(crate) fn look_at_lingering(&self, id: u64, looks: u32) {
        let Some(client) = self.clients.find(id) else {
            return;
        };
        let patience = match is_delivered(&client) {
            Some(true) => Duration::ZERO,
            Some(false) => LINGER_MAX,
            None => LINGER_UNTOLD,
        };
        if looks * LINGER_LOOK >= patience {
            client.end(Ended::ByServer);
        } else {
            self.look_again(&client, looks + 1);
        }
    }

    fn look_again(&self, client: &Client<M>, looks: u32) {
        let who = Arc::new(Who::Linger(client.id(), looks));
        if self.port.timer(LINGER_LOOK, who).is_err() {
            // The port is closing, or has no timer to spare: there would be no later look.
            client.end(Ended::ByServer);
        }
    }

    fn give_up(&self, client: &Client<M>, ended: Ended) {
        client.end(ended);
        self.finish(client);
    }

    /// The last turn.
    pub(crate) fn finish(&self, client: &Client<M>) {
        // Before the client is off the list: its handshake is not counted as under way when there is no such client.
        client.drop_unsent();
        let Some(left) = self.clients.remove(client) else {
            return;
        };
        let counted = client.state().counted_peer();
        if let Some(peer) = counted.filter(|_| client.dialled().is_none()) {
            self.addresses.leave(peer);
        }
        let traffic = client.traffic();
        let (received, sent) = (traffic.received_bytes, traffic.sent_bytes);
        self.received.fetch_add(received, Ordering::Relaxed);
        self.sent.fetch_add(sent, Ordering::Relaxed);
        self.dialled_client_goes(client);
        if let Some(ended) = client.ended() {
            self.count(Counted::Ended(ended));
            log(|| {
                tracing::debug!(client = client.id(), peer = %client.peer(), received, sent, ?ended, "a client is gone");
            });
            self.call(client, |handler| handler.disconnected(client, ended));
        }
        self.forget(client);
        self.dialled_client_is_gone(client);
        self.make_room(left);
    }

    /// Drops what is kept for a client: code of the user's.
    fn forget(&self, client: &Client<M>) {
        self.contain("`Drop` of a message", || client.close_mailbox());
        self.contain("`Drop` of a session", || self.handler.forget(client));
    }

    /// Calls the handler; an error that it returns ends the client.
    fn call_or_end(&self, client: &Client<M>, call: impl FnOnce(&dyn Calls<M>) -> Result) {
        if let Some(Err(error)) = self.call(client, call) {
            end_by_handler(client, &error);
        }
    }

    /// Calls the handler in the client's [span], and tells how long that took.
    #[cold]
    fn call_watched<T>(
        &self,
        client: &Client<M>,
        call: impl FnOnce(&dyn Calls<M>) -> T,
    ) -> thread::Result<T> {
        let span = client.state().span();
        if let Some(span) = span {
            span::enter(span);
        }
        let called = self
            .clients
            .metrics()
            .time(|| catch_unwind(AssertUnwindSafe(|| call(&*self.handler))));
        if let Some(span) = span {
            span::exit(span);
        }
        called
    }

    /// Calls the handler. If it panics, that is the end of this client, and nothing is returned.
    fn call<T>(&self, client: &Client<M>, call: impl FnOnce(&dyn Calls<M>) -> T) -> Option<T> {
        client.state().handling.store(true, Ordering::Relaxed);
        let called = match client.state().is_watched() {
            false => catch_unwind(AssertUnwindSafe(|| call(&*self.handler))),
            true => self.call_watched(client, call),
        };
        client.state().handling.store(false, Ordering::Relaxed);
        let panic = match called {
            Ok(returned) => return Some(returned),
            Err(panic) => panic,
        };
        let message = panic_message(&*panic).to_owned();
        // The answers to the frames before are not lost for this one's.
        let _ = client.flush();
        // The payload of the panic is the handler's value, and may panic when it is dropped.
        discard(panic);
        client.end(Ended::Panicked(message.clone()));
        log(|| {
            tracing::error!(client = client.id(), peer = %client.peer(), "a handler panicked: {message}");
        });
        self.contain("`Drop` of a session", || self.handler.forget(client));
        self.contain("`panicked`", || self.handler.panicked(client, &message));
        None
    }
}

/// What comes of looking for what is to be done.
enum Answer {
    /// It was done, and there may be more.
    Done,
    /// The client's turn is with a packet, or with what has come of the answer.
    GaveWay,
    /// There is nothing to be done now.
    Nothing,
}

/// Our side could not be ended. A peer that has said its end by TLS, as most do right before they close, need not hear ours.
fn failed_at_end<M>(client: &Client<M>, error: io::Error) -> Ended {
    let is_sealed = client.state().marks.has(Mark::IsSealed);
    match is_sealed && client.peer_has_ended() && !client.is_half_closed() {
        true => Ended::ByPeer,
        false => Ended::Failed(error),
    }
}

/// A handler has returned an error.
fn end_by_handler<M: Send + 'static>(client: &Client<M>, error: &Failure) {
    // The answers to the frames before are not lost for this one's.
    let _ = client.flush();
    // The client may be gone, and the error tell just that.
    if client.end(Ended::ByHandler(error.to_string())) {
        log(|| {
            tracing::warn!(client = client.id(), peer = %client.peer(), "closed, by an error of its handler: {error}");
        });
    }
}

/// Whether the peer's system has all that was sent, and no byte of the peer's is unread; none if the system does not tell.
fn is_delivered<M>(client: &Client<M>) -> Option<bool> {
    let all_is_read = client.0.unread().unwrap_or(0) == 0;
    match client.0.is_delivered() {
        Ok(delivered) => Some(delivered && all_is_read),
        // It is closed already: nothing is left to wait for.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Some(true),
        Err(_) => None,
    }
}
