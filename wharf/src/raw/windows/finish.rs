//! The next step of an operation whose call has ended: its next call, or its end.

use std::ptr::NonNull;

use super::{
    entry::{Entry, FollowUps},
    native::{Output, Step},
    port::Port,
    wait::hand_out,
};
use crate::{
    driver::windows::{self, Begun, codes},
    raw::{
        Accepted, Direction, Handle, Kind, LockedEntry, Overlapped, RawBuffer, Request, Status,
        line::Line,
    },
};

/// What a call came to: the bytes that it moved, or why it failed and the bytes that it moved before.
pub(super) type Outcome = Result<usize, (i32, usize)>;

/// What follows for the operation.
enum Verdict {
    /// Its next call.
    Again,
    /// Memory is to be found for it.
    Provide,
    Ended(Status),
}

impl Port {
    /// The kernel's packet of a call is here.
    pub(super) fn completed(&self, operation: NonNull<Overlapped>, outcome: Outcome) -> FollowUps {
        let mut follow_ups = FollowUps::default();
        let (mut entry, handle) = self.entry_of(operation);
        if self.finish_step(&mut entry, operation, outcome, &mut follow_ups) {
            self.begin(&mut entry, operation, &mut follow_ups);
        }
        self.go_on(entry, handle, &mut follow_ups);
        follow_ups
    }

    /// The state of the handle that an operation is under way on.
    fn entry_of(&self, operation: NonNull<Overlapped>) -> (LockedEntry<'_>, Handle) {
        // SAFETY: it is under way, so it is valid, and its handle is not written.
        let handle = unsafe { operation.as_ref() }.handle;
        let entry = self.table.lock(handle);
        (
            entry.expect("a handle has its place until its last operation has ended"),
            handle,
        )
    }

    /// Begins the operations behind those that have ended, and frees the place of a handle that is closed.
    pub(super) fn go_on(
        &self,
        mut entry: LockedEntry<'_>,
        handle: Handle,
        follow_ups: &mut FollowUps,
    ) {
        for direction in [Direction::Read, Direction::Write] {
            self.advance(&mut entry, direction, follow_ups);
        }
        if entry.closing && entry.is_idle() {
            entry.in_use = false;
            drop(self.table.remove(entry));
            self.table.release(handle);
        }
    }

    /// Judges the end of a call. Says whether the next is to be begun.
    pub(super) fn finish_step(
        &self,
        entry: &mut Entry,
        mut operation: NonNull<Overlapped>,
        outcome: Outcome,
        follow_ups: &mut FollowUps,
    ) -> bool {
        // SAFETY: it is under way and no call of it is, so it is ours.
        let overlapped = unsafe { operation.as_mut() };
        let is_cancelled = entry.closing || overlapped.status == Status::Cancelling;
        // What came between the close and its cancelling is lost, like all that comes later.
        let outcome = match entry.is_told {
            true => Err((codes::CANCELLED, 0)),
            false => outcome,
        };
        match overlapped.judge(entry, outcome) {
            Verdict::Again | Verdict::Provide if is_cancelled => {
                self.end_failed(entry, operation, codes::CANCELLED, follow_ups);
            }
            Verdict::Again => return true,
            Verdict::Provide => {
                overlapped.native.step = Step::Finding;
                entry.fed = false;
                follow_ups.provide = Some(operation);
            }
            Verdict::Ended(status) => self.end(entry, operation, status, follow_ups),
        }
        false
    }

    pub(super) fn end_failed(
        &self,
        entry: &mut Entry,
        operation: NonNull<Overlapped>,
        code: i32,
        follow_ups: &mut FollowUps,
    ) {
        self.end(entry, operation, Status::Failed(code), follow_ups);
    }

    /// Ends an operation that is under way, of which no call is.
    fn end(
        &self,
        entry: &mut Entry,
        mut operation: NonNull<Overlapped>,
        status: Status,
        follow_ups: &mut FollowUps,
    ) {
        entry.ended(operation);
        // SAFETY: no call of it is under way, so it is ours.
        unsafe { operation.as_mut() }.close_with(entry, status);
        // SAFETY: it is valid, and in no line.
        unsafe { follow_ups.ended.push(operation) };
    }

