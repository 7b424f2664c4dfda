//! Starting operations: they are lined up, and begun as far as the kernel can have them.

use std::{io, ptr::NonNull, slice, time::Instant};

use super::{
    entry::{Entry, FollowUps},
    key::Key,
    native::{Output, Step},
    port::Port,
};
use crate::{
    driver::windows::{self, Arrival, Begun, FileTask, Sender, codes},
    raw::{
        self, Buffers, Direction, Handle, Kind, LockedEntry, OperationId, Overlapped, RawBuffer,
        Request,
        overlapped::Part,
        shape::{Operations, Packets},
    },
};

/// What follows from lining up an operation.
pub(in crate::raw) type Next = FollowUps;

impl Operations for Port {
    fn follow(&self, follow_ups: FollowUps) {
        self.follow_up(follow_ups);
    }

    fn follow_at_once(&self, follow_ups: FollowUps, operation: NonNull<Overlapped>) -> bool {
        let mut is_done = false;
        self.follow_with(follow_ups, &mut |port, ended| match ended == operation {
            true => is_done = true,
            // Also what is quiet: this one is counted still.
            false => port.hand_over(ended),
        });
        if is_done {
            self.dismiss(1);
        }
        is_done
    }

    /// What ends at once is always this thread's. No line refuses any.
    unsafe fn put_in_line(
        &self,
        mut entry: LockedEntry<'_>,
        mut pointer: NonNull<Overlapped>,
        _here: bool,
    ) -> io::Result<FollowUps> {
        // SAFETY: the caller leaves the operation to us from now on.
        let operation = unsafe { pointer.as_mut() };
        operation.native.step = Step::Moving;
        let direction = operation.direction();
        let mut follow_ups = FollowUps::default();
        match operation.request {
            Request::Shutdown => entry.side(direction).failure = codes::SHUT_DOWN,
            Request::Disconnect => self.leave(&mut entry, &mut follow_ups),
            _ => {}
        }
        // SAFETY: the caller promises that it is valid and in no line.
        unsafe { entry.side(direction).line.push(pointer) };
        self.advance(&mut entry, direction, &mut follow_ups);
        Ok(follow_ups)
    }

    fn cancel_one(&self, id: OperationId) -> bool {
        match id.is_timer() {
            true => self.timekeeper.cancel(id),
            false => {
                let is_it = |operation: &Overlapped| operation.sequence == id.sequence;
                Operations::cancel_those(self, id.handle, is_it) > 0
            }
        }
    }

    fn take_timer(&self, id: OperationId) -> Option<NonNull<Overlapped>> {
        let timer = self.timekeeper.take(id)?;
        self.dismiss(1);
        Some(timer)
    }

    fn cancel_those(&self, handle: Handle, which: impl Fn(&Overlapped) -> bool) -> usize {
        let Some(mut entry) = self.table.lock(handle) else {
            return 0;
        };
        let mut follow_ups = FollowUps::default();
        let count = self.cancel_chosen(&mut entry, which, &mut follow_ups);
        self.go_on(entry, handle, &mut follow_ups);
        self.follow_up(follow_ups);
        count
    }

    unsafe fn set_timer(
        &self,
        deadline: Instant,
        key: usize,
        operation: NonNull<Overlapped>,
    ) -> io::Result<OperationId> {
        // SAFETY: passed on to the caller.
        let id = unsafe { self.timekeeper.set(deadline, key, operation) }?;
        if self.is_closed() {
            self.timekeeper.cancel_all();
        }
        Ok(id)
    }
}

impl Port {
    /// Has nothing more started on a connection that is to end, and its receives cancelled.
    fn leave(&self, entry: &mut Entry, follow_ups: &mut FollowUps) {
        entry
            .sides
            .iter_mut()
            .for_each(|side| side.failure = codes::NOT_CONNECTED);
        let receives = |operation: &Overlapped| operation.direction() == Direction::Read;
        self.cancel_chosen(entry, receives, follow_ups);
    }

