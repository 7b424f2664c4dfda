//! The handles of a port: their table, and the driver that watches their descriptors and transfers for them.
//!
//! Nothing here knows of the queue, of packets' way to threads, or of those threads: what comes of a transfer or of a close goes
//! to [`Results`].

use std::io;

use super::{entry::Entry, file::Files, results::Results, side::Ready};
use crate::{
    driver::{Driver, Event, Query, Reply},
    raw::{Descriptor, Direction, Handle, Kind, RawDescriptor, closed, table::Table},
    sync::{Condvar, Mutex, MutexGuard},
};

#[derive(Debug)]
pub(super) struct Handles {
    pub table: Table,
    pub driver: Box<dyn Driver>,
    pub files: Files,
    /// Where a thread waits for the place of a borrowed descriptor to be free.
    freed: (Mutex<()>, Condvar),
}

impl Handles {
    pub(super) fn new(driver: Box<dyn Driver>) -> Self {
        Handles {
            table: Table::new(),
            driver,
            files: Files::default(),
            freed: (Mutex::new(()), Condvar::new()),
        }
    }

    /// Whether a stream, or what a listener accepts, is TCP.
    pub(super) fn is_tcp(&self, descriptor: &Descriptor, kind: Kind) -> bool {
        match kind {
            // Where it can't be told, nothing is taken for granted.
            Kind::Stream | Kind::Unconnected | Kind::Listener => {
                let told = self.ask_new(descriptor, Query::IsTcp);
                told.is_ok_and(Reply::is_so)
            }
            Kind::Datagram | Kind::File => false,
        }
    }

    /// Has the driver watch a handle.
    pub(super) fn watch(&self, handle: Handle) -> io::Result<()> {
        let watched = self.with_descriptor(handle, |descriptor| {
            // SAFETY: the descriptor stays open meanwhile.
            unsafe { self.driver.watch(descriptor, handle.to_bits()) }
        });
        watched.inspect_err(|_| {
            if let Some(mut entry) = self.table.lock(handle) {
                entry.unwatched = true;
            }
        })
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
        let descriptor = {
            let mut entry = self.table.open(handle)?;
            let number = entry.descriptor.as_ref().ok_or_else(closed)?.number();
            entry.holds += 1;
            number
        };
        let _held = Held {
            handles: self,
            handle,
        };
        with(descriptor)
    }

    /// There may be memory now for what is received on a handle. Says whether anything on it can make use of that, and which
    /// side is worth an attempt.
    pub(super) fn feed(&self, handle: Handle) -> (bool, Option<Ready>) {
        let Some(mut entry) = self.table.lock(handle) else {
            return (false, None);
        };
        let side = entry.side(Direction::Read);
        side.feed();
        let useful = side.head().is_some();
        let direction = Direction::Read;
        let ready = side.enqueue().then_some(Ready { handle, direction });
        (useful, ready)
    }

    /// Has no receive begin on a handle, or has them begin again. Says whether its read side is worth an attempt then.
    pub(super) fn set_paused(&self, handle: Handle, paused: bool) -> io::Result<Option<Ready>> {
        let mut entry = self.table.open(handle)?;
        let direction = Direction::Read;
        let side = entry.side(direction);
        side.paused = paused;
        Ok(side.enqueue().then_some(Ready { handle, direction }))
    }

    /// Notes what an event tells of a handle, and which sides are worth an attempt then.
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

    /// Closes a handle: its operations end as cancelled, and its descriptor is closed as soon as no thread uses it. Says
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

    /// Lets go of a handle that was used; frees its place if it is closing and nobody else uses it.
    pub(super) fn let_go(&self, entry: MutexGuard<'_, Entry>, handle: Handle) {
        if !entry.closing || entry.is_busy() {
            return;
        }
        let (listener, unwatched) = (entry.listener(), entry.unwatched);
        let descriptor = self.table.remove(entry);
        self.driver.forget(handle.slot());
        // One that is closed leaves by that what watches it.
        if let Some(borrowed) = descriptor
            .as_ref()
            .filter(|it| it.is_borrowed() && !unwatched)
        {
            // SAFETY: its owner keeps it open until it is let go of.
            unsafe { self.driver.unwatch(borrowed.number()) };
        }
        let was_borrowed = descriptor.is_some_and(|descriptor| descriptor.is_borrowed());
        self.table.release(handle);
        self.strike_off(listener, handle);
        if was_borrowed {
            drop(self.freed.0.lock());
            self.freed.1.notify_all();
        }
    }

    /// Waits until a handle that was closed has no descriptor any more.
    pub(super) fn wait_until_free(&self, handle: Handle) {
        let mut freed = self.freed.0.lock();
        while self.is_held(handle) {
            freed = self.freed.1.wait(freed, None);
        }
    }

    /// Whether a thread uses the borrowed descriptor of a handle still.
    fn is_held(&self, handle: Handle) -> bool {
        let entry = self.table.lock(handle);
        entry.is_some_and(|entry| {
            entry
                .descriptor
                .as_ref()
                .is_some_and(Descriptor::is_borrowed)
        })
    }
}

