//! The thread that goes on with ports for whose packets nobody waits.
//!
//! On Windows transfers go on whoever waits. Wharf's are made by the threads that wait, so this thread makes them while there are
//! none: of a port that no thread has waited on for 10 ms, and of the hidden port, on which nobody waits ever. It takes no packet, and
//! comes behind those who wait (the system wakes the last who came first), so it changes no order. It begins with the first socket
//! that has an operation, and there is one for the process.
//!
//! It looks every 10 ms while threads come and go. When all ports are waited on, or are gone on with here, it sleeps until
//!
//! - the system has events for one of the latter;
//! - a thread leaves its wait ([`note_leave`]), or starts or cancels something on one of the latter ([`note_start`]), or a port or a
//!   socket comes to it ([`look`]).

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering, fence},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd};
use wharf::{DriverChoice, raw::Port};

use crate::{operation::Record, port::CompletionPort};

/// How long nobody has waited on a port before it is gone on with here.
const UNATTENDED: Duration = Duration::from_millis(10);

struct Watch {
    /// Wakes the thread.
    bell: OwnedFd,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    started: bool,
    ports: Vec<Weak<CompletionPort>>,
    /// Raw ports to be closed.
    disposed: Vec<Arc<Port>>,
}

/// The thread sleeps, and is to be told when a thread leaves its wait.
static SLEEPS: AtomicBool = AtomicBool::new(false);

static WATCH: OnceLock<Watch> = OnceLock::new();

/// None if the system has no descriptor for its bell; it is tried again with the next socket.
fn watch() -> Option<&'static Watch> {
    if let Some(watch) = WATCH.get() {
        return Some(watch);
    }
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()?;
    Some(WATCH.get_or_init(|| Watch {
        bell,
        state: Mutex::default(),
    }))
}

/// The port for sockets of no port, once there was one.
static HIDDEN: OnceLock<Arc<CompletionPort>> = OnceLock::new();

