//! The handles of a port: their table, and the driver that has their descriptors registered and transfers for them.
//!
//! Nothing here knows of the queue or of the threads that wait for packets: the results of a transfer or of a close go
//! to [`Results`].

#[cfg(feature = "safe")]
use std::sync::OnceLock;
use std::{io, os::fd::BorrowedFd};

#[cfg(feature = "safe")]
use super::idle::Make;
use super::{entry::Entry, files::Files, results::Results, side::Ready, timekeeper::Timekeeper};
use crate::{
    driver::{Driver, Event, Query, Reply},
    raw::{Descriptor, Direction, Handle, Kind, LockedEntry, RawDescriptor, closed, table::Table},
    sync::{Condvar, Mutex},
};

#[derive(Debug)]
pub(super) struct Handles {
    pub table: Table,
    pub driver: Box<dyn Driver>,
    pub files: Files,
    pub timekeeper: Timekeeper,
    /// How receives that are no operations become such.
    #[cfg(feature = "safe")]
    pub make: OnceLock<Make>,
    /// On this a thread waits until a borrowed descriptor is not in use any more.
    freed: (Mutex<()>, Condvar),
}

impl Handles {
    pub(super) fn new(driver: Box<dyn Driver>) -> Self {
        Handles {
            table: Table::new(),
            driver,
            files: Files::default(),
            timekeeper: Timekeeper::new(),
            #[cfg(feature = "safe")]
            make: OnceLock::new(),
            freed: (Mutex::new(()), Condvar::new()),
        }
    }

    /// Whether the driver gains by transfers that are handed over at once.
    pub(super) fn gains_by_batches(&self) -> bool {
        self.driver.batch_max() > 1
    }

    /// Whether a stream, or a connection that a listener accepts, is TCP.
    pub(super) fn is_tcp(&self, descriptor: &Descriptor, kind: Kind) -> bool {
        match kind {
            // If the system does not tell, it counts as not TCP.
            Kind::Stream | Kind::Unconnected | Kind::Listener => {
                let told = self.ask_new(descriptor, Query::IsTcp);
                told.is_ok_and(Reply::is_so)
            }
            Kind::Datagram | Kind::File => false,
        }
    }

    /// Registers a handle with the driver.
    pub(super) fn register(&self, handle: Handle) -> io::Result<()> {
        let mut is_borrowed = false;
        let number = |descriptor: &Descriptor| {
            is_borrowed = descriptor.is_borrowed();
            Ok(descriptor.number())
        };
        self.with_number(handle, number, |descriptor| {
            // SAFETY: the descriptor stays open meanwhile.
            unsafe { self.driver.register(descriptor, handle.to_bits()) }
        })?;
        if is_borrowed {
            self.note_registered(handle);
        }
        Ok(())
    }

    /// A borrowed descriptor is registered for a handle from now on. For other descriptors this is not needed.
    pub(super) fn note_registered(&self, handle: Handle) {
        if let Some(mut entry) = self.table.lock(handle) {
            entry.registered = true;
        }
    }

    pub(super) fn ask(&self, handle: Handle, query: Query) -> io::Result<Reply> {
        self.with_descriptor(handle, |descriptor| {
            // SAFETY: the descriptor stays open meanwhile.
            unsafe { self.driver.ask(descriptor, query) }
        })
    }

    pub(super) fn ask_new(&self, descriptor: &Descriptor, query: Query) -> io::Result<Reply> {
        self.driver.knows(descriptor)?;
        // SAFETY: it is open as long as it is borrowed.
        unsafe { self.driver.ask(descriptor.number(), query) }
    }

    /// Calls `with` with the handle's descriptor, which stays open meanwhile, under no lock.
    ///
    /// # Errors
    /// The handle is closed; or what `with` returns.
    pub(super) fn with_descriptor<T>(
        &self,
        handle: Handle,
        with: impl FnOnce(RawDescriptor) -> io::Result<T>,
    ) -> io::Result<T> {
        self.with_number(handle, |descriptor| Ok(descriptor.number()), with)
    }

    /// As [`with_descriptor`](Self::with_descriptor), for a descriptor of the system's.
    ///
    /// # Errors
    /// It is a simulated kernel's; or as there.
    pub(super) fn with_borrowed<T>(
        &self,
        handle: Handle,
        with: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.with_number(handle, Descriptor::system_number, |number| {
            // SAFETY: it is open, and stays so meanwhile. The borrow ends with the call: `with` takes one of any lifetime.
            with(unsafe { BorrowedFd::borrow_raw(number) })
        })
    }

