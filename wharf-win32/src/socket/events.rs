//! `WSAEventSelect`: an event that is set when something has happened on a socket.
//!
//! A thread waits in an epoll set of its own, edge-triggered; it begins with the first socket that is selected. What it finds is noted
//! with the socket until `WSAEnumNetworkEvents` asks. A call that receives or accepts has the socket looked at anew
//! ([`Socket::enable_again`]), so that what it leaves is told again, as on Windows.

use std::{
    collections::HashMap,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    thread,
};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::{Socket, address, find, flag};
use crate::{
    call::{self, Outcome},
    codes::{self, wsa},
    handle,
    objects::{Waitable, event},
};

const FD_READ: u32 = 1;
const FD_WRITE: u32 = 1 << 1;
const FD_OOB: u32 = 1 << 2;
const FD_ACCEPT: u32 = 1 << 3;
const FD_CONNECT: u32 = 1 << 4;
const FD_CLOSE: u32 = 1 << 5;
const FD_ALL: u32 = 0x3ff;

/// `WSANETWORKEVENTS`.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct CallerEvents {
    events: u32,
    /// By the number of each event's bit.
    errors: [i32; 10],
}

/// A socket that an event is set for.
#[derive(Debug)]
struct Selected {
    socket: Weak<Socket>,
    /// The object, and not its handle, which may be closed meanwhile, and be another's.
    event: Arc<Waitable>,
    mask: u32,
    /// FD_WRITE is told when it is connected, and then once after each send that would have had to wait.
    tells_write: bool,
    found: CallerEvents,
    /// FD_CLOSE is told once.
    has_closed: bool,
}

#[derive(Debug)]
struct Watched {
    set: OwnedFd,
    sockets: Mutex<HashMap<i32, Selected>>,
}

static WATCHED: OnceLock<Watched> = OnceLock::new();

impl Watched {
    fn get() -> Outcome<&'static Watched> {
        /// There is the thread.
        static STARTED: Mutex<bool> = Mutex::new(false);
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        let watched = match WATCHED.get() {
            Some(watched) => watched,
            None => {
                let set = epoll::create(CreateFlags::CLOEXEC);
                let set = set.map_err(|error| codes::of_call(error.raw_os_error(), false))?;
                WATCHED.get_or_init(|| Watched {
                    set,
                    sockets: Mutex::default(),
                })
            }
        };
        if !*started {
            // If it is refused, the next call tries it again.
            let builder = thread::Builder::new().name("wharf-events".into());
            let thread = builder.spawn(|| watched.run());
            thread.map_err(|_| wsa::NO_BUFFERS)?;
            *started = true;
        }
        Ok(watched)
    }

    fn sockets(&self) -> MutexGuard<'_, HashMap<i32, Selected>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut space = [MaybeUninit::<epoll::Event>::uninit(); 64];
        loop {
            // Interrupted, it waits again; nothing else is known to fail.
            let Ok((ready, _)) = epoll::wait(&self.set, &mut space[..], None) else {
                continue;
            };
            for event in ready {
                let (data, flags) = (event.data, event.flags);
                self.note(data.u64() as i32, flags);
            }
        }
    }

    /// Notes what has happened on a socket, and sets its event if that is asked for.
    fn note(&self, number: i32, flags: EventFlags) {
        let mut sockets = self.sockets();
        let Some(selected) = sockets.get_mut(&number) else {
            return;
        };
        let Some(socket) = selected.socket.upgrade() else {
            return;
        };
        let mut found = found(&socket, flags, &mut selected.has_closed) & selected.mask;
        if found & FD_WRITE != 0 && !std::mem::take(&mut selected.tells_write) {
            found &= !FD_WRITE;
        }
        found &= !selected.found.events;
        if found == 0 {
            return;
        }
        let error = match flags.contains(EventFlags::ERR) {
            false => 0,
            true => address::option(number, libc::SOL_SOCKET, libc::SO_ERROR).unwrap_or(0),
        };
        // Linux tells of it once, and has told now.
        socket.note_broken(error);
        for bit in 0..10 {
            if found & (1 << bit) != 0 && error != 0 {
                selected.found.errors[bit] = socket.code_of(error) as i32;
            }
        }
        selected.found.events |= found;
        selected.event.set_to(true);
        drop(sockets);
    }
}

fn found(socket: &Socket, flags: EventFlags, has_closed: &mut bool) -> u32 {
    let ends = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
    if socket.is(flag::LISTENS) {
        return if flags.contains(EventFlags::IN) {
            FD_ACCEPT
        } else {
            0
        };
    }
    if socket.is(flag::CONNECTS) {
        if !flags.intersects(EventFlags::OUT | ends) {
            return 0;
        }
        return match socket.is_connected() {
            true => FD_CONNECT | FD_WRITE,
            false if flags.contains(EventFlags::ERR) => FD_CONNECT,
            false => 0,
        };
    }
    if socket.is_stream() && !socket.is(flag::CONNECTED) {
        return 0;
    }
    let is_empty = socket.unread().is_ok_and(|bytes| bytes == 0);
    let mut found = 0;
    if flags.contains(EventFlags::OUT) && !flags.contains(EventFlags::ERR) {
        found |= FD_WRITE;
    }
    if flags.contains(EventFlags::PRI) {
        found |= FD_OOB;
    }
    if flags.contains(EventFlags::IN) && !(socket.is_stream() && is_empty) {
        found |= FD_READ;
    }
    // The end comes behind all that there is to receive.
    if socket.is_stream() && flags.intersects(ends) && is_empty && !*has_closed {
        *has_closed = true;
        found |= FD_CLOSE;
    }
    found
}

