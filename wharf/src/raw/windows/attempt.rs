//! Attempts on memory that is lent for a call: plain calls that do not wait.

use std::{io, ptr, slice};

use super::{entry::Entry, port::Port};
use crate::{
    driver::windows::{self, Begun},
    raw::{
        Direction, Handle, Kind, PortError, RawDescriptor, closed,
        shape::{Attempt, Attempts},
    },
};

impl Attempts for Port {
    unsafe fn attempt(&self, handle: Handle, attempt: Attempt) -> io::Result<usize> {
        let mut entry = self.table.open(handle)?;
        let socket = entry.check_attempt(attempt.direction())?;
        // SAFETY: the socket is open, and the memory is lent by the caller.
        let begun = unsafe {
            windows::do_not_wait(socket).map_err(io::Error::from_raw_os_error)?;
            attempt.make(socket)
        };
        match begun {
            Begun::Done(count) => {
                entry.count_attempt(attempt.direction(), count);
                Ok(count)
            }
            Begun::Failed(code) => Err(io::Error::from_raw_os_error(code)),
            Begun::Pending => {
                unreachable!("a call without an OVERLAPPED has ended when it returns")
            }
        }
    }
}

impl Attempt {
    /// # Safety
    /// The socket is open, and the memory and a list of it are valid.
    unsafe fn make(self, socket: RawDescriptor) -> Begun {
        let none = ptr::null_mut();
        // SAFETY: passed on to the caller, in each arm.
        unsafe {
            match self {
                Attempt::Receive(buffer) => windows::receive(socket, &[buffer], 0, false, none),
                Attempt::Send(buffer) => windows::send(socket, &[buffer], 0, none),
                Attempt::SendVectored { first, count } => {
                    windows::send(socket, slice::from_raw_parts(first, count), 0, none)
                }
            }
        }
    }
}

impl Entry {
    /// The socket, if nothing is under way on it in this direction.
    fn check_attempt(&self, direction: Direction) -> io::Result<RawDescriptor> {
        if self.kind != Kind::Stream {
            return Err(PortError::NoAttempts(self.kind).into());
        }
        let failure = self.sides[direction as usize].failure;
        if failure != 0 {
            return Err(io::Error::from_raw_os_error(failure));
        }
        if self.has_under_way(direction) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let descriptor = self.descriptor.as_ref().ok_or_else(closed)?;
        Ok(descriptor.number())
    }

    fn count_attempt(&mut self, direction: Direction, count: usize) {
        match direction {
            Direction::Read => {
                self.peer_ended |= count == 0;
                self.traffic.received_bytes += count as u64;
            }
            Direction::Write => self.traffic.sent_bytes += count as u64,
        }
    }
}
