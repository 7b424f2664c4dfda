//! What the outcome of an attempt means: to its operation, and to what is known of its handle.

use std::{io, net::SocketAddr, ptr::NonNull};

use super::{
    entry::Entry,
    results::{Ended, FollowUp},
    side::Ready,
    transfer::Pending,
};
use crate::{
    driver::{Call, Outcome, codes},
    raw::{Accepted, Buffers, Direction, Kind, Overlapped, RawBuffer, Request, Status},
};

impl Entry {
    /// Applies the outcome of an attempt to its operation, at the head of its line, and to what is known of the handle.
    /// `moved_to`: where the bytes of a send are now, if not where they were. Says whether the operation ended.
    #[inline]
    pub(super) fn apply(
        &mut self,
        pending: &Pending,
        call: Call,
        outcome: Outcome,
        moved_to: Option<RawBuffer>,
    ) -> bool {
        let mut operation = pending.operation;
        // SAFETY: valid; the side is busy, so the operation is this thread's, and the handle is locked. The line, which
        // holds the same address, is left alone meanwhile.
        let overlapped = unsafe { operation.as_mut() };
        if let (Some(bytes), Request::Send(buffers)) = (moved_to, &mut overlapped.request) {
            *buffers = Buffers::One(bytes);
        }
        let ended = self.judge(overlapped, outcome, call, pending);
        let is_cancelled = !ended && overlapped.status == Status::Cancelling;
        if is_cancelled {
            overlapped.status = Status::Failed(codes::CANCELLED);
        }
        self.side(pending.ready.direction).busy = false;
        ended || is_cancelled
    }

    /// Says whether the operation ended.
    fn judge(
        &mut self,
        operation: &mut Overlapped,
        outcome: Outcome,
        call: Call,
        pending: &Pending,
    ) -> bool {
        let tick = pending.tick;
        match outcome {
            Outcome::Untried => unreachable!("a driver tries every transfer"),
            Outcome::NotReady => {
                self.judge_in_vain(operation.direction(), pending.had_memory, tick);
                false
            }
            Outcome::Failed(_) if pending.is_short(call, &outcome) => {
                self.side(operation.direction()).starve(tick);
                false
            }
            Outcome::Failed(number) => {
                self.fail(operation, number);
                true
            }
            Outcome::Accepted(socket, peer) => {
                operation.put_accepted(Accepted { socket, peer });
                operation.status = Status::Done;
                true
            }
            Outcome::Datagram {
                len,
                peer,
                is_truncated,
            } => {
                self.judge_datagram(operation, len, peer, is_truncated);
                true
            }
            Outcome::Moved(_) if operation.connects() => self.judge_connected(operation),
            Outcome::Moved(count) if operation.direction() == Direction::Write => {
                self.judge_sent(operation, count, call, tick)
            }
            Outcome::Moved(count) => self.judge_received(operation, count, call, tick),
        }
    }

    /// `had_memory`: it tried; else there was nothing to try with.
    fn judge_in_vain(&mut self, direction: Direction, had_memory: bool, tick: u32) {
        let side = self.side(direction);
        if had_memory {
            side.exhausted(tick);
        } else {
            side.starve(tick);
        }
    }

    fn judge_datagram(
        &mut self,
        operation: &mut Overlapped,
        len: usize,
        peer: Option<SocketAddr>,
        is_truncated: bool,
    ) {
        if let Request::ReceiveFrom(datagram) = &mut operation.request {
            datagram.peer = peer;
        }
        self.traffic.received_bytes += len as u64;
        operation.transferred = len;
        operation.status = match is_truncated {
            true => Status::Failed(codes::CUT),
            false => Status::Done,
        };
    }

    fn judge_connected(&mut self, operation: &mut Overlapped) -> bool {
        self.kind = Kind::Stream;
        operation.connected();
        // SAFETY: the list of buffers is in place, by the promise of `Port::start`.
        let sends = unsafe { operation.unsent() } > 0;
        if !sends {
            operation.status = Status::Done;
        }
        !sends
    }