const WATCHED_FOR: EventFlags = EventFlags::IN
    .union(EventFlags::OUT)
    .union(EventFlags::RDHUP)
    .union(EventFlags::PRI)
    .union(EventFlags::ET);

impl Socket {
    fn select(self: &Arc<Self>, event: usize, mask: u32) -> Outcome<()> {
        self.set(flag::NON_BLOCKING, true);
        if mask == 0 || event == 0 {
            self.deselect();
            return Ok(());
        }
        let event = handle::get::<Waitable>(event).ok_or(wsa::INVALID)?;
        self.select_object(event, mask)
    }

    /// What was accepted has its listener's event, for what the listener's is set for, until it gets one of its own.
    pub(super) fn select_as(self: &Arc<Self>, listener: &Socket) -> Outcome<()> {
        let watched = WATCHED.get().filter(|_| listener.is(flag::SELECTED));
        let of_listener = watched.and_then(|watched| {
            let sockets = watched.sockets();
            let selected = sockets.get(&listener.number())?;
            Some((selected.event.clone(), selected.mask))
        });
        of_listener.map_or(Ok(()), |(event, mask)| self.select_object(event, mask))
    }

    fn select_object(self: &Arc<Self>, event: Arc<Waitable>, mask: u32) -> Outcome<()> {
        let watched = Watched::get()?;
        let selected = Selected {
            socket: Arc::downgrade(self),
            event,
            mask: mask & FD_ALL,
            tells_write: true,
            found: CallerEvents::default(),
            has_closed: false,
        };
        watched.sockets().insert(self.number(), selected);
        self.set(flag::SELECTED, true);
        let data = EventData::new_u64(u64::from(self.number().unsigned_abs()));
        let added = epoll::add(&watched.set, self.borrow(), data, WATCHED_FOR);
        let added = match added {
            // What is ready already is told once more.
            Err(rustix::io::Errno::EXIST) => {
                epoll::modify(&watched.set, self.borrow(), data, WATCHED_FOR)
            }
            added => added,
        };
        added.map_err(|error| codes::of_call(error.raw_os_error(), false))
    }

    /// No event is set for it any more.
    pub(super) fn deselect(&self) {
        if !self.is(flag::SELECTED) {
            return;
        }
        self.set(flag::SELECTED, false);
        if let Some(watched) = WATCHED.get() {
            watched.sockets().remove(&self.number());
            // Fails if another descriptor was put in its place meanwhile: that is not watched.
            let _ = epoll::delete(&watched.set, self.borrow());
        }
    }

    /// A send would have had to wait: it is told when the next need not.
    pub(super) fn tell_write_again(&self) {
        if !self.is(flag::SELECTED) {
            return;
        }
        if let Some(watched) = WATCHED.get() {
            if let Some(selected) = watched.sockets().get_mut(&self.number()) {
                selected.tells_write = true;
            }
            // It may have become ready meanwhile.
            self.enable_again();
        }
    }

    /// A call has taken something: what is left is told again.
    pub(super) fn enable_again(&self) {
        if !self.is(flag::SELECTED) {
            return;
        }
        if let Some(watched) = WATCHED.get() {
            let data = EventData::new_u64(u64::from(self.number().unsigned_abs()));
            let _ = epoll::modify(&watched.set, self.borrow(), data, WATCHED_FOR);
        }
    }
}

/// Has an event set when something of the mask happens on a socket, which is non-blocking from now on. An empty mask ends that.
#[unsafe(no_mangle)]
pub extern "C" fn WSAEventSelect(socket: usize, event: usize, mask: i32) -> i32 {
    call::status(|| find(socket)?.select(event, mask as u32))
}

/// Says what has happened on a socket since this was last asked, and resets the event, if one is given.
///
/// # Safety
/// `events` is the address of a WSANETWORKEVENTS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAEnumNetworkEvents(
    socket: usize,
    event: usize,
    events: *mut CallerEvents,
) -> i32 {
    call::status(|| {
        let socket = find(socket)?;
        if events.is_null() {
            return Err(wsa::FAULT);
        }
        let mut found = CallerEvents::default();
        if let Some(watched) = WATCHED.get().filter(|_| socket.is(flag::SELECTED)) {
            let mut sockets = watched.sockets();
            if event != 0 {
                event::reset(event);
            }
            if let Some(selected) = sockets.get_mut(&socket.number()) {
                found = std::mem::take(&mut selected.found);
            }
        }
        // SAFETY: passed on to the caller.
        unsafe { events.write(found) };
        Ok(())
    })
}
