//! A socket's handle on a raw port.
//!
//! The raw layer is told what a socket is when it gets it: stream, listener, unconnected or datagram. A program associates its socket
//! earlier, before it has a role. So the handle is made with the first overlapped operation: on the port of the socket, or on
//! the hidden one if it has none then. What was begun on the hidden port gives its packet on the socket's own once it has
//! one; when nothing is left under way there, the socket moves.
//!
//! The descriptor stays ours. A handle that is closed may be in use for a moment longer, by a thread that transfers; it is waited
//! for before the descriptor is registered anew, or closed.

use std::sync::{Arc, atomic::Ordering};

use rustix::fd::AsRawFd;
use wharf::raw::{Handle, Kind, PortError};

use super::{Association, Socket, flag};
use crate::{
    call::Outcome,
    codes::{self, wsa},
    port::CompletionPort,
    watch,
};

/// Where a raw handle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Nowhere = 0,
    Own = 1,
    Hidden = 2,
}

/// A socket's raw handle.
pub(super) struct Attached<'a> {
    /// What it is on.
    pub(super) port: &'a Arc<CompletionPort>,
    pub(super) handle: Handle,
    /// That is the port that the socket is associated with.
    pub(super) is_own: bool,
}

impl Socket {
    pub(super) fn place(&self) -> Place {
        match self.place.load(Ordering::Acquire) {
            1 => Place::Own,
            2 => Place::Hidden,
            _ => Place::Nowhere,
        }
    }

    fn port_at(&self, place: Place) -> Option<&Arc<CompletionPort>> {
        match place {
            Place::Nowhere => None,
            Place::Own => self.association().map(|association| &association.port),
            Place::Hidden => watch::hidden(),
        }
    }

    /// Where its raw handle is, and that handle, which may be closed meanwhile. The two belong together: on another port the number of a
    /// handle is another socket's.
    fn located(&self) -> (Place, Handle) {
        loop {
            let place = self.place();
            let handle = Handle::from_bits(self.raw.load(Ordering::Acquire));
            // A socket that has left a port does not come back to it: but for one and the same port, the place is another then.
            if self.place() == place {
                return (place, handle);
            }
        }
    }

    /// Its raw handle, if there is one, and the port that it is on.
    pub(super) fn attached(&self) -> Option<(&Arc<CompletionPort>, Handle)> {
        let (place, handle) = self.located();
        Some((self.port_at(place)?, handle))
    }

    /// Associates it with a port, for good. False: it is associated already.
    pub(crate) fn associate(&self, port: Arc<CompletionPort>, key: usize) -> bool {
        self.association.set(Association { port, key }).is_ok()
    }

    /// Its raw handle; made as one of this kind if there is none. The caller has counted an operation of the socket's as under way.
    pub(super) fn attach(&self, kind: Kind) -> Outcome<Attached<'_>> {
        while self.is(flag::MOVES) {
            std::thread::yield_now();
        }
        let (place, handle) = self.located();
        if place == Place::Hidden && self.association().is_some() && self.detach_if_idle() {
            return self.attach_anew(kind);
        }
        if place == Place::Nowhere {
            return self.attach_anew(kind);
        }
        self.attached_at(place, handle)
    }

    /// Closes its raw handle if nothing is under way on it but the caller's operation, which is not started yet. Whoever is about to
    /// start another has counted that before it looked whether the socket moves: so either it is seen here, or it waits.
    fn detach_if_idle(&self) -> bool {
        self.set(flag::MOVES, true);
        let is_idle = self.pending.load(Ordering::SeqCst) <= 1;
        if is_idle {
            self.detach();
        }
        self.set(flag::MOVES, false);
        is_idle
    }

    fn attached_at(&self, place: Place, handle: Handle) -> Outcome<Attached<'_>> {
        Ok(Attached {
            port: self.port_at(place).ok_or(wsa::NO_BUFFERS)?,
            handle,
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
        let (place, handle) = self.located();
        if place != Place::Nowhere {
            // Another thread was faster.
            return self.attached_at(place, handle);
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
        self.raw.store(handle.to_bits(), Ordering::Release);
        self.place.store(place as u8, Ordering::Release);
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
            let place = self.place();
            let handle = Handle::from_bits(self.raw.load(Ordering::Acquire));
            let Some(port) = self.port_at(place) else {
                return;
            };
            self.place.store(Place::Nowhere as u8, Ordering::Release);
            self.raw.store(0, Ordering::Release);
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