impl Watch {
    fn with<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn ring(&self) {
        // Fails only when the counter is full.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Has the thread started, unless it is there. It is tried again with the next socket if the system has none.
    fn start(&'static self, state: &mut State) {
        if !state.started {
            let builder = thread::Builder::new().name("wharf-watch".into());
            state.started = builder.spawn(|| self.run()).is_ok();
        }
    }

    fn run(&self) {
        let mut looked_at = None;
        loop {
            let (ports, disposed) = self.with(|state| {
                state.ports.retain(|port| port.strong_count() > 0);
                let ports: Vec<_> = state.ports.iter().filter_map(Weak::upgrade).collect();
                (ports, std::mem::take(&mut state.disposed))
            });
            disposed.into_iter().for_each(close);
            let mut holds_for = look_after(&ports, &mut looked_at);
            let mut attended = Vec::new();
            for port in &ports {
                if port.is_attended.load(Ordering::SeqCst) {
                    // A failure to poll is not known to happen, and the next look would have it too.
                    if port.raw.attend().unwrap_or(false) {
                        // There is more to do: after the other ports.
                        holds_for = Some(Duration::ZERO);
                    }
                    attended.push(port);
                }
            }
            self.sleep(&attended, holds_for);
        }
    }

    fn sleep(&self, attended: &[&Arc<CompletionPort>], timeout: Option<Duration>) {
        let mut polled = vec![PollFd::from_borrowed_fd(self.bell.as_fd(), PollFlags::IN)];
        let pollable = attended.iter().filter_map(|port| port.raw.pollable());
        polled.extend(
            pollable.map(|port: BorrowedFd<'_>| PollFd::from_borrowed_fd(port, PollFlags::IN)),
        );
        let timeout = timeout.map(|timeout| Timespec::try_from(timeout).expect("it is short"));
        // Interrupted, it looks once more.
        let _ = rustix::event::poll(&mut polled, timeout.as_ref());
        SLEEPS.store(false, Ordering::SeqCst);
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.bell, &mut count);
    }
}

/// Looks which ports are to be gone on with, and returns how long that holds; none: until the bell rings. `looked_at`: when this
/// was done last.
fn look_after(ports: &[Arc<CompletionPort>], looked_at: &mut Option<Instant>) -> Option<Duration> {
    let now = Instant::now();
    let passed = looked_at.map_or(UNATTENDED, |at| now.duration_since(at));
    if let Some(left) = UNATTENDED
        .checked_sub(passed)
        .filter(|left| !left.is_zero())
    {
        return Some(left);
    }
    *looked_at = Some(now);
    let mut is_settled = true;
    let mut relies_on_waiters = false;
    for port in ports {
        if is_hidden(port) {
            continue;
        }
        let was_visited = port.visited.swap(false, Ordering::SeqCst);
        let is_waited_on = port.raw.counts().parked > 0;
        let is_unattended = !was_visited && !is_waited_on;
        port.is_attended.store(is_unattended, Ordering::SeqCst);
        is_settled &= is_unattended || (is_waited_on && !was_visited);
        relies_on_waiters |= is_waited_on;
    }
    if !is_settled {
        return Some(UNATTENDED);
    }
    if relies_on_waiters {
        SLEEPS.store(true, Ordering::SeqCst);
        // Who leaves after this was looked at finds that it is to ring.
        let waited_on = |port: &&Arc<CompletionPort>| {
            !is_hidden(port) && !port.is_attended.load(Ordering::SeqCst)
        };
        if ports
            .iter()
            .filter(waited_on)
            .any(|port| port.raw.counts().parked == 0)
        {
            return Some(UNATTENDED);
        }
    }
    None
}

fn is_hidden(port: &Arc<CompletionPort>) -> bool {
    HIDDEN.get().is_some_and(|hidden| Arc::ptr_eq(hidden, port))
}

/// Closes a raw port, and frees the records of the packets that nobody took.
fn close(port: Arc<Port>) {
    for packet in port.close() {
        if let Some(operation) = packet.operation {
            // SAFETY: the close has handed it out.
            drop(unsafe { Record::from_raw(operation) });
        }
    }
}

/// The hidden port. None if the system has no descriptors or no memory for it; it is tried again.
pub(crate) fn hidden() -> Option<&'static Arc<CompletionPort>> {
    static MAKES: Mutex<()> = Mutex::new(());
    if HIDDEN.get().is_none() {
        let _makes = MAKES.lock().unwrap_or_else(PoisonError::into_inner);
        if HIDDEN.get().is_none() {
            let port = CompletionPort::new(1, DriverChoice::Readiness)?;
            port.is_attended.store(true, Ordering::SeqCst);
            let _ = HIDDEN.set(Arc::new(port));
        }
    }
    HIDDEN.get()
}

/// A port has a socket with an operation: it is watched from now on.
pub(crate) fn add(port: &Arc<CompletionPort>) {
    let Some(watch) = watch() else { return };
    let is_new = watch.with(|state| {
        watch.start(state);
        let weak = Arc::downgrade(port);
        let is_new = !state.ports.iter().any(|listed| listed.ptr_eq(&weak));
        if is_new {
            state.ports.push(weak);
        }
        is_new
    });
    if is_new {
        watch.ring();
    }
}

/// Has a raw port closed by the thread, which transfers for none meanwhile.
pub(crate) fn dispose(port: Arc<Port>) {
    let Some(watch) = watch() else { return };
    watch.with(|state| {
        state.disposed.push(port);
        watch.start(state);
    });
    watch.ring();
}

/// Has the thread look again.
pub(crate) fn look() {
    if let Some(watch) = WATCH.get() {
        watch.ring();
    }
}

/// A thread leaves its wait: there may be no other.
#[inline]
pub(crate) fn note_leave() {
    if SLEEPS.load(Ordering::Relaxed) && SLEEPS.swap(false, Ordering::SeqCst) {
        look();
    }
}

/// Something was started or cancelled on a port, and may have left work there that no event tells of.
#[inline]
pub(crate) fn note_start(port: &CompletionPort) {
    fence(Ordering::SeqCst);
    if port.is_attended.load(Ordering::Relaxed) {
        look();
    }
}
