//! Blocking calls: how a thread waits for a socket, and how `closesocket` ends that.
//!
//! All descriptors are non-blocking. A thread that has to wait polls the socket together with a descriptor of its own, its bell, and
//! lists itself with the socket. `closesocket` rings the bells of all that are listed; the descriptor is closed when the last
//! of them is gone. While a thread waits, its place in its completion port is another's.

use std::{
    cell::OnceCell,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd},
    io::Errno,
};

use super::Socket;
use crate::{
    call::Outcome,
    codes::{self, wsa},
};

/// A thread that may wait for sockets.
#[derive(Debug)]
pub(super) struct Sleeper {
    bell: OwnedFd,
}

impl Sleeper {
    fn of_this_thread() -> Outcome<Arc<Sleeper>> {
        thread_local! {
            static OWN: OnceCell<Arc<Sleeper>> = const { OnceCell::new() };
        }
        let make = || {
            let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
            let bell = bell.map_err(|error| codes::of_call(error.raw_os_error(), false))?;
            Ok(Arc::new(Sleeper { bell }))
        };
        let own = OWN.try_with(|own| match own.get() {
            Some(sleeper) => Ok(sleeper.clone()),
            None => make().map(|sleeper| own.get_or_init(|| sleeper).clone()),
        });
        own.unwrap_or_else(|_| make())
    }

    pub(super) fn ring(&self) {
        // Fails only when the counter is full.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    fn quieten(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.bell, &mut count);
    }
}

/// When so much time has passed; none for ever.
pub(super) fn deadline_of(patience: Option<Duration>) -> Option<Instant> {
    patience.map(wharf::raw::deadline_after)
}

/// What is left until then, for a call of Linux.
pub(super) fn left_until(deadline: Option<Instant>) -> Option<Timespec> {
    let left = deadline?.saturating_duration_since(Instant::now());
    Timespec::try_from(left).ok()
}

/// Waits until one of the descriptors is ready; false: the time is over. The thread's place in its port is another's meanwhile.
pub(super) fn poll(polled: &mut [PollFd<'_>], deadline: Option<Instant>) -> Outcome<bool> {
    wharf::raw::blocking(|| {
        loop {
            let left = left_until(deadline);
            match rustix::event::poll(polled, left.as_ref()) {
                Ok(0) if deadline.is_some_and(|deadline| Instant::now() < deadline) => {}
                Ok(count) => return Ok(count > 0),
                Err(Errno::INTR) => {}
                Err(error) => return Err(codes::of_call(error.raw_os_error(), false)),
            }
        }
    })
}

/// Waits until one of the sockets has something that `counts`, or is closed, or the time is over. Returns what each has. The thread's
/// place is given away only if there is nothing at once.
pub(super) fn poll_all(
    asked: &[(&Socket, PollFlags)],
    patience: Option<Duration>,
    counts: impl Fn(usize, PollFlags) -> bool,
) -> Outcome<Vec<PollFlags>> {
    let found = look_at_all(asked)?;
    let any = |found: &[PollFlags]| (found.iter().enumerate()).any(|(at, it)| counts(at, *it));
    if patience == Some(Duration::ZERO) || any(&found) {
        return Ok(found);
    }
    let sleeper = Sleeper::of_this_thread()?;
    for (socket, _) in asked {
        socket.rest().make().sleepers.push(sleeper.clone());
    }
    let found = wait_for_any(asked, &sleeper, deadline_of(patience), any);
    for (socket, _) in asked {
        socket.leave(&sleeper);
    }
    found
}

fn wait_for_any(
    asked: &[(&Socket, PollFlags)],
    sleeper: &Sleeper,
    deadline: Option<Instant>,
    any: impl Fn(&[PollFlags]) -> bool,
) -> Outcome<Vec<PollFlags>> {
    loop {
        sleeper.quieten();
        let found = look_at_all(asked)?;
        if any(&found) || asked.iter().any(|(socket, _)| socket.is_closed()) {
            return Ok(found);
        }
        // What has something that does not count would end each wait at once: it is left out. Only a call that gives the socket
        // another role can change that, and rings.
        let silent = (asked.iter().zip(&found)).filter(|(_, found)| found.is_empty());
        let each =
            silent.map(|((socket, flags), _)| PollFd::from_borrowed_fd(socket.borrow(), *flags));
        let bell = PollFd::from_borrowed_fd(sleeper.bell.as_fd(), PollFlags::IN);
        let mut polled: Vec<_> = each.chain([bell]).collect();
        if !poll(&mut polled, deadline)? {
            return Ok(found);
        }
    }
}

fn look_at_all(asked: &[(&Socket, PollFlags)]) -> Outcome<Vec<PollFlags>> {
    const AT_ONCE: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let each = asked
        .iter()
        .map(|(socket, flags)| PollFd::from_borrowed_fd(socket.borrow(), *flags));
    let mut polled: Vec<_> = each.collect();
    match rustix::event::poll(&mut polled, Some(&AT_ONCE)) {
        Ok(_) | Err(Errno::INTR) => Ok(polled.iter().map(PollFd::revents).collect()),
        Err(error) => Err(codes::of_call(error.raw_os_error(), false)),
    }
}

impl Socket {
    /// Waits until the socket is ready for one of these. Fails with 10004 if it is closed meanwhile, with 10060 when the time is
    /// over.
    pub(super) fn wait_for(&self, events: PollFlags, deadline: Option<Instant>) -> Outcome<()> {
        let sleeper = Sleeper::of_this_thread()?;
        sleeper.quieten();
        self.rest().make().sleepers.push(sleeper.clone());
        let ready = match self.is_closed() {
            true => Err(wsa::INTERRUPTED),
            false => self.wait_with(&sleeper, events, deadline),
        };
        self.leave(&sleeper);
        ready
    }

    /// The thread does not wait for it any more.
    fn leave(&self, sleeper: &Arc<Sleeper>) {
        if let Some(rest) = self.rest().get() {
            rest.sleepers.retain(|listed| !Arc::ptr_eq(listed, sleeper));
        }
    }

    fn wait_with(
        &self,
        sleeper: &Sleeper,
        events: PollFlags,
        deadline: Option<Instant>,
    ) -> Outcome<()> {
        let mut polled = [
            PollFd::from_borrowed_fd(self.descriptor.as_fd(), events),
            PollFd::from_borrowed_fd(sleeper.bell.as_fd(), PollFlags::IN),
        ];
        let any = poll(&mut polled, deadline)?;
        match any {
            _ if self.is_closed() => Err(wsa::INTERRUPTED),
            true => Ok(()),
            false => Err(wsa::TIMED_OUT),
        }
    }

    /// Ends the waits of all threads for it. It is marked as closed.
    pub(super) fn wake_sleepers(&self) {
        if let Some(rest) = self.rest().get() {
            rest.sleepers.iter().for_each(|sleeper| sleeper.ring());
        }
    }

    pub(super) fn borrow(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