    /// Begins what can be begun of a direction's line.
    pub(super) fn advance(
        &self,
        entry: &mut Entry,
        direction: Direction,
        follow_ups: &mut FollowUps,
    ) {
        loop {
            let side = entry.side(direction);
            let Some(head) = side.line.head() else {
                return;
            };
            // SAFETY: what is in the line is valid.
            let overlapped = unsafe { head.as_ref() };
            let (alone, disconnects) = (overlapped.stands_alone(), overlapped.disconnects());
            if side.alone || alone && side.under_way > 0 {
                return;
            }
            if direction == Direction::Read && entry.paused {
                return;
            }
            if disconnects && entry.side(Direction::Read).under_way > 0 {
                return;
            }
            entry.side(direction).line.pop();
            entry.begun(head);
            self.begin(entry, head, follow_ups);
        }
    }

    /// Begins the next call of an operation that is under way, and those after it, for as long as each ends at once.
    pub(super) fn begin(
        &self,
        entry: &mut Entry,
        mut operation: NonNull<Overlapped>,
        follow_ups: &mut FollowUps,
    ) {
        let Some(descriptor) = &entry.descriptor else {
            return self.end_failed(entry, operation, codes::CANCELLED, follow_ups);
        };
        let (descriptor, waits) = (descriptor.number(), descriptor.waits());
        if entry.broken != 0 {
            return self.end_failed(entry, operation, entry.broken, follow_ups);
        }
        loop {
            // SAFETY: it is under way and no call of it is, so it is ours. The descriptor is open, and operation and memory
            // stay in place, as the caller that started it has promised.
            let begun = unsafe {
                let overlapped = operation.as_mut();
                // That call is none that the kernel has a packet for.
                let is_queued =
                    entry.queues_all && !matches!(overlapped.request, Request::Shutdown);
                let begun = match overlapped.blocking_task(waits) {
                    Some(task) => {
                        let (to, key) = (overlapped.native.fresh(), Key::BlockingCall as usize);
                        windows::send_by_blocking_call(task, descriptor, &self.queue, key, to)
                    }
                    None => overlapped.begin(descriptor, entry.kind),
                };
                match is_queued {
                    true => begun.queued(),
                    false => begun,
                }
            };
            let outcome = match begun {
                Begun::Pending => return,
                Begun::Done(moved) => Ok(moved),
                Begun::Failed(code) => Err((code, 0)),
            };
            if !self.finish_step(entry, operation, outcome, follow_ups) {
                return;
            }
        }
    }
}

impl Overlapped {
    /// Its next call, if that is one that waits. `all_wait`: each call on its descriptor does.
    fn blocking_task(&self, all_wait: bool) -> Option<FileTask> {
        let moved = self.transferred;
        match &self.request {
            Request::Flush => Some(FileTask::Flush),
            Request::ReadAt(span) if all_wait => Some(FileTask::ReadAt(
                span.buffer.from(moved),
                span.offset + moved as u64,
            )),
            Request::WriteAt(span) if all_wait => Some(FileTask::WriteAt(
                span.buffer.from(moved),
                span.offset + moved as u64,
            )),
            _ => None,
        }
    }