    fn with_number<T>(
        &self,
        handle: Handle,
        number: impl FnOnce(&Descriptor) -> io::Result<RawDescriptor>,
        with: impl FnOnce(RawDescriptor) -> io::Result<T>,
    ) -> io::Result<T> {
        let descriptor = {
            let mut entry = self.table.open(handle)?;
            let number = number(entry.descriptor.as_ref().ok_or_else(closed)?)?;
            entry.holds += 1;
            number
        };
        let _held = Held {
            handles: self,
            handle,
        };
        with(descriptor)
    }

    /// There may be memory now for the receives of a handle. Returns whether an operation of it can use that, and which
    /// side is worth an attempt.
    pub(super) fn feed(&self, handle: Handle) -> (bool, Option<Ready>) {
        let Some(mut entry) = self.table.lock(handle) else {
            return (false, None);
        };
        let side = entry.side(Direction::Read);
        side.feed();
        let useful = !side.is_empty();
        let direction = Direction::Read;
        let ready = side.enqueue().then_some(Ready { handle, direction });
        (useful, ready)
    }

    /// Pauses the receives of a handle, or ends the pause. Returns whether its read side is worth an attempt then.
    pub(super) fn set_paused(&self, handle: Handle, paused: bool) -> io::Result<Option<Ready>> {
        let mut entry = self.table.open(handle)?;
        let direction = Direction::Read;
        let side = entry.side(direction);
        side.paused = paused;
        Ok(side.enqueue().then_some(Ready { handle, direction }))
    }

    /// Notes the readiness that an event reports for a handle, and which sides are worth an attempt then.
    pub(super) fn note(&self, event: &Event, ready: &mut Vec<Ready>) {
        let handle = Handle::from_bits(event.token);
        // A stale handle: it was closed while the event was on its way.
        let Some(mut entry) = self.table.lock(handle) else {
            return;
        };
        entry.read_on |= event.hangup || event.ended || event.urgent;
        entry.peer_ended |= event.ended && !event.hangup;
        for (direction, changed) in [
            (Direction::Read, event.readable),
            (Direction::Write, event.writable),
        ] {
            let side = entry.side(direction);
            if changed {
                side.edge();
                if side.enqueue() {
                    ready.push(Ready { handle, direction });
                }
            }
        }
    }

    /// Closes a handle: its operations end as cancelled, and its descriptor is closed as soon as no thread uses it. Returns
    /// whether it was open.
    pub(super) fn close(&self, handle: Handle, results: &mut impl Results) -> bool {
        match self.table.open(handle) {
            Ok(entry) => {
                self.close_entry(handle, entry, results);
                true
            }
            Err(_) => false,
        }
    }

    /// Ends the use of a handle; frees its place if it is closing and no other thread uses it.
    pub(super) fn let_go(&self, mut entry: LockedEntry<'_>, handle: Handle) {
        if !entry.closing || entry.is_busy() {
            return;
        }
        let listener = entry.listener();
        let borrowed = entry.borrowed();
        if let Some(number) = borrowed {
            // While the place is in use: once it is not, the owner may close the descriptor.
            self.let_go_of_borrowed(&entry, number, handle);
        }
        entry.drop_rest();
        let descriptor = self.table.remove(entry);
        // A descriptor that is closed is deregistered by the close.
        self.driver.forget(handle.slot());
        drop(descriptor);
        self.table.release(handle);
        self.remove(listener, handle);
        if borrowed.is_some() {
            drop(self.freed.0.lock());
            self.freed.1.notify_all();
        }
    }

    /// Makes the driver forget a borrowed descriptor.
    fn let_go_of_borrowed(&self, entry: &Entry, number: RawDescriptor, handle: Handle) {
        self.driver.forget(handle.slot());
        if entry.registered {
            // SAFETY: its owner keeps it open until the handle is released.
            unsafe { self.driver.deregister(number) };
        }
    }

    /// Waits until a handle that was closed has no descriptor any more, if that is borrowed.
    pub(super) fn wait_until_free(&self, handle: Handle) {
        let mut freed = self.freed.0.lock();
        while self.is_held(handle) {
            freed = self.freed.1.wait(freed, None);
        }
    }

    /// Whether the borrowed descriptor of a handle is in use still.
    pub(super) fn is_held(&self, handle: Handle) -> bool {
        let entry = self.table.lock(handle);
        entry.is_some_and(|entry| entry.borrowed().is_some())
    }
}

