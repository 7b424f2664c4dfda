//! Descriptors for which the port has no operations: pipes, processes, datagrams of local sockets. They do not block, and are tried;
//! while one would block, the port waits for it.
//!
//! The port waits for streams. A descriptor of epoll's is ready to be read when a descriptor on its list is ready, whatever that is and
//! whichever way; so the port is given one of these in place of a stream, to wait for it once, and nothing else. Where the system has
//! no descriptor left for that, what is open goes on all the same: it is tried again every few milliseconds.

use std::{
    future::poll_fn,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::{
    event::epoll::{self, CreateFlags, EventData},
    io::Errno,
};
use wharf::{CompletionPort, OperationId, Socket};

use crate::{
    budget,
    net::Slot,
    shared::{Key, Shared},
};

pub(crate) use rustix::event::epoll::EventFlags;

/// The pause between two attempts while there is no descriptor to wait with.
const PAUSE: Duration = Duration::from_millis(10);

/// One way of a descriptor, and whoever waits for it: one future at a time.
#[derive(Debug)]
pub(crate) struct Side {
    way: EventFlags,
    /// It waits.
    watch: Option<Watch>,
}

impl Side {
    /// The way that is read.
    pub(crate) fn read() -> Side {
        Side {
            way: EventFlags::IN,
            watch: None,
        }
    }

    /// The way that is written.
    pub(crate) fn write() -> Side {
        Side {
            way: EventFlags::OUT,
            watch: None,
        }
    }

    /// Attempts something, and waits while that would block.
    pub(crate) async fn attempt<T>(
        &mut self,
        shared: &Shared,
        descriptor: impl AsFd,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        poll_fn(|context| self.poll(context, shared, &descriptor, &mut attempt)).await
    }

    /// As [`attempt`](Self::attempt), for a future of the caller's own.
    pub(crate) fn poll<T>(
        &mut self,
        context: &Context<'_>,
        shared: &Shared,
        descriptor: impl AsFd,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        ready!(budget::poll_left(context));
        loop {
            if let Some(watch) = &self.watch {
                let ready = ready!(watch.poll(context));
                self.watch = None;
                ready?;
            }
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.watch = Some(Watch::begin(shared, &descriptor, self.way)?);
                }
                done => {
                    budget::spend();
                    return Poll::Ready(done);
                }
            }
        }
    }
}

/// The port waits, once: for a descriptor, or for a moment to try again.
#[derive(Debug)]
struct Watch {
    waits: Waits,
    slot: Slot,
}

#[derive(Debug)]
enum Waits {
    For(Socket<Key>),
    Pauses(CompletionPort<Key>, OperationId),
}

impl Watch {
    fn begin(shared: &Shared, descriptor: impl AsFd, way: EventFlags) -> io::Result<Watch> {
        let slot = Slot::default();
        let waits = match wait_for(shared, descriptor, way, &slot) {
            Err(error) if is_short(&error) => {
                let pauses = shared.port.with(slot.clone()).timer(PAUSE, Key::Slot);
                let timer = pauses.map_err(|refused| refused.error)?;
                Waits::Pauses(shared.port.clone(), timer)
            }
            begun => Waits::For(begun?),
        };
        Ok(Watch { waits, slot })
    }

    fn poll(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        self.slot.poll(context).map(|(result, _)| result.map(drop))
    }
}

fn wait_for(
    shared: &Shared,
    descriptor: impl AsFd,
    way: EventFlags,
    slot: &Slot,
) -> io::Result<Socket<Key>> {
    let list: OwnedFd = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&list, descriptor, EventData::new_u64(0), way)?;
    let socket = shared.port.associate(UnixStream::from(list), Key::Slot)?;
    let started = socket.with(slot.clone()).ready_to_receive();
    started.map_err(|refused| refused.error)?;
    Ok(socket)
}

/// Whether the system, or this process, has as many descriptors as it may have, or as much on lists of epoll's.
fn is_short(error: &io::Error) -> bool {
    let short = [Errno::MFILE, Errno::NFILE, Errno::NOSPC, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|error| short.contains(&error))
}

impl Drop for Watch {
    fn drop(&mut self) {
        match &self.waits {
            // The operation that is under way would keep it open.
            Waits::For(socket) => {
                socket.close();
            }
            // It may have fired.
            Waits::Pauses(port, timer) => drop(port.cancel_timer_quietly(*timer)),
        }
    }
}
