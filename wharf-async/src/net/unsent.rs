//! Streams that were dropped while bytes were unsent: they stay open until those are out, for so long at most; and a stop of the
//! runtime waits for them, within its time.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use slab::Slab;
use wharf::{CompletionPort, OperationId, Socket};

use super::StreamState;
use crate::{
    shared::Key,
    sync::{Condvar, Mutex, lock, now, wait},
};

/// The streams of a runtime that were dropped with unsent bytes.
#[derive(Debug)]
pub(crate) struct Unsent {
    /// How long one of them may stay.
    pub(super) timeout: Duration,
    sockets: Mutex<Slab<Socket<Key>>>,
    sent: Condvar,
    port: CompletionPort<Key>,
}

impl Unsent {
    pub(crate) fn new(port: CompletionPort<Key>, timeout: Duration) -> Unsent {
        Unsent {
            port,
            timeout,
            sockets: Mutex::default(),
            sent: Condvar::new(),
        }
    }

    /// Lists a stream, until what is returned is dropped.
    pub(super) fn list(self: &Arc<Self>, socket: &Socket<Key>) -> Listed {
        Listed {
            unsent: self.clone(),
            place: lock(&self.sockets).insert(socket.clone()),
        }
    }

    /// Waits until all bytes are out, or until then; what is left is reset, so that no peer takes what it has for all. Returns how
    /// many streams that were.
    pub(crate) fn wait_for_the_last(&self, deadline: Instant) -> usize {
        let mut sockets = lock(&self.sockets);
        while !sockets.is_empty() {
            let rest = deadline.saturating_duration_since(now());
            if rest.is_zero() {
                break;
            }
            sockets = wait(&self.sent, sockets, rest);
        }
        let left: Vec<_> = sockets.iter().map(|(_, socket)| socket.clone()).collect();
        drop(sockets);
        left.iter().filter(|socket| socket.reset()).count()
    }
}

/// A stream on the list: the context of an empty send, behind all that is unsent; or part of a [`Cut`].
#[derive(Debug)]
pub(crate) struct Listed {
    unsent: Arc<Unsent>,
    place: usize,
}

impl Listed {
    /// The send has ended: all is out, or the time is over.
    pub(crate) fn end(self, has_failed: bool) {
        if has_failed {
            let socket = lock(&self.unsent.sockets)[self.place].clone();
            // The peer is not to take what it has for all.
            socket.reset();
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut sockets = lock(&self.unsent.sockets);
        let socket = sockets.remove(self.place);
        let is_last = sockets.is_empty();
        drop(sockets);
        // It may close with this, so not under the lock.
        drop(socket);
        if is_last {
            self.unsent.sent.notify_all();
        }
    }
}

/// A stream on the list that was dropped during its shutdown, behind which no send is taken: the end of the shutdown says that all is
/// out, and a timer that the time is over.
#[derive(Debug)]
pub(super) struct Cut {
    listed: Listed,
    timer: OperationId,
}

impl Cut {
    /// Lists the stream, and has its state get the completion of a timer when its time is over.
    ///
    /// # Errors
    /// The port is closed, and so is the stream.
    pub(super) fn after(
        unsent: &Arc<Unsent>,
        socket: &Socket<Key>,
        state: &Arc<StreamState>,
    ) -> io::Result<Cut> {
        let key = Key::Stream(state.clone());
        Ok(Cut {
            timer: unsent.port.timer(unsent.timeout, key)?,
            listed: unsent.list(socket),
        })
    }

    /// The shutdown has ended, or the time is over.
    pub(super) fn end(self, has_failed: bool) {
        // It may have fired.
        let _ = self.listed.unsent.port.cancel_timer_quietly(self.timer);
        self.listed.end(has_failed);
    }
}