/// A descriptor that is in use other than by a transfer, and stays open until this is dropped.
struct Held<'a> {
    handles: &'a Handles,
    handle: Handle,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(mut entry) = self.handles.table.lock(self.handle) {
            entry.holds -= 1;
            self.handles.let_go(entry, self.handle);
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::{
        net::{SocketAddr, UdpSocket},
        os::fd::AsRawFd,
        sync::mpsc::{Receiver, Sender, channel},
        thread,
        time::Duration,
    };

    use super::*;
    use crate::driver::{
        BorrowedDescriptor, DriverChoice, Events, Promises, Transfer, open as open_driver,
    };

    /// The system's driver, but that [`deregister`](Driver::deregister) tells when it is called, and waits until it may go on.
    #[derive(Debug)]
    struct Halting {
        driver: Box<dyn Driver>,
        called: Mutex<Sender<()>>,
        may_go: Mutex<Receiver<()>>,
    }

    impl Driver for Halting {
        fn name(&self) -> &'static str {
            self.driver.name()
        }
        fn promises(&self) -> Promises {
            self.driver.promises()
        }
        fn late_max(&self, timeout: Duration) -> Duration {
            self.driver.late_max(timeout)
        }
        fn descriptors(&self) -> usize {
            self.driver.descriptors()
        }
        fn batch_max(&self) -> usize {
            self.driver.batch_max()
        }
        fn knows(&self, descriptor: &Descriptor) -> io::Result<()> {
            self.driver.knows(descriptor)
        }
        fn stream_for(
            &self,
            peer: SocketAddr,
            local: Option<SocketAddr>,
        ) -> io::Result<Descriptor> {
            self.driver.stream_for(peer, local)
        }
        fn local_stream(&self) -> io::Result<Descriptor> {
            self.driver.local_stream()
        }
        unsafe fn ask(&self, descriptor: i32, query: Query) -> io::Result<Reply> {
            // SAFETY: passed on to the caller.
            unsafe { self.driver.ask(descriptor, query) }
        }
        unsafe fn register(&self, descriptor: i32, token: u64) -> io::Result<()> {
            // SAFETY: passed on to the caller.
            unsafe { self.driver.register(descriptor, token) }
        }
        fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
            self.driver.wait(events, timeout)
        }
        fn wake(&self) {
            self.driver.wake();
        }
        fn arm(&self, delay: Option<Duration>) {
            self.driver.arm(delay);
        }
        unsafe fn transfer(&self, transfers: &mut [Transfer]) {
            // SAFETY: passed on to the caller.
            unsafe { self.driver.transfer(transfers) }
        }
        unsafe fn transfer_file(&self, transfer: &mut Transfer) {
            // SAFETY: passed on to the caller.
            unsafe { self.driver.transfer_file(transfer) }
        }
        unsafe fn deregister(&self, descriptor: i32) {
            self.called.lock().send(()).expect("the test listens");
            self.may_go.lock().recv().expect("the test says so");
            // SAFETY: passed on to the caller.
            unsafe { self.driver.deregister(descriptor) }
        }
        fn forget(&self, slot: u32) {
            self.driver.forget(slot);
        }
    }

    #[test]
    fn a_borrowed_descriptor_is_not_free_before_the_driver_has_lost_it() {
        let (driver, _) = open_driver(DriverChoice::Readiness, 1).expect("a driver");
        let ((called, is_called), (go, may_go)) = (channel(), channel());
        let (called, may_go) = (Mutex::new(called), Mutex::new(may_go));
        let handles = Handles::new(Box::new(Halting {
            driver,
            called,
            may_go,
        }));
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        // SAFETY: it is open until the end of this test.
        let borrowed = unsafe { BorrowedDescriptor::new(socket.as_raw_fd()) };
        let handle = handles
            .table
            .insert(Descriptor::Borrowed(borrowed), 0, Kind::Datagram)
            .expect("a place");
        handles.register(handle).expect("it can be registered");
        assert!(handles.is_held(handle));
        let (freed, is_free) = channel();
        thread::scope(|threads| {
            threads.spawn(|| {
                let mut entry = handles.table.open(handle).expect("it is open");
                entry.closing = true;
                handles.let_go(entry, handle);
            });
            is_called.recv().expect("it is deregistered");
            threads.spawn(|| {
                handles.wait_until_free(handle);
                freed.send(()).expect("the test listens");
            });
            let early = is_free.recv_timeout(Duration::from_millis(50));
            go.send(()).expect("the driver listens");
            assert!(early.is_err(), "its owner would close it");
            is_free.recv().expect("it is free");
            assert!(!handles.is_held(handle));
        });
    }
}
