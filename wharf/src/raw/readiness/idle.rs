//! Receives from a pool that wait for data and are no operations yet: most connections are idle most of the time, and an operation
//! with its record is many times as large as what such a receive needs.
//!
//! It is started like any other: it is counted, has its number, and is alone in the line of its side. What it is to be made of
//! stands in the entry of its handle. It is made an operation under the handle's lock, before anything else is done with the
//! line: when the side is ready, when another operation comes behind it, when it is cancelled. So no other code knows of it.

use std::ptr::NonNull;

use super::{entry::Entry, handles::Handles, port::Port};
use crate::raw::{
    Direction, Handle, Kind, LockedEntry, OperationId, Overlapped,
    shape::{Operations, Packets},
};

/// What a receive is made of when it becomes an operation: two values of the layer above.
#[derive(Debug)]
pub(crate) struct IdleReceive {
    /// What it was started on.
    pub(crate) source: NonNull<()>,
    /// Where its memory will come from.
    pub(crate) pool: NonNull<()>,
}

// SAFETY: the caller of `start_idle` gives it to the port, to be made an operation on any thread.
unsafe impl Send for IdleReceive {}

/// Makes it an operation, which is valid for [`Port::start`].
pub(crate) type Make = unsafe fn(IdleReceive) -> NonNull<Overlapped>;

/// One that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    receive: IdleReceive,
    sequence: u64,
}

impl Waiting {
    pub(super) fn is(&self, sequence: u64) -> bool {
        self.sequence == sequence
    }
}

impl Port {
    /// How receives become operations on this port.
    pub(crate) fn make_receives_with(&self, make: Make) {
        // Each port has one layer above it.
        let _ = self.handles.make.set(make);
    }

    /// Starts a receive on a stream. It is made an operation only when there is something to receive, or to do with its line.
    /// If it is refused it comes back: starting it as an operation will tell why.
    ///
    /// # Safety
    /// The function of [`make_receives_with`](Self::make_receives_with) can make it an operation, on any thread.
    #[inline]
    pub(crate) unsafe fn start_idle(
        &self,
        handle: Handle,
        receive: IdleReceive,
    ) -> Result<OperationId, IdleReceive> {
        if self.admit().is_err() {
            return Err(receive);
        }
        let Some(mut entry) = self.open_to_receive(handle) else {
            self.dismiss(1);
            return Err(receive);
        };
        entry.sequence += 1;
        let id = OperationId {
            handle,
            sequence: entry.sequence,
        };
        let waiting = Waiting {
            receive,
            sequence: id.sequence,
        };
        let side = entry.side(Direction::Read);
        if side.can_idle() {
            side.is_idle = true;
            entry.idle = Some(waiting);
        } else {
            self.start_made(entry, handle, waiting);
        }
        Ok(id)
    }

    /// Starts a receive that can't wait as no operation.
    #[inline(never)]
    fn start_made(&self, entry: LockedEntry<'_>, handle: Handle, waiting: Waiting) {
        let operation = self.handles.make(&entry, handle, waiting);
        // SAFETY: it was made just now, to be given to the port.
        let next = unsafe { self.put_in_line(entry, operation, false) };
        self.follow(next.expect("a line takes any receive"));
    }

    /// The state of a stream on which a receive can be started.
    #[inline]
    fn open_to_receive(&self, handle: Handle) -> Option<LockedEntry<'_>> {
        let mut entry = self.handles.table.open(handle).ok()?;
        let can_receive = entry.kind == Kind::Stream && entry.side(Direction::Read).failure == 0;
        can_receive.then_some(entry)
    }
}

impl Handles {
    /// The receive that waits on a handle, if one does, becomes an operation, in its line.
    #[inline]
    pub(super) fn make_idle(&self, entry: &mut Entry, handle: Handle) {
        if let Some(waiting) = entry.idle.take() {
            entry.side(Direction::Read).is_idle = false;
            let operation = self.make(entry, handle, waiting);
            // SAFETY: it was made just now, to be given to the port, and is in no line.
            unsafe { entry.side(Direction::Read).push(operation) };
        }
    }

    fn make(&self, entry: &Entry, handle: Handle, waiting: Waiting) -> NonNull<Overlapped> {
        let Waiting { receive, sequence } = waiting;
        let make = self.make.get().expect("it was set before the first came");
        // SAFETY: the caller of `start_idle` promises that it can be made.
        let mut operation = unsafe { make(receive) };
        // SAFETY: it was made just now, and is ours.
        let overlapped = unsafe { operation.as_mut() };
        overlapped.handle = handle;
        overlapped.key = entry.key;
        overlapped.sequence = sequence;
        operation
    }
}
