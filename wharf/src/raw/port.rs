//! The port: its parts, and its handles, on either shape of it.

#[cfg(unix)]
use std::os::fd::BorrowedFd;
#[cfg(windows)]
use std::os::windows::io::{AsHandle, AsSocket, BorrowedHandle, BorrowedSocket};
use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

#[cfg(unix)]
use super::BorrowedDescriptor;
use super::{
    Descriptor, Handle, Kind, Options, Port, RawDescriptor, ThreadPool, closed,
    shape::{Associations, Parts},
};
use crate::{
    driver::{DriverInfo, Query},
    snapshot::{Counts, Snapshot, Traffic},
};

impl fmt::Debug for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Port")
            .field("driver", &self.driver().name)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Port {
    /// Makes a port.
    ///
    /// # Errors
    /// The system's, if it gives no descriptors or no memory; with [`DriverChoice::Uring`](crate::DriverChoice::Uring), also
    /// its refusal of io_uring, with the remedy. [`Unsupported`](io::ErrorKind::Unsupported): the driver that was asked for is
    /// another system's.
    pub fn new(options: &Options) -> io::Result<Arc<Self>> {
        Port::make(options)
    }

    /// The driver that was chosen.
    pub fn driver(&self) -> &DriverInfo {
        self.info()
    }

    /// The most threads that run at once.
    pub fn concurrency(&self) -> usize {
        Parts::concurrency(self)
    }

    /// How many descriptors the port has open for itself, beside those of associated handles: 3, and one more for each thread
    /// that may run at once where io_uring is used. On Windows none that count against a limit.
    pub fn descriptors(&self) -> usize {
        Parts::descriptors(self)
    }

    /// How many threads and packets are in which state, as far as the system tells.
    pub fn counts(&self) -> Counts {
        Parts::counts(self)
    }

    /// The state of the port and of its threads. It asks the system about each thread that is in a handler, so call it only now
    /// and then.
    pub fn snapshot(&self) -> Snapshot {
        Parts::snapshot(self)
    }

    /// How long the oldest entry of the queue has waited, as in a [`Snapshot`], but without asking about threads and without
    /// taking memory.
    pub fn oldest(&self) -> Option<Duration> {
        Parts::oldest(self)
    }

    /// Whether the port is closed.
    pub fn is_closed(&self) -> bool {
        Parts::is_closed(self)
    }

    /// Starts the port's own thread that finds out which others are blocked (on Linux only), so that it is there when the
    /// system has no thread left to give. To be called before a pool's threads are started; without the call, it starts when it
    /// is first needed, if the system has a thread for it then.
    ///
    /// # Errors
    /// The system's: it has no thread for the monitor.
    pub fn prepare(&self) -> io::Result<()> {
        Parts::prepare(self)
    }

    /// From now on the port asks this pool for a thread when all are blocked; see [`ThreadPool`]. The port does not own it.
    pub fn add_pool(&self, pool: Weak<dyn ThreadPool>) {
        Parts::add_pool(self, pool);
    }

    /// To be called when a pool that was [full](super::Spawned::Full) is no longer full: one of its threads has ended, or its
    /// limit was raised. The port's pools are asked again.
    pub fn can_spawn(&self) {
        Parts::can_spawn(self);
    }

    /// To be called by a thread that a pool started when it was [asked](ThreadPool::spawn), once its first wait has returned,
    /// with whichever answer. On Windows the port may ask for another thread then.
    pub fn worker_started(&self) {
        Parts::worker_started(self);
    }

    /// Associates a descriptor with the port, under a key that comes back with each of its packets. The port owns the
    /// descriptor from now on, and makes it non-blocking where a call depends on that mode.
    ///
    /// # Errors
    /// The port is closed, has as many handles as it takes, or the system can't register the descriptor or associate it; or it is of
    /// another kernel than the port's ([`InvalidInput`](io::ErrorKind::InvalidInput)). The descriptor is closed.
    pub fn associate(
        &self,
        descriptor: impl Into<Descriptor>,
        key: usize,
        kind: Kind,
    ) -> io::Result<Handle> {
        Associations::associate_as(self, descriptor.into(), key, kind, None)
    }

    /// Associates a new stream socket that can be connected to `peer`, from `local` if that is given: one of the kind
    /// [`Unconnected`](Kind::Unconnected).
    ///
    /// # Errors
    /// The system's; or as for [`associate`](Self::associate).
    pub fn associate_unconnected(
        &self,
        peer: SocketAddr,
        local: Option<SocketAddr>,
        key: usize,
    ) -> io::Result<Handle> {
        let socket = self.stream_for(peer, local)?;
        Associations::associate_as(self, socket, key, Kind::Unconnected, Some(true))
    }

    /// Associates a new stream socket that can be connected to a local one.
    ///
    /// # Errors
    /// As for [`associate_unconnected`](Self::associate_unconnected).
    #[cfg(unix)]
    pub fn associate_unconnected_local(&self, key: usize) -> io::Result<Handle> {
        let socket = self.local_stream()?;
        Associations::associate_as(self, socket, key, Kind::Unconnected, Some(false))
    }

    /// Associates a descriptor that its owner keeps: the port does not close it. Close the handle with
    /// [`release_handle`](Self::release_handle).
    ///
    /// # Errors
    /// As for [`associate`](Self::associate); [`AlreadyExists`](io::ErrorKind::AlreadyExists): it is associated with this port
    /// already.
    ///
    /// # Safety
    /// The descriptor is open, and stays so until `release_handle` has returned, or the port has been closed and is gone.
    #[cfg(unix)]
    pub unsafe fn associate_borrowed(
        &self,
        descriptor: RawDescriptor,
        key: usize,
        kind: Kind,
    ) -> io::Result<Handle> {
        // SAFETY: passed on to the caller.
        let descriptor = unsafe { BorrowedDescriptor::new(descriptor) };
        Associations::associate_as(self, Descriptor::Borrowed(descriptor), key, kind, None)
    }

    /// Closes a handle as [`close_handle`](Self::close_handle) does, and, if its descriptor is
    /// [borrowed](Self::associate_borrowed), waits until no thread uses it. A thread that transfers for it never blocks, unless
    /// it is a file's, so the wait is short.
    ///
    /// Not to be called by a [`Provider`](super::Provider), by [`Overlapped::waits`](super::Overlapped::waits) or within
    /// [`with_descriptor`](Self::with_descriptor), for this handle: it would wait for itself.
    #[cfg(unix)]
    pub fn release_handle(&self, handle: Handle) -> bool {
        let was_open = self.close_handle(handle);
        self.wait_until_free(handle);
        was_open
    }

    /// Whether no thread uses the [borrowed](Self::associate_borrowed) descriptor of a handle that was closed, so that
    /// [`release_handle`](Self::release_handle) would return at once: for those who may not wait.
    #[cfg(unix)]
    pub fn is_released(&self, handle: Handle) -> bool {
        !self.is_held(handle)
    }

    /// As [`associate`](Self::associate). `is_tcp`: whether a stream, or a connection that a listener accepts, is TCP, if
    /// known.
    #[cfg(feature = "safe")]
    pub(crate) fn associate_as(
        &self,
        descriptor: Descriptor,
        key: usize,
        kind: Kind,
        is_tcp: Option<bool>,
    ) -> io::Result<Handle> {
        Associations::associate_as(self, descriptor, key, kind, is_tcp)
    }

    /// Whether a stream, or a connection that a listener accepts, is TCP; none if it is not known, where it makes no
    /// difference.
    pub fn is_tcp(&self, handle: Handle) -> Option<bool> {
        Associations::is_tcp(self, handle)
    }

    /// Checks that a descriptor is of the port's kernel.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): it is of another kernel; one of the two is simulated.
    pub fn knows(&self, descriptor: &Descriptor) -> io::Result<()> {
        Associations::knows(self, descriptor)
    }

    /// Calls `with` with the descriptor of a handle, which stays open meanwhile, even if another thread closes the handle: to
    /// read or set an option, say. It is called under no lock; a close of the handle that comes meanwhile takes effect at once
    /// for operations, and closes the descriptor afterwards.
    ///
    /// `with` must not close the descriptor, nor move bytes through it: operations that are started on the handle would miss
    /// them. The blocking mode may be changed: the port's calls do not depend on it.
    ///
    /// # Errors
    /// The handle is closed; or what `with` returns.
    pub fn with_descriptor<T>(
        &self,
        handle: Handle,
        with: impl FnOnce(RawDescriptor) -> io::Result<T>,
    ) -> io::Result<T> {
        Associations::with_descriptor(self, handle, with)
    }

    /// As [`with_descriptor`](Self::with_descriptor), with a `BorrowedFd` for the call.
    ///
    /// # Errors
    /// As there; [`Unsupported`](io::ErrorKind::Unsupported): it is of a simulated kernel.
    #[cfg(unix)]
    pub fn with_borrowed<T>(
        &self,
        handle: Handle,
        with: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        Associations::with_borrowed(self, handle, with)
    }

    /// As [`with_descriptor`](Self::with_descriptor), with a `BorrowedSocket` for the call. `with` must not use the
    /// handle, which is locked meanwhile, nor wait for a thread that uses it.
    ///
    /// # Errors
    /// As there; [`InvalidInput`](io::ErrorKind::InvalidInput): it is a file.
    #[cfg(windows)]
    pub fn with_borrowed_socket<T>(
        &self,
        handle: Handle,
        with: impl FnOnce(BorrowedSocket<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        Associations::with_borrowed(self, handle, |descriptor| match descriptor {
            Descriptor::Socket(socket) => with(socket.as_socket()),
            Descriptor::File(_) | Descriptor::OverlappedFile(_) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is a file, and no socket; use `with_borrowed_file`",
            )),
        })
    }

    /// As [`with_borrowed_socket`](Self::with_borrowed_socket), with a file.
    ///
    /// # Errors
    /// As there; [`InvalidInput`](io::ErrorKind::InvalidInput): it is a socket.
    #[cfg(windows)]
    pub fn with_borrowed_file<T>(
        &self,
        handle: Handle,
        with: impl FnOnce(BorrowedHandle<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        Associations::with_borrowed(self, handle, |descriptor| match descriptor {
            Descriptor::File(file) | Descriptor::OverlappedFile(file) => with(file.as_handle()),
            Descriptor::Socket(_) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is a socket, and no file; use `with_borrowed_socket`",
            )),
        })
    }

    /// The address of a socket.
    ///
    /// # Errors
    /// The handle is closed, the system's, or the address is not an Internet one
    /// ([`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable)).
    pub fn local_addr(&self, handle: Handle) -> io::Result<SocketAddr> {
        self.ask(handle, Query::LocalAddress)?.address()
    }

    /// The address of a socket's peer.
    ///
    /// # Errors
    /// As for [`local_addr`](Self::local_addr); or it is not connected.
    pub fn peer_addr(&self, handle: Handle) -> io::Result<SocketAddr> {
        self.ask(handle, Query::PeerAddress)?.address()
    }

    /// Bytes that have arrived on a stream and were not received yet.
    ///
    /// # Errors
    /// The handle is closed; or the system's.
    pub fn unread(&self, handle: Handle) -> io::Result<u64> {
        Ok(self.ask(handle, Query::Unread)?.count())
    }

    /// For a stream whose sending side is shut down: whether the peer's system has all that was sent.
    ///
    /// # Errors
    /// The handle is closed; or the system's, which on Windows may not tell.
    pub fn is_delivered(&self, handle: Handle) -> io::Result<bool> {
        Ok(self.ask(handle, Query::IsDelivered)?.is_so())
    }

    /// Bytes that the system has taken to send on a stream and the peer's system has not acknowledged (`SIOCOUTQ`, tcp(7)).
    ///
    /// # Errors
    /// The handle is closed; or the system's. On Windows it is not known ([`Unsupported`](io::ErrorKind::Unsupported)).
    pub fn unacknowledged(&self, handle: Handle) -> io::Result<u64> {
        Ok(self.ask(handle, Query::Unacknowledged)?.count())
    }

    /// Makes a TCP socket send small segments at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// The handle is closed; or the system's.
    pub fn set_nodelay(&self, handle: Handle, at_once: bool) -> io::Result<()> {
        self.ask(handle, Query::Nodelay(at_once)).map(drop)
    }

    /// Makes a close of the handle reset the TCP connection (`SO_LINGER` of 0).
    ///
    /// # Errors
    /// The handle is closed; or the system's.
    pub fn reset_on_close(&self, handle: Handle) -> io::Result<()> {
        self.ask(handle, Query::ResetOnClose).map(drop)
    }

    /// The length of a file in bytes. The system may wait for the disk.
    ///
    /// # Errors
    /// The handle is closed; or the system's.
    pub fn length(&self, handle: Handle) -> io::Result<u64> {
        Ok(self.ask(handle, Query::Length)?.count())
    }

    /// The answer of the system to a question about a descriptor that is not associated.
    #[cfg(feature = "safe")]
    pub(crate) fn ask_new(
        &self,
        descriptor: &Descriptor,
        query: Query,
    ) -> io::Result<crate::driver::Reply> {
        Associations::ask_new(self, descriptor, query)
    }

    /// Backpressure for the peer: from now on no receive of a stream begins. Receives that are started wait, as if there were
    /// nothing to receive, and TCP's flow control stops the peer once the system's memory is full. A receive that is in
    /// transfer still ends; on Windows, where the kernel has them, so do all that were begun. [Attempts](Self::try_receive) are
    /// not held back.
    ///
    /// While this lasts, receives see neither the end of the stream nor its failure.
    ///
    /// # Errors
    /// The handle is closed.
    pub fn pause_receives(&self, handle: Handle) -> io::Result<()> {
        self.set_paused(handle, true)
    }

    /// Ends the [pause](Self::pause_receives): receives begin again.
    ///
    /// # Errors
    /// The handle is closed.
    pub fn resume_receives(&self, handle: Handle) -> io::Result<()> {
        self.set_paused(handle, false)
    }

    /// Whether the peer of a stream is known to have ended its sending side in order, which says nothing of its receiving side:
    /// it may still take what is sent to it. The end is known once a receive has found it; on Linux also once the system
    /// reported it, while there are unread bytes before it.
    ///
    /// # Errors
    /// The handle is closed.
    pub fn peer_has_ended(&self, handle: Handle) -> io::Result<bool> {
        Ok(self.table().open(handle)?.peer_ended)
    }

    /// Tries again to find memory for what is received on a handle: a [`Provider`](super::Provider) that had none has some now.
    /// Returns whether an operation of the handle can use it. Of a listener: there may be a descriptor for an accept that
    /// [waits](super::Overlapped::waits) for one.
    pub fn resume(&self, handle: Handle) -> bool {
        self.feed(handle)
    }

    /// Sets the most bytes that may wait to be sent on a handle: backpressure for the sender. A send that would pass the limit
    /// is refused, unless nothing waits. No limit is set at first.
    ///
    /// # Errors
    /// The handle is closed.
    pub fn set_unsent_max(&self, handle: Handle, bytes: usize) -> io::Result<()> {
        self.table().open(handle)?.limits_mut().bytes_max = bytes;
        Ok(())
    }

    /// Sets the most sends that may be under way on a handle. One more is refused. No limit is set at first.
    ///
    /// # Errors
    /// The handle is closed.
    pub fn set_sends_max(&self, handle: Handle, sends: u32) -> io::Result<()> {
        self.table().open(handle)?.limits_mut().sends_max = sends;
        Ok(())
    }

    /// Bytes of started sends that the system has not taken yet, as far as is known. 0 for a handle that is closed.
    pub fn unsent(&self, handle: Handle) -> usize {
        self.table().unsent(handle)
    }

    /// Bytes received and sent so far. None for a handle that is closed.
    pub fn traffic(&self, handle: Handle) -> Option<Traffic> {
        let entry = self.table().lock(handle)?;
        Some(entry.traffic)
    }

    /// Gives a descriptor a place, unless the port is closed meanwhile.
    pub(super) fn insert(
        &self,
        descriptor: Descriptor,
        key: usize,
        kind: Kind,
    ) -> io::Result<Handle> {
        let handle = self.table().insert(descriptor, key, kind)?;
        if self.is_closed() {
            // The thread that closes the port may have listed its handles before this one was there.
            self.close_handle(handle);
            return Err(closed());
        }
        Ok(handle)
    }

    /// Closes a handle: its operations complete as cancelled, and its descriptor is closed as soon as no thread
    /// transfers for it. Returns whether it was open.
    pub fn close_handle(&self, handle: Handle) -> bool {
        match self.table().open(handle) {
            Ok(entry) => {
                self.close_entry(handle, entry);
                true
            }
            Err(_) => false,
        }
    }

    /// Closes a handle as [`close_handle`](Self::close_handle) does, unless a send or a shutdown is under way, or a receive is in
    /// transfer (on Windows also a receive that has ended and was not handed out). This is one step: an operation that another
    /// thread starts at the same time is under way before, or refused. Returns the bytes received and sent in all; none if this
    /// call did not close the handle.
    pub fn close_handle_if_sent(&self, handle: Handle) -> Option<Traffic> {
        self.close_if_sent(handle)
    }
}