/// A descriptor that is in use other than by a transfer, and stays open until this goes.
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
        io::{Read, Write},
        os::unix::net::UnixStream,
        ptr::NonNull,
    };

    use super::super::{results::Handover, transfer::Attempts};
    use super::*;
    use crate::{
        driver::{DriverChoice, Events, codes, open},
        raw::{Buffers, Completed, Overlapped, Queued, RawBuffer, Request, Status},
    };

    /// What came of it all, in order.
    #[derive(Default)]
    struct Collected {
        packets: Vec<NonNull<Overlapped>>,
        ready: Vec<Ready>,
    }

    impl Results for Collected {
        fn packet(&mut self, packet: Queued) {
            let Queued::Operation(Completed(operation)) = packet else {
                panic!("nothing is posted here")
            };
            self.packets.push(operation);
        }

        fn ready(&mut self, ready: Ready) {
            self.ready.push(ready);
        }

        fn hand_over(&mut self, handover: Handover) {
            handover.hand_over();
        }

        fn make_room(&mut self, _sides: usize) {}
    }

    impl Collected {
        fn outcomes(&self) -> Vec<(u64, usize, Status)> {
            let outcome = |operation: &NonNull<Overlapped>| {
                // SAFETY: the tests keep the operations.
                let operation = unsafe { operation.as_ref() };
                (operation.token, operation.transferred, operation.status)
            };
            self.packets.iter().map(outcome).collect()
        }
    }

    /// A handle that is watched, and its peer.
    fn pair() -> (Handles, Handle, UnixStream) {
        let (driver, _) = open(DriverChoice::Readiness, 1).expect("a driver");
        let handles = Handles::new(driver);
        let (ours, peer) = UnixStream::pair().expect("a pair");
        let handle = handles.table.insert(ours.into(), 7, Kind::Stream);
        let handle = handle.expect("a place");
        handles.watch(handle).expect("it can be watched");
        (handles, handle, peer)
    }

    fn receive(memory: &mut [u8], token: u64) -> Overlapped {
        let buffer = RawBuffer {
            start: memory.as_mut_ptr(),
            len: memory.len(),
        };
        Overlapped::new(token, Request::Receive(Buffers::One(buffer)))
    }

    fn line_up(handles: &Handles, handle: Handle, operation: &mut Overlapped) {
        operation.handle = handle;
        let mut entry = handles.table.lock(handle).expect("it is open");
        let direction = operation.direction();
        // SAFETY: the tests leave it alone until it is completed.
        unsafe { entry.side(direction).push(NonNull::from(operation)) };
    }

    /// Waits for events, and works on what is ready then.
    fn work(handles: &Handles, results: &mut Collected) {
        let (mut events, mut ready) = (Events::default(), Vec::new());
        handles.driver.wait(&mut events, None).expect("a wait");
        for event in &events.list {
            handles.note(event, &mut ready);
        }
        handles.work(&mut ready, &mut Attempts::default(), results);
    }

    #[test]
    fn what_comes_of_transfers_goes_to_the_results_and_nowhere_else() {
        let (handles, handle, mut peer) = pair();
        let mut memory = [[0; 4]; 2];
        let [first, second] = &mut memory;
        let (mut first, mut second) = (receive(first, 1), receive(second, 2));
        line_up(&handles, handle, &mut first);
        line_up(&handles, handle, &mut second);
        peer.write_all(b"ahoysail").expect("a write");
        let mut results = Collected::default();
        work(&handles, &mut results);
        assert_eq!(results.outcomes(), [(1, 4, Status::Done)]);
        // The next is worth an attempt.
        let mut ready = std::mem::take(&mut results.ready);
        assert_eq!(ready.len(), 1);
        handles.work(&mut ready, &mut Attempts::default(), &mut results);
        assert_eq!(results.outcomes()[1], (2, 4, Status::Done));
        assert_eq!(memory, [*b"ahoy", *b"sail"]);
    }

    #[test]
    fn a_close_ends_what_is_in_line_and_lets_the_descriptor_go() {
        let (handles, handle, mut peer) = pair();
        let mut memory = [0; 4];
        let mut operation = receive(&mut memory, 1);
        line_up(&handles, handle, &mut operation);
        let mut results = Collected::default();
        let cancelled = Status::Failed(codes::CANCELLED);
        handles
            .with_descriptor(handle, |_| {
                assert!(handles.close(handle, &mut results));
                assert_eq!(results.outcomes(), [(1, 0, cancelled)]);
                peer.set_nonblocking(true)?;
                let open = peer.read(&mut [0; 1]).expect_err("it is in use still");
                assert_eq!(open.kind(), io::ErrorKind::WouldBlock);
                Ok(())
            })
            .expect("it was open");
        assert_eq!(peer.read(&mut [0; 1]).expect("the end"), 0);
        assert!(!handles.close(handle, &mut results));
        assert_eq!(results.outcomes().len(), 1);
    }
}