    fn judge_received(
        &mut self,
        operation: &mut Overlapped,
        count: usize,
        call: Call,
        tick: u32,
    ) -> bool {
        if !operation.receives_bytes() && self.end_in_doubt && self.side(Direction::Write).busy {
            // An attempt has found the end and brought nothing, and so would the next one that is made before the send is over.
            return false;
        }
        if operation.receives_bytes() {
            if count == 0 && self.broken != 0 {
                // The error itself was reported to a sender; this is no orderly end.
                self.fail(operation, self.broken);
                return true;
            }
            if count == 0 && self.side(Direction::Write).busy {
                // It may be about to be: the thread that sends has not come back from the system.
                self.end_in_doubt = true;
                return false;
            }
            // SAFETY: the list of buffers is in place, by the promise of `Port::start`.
            let offered = unsafe { call.offered() };
            self.count_received(count, offered, tick);
            operation.transferred += count;
            // SAFETY: as above.
            if count > 0 && unsafe { operation.unfilled() } > 0 {
                return false;
            }
        }
        operation.status = Status::Done;
        true
    }

    /// Notes that so many bytes were received, where so many were asked for.
    pub(super) fn count_received(&mut self, count: usize, offered: usize, tick: u32) {
        // A short read of TCP means that nothing is left, unless the end or urgent data stands behind it.
        if 0 < count && count < offered && self.is_tcp && !self.read_on {
            self.side(Direction::Read).exhausted(tick);
        }
        self.peer_ended |= count == 0;
        self.traffic.received_bytes += count as u64;
    }

    fn judge_sent(
        &mut self,
        operation: &mut Overlapped,
        count: usize,
        call: Call,
        tick: u32,
    ) -> bool {
        // SAFETY: the list of buffers is in place, by the promise of `Port::start`.
        let offered = unsafe { call.offered() };
        self.count_sent(count, offered, tick);
        self.unsent.bytes -= count;
        operation.transferred += count;
        if count == 0 && matches!(call, Call::SendFile { .. }) {
            // The file has ended before the operation, which says how much there is to come.
            self.fail(operation, codes::FILE_ENDED);
            return true;
        }
        // SAFETY: as above.
        if unsafe { operation.unsent() } > 0 {
            return false;
        }
        operation.status = Status::Done;
        true
    }

    /// Notes that the system has taken so many bytes, where so many were offered.
    pub(super) fn count_sent(&mut self, count: usize, offered: usize, tick: u32) {
        if count < offered && self.is_tcp {
            self.side(Direction::Write).exhausted(tick);
        }
        self.traffic.sent_bytes += count as u64;
    }

    /// Whether the operation's failure is the failure of its whole direction.
    fn fails_with(&self, operation: &Overlapped) -> bool {
        let Status::Failed(number) = operation.status else {
            return false;
        };
        let moves_stream = match operation.request {
            Request::Send(_)
            | Request::ConnectSend(_)
            | Request::Transmit(_)
            | Request::Receive(_)
            | Request::ReceiveAll(_)
            | Request::ReceiveProvided(_)
            | Request::ReceiveNothing => self.kind == Kind::Stream,
            _ => false,
        };
        // Those behind a quiet send were given before anybody knew of its failure: without its bytes they would be in a wrong place.
        let leaves_a_gap = operation.is_quiet_send() && number != codes::CANCELLED;
        moves_stream && (leaves_a_gap || codes::breaks_a_stream(number))
    }

    fn fail(&mut self, operation: &mut Overlapped, number: i32) {
        operation.status = Status::Failed(number);
        if self.fails_with(operation) {
            self.fail_direction(operation.direction(), number);
        }
    }

    /// Notes that a direction of a stream has failed.
    pub(super) fn fail_direction(&mut self, direction: Direction, number: i32) {
        self.broken = number;
        self.side(direction).failure = number;
        if direction == Direction::Read {
            // What was reset can't be written to either. The other way about there may still be data to read.
            self.side(Direction::Write).failure = number;
        }
    }

    /// Takes an operation that has ended off the head of its line, and those behind it where its failure is theirs. Says
    /// whether it ended well.
    #[inline(always)]
    pub(super) fn end(
        &mut self,
        ready: Ready,
        operation: NonNull<Overlapped>,
        follow_up: &mut FollowUp,
    ) -> bool {
        self.side(ready.direction).pop();
        // SAFETY: the operation is valid, and out of its line: ours.
        let overlapped = unsafe { operation.as_ref() };
        let (is_done, fails) = (
            overlapped.status == Status::Done,
            self.fails_with(overlapped),
        );
        follow_up.end(self.account(operation));
        if fails {
            self.fail_line(ready.direction, follow_up);
        }
        is_done
    }

    /// Ends, with the failure of their direction, all operations that stand in its line.
    #[cold]
    pub(super) fn fail_line(&mut self, direction: Direction, follow_up: &mut FollowUp) {
        let number = self.side(direction).failure;
        while let Some(mut operation) = self.side(direction).pop() {
            // SAFETY: it was in the line, so it is valid; out of it, it is ours.
            unsafe { operation.as_mut() }.status = Status::Failed(number);
            follow_up.end(self.account(operation));
        }
    }