    /// Begins the operation's next call.
    ///
    /// # Safety
    /// No call of it is under way. The descriptor is open; operation and memory stay in place until it has ended.
    unsafe fn begin(&mut self, descriptor: usize, kind: Kind) -> Begun {
        let moved = self.transferred;
        let to = self.native.fresh();
        let provided = self.provider().is_some() && self.native.step == Step::Moving;
        if provided {
            self.native.step = Step::Asking;
            let peeks = matches!(self.request, Request::ReceiveFrom(_));
            // SAFETY: passed on to the caller; there is no memory to speak of.
            return unsafe { windows::receive(descriptor, &[], 0, peeks, to) };
        }
        // SAFETY: passed on to the caller, in each arm.
        unsafe {
            match &mut self.request {
                // Not with MSG_WAITALL, which is refused on a socket that an attempt has made non-blocking.
                Request::Receive(buffers) | Request::ReceiveAll(buffers) => {
                    windows::receive(descriptor, buffers.as_slice(), moved, false, to)
                }
                Request::ReceiveNothing | Request::ReceiveReadiness => {
                    windows::receive(descriptor, &[], 0, kind == Kind::Datagram, to)
                }
                Request::Send(buffers) => windows::send(descriptor, buffers.as_slice(), moved, to),
                Request::Shutdown => windows::shutdown(descriptor),
                Request::Disconnect => windows::disconnect(descriptor, to),
                Request::Accept(_) => self.begin_accept(descriptor, 0),
                Request::AcceptReceive(arrival) => {
                    let first_bytes = arrival.buffer.len;
                    self.begin_accept(descriptor, first_bytes)
                }
                Request::Connect(address) => {
                    windows::connect(descriptor, **address, RawBuffer::EMPTY, to)
                }
                Request::ConnectSend(connect) if connect.is_connected => {
                    windows::send(descriptor, &[connect.buffer], moved, to)
                }
                Request::ConnectSend(connect) => {
                    windows::connect(descriptor, connect.address, connect.buffer, to)
                }
                Request::ReceiveFrom(datagram) => {
                    let raw::Destination::Buffer(buffer) = datagram.destination else {
                        unreachable!("its memory is found before");
                    };
                    self.begin_receive_from(descriptor, buffer)
                }
                Request::SendTo(buffer, peer) => windows::send_to(descriptor, *buffer, **peer, to),
                Request::Transmit(transmit) => match transmit.part(moved) {
                    Part::Memory(buffer) => windows::send(descriptor, &[buffer], 0, to),
                    Part::File { offset, len } => {
                        windows::send_file(descriptor, transmit.file, offset, len, to)
                    }
                },
                Request::ReadAt(span) => {
                    let (rest, offset) = (span.buffer.from(moved), span.offset + moved as u64);
                    windows::read_at(descriptor, rest, offset, to)
                }
                Request::WriteAt(span) => {
                    let (rest, offset) = (span.buffer.from(moved), span.offset + moved as u64);
                    windows::write_at(descriptor, rest, offset, to)
                }
                Request::Flush | Request::ReceiveProvided(_) | Request::Timer | Request::Posted => {
                    unreachable!("it makes no such call")
                }
            }
        }
    }

    /// # Safety
    /// As for [`begin`](Self::begin).
    unsafe fn begin_accept(&mut self, listener: usize, first_bytes: usize) -> Begun {
        let to = self.native.address();
        // SAFETY: passed on to the caller.
        match unsafe { Arrival::begin(listener, first_bytes, to) } {
            Ok((arrival, begun)) => {
                self.native.output = Output::Arrival(arrival);
                begun
            }
            Err(code) => Begun::Failed(code),
        }
    }

    /// # Safety
    /// As for [`begin`](Self::begin).
    pub(super) unsafe fn begin_receive_from(&mut self, socket: usize, buffer: RawBuffer) -> Begun {
        let to = self.native.address();
        let mut sender = Sender::new();
        // SAFETY: passed on to the caller; the sender's box stays, too.
        let begun = unsafe { windows::receive_from(socket, buffer, &mut sender, to) };
        self.native.output = Output::Sender(sender);
        begun
    }
}

impl Buffers {
    /// # Safety
    /// The list is in place.
    unsafe fn as_slice(&self) -> &[RawBuffer] {
        match self {
            Buffers::One(buffer) => slice::from_ref(buffer),
            // SAFETY: passed on to the caller.
            Buffers::Many { first, count } => unsafe { slice::from_raw_parts(*first, *count) },
        }
    }
}