    /// Finds memory for a receive, and receives into it. Under no lock: the function that provides it may give other memory
    /// back meanwhile.
    pub(super) fn provide(&self, mut operation: NonNull<Overlapped>) -> FollowUps {
        // SAFETY: it is under way and no call of it is; it is this thread's.
        let provider = unsafe { operation.as_ref() }.provider();
        let provider = provider.expect("it receives into memory that is found");
        let mut follow_ups = FollowUps::default();
        loop {
            // SAFETY: likewise; under no lock.
            let found = unsafe { (provider.provide)(operation) };
            let (mut entry, handle) = self.entry_of(operation);
            // SAFETY: likewise.
            let overlapped = unsafe { operation.as_mut() };
            if entry.closing || overlapped.status == Status::Cancelling {
                // What was found is given back when it is handed out.
                overlapped.native.step = match found {
                    Some(_) => Step::Filling,
                    None => Step::Starved,
                };
                self.end_failed(&mut entry, operation, codes::CANCELLED, &mut follow_ups);
            } else if let Some(buffer) = found {
                self.fill(&mut entry, operation, buffer, &mut follow_ups);
            } else if std::mem::take(&mut entry.fed) {
                continue;
            } else {
                overlapped.native.step = Step::Starved;
                entry.starved = Some(operation);
            }
            self.go_on(entry, handle, &mut follow_ups);
            return follow_ups;
        }
    }

    fn fill(
        &self,
        entry: &mut Entry,
        mut operation: NonNull<Overlapped>,
        buffer: RawBuffer,
        follow_ups: &mut FollowUps,
    ) {
        // SAFETY: no call of it is under way, so it is ours.
        let overlapped = unsafe { operation.as_mut() };
        overlapped.native.step = Step::Filling;
        let descriptor = entry.descriptor.as_ref().map(|it| it.number());
        let descriptor = descriptor.expect("it is not closing");
        let is_datagram = matches!(overlapped.request, Request::ReceiveFrom(_));
        let to = overlapped.native.fresh();
        // SAFETY: the descriptor is open, and the memory the operation's until its packet is handed out.
        let begun = unsafe {
            match is_datagram {
                true => overlapped.begin_receive_from(descriptor, buffer),
                false => windows::receive(descriptor, &[buffer], 0, false, to),
            }
        };
        let begun = match entry.queues_all {
            true => begun.queued(),
            false => begun,
        };
        let outcome = match begun {
            Begun::Pending => return,
            Begun::Done(moved) => Ok(moved),
            Begun::Failed(code) => Err((code, 0)),
        };
        self.finish_step(entry, operation, outcome, follow_ups);
    }

    /// Carries out what follows from a turn under a lock.
    pub(super) fn follow_up(&self, follow_ups: FollowUps) {
        let mut quiet = Line::default();
        self.follow_with(follow_ups, &mut |port, ended| {
            if !port.ends_quietly(ended, &mut quiet) {
                port.hand_over(ended);
            }
        });
        hand_out(&mut quiet);
    }

    /// As [`follow_up`](Self::follow_up), with a function for what has ended.
    pub(super) fn follow_with(
        &self,
        mut follow_ups: FollowUps,
        each: &mut dyn FnMut(&Port, NonNull<Overlapped>),
    ) {
        loop {
            while let Some(operation) = follow_ups.ended.pop() {
                // SAFETY: it has ended and is not handed out: it is ours.
                unsafe { give_back(operation) };
                each(self, operation);
            }
            match follow_ups.provide.take() {
                Some(operation) => follow_ups = self.provide(operation),
                None => return,
            }
        }
    }
}

/// Gives memory that was found back if there was nothing to receive into it.
///
/// # Safety
/// The operation has ended, and is not used by other code.
unsafe fn give_back(operation: NonNull<Overlapped>) {
    // SAFETY: passed on to the caller.
    let overlapped = unsafe { operation.as_ref() };
    let Some(provider) = overlapped.provider() else {
        return;
    };
    let is_datagram = matches!(overlapped.request, Request::ReceiveFrom(_));
    let brings = match overlapped.status {
        Status::Failed(code) => code == codes::CUT,
        _ => is_datagram || overlapped.transferred > 0,
    };
    if overlapped.native.step == Step::Filling && !brings {
        // SAFETY: memory was found, and none of it is used.
        unsafe { (provider.withdraw)(operation) };
    }
}

impl Overlapped {
    /// Notes how it ended, with the handle too.
    pub(super) fn close_with(&mut self, entry: &mut Entry, status: Status) {
        self.status = status;
        self.native.output = Output::None;
        // SAFETY: the list of buffers is in place until it is handed out.
        let counted = unsafe { self.to_send() };
        entry.account(self, counted);
    }

    fn judge(&mut self, entry: &mut Entry, outcome: Outcome) -> Verdict {
        match outcome {
            Ok(moved) => self.judge_success(entry, moved),
            Err((code, moved)) => self.judge_failure(entry, code, moved),
        }
    }

