//! Attempts on memory that is lent for a call: made by the calling thread, with a side to itself, and never left in its line.

use std::io;

use super::{
    handles::Handles,
    port::Port,
    results::{FollowUp, Results},
    side::Ready,
};
use crate::{
    driver::{Call, Outcome, Transfer},
    raw::{
        Direction, Handle, Kind, LockedEntry, PortError, closed,
        shape::{Attempt, Attempts},
    },
};

impl Attempts for Port {
    unsafe fn attempt(&self, handle: Handle, attempt: Attempt) -> io::Result<usize> {
        // SAFETY: passed on to the caller.
        unsafe { self.handles.attempt(handle, attempt, &mut self.outside()) }
    }
}

impl Attempt {
    fn call(self) -> Call {
        match self {
            Attempt::Receive(buffer) => Call::Receive(buffer),
            Attempt::Send(buffer) => Call::Send(buffer),
            Attempt::SendVectored { first, count } => Call::Gather {
                first,
                count,
                skip: 0,
            },
        }
    }
}

impl Handles {
    /// # Safety
    /// As for [`Attempts::attempt`].
    unsafe fn attempt(
        &self,
        handle: Handle,
        attempt: Attempt,
        results: &mut impl Results,
    ) -> io::Result<usize> {
        let direction = attempt.direction();
        let (descriptor, tick) = self.take_side(handle, direction)?;
        let mut transfer = Transfer {
            descriptor,
            slot: handle.slot(),
            call: attempt.call(),
            outcome: Outcome::Untried,
        };
        // SAFETY: the side is busy, so the descriptor stays open; the memory is lent by the caller.
        unsafe { self.driver.transfer(std::slice::from_mut(&mut transfer)) };
        // SAFETY: the list is lent by the caller.
        let offered = unsafe { transfer.call.offered() };
        let mut follow_up = FollowUp::default();
        let mut entry = self.table.lock(handle).expect("a busy handle stays");
        let outcome = transfer.outcome;
        let result = entry.judge_attempt(direction, outcome, offered, tick, &mut follow_up);
        if result.is_ok() && entry.give_back_alone(direction) {
            return result;
        }
        self.give_back(entry, Ready { handle, direction }, follow_up, results);
        result
    }

    /// Gives back a side that this thread had to itself, and passes on what follows.
    pub(super) fn give_back(
        &self,
        mut entry: LockedEntry<'_>,
        ready: Ready,
        mut follow_up: FollowUp,
        results: &mut impl Results,
    ) {
        entry.give_back_side(ready, &mut follow_up);
        self.let_go(entry, ready.handle);
        follow_up.tell(results);
    }

    /// Has a side of a stream for the calling thread alone, if it is ready and nothing is under way on it. Returns the
    /// descriptor, which stays open meanwhile, and the edges seen.
    fn take_side(&self, handle: Handle, direction: Direction) -> io::Result<(i32, u32)> {
        let mut entry = self.table.open(handle)?;
        if entry.kind != Kind::Stream {
            return Err(PortError::NoAttempts(entry.kind).into());
        }
        let number = entry.descriptor.as_ref().ok_or_else(closed)?.number();
        let side = entry.side(direction);
        if side.failure != 0 {
            return Err(io::Error::from_raw_os_error(side.failure));
        }
        if side.busy || !side.is_empty() || !side.ready {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        side.busy = true;
        Ok((number, side.tick))
    }
}
