//! A socket's handle on a raw port.
//!
//! The raw layer is told what a socket is when it gets it: stream, listener, unconnected or datagram. A program associates its socket
//! earlier, before it has a role. So the handle is made with the first overlapped operation: on the port of the socket, or on
//! the hidden one if it has none then. What was begun on the hidden port gives its packet on the socket's own once it has
//! one; when nothing is left under way there, the socket moves.
//!
//! The descriptor stays ours. A handle that is closed may be in use for a moment longer, by a thread that transfers; it is waited
//! for before the descriptor is registered anew, or closed.

use std::sync::Arc;

use rustix::fd::AsRawFd;
use wharf::raw::{Handle, Kind, PortError};

use super::{Association, Socket, flag, seat::Place};
use crate::{
    call::Outcome,
    codes::{self, wsa},
    port::CompletionPort,
    watch,
};

/// A socket's raw handle.
pub(super) struct Attached<'a> {
    /// What it is on.
    pub(super) port: &'a Arc<CompletionPort>,
    pub(super) handle: Handle,
    /// That is the port that the socket is associated with.
    pub(super) is_own: bool,
}

impl Socket {
    fn port_at(&self, place: Place) -> Option<&Arc<CompletionPort>> {
        match place {
            Place::Nowhere => None,
            Place::Own => self.association().map(|association| &association.port),
            Place::Hidden => watch::hidden(),
        }
    }

    /// Its raw handle, if there is one, and the port that it is on.
    pub(super) fn attached(&self) -> Option<(&Arc<CompletionPort>, Handle)> {
        let (place, raw) = self.seat.located();
        Some((self.port_at(place)?, Handle::from_bits(raw)))
    }

    /// Associates it with a port, for good. False: it is associated already.
    pub(crate) fn associate(&self, port: Arc<CompletionPort>, key: usize) -> bool {
        self.association.set(Association { port, key }).is_ok()
    }

    /// Its raw handle; made as one of this kind if there is none. The caller has counted an operation of the socket's as under way.
    pub(super) fn attach(&self, kind: Kind) -> Outcome<Attached<'_>> {
        let (place, raw) = self.seat.settled();
        let is_to_move = place == Place::Hidden && self.association().is_some();
        let moves = is_to_move && self.seat.leave_if_idle(|| self.detach());
        match moves || place == Place::Nowhere {
            true => self.attach_anew(kind),
            false => self.attached_at(place, raw),
        }
    }

    fn attached_at(&self, place: Place, raw: u64) -> Outcome<Attached<'_>> {
        Ok(Attached {
            port: self.port_at(place).ok_or(wsa::NO_BUFFERS)?,
            handle: Handle::from_bits(raw),
            is_own: place == Place::Own,
        })
    }

    fn attach_anew(&self, kind: Kind) -> Outcome<Attached<'_>> {
        // While one is in use, its end would take the registration of the next with it.
        let rest = loop {
            self.await_left();
            let mut rest = self.rest();
            if rest.get().is_none_or(|rest| rest.left.is_empty()) {
                break rest;
            }
        };
        if self.is_closed() {
            return Err(wsa::NOT_A_SOCKET);
        }
        let (place, raw) = self.seat.located();
        if place != Place::Nowhere {
            // Another thread was faster.
            return self.attached_at(place, raw);
        }
        if kind == Kind::Unconnected {
            // It is about to be connected.
            self.lets_others_follow()?;
        }
        let (place, port, key) = match self.association() {
            Some(association) => (Place::Own, &association.port, association.key),
            None => (Place::Hidden, watch::hidden().ok_or(wsa::NO_BUFFERS)?, 0),
        };
        // SAFETY: the descriptor is open as long as the socket, which waits for its handles before that ends.
        let handle = unsafe {
            port.raw
                .associate_borrowed(self.descriptor.as_raw_fd(), key, kind)
        };
        let handle = handle.map_err(|error| code_of(&error))?;
        self.seat.put(place, handle.to_bits());
        drop(rest);
        watch::add(port);
        Ok(Attached {
            port,
            handle,
            is_own: place == Place::Own,
        })
    }

    /// Closes its raw handle: what is under way is cancelled. A thread that transfers may have it for a moment longer.
    pub(super) fn detach(&self) {
        let (handle, port) = {
            let mut rest = self.rest();
            let (place, raw) = self.seat.located();
            let handle = Handle::from_bits(raw);
            let Some(port) = self.port_at(place) else {
                return;
            };
            self.seat.clear();
            rest.make().left.push((place, handle));
            (handle, port)
        };
        port.raw.close_handle(handle);
        watch::note_start(port);
    }

    /// Whether a thread uses a raw handle still that was closed.
    pub(super) fn is_held(&self) -> bool {
        let mut rest = self.rest();
        let mut left = rest.get().into_iter().flat_map(|rest| &rest.left);
        left.any(|(place, handle)| {
            self.port_at(*place)
                .is_some_and(|port| !port.raw.is_released(*handle))
        })
    }

    /// Waits until no thread uses a raw handle that was closed. Not by a thread that transfers.
    pub(super) fn await_left(&self) {
        let left = self.rest().get().map(|rest| std::mem::take(&mut rest.left));
        for (place, handle) in left.into_iter().flatten() {
            if let Some(port) = self.port_at(place) {
                port.raw.release_handle(handle);
            }
        }
    }

    /// It is closed: all that is under way ends, and its descriptor is closed when the last thread has left it.
    pub(super) fn end(&self) {
        // What was left for a batch would have been with the system on Windows, and would leave with the end behind it.
        self.carry_out_sends();
        self.end_operations();
    }

    fn end_operations(&self) {
        {
            // Under the lock, so that no handle is made afterwards.
            let _rest = self.rest();
            self.set(flag::CLOSED, true);
        }
        self.wake_sleepers();
        self.deselect();
        let awaited_by = self.rest().get().and_then(|rest| rest.awaited_by.take());
        if let Some((listener, operation)) = awaited_by {
            listener.cancel_one(operation);
        }
        self.detach();
        self.await_left();
    }

    /// Its descriptor was closed behind our back, and is another's now: what is under way ends, but it must not be closed again.
    /// Its handle is let go of before the number is registered for the other.
    pub(super) fn forget(self: Arc<Self>) {
        self.end_operations();
        std::mem::forget(self);
    }
}

/// The code of an error of the raw layer's.
pub(super) fn code_of(error: &std::io::Error) -> u32 {
    if let Some(errno) = error.raw_os_error() {
        return codes::of_call(errno, false);
    }
    match PortError::of(error) {
        Some(PortError::Closed) => wsa::NOT_A_SOCKET,
        Some(PortError::WrongKind(_)) => wsa::INVALID,
        _ => wsa::NO_BUFFERS,
    }
}