    fn judge_failure(&mut self, entry: &Entry, code: i32, moved: usize) -> Verdict {
        // What a close makes of a call has several names.
        let code = if entry.closing {
            codes::CANCELLED
        } else {
            code
        };
        match &mut self.request {
            _ if self.native.step == Step::Asking && code == codes::CUT => return Verdict::Provide,
            // A datagram is there.
            Request::ReceiveNothing | Request::ReceiveReadiness if code == codes::CUT => {
                return Verdict::Ended(Status::Done);
            }
            Request::ReadAt(_) if code == codes::END_OF_FILE => {
                return Verdict::Ended(Status::Done);
            }
            // The peer went before it was accepted. The next one, then.
            Request::Accept(_) if windows::has_vanished(code) => return Verdict::Again,
            Request::ReceiveFrom(datagram) if code == codes::CUT => {
                self.transferred = match datagram.destination {
                    crate::raw::Destination::Buffer(buffer) => buffer.len,
                    crate::raw::Destination::Provided(_) => moved,
                };
                self.take_sender();
            }
            // What a call that failed is said to have moved need not be in the memory.
            Request::Receive(_)
            | Request::ReceiveAll(_)
            | Request::ReceiveProvided(_)
            | Request::ReceiveFrom(_)
            | Request::AcceptReceive(_)
            | Request::ReadAt(_) => {}
            _ => self.transferred += moved,
        }
        Verdict::Ended(Status::Failed(code))
    }

    fn judge_success(&mut self, entry: &mut Entry, moved: usize) -> Verdict {
        if self.native.step == Step::Asking {
            return Verdict::Provide;
        }
        // SAFETY: the list of buffers is in place until it is handed out.
        let to_send = unsafe { self.to_send() };
        self.transferred += moved;
        // SAFETY: likewise.
        let unfilled = unsafe { self.unfilled() };
        let status = match &self.request {
            Request::Connect(_) | Request::ConnectSend(_) if self.connects() => {
                match self.has_connected(entry) {
                    Status::Done if self.transferred < to_send => return Verdict::Again,
                    status => status,
                }
            }
            Request::Disconnect => {
                entry.becomes_unconnected();
                Status::Done
            }
            Request::Accept(_) => match self.has_accepted(entry, moved) {
                Status::Failed(code) if windows::has_vanished(code) => return Verdict::Again,
                status => status,
            },
            Request::AcceptReceive(_) => self.has_accepted(entry, moved),
            Request::ReceiveFrom(_) => {
                self.take_sender();
                Status::Done
            }
            Request::Send(_) | Request::ConnectSend(_) | Request::Transmit(_)
                if self.transferred < to_send =>
            {
                return Verdict::Again;
            }
            Request::ReadAt(span) if moved > 0 && self.transferred < span.buffer.len => {
                return Verdict::Again;
            }
            Request::WriteAt(span) if self.transferred < span.buffer.len => match moved {
                0 => Status::Failed(codes::WRITE_FAULT),
                _ => return Verdict::Again,
            },
            Request::ReceiveAll(_) if moved > 0 && unfilled > 0 => return Verdict::Again,
            Request::Receive(_) | Request::ReceiveAll(_) | Request::ReceiveProvided(_) => {
                entry.peer_ended |= moved == 0;
                Status::Done
            }
            _ => Status::Done,
        };
        Verdict::Ended(status)
    }

    fn has_connected(&mut self, entry: &mut Entry) -> Status {
        let Some(descriptor) = &entry.descriptor else {
            return Status::Failed(codes::CANCELLED);
        };
        // SAFETY: it is open: we have it.
        if let Err(code) = unsafe { windows::connected(descriptor.number()) } {
            return Status::Failed(code);
        }
        entry.kind = Kind::Stream;
        self.connected();
        Status::Done
    }

    fn has_accepted(&mut self, entry: &Entry, moved: usize) -> Status {
        let output = std::mem::take(&mut self.native.output);
        let (Output::Arrival(arrival), Some(listener)) = (output, &entry.descriptor) else {
            self.transferred = 0;
            return Status::Failed(codes::CANCELLED);
        };
        let into = match &self.request {
            Request::AcceptReceive(arrival) => Some(arrival.buffer),
            _ => None,
        };
        // SAFETY: the call has ended well, the listener is open, and the memory the operation's.
        match unsafe { arrival.finish(listener.number(), into, moved) } {
            Ok((socket, peer)) => {
                let socket = socket.into();
                self.put_accepted(Accepted { socket, peer });
                Status::Done
            }
            Err(code) => {
                // What came first has not been copied, perhaps.
                self.transferred = 0;
                Status::Failed(code)
            }
        }
    }

    fn take_sender(&mut self) {
        if let (Output::Sender(sender), Request::ReceiveFrom(datagram)) =
            (&self.native.output, &mut self.request)
        {
            datagram.peer = sender.address();
        }
    }
}