    /// What an attempt on lent memory came to.
    pub(super) fn judge_attempt(
        &mut self,
        direction: Direction,
        outcome: Outcome,
        offered: usize,
        tick: u32,
        follow_up: &mut FollowUp,
    ) -> io::Result<usize> {
        match outcome {
            Outcome::Moved(count) if direction == Direction::Write => {
                self.count_sent(count, offered, tick);
                Ok(count)
            }
            // The error itself was reported to a sender; this is no orderly end.
            Outcome::Moved(0) if self.broken != 0 => Err(io::Error::from_raw_os_error(self.broken)),
            // It may be about to be reported: the thread that sends has not come back from the system.
            Outcome::Moved(0) if self.side(Direction::Write).busy => {
                self.end_in_doubt = true;
                Err(io::ErrorKind::WouldBlock.into())
            }
            Outcome::Moved(count) => {
                self.count_received(count, offered, tick);
                Ok(count)
            }
            Outcome::Failed(number) => {
                if codes::breaks_a_stream(number) {
                    self.fail_direction(direction, number);
                    self.fail_line(direction, follow_up);
                }
                Err(io::Error::from_raw_os_error(number))
            }
            _ => {
                self.side(direction).exhausted(tick);
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
    }

    /// The most frequent end of an attempt that went well: nothing follows, since no operation came meanwhile, and no close. Returns
    /// whether that is so; if not, the side is still to be [given back](Self::give_back_side).
    #[inline]
    pub(super) fn give_back_alone(&mut self, direction: Direction) -> bool {
        let is_alone = !self.closing && !self.end_in_doubt && self.side(direction).is_empty();
        if is_alone {
            self.side(direction).busy = false;
        }
        is_alone
    }

    /// An attempt is over: those that were started meanwhile, and those that are cancelled or fail with it, are seen to.
    pub(super) fn give_back_side(&mut self, ready: Ready, follow_up: &mut FollowUp) {
        self.side(ready.direction).busy = false;
        self.end_marked(ready.direction, follow_up);
        self.go_on(ready, true, follow_up);
    }

    /// Ends the head of a line that was cancelled during an attempt: it was taken for one that is in transfer.
    pub(super) fn end_marked(&mut self, direction: Direction, follow_up: &mut FollowUp) {
        let is_marked = |operation: NonNull<Overlapped>| {
            // SAFETY: what stands in the line is valid, and the handle is locked.
            unsafe { operation.as_ref() }.status == Status::Cancelling
        };
        if self.side(direction).head().is_some_and(is_marked) {
            if let Some(operation) = self.side(direction).pop() {
                follow_up.end(self.cancelled(operation));
            }
        }
    }

    /// Notes which sides are worth another attempt after one that has `ended` its operation, or has not.
    #[inline]
    pub(super) fn go_on(&mut self, ready: Ready, ended: bool, follow_up: &mut FollowUp) {
        let Ready { handle, direction } = ready;
        let in_doubt = direction == Direction::Read && !ended && self.end_in_doubt;
        if !in_doubt && self.side(direction).enqueue() {
            follow_up.ready(ready);
        }
        if direction == Direction::Write && std::mem::take(&mut self.end_in_doubt) {
            let direction = Direction::Read;
            if self.side(direction).enqueue() {
                follow_up.ready(Ready { handle, direction });
            }
        }
    }

    /// Settles what an operation leaves behind that has ended and is out of its line.
    #[inline(always)]
    pub(super) fn account(&mut self, operation: NonNull<Overlapped>) -> Ended {
        // SAFETY: the operation is valid, and out of its line: ours.
        let overlapped = unsafe { operation.as_ref() };
        // SAFETY: the list of buffers is in place, by the promise of `Port::start`.
        let unsent = unsafe { overlapped.unsent() };
        self.unsent.end(overlapped, unsent);
        // SAFETY: as above.
        unsafe { Ended::of(operation) }
    }

    /// Ends an operation that was taken out of its line, as cancelled.
    pub(super) fn cancelled(&mut self, mut operation: NonNull<Overlapped>) -> Ended {
        // SAFETY: it was in the line, so it is valid; out of it, it is ours.
        let overlapped = unsafe { operation.as_mut() };
        overlapped.status = Status::Failed(codes::CANCELLED);
        if matches!(overlapped.request, Request::Shutdown) && self.broken == 0 {
            // It was refused to sends from when it was started.
            self.side(Direction::Write).failure = 0;
        }
        self.account(operation)
    }
}
