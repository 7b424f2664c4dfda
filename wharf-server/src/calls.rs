//! The calls of a handler, whatever its types are: the server's own code knows only the type of the messages.
//!
//! What is kept for each client is behind a lock, since several threads hold the client. But one worker at a time calls, so the
//! lock is never waited for.

use std::{
    any::Any,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use wharf::Buffer;

use crate::{
    AfterEnd, Client, Clients, DialFailed, Ended, Failure, Handler, Report, Result, Tick,
    codec::{Codec, FrameError},
    frames::{Frames, Progress},
    mailbox::Mail,
    marks::Mark,
};

/// A client's frames are handed out for so long; then other clients have their turns.
const TURN: Duration = Duration::from_millis(1);

/// What is kept for one client: a [`Kept`] behind a lock. None where nothing is kept.
pub(crate) type Slot = Option<Box<dyn Any + Send + Sync>>;

struct Kept<H: Handler> {
    /// None before it is made, and after a panic.
    session: Option<H::Session>,
    frames: Frames<H::Codec>,
}

/// Why a client's frames are not handed out any more. In a box, since it is seldom there.
pub(crate) type Stopped = Box<Broken>;

/// See [`Stopped`].
pub(crate) enum Broken {
    /// Its bytes are no frame.
    Frame(FrameError),
    /// Its handler has returned this error.
    Handler(Failure),
}

fn by_frame(error: FrameError) -> Stopped {
    Box::new(Broken::Frame(error))
}

fn by_handler(error: Failure) -> Stopped {
    Box::new(Broken::Handler(error))
}

/// The calls, for a client that has the turn.
pub(crate) trait Calls<M>: Send + Sync {
    fn slot(&self) -> Slot;
    fn connected(&self, client: &Client<M>) -> Result;
    /// Hands out the frames of a buffer.
    fn received(&self, client: &Client<M>, buffer: Buffer) -> Result<(), Stopped>;
    /// Hands out more frames of what was received.
    fn go_on(&self, client: &Client<M>) -> Result<(), Stopped>;
    /// The peer has ended its side: hands out the last frame, if it lacks its end.
    fn end(&self, client: &Client<M>) -> Result<(), Stopped>;
    fn mail(&self, client: &Client<M>, mail: Mail<M>) -> Result;
    fn resumed(&self, client: &Client<M>) -> Result;
    fn bad_frame(&self, client: &Client<M>, error: &FrameError);
    fn peer_ended(&self, client: &Client<M>) -> AfterEnd;
    fn disconnected(&self, client: &Client<M>, ended: &Ended);
    /// Drops what is kept.
    fn forget(&self, client: &Client<M>);
    fn panicked(&self, client: &Client<M>, message: &str);
    fn tick(&self, clients: &Clients<M>, tick: Tick);
    fn dial_failed(&self, clients: &Clients<M>, failed: &DialFailed<'_, M>);
    fn stopping(&self, clients: &Clients<M>);
    fn stopped(&self, report: &Report);
    fn failed(&self, error: &io::Error);
}

/// A handler, with its types.
pub(crate) struct Typed<H>(pub(crate) H);

impl<H: Handler> Typed<H> {
    /// Whether nothing is kept for a client: bytes are handed out as they arrive, and there is no session.
    fn keeps_nothing() -> bool {
        use std::any::TypeId;
        let session = TypeId::of::<H::Session>() == TypeId::of::<()>();
        session && TypeId::of::<H::Codec>() == TypeId::of::<crate::codec::Raw>()
    }

    fn kept<'a>(client: &'a Client<H::Message>) -> Option<MutexGuard<'a, Kept<H>>> {
        let slot = client.state().slot()?;
        let kept = slot.downcast_ref::<Mutex<Kept<H>>>();
        let kept = kept.unwrap_or_else(|| unreachable!("each client is kept by its own handler"));
        // After a panic the session is forgotten, and nothing else is looked at.
        Some(kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls a method with the client's session, if it has one.
    fn with_session<T>(
        &self,
        client: &Client<H::Message>,
        call: impl FnOnce(&H, &mut H::Session) -> T,
    ) -> Option<T> {
        match Self::kept(client) {
            Some(mut kept) => kept.session.as_mut().map(|session| call(&self.0, session)),
            None if client.state().marks.has(Mark::HasSession) => self.with_no_session(call),
            None => None,
        }
    }

    /// Calls a method where [nothing is kept](Self::keeps_nothing): the session is `()`.
    fn with_no_session<T>(&self, call: impl FnOnce(&H, &mut H::Session) -> T) -> Option<T> {
        let nothing: &mut dyn Any = &mut ();
        let session = nothing.downcast_mut::<H::Session>();
        session.map(|session| call(&self.0, session))
    }

    /// Hands out frames for one turn of the client.
    fn hand_out(&self, client: &Client<H::Message>, kept: &mut Kept<H>) -> Result<(), Stopped> {
        let Kept { session, frames } = kept;
        let Some(session) = session else {
            return Ok(());
        };
        let bytes_max = client.clients().frame_bytes_max();
        let (mut since, mut count) = (None, 0);
        let mut handed_out = Ok(());
        while frames.has_more() && client.takes_frames() {
            let next = frames.next(bytes_max, |frame, is_last| {
                if !is_last {
                    // What is sent meanwhile leaves in one piece.
                    client.cork();
                }
                self.0.received(client, session, frame)
            });
            handed_out = match next {
                Ok(Progress::Frame(result)) => {
                    count += 1;
                    result.map_err(by_handler)
                }
                Ok(Progress::Incomplete) => break,
                Err(error) => Err(by_frame(error)),
            };
            if handed_out.is_err() || since.get_or_insert_with(Instant::now).elapsed() >= TURN {
                break;
            }
        }
        client.state().count_frames(count);
        client.note_frames(count > 0, frames.has_more(), frames.bytes() > 0);
        handed_out
    }
}

impl<H: Handler> Calls<H::Message> for Typed<H> {
    fn slot(&self) -> Slot {
        if Self::keeps_nothing() {
            return None;
        }
        let kept: Kept<H> = Kept {
            session: None,
            frames: Frames::new(self.0.codec()),
        };
        Some(Box::new(Mutex::new(kept)))
    }

    fn connected(&self, client: &Client<H::Message>) -> Result {
        let session = self.0.connected(client)?;
        client.state().marks.set(Mark::HasSession, true);
        if let Some(mut kept) = Self::kept(client) {
            kept.session = Some(session);
        }
        Ok(())
    }

    fn received(&self, client: &Client<H::Message>, buffer: Buffer) -> Result<(), Stopped> {
        let Some(mut kept) = Self::kept(client) else {
            client.state().count_frames(1);
            let Ok(frame) = self.0.codec().decode_buffer(buffer) else {
                unreachable!("where nothing is kept, a buffer is a frame")
            };
            let received = self.with_no_session(|handler, session| {
                handler.received(client, session, frame).map_err(by_handler)
            });
            return received.unwrap_or(Ok(()));
        };
        let Kept { session, frames } = &mut *kept;
        match (frames.receive(buffer), session) {
            (Some(frame), Some(session)) => {
                client.state().count_frames(1);
                let received = self.0.received(client, session, frame);
                received.map_err(by_handler)
            }
            _ => self.hand_out(client, &mut kept),
        }
    }

    fn go_on(&self, client: &Client<H::Message>) -> Result<(), Stopped> {
        match Self::kept(client) {
            Some(mut kept) => self.hand_out(client, &mut kept),
            None => Ok(()),
        }
    }

    fn end(&self, client: &Client<H::Message>) -> Result<(), Stopped> {
        let Some(mut kept) = Self::kept(client) else {
            return Ok(());
        };
        let Kept { session, frames } = &mut *kept;
        let Some(session) = session else {
            return Ok(());
        };
        let last = frames.end(|frame| {
            client.state().count_frames(1);
            self.0.received(client, session, frame)
        });
        client.note_frames(true, false, false);
        let last = last.map_err(by_frame)?;
        last.unwrap_or(Ok(())).map_err(by_handler)
    }

    fn mail(&self, client: &Client<H::Message>, mail: Mail<H::Message>) -> Result {
        let called = self.with_session(client, |handler, session| match mail {
            Mail::Message(message) => handler.told(client, session, message),
            Mail::Timer { token, .. } => handler.timer(client, session, token),
        });
        called.unwrap_or(Ok(()))
    }

    fn resumed(&self, client: &Client<H::Message>) -> Result {
        let called = self.with_session(client, |handler, session| handler.resumed(client, session));
        called.unwrap_or(Ok(()))
    }

    fn bad_frame(&self, client: &Client<H::Message>, error: &FrameError) {
        self.with_session(client, |handler, session| {
            handler.bad_frame(client, session, error);
        });
    }

    fn peer_ended(&self, client: &Client<H::Message>) -> AfterEnd {
        let called = self.with_session(client, |handler, session| {
            handler.peer_ended(client, session)
        });
        called.unwrap_or_default()
    }

    fn disconnected(&self, client: &Client<H::Message>, ended: &Ended) {
        self.with_session(client, |handler, session| {
            handler.disconnected(client, session, ended);
        });
    }

    fn forget(&self, client: &Client<H::Message>) {
        client.state().marks.set(Mark::HasSession, false);
        let Some(mut kept) = Self::kept(client) else {
            return;
        };
        kept.frames.clear();
        let session = kept.session.take();
        drop(kept);
        // Not under the lock: its drop is code of the user's.
        drop(session);
    }

    fn panicked(&self, client: &Client<H::Message>, message: &str) {
        self.0.panicked(client, message);
    }

    fn tick(&self, clients: &Clients<H::Message>, tick: Tick) {
        self.0.tick(clients, tick);
    }

    fn dial_failed(&self, clients: &Clients<H::Message>, failed: &DialFailed<'_, H::Message>) {
        self.0.dial_failed(clients, failed);
    }

    fn stopping(&self, clients: &Clients<H::Message>) {
        self.0.stopping(clients);
    }

    fn stopped(&self, report: &Report) {
        self.0.stopped(report);
    }

    fn failed(&self, error: &io::Error) {
        self.0.failed(error);
    }
}
