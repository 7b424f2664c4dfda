//! The outcome of a call on a simulated kernel: one function for each call.
//!
//! A seed stands for the faults in the order in which they are drawn: in another order, every seed would be another run.

use std::net::SocketAddr;

use rustix::io::Errno;

use super::{Kernel, network::State};
use crate::driver::{Call, Outcome, unix::calls};

type Result<T = Outcome> = std::result::Result<T, Errno>;

/// One attempt at a call, under the kernel's lock.
pub(super) struct Attempt<'a> {
    pub kernel: &'a Kernel,
    pub state: &'a mut State,
    /// The socket or file.
    pub number: i32,
    /// How many bytes the call's memory holds.
    pub room: usize,
    /// The bytes to be sent or written.
    pub given: Vec<u8>,
    /// The bytes that were received or read: no more than the memory holds.
    pub taken: Vec<u8>,
}

impl Attempt<'_> {
    /// Makes the call. On success, the bytes for its memory are in `taken`.
    pub fn make(&mut self, call: Call) -> Result {
        if is_refusable(call) {
            self.refuse(call)?;
        }
        match call {
            Call::Receive(_) | Call::Scatter { .. } => self.receive(),
            Call::Probe => self.probe(),
            Call::Peek => self.peek(),
            Call::Send(_) => self.send(0),
            Call::Gather { skip, .. } => self.send(skip),
            Call::SendFile { file, offset, len } => self.send_file(file, offset, len),
            Call::Shutdown => self.state.shutdown(self.number).map(done),
            Call::Accept => self.accept(),
            Call::Connect(to) => self.state.connect(self.number, to).map(done),
            Call::ConnectLocal(_) => Err(Errno::OPNOTSUPP),
            Call::ReceiveFrom(_) => self.receive_from(),
            Call::SendTo(_, to) => self.send_to(to),
            Call::ReadAt(_, offset) => self.read_at(offset),
            Call::WriteAt(_, offset) => self.write_at(offset),
            Call::Flush => self.flush(),
        }
    }

    /// Fails at times, though the call could do something: not ready after all, or short of memory.
    fn refuse(&mut self, call: Call) -> Result<()> {
        if self.state.strikes(self.state.faults.refusals) {
            self.state.show_again(self.number);
            return Err(Errno::AGAIN);
        }
        if self.state.strikes(self.state.faults.shortages) {
            let sends = matches!(call, Call::Send(_) | Call::Gather { .. } | Call::SendTo(..));
            return Err(if sends { Errno::NOBUFS } else { Errno::NOMEM });
        }
        Ok(())
    }

    /// How many of the bytes that are asked for are moved: at times fewer, and then the rest is reported once more.
    fn cut(&mut self, asked: usize) -> usize {
        if asked < 2 || !self.state.strikes(self.state.faults.cuts) {
            return asked;
        }
        self.state.show_again(self.number);
        self.state.random.usize(1..asked)
    }
}

/// Streams.
impl Attempt<'_> {
    fn receive(&mut self) -> Result {
        let max = self.cut(self.room);
        self.taken = self.state.receive(self.number, max, false)?;
        Ok(Outcome::Moved(self.taken.len()))
    }

    fn probe(&mut self) -> Result {
        match self.state.receive(self.number, 1, true) {
            Err(Errno::NOTSOCK) => self.state.receive_datagram(self.number, true).map(|_| ()),
            result => result.map(|_| ()),
        }
        .map(done)
    }

    fn peek(&mut self) -> Result {
        match self.state.receive(self.number, 1, true)?.is_empty() {
            true => Ok(Outcome::Moved(0)),
            false => Ok(Outcome::NotReady),
        }
    }

    /// Sends the given bytes, without so many at the start.
    fn send(&mut self, skip: usize) -> Result {
        if self.state.strikes(self.state.faults.resets) {
            self.state.break_stream(self.number);
        }
        let max = self.cut(self.given.len() - skip);
        let bytes = &self.given[skip..][..max];
        self.state.send(self.number, bytes).map(Outcome::Moved)
    }

    fn send_file(&mut self, file: i32, offset: u64, len: u64) -> Result {
        let content = self.state.content(file)?;
        let from = content.len().min(offset as usize);
        let to = content.len().min(from.saturating_add(len as usize));
        let bytes = content[from..to].to_vec();
        self.state.send(self.number, &bytes).map(Outcome::Moved)
    }
}

/// Connections.
impl Attempt<'_> {
    fn accept(&mut self) -> Result {
        let (accepted, peer) = loop {
            if self.state.strikes(self.state.faults.refusals) {
                self.state.show_again(self.number);
                return Err(Errno::AGAIN);
            }
            match self.state.accept(self.number) {
                Err(error) if calls::passes_over(error) => {}
                result => break result?,
            }
        };
        let accepted = self.kernel.opened(accepted).into();
        Ok(Outcome::Accepted(accepted, Some(peer)))
    }
}

/// Datagrams.
impl Attempt<'_> {
    fn receive_from(&mut self) -> Result {
        let (from, mut bytes) = self.state.receive_datagram(self.number, false)?;
        let is_truncated = bytes.len() > self.room;
        bytes.truncate(self.room);
        self.taken = bytes;
        Ok(Outcome::Datagram {
            len: self.taken.len(),
            peer: Some(from),
            is_truncated,
        })
    }

    fn send_to(&mut self, to: SocketAddr) -> Result {
        self.state.send_datagram(self.number, &self.given, to)?;
        Ok(Outcome::Moved(self.given.len()))
    }
}

/// Files.
impl Attempt<'_> {
    fn read_at(&mut self, offset: u64) -> Result {
        let cuts = self.disk()?;
        let content = self.state.content(self.number)?;
        let from = content.len().min(offset as usize);
        let len = at_most(self.room.min(content.len() - from), cuts);
        self.taken = content[from..from + len].to_vec();
        Ok(Outcome::Moved(len))
    }

    fn write_at(&mut self, offset: u64) -> Result {
        let cuts = self.disk()?;
        let content = self.state.content(self.number)?;
        let (from, len) = (offset as usize, at_most(self.given.len(), cuts));
        if content.len() < from + len {
            content.resize(from + len, 0);
        }
        content[from..from + len].copy_from_slice(&self.given[..len]);
        Ok(Outcome::Moved(len))
    }

    fn flush(&mut self) -> Result {
        self.disk()?;
        self.state.content(self.number).map(|_| Outcome::Moved(0))
    }

    /// Fails if the disk fails; else returns whether it moves fewer bytes than asked for.
    fn disk(&mut self) -> Result<bool> {
        if self.state.strikes(self.state.faults.disk_errors) {
            return Err(Errno::IO);
        }
        Ok(self.state.strikes(self.state.faults.cuts))
    }
}

/// Whether the call may fail without a reason of its own.
fn is_refusable(call: Call) -> bool {
    !matches!(
        call,
        Call::Accept
            | Call::Connect(_)
            | Call::ConnectLocal(_)
            | Call::ReadAt(..)
            | Call::WriteAt(..)
            | Call::Flush
            | Call::Shutdown
    )
}

fn at_most(len: usize, cuts: bool) -> usize {
    if cuts { len.div_ceil(2) } else { len }
}

fn done((): ()) -> Outcome {
    Outcome::Moved(0)
}
