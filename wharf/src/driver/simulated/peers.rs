//! The sockets and files of a simulated kernel: to be associated with a port, or to be used directly, as the other end.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use rustix::io::Errno;

use super::Kernel;
use crate::{
    driver::{Descriptor, Query, unix::descriptor::Emulated},
    sync::now,
};

/// A socket or file of a simulated kernel, which is closed when this is dropped.
#[derive(Debug)]
pub struct Opened {
    kernel: Kernel,
    number: i32,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.kernel.with(|state| state.close(self.number));
    }
}

impl From<Opened> for Descriptor {
    fn from(opened: Opened) -> Self {
        Descriptor::Simulated(Box::new(opened))
    }
}

impl Emulated for Opened {
    fn number(&self) -> i32 {
        self.number
    }

    fn kernel(&self) -> usize {
        self.kernel.address()
    }
}

impl Opened {
    fn address(&self, query: Query) -> io::Result<SocketAddr> {
        let reply = self.kernel.with(|state| state.ask(self.number, query))?;
        reply.address()
    }

    /// Tries until a call succeeds, for `timeout` at most.
    fn wait<T>(
        &self,
        timeout: Option<Duration>,
        mut attempt: impl FnMut(&mut super::State) -> Result<T, Errno>,
    ) -> io::Result<T> {
        let deadline = timeout.and_then(|timeout| now().checked_add(timeout));
        let shared = &self.kernel.0;
        let mut state = shared.state.lock();
        let mut is_first = true;
        loop {
            match attempt(&mut state) {
                // It may have sent something on its way, as a connect does.
                Err(Errno::AGAIN) if is_first => shared.changed.notify_all(),
                Err(Errno::AGAIN) => {}
                result => {
                    drop(state);
                    shared.changed.notify_all();
                    return Ok(result?);
                }
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Errno::AGAIN.into());
            }
            is_first = false;
            state = shared.changed.wait(state, left);
        }
    }
}

/// One end of a stream. Used directly, it blocks as a [`TcpStream`](std::net::TcpStream) does.
#[derive(Debug)]
pub struct Stream {
    opened: Opened,
    timeout: Option<Duration>,
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener(Opened);

/// A datagram socket.
#[derive(Debug)]
pub struct Datagrams(Opened);

/// A file, which is only in memory.
#[derive(Debug)]
pub struct File(Opened);

impl Kernel {
    pub(super) fn opened(&self, number: i32) -> Opened {
        let kernel = self.clone();
        Opened { kernel, number }
    }

    fn stream(&self, number: i32) -> Stream {
        Stream {
            opened: self.opened(number),
            timeout: None,
        }
    }

    /// Two connected streams.
    pub fn streams(&self) -> (Stream, Stream) {
        let (near, far) = self.with(|state| state.pair());
        (self.stream(near), self.stream(far))
    }

    /// A listener, with an address of its own.
    ///
    /// # Panics
    /// There is one on each of the 65,535 ports.
    pub fn listen(&self) -> Listener {
        self.listen_on((Ipv4Addr::LOCALHOST, 0).into())
            .expect("a port is free")
    }

    /// A listener on this address; port 0 is one that is free. Any address of a host is this kernel's own, and can be connected to from it.
    ///
    /// # Errors
    /// As bind(2): the address is in use.
    pub fn listen_on(&self, address: SocketAddr) -> io::Result<Listener> {
        let number = self.with(|state| state.listen(address))?;
        Ok(Listener(self.opened(number)))
    }

    /// Connects to a listener.
    ///
    /// # Errors
    /// As connect(2).
    pub fn connect(&self, to: SocketAddr) -> io::Result<Stream> {
        let number = self.with(|state| state.unconnected_from(None))?;
        let stream = self.stream(number);
        stream
            .opened
            .wait(None, |state| match state.connect(number, to) {
                Err(Errno::ISCONN) => Ok(()),
                Err(Errno::INPROGRESS | Errno::ALREADY) => Err(Errno::AGAIN),
                result => result,
            })?;
        Ok(stream)
    }

    /// A datagram socket, with an address of its own.
    ///
    /// # Panics
    /// There is one on each of the 65,535 ports.
    pub fn datagrams(&self) -> Datagrams {
        self.datagrams_on((Ipv4Addr::LOCALHOST, 0).into())
            .expect("a port is free")
    }

    /// A datagram socket on this address, as [`listen_on`](Self::listen_on).
    ///
    /// # Errors
    /// As bind(2): the address is in use.
    pub fn datagrams_on(&self, address: SocketAddr) -> io::Result<Datagrams> {
        let number = self.with(|state| state.bind_datagrams(address))?;
        Ok(Datagrams(self.opened(number)))
    }

    /// A file with this content.
    pub fn file(&self, content: impl Into<Vec<u8>>) -> File {
        let number = self.with(|state| state.file(content.into()));
        File(self.opened(number))
    }
}

impl Stream {
    /// Its own address.
    ///
    /// # Errors
    /// None.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.opened.address(Query::LocalAddress)
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// It is not connected any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.opened.address(Query::PeerAddress)
    }

    /// How long a read or a write blocks at most; it fails with [`WouldBlock`](io::ErrorKind::WouldBlock) then.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// How many unread bytes this end takes: after that, the other end's sends wait (backpressure).
    pub fn set_room(&self, bytes: usize) {
        let number = self.opened.number;
        self.opened.kernel.with(|state| state.narrow(number, bytes));
    }

    /// Copies the bytes that could be received, and leaves them there.
    ///
    /// # Errors
    /// As [`read`](Read::read).
    pub fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.opened.wait(self.timeout, |state| {
            state.receive(self.opened.number, into.len(), true)
        })?;
        into[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    /// Ends its sending side.
    ///
    /// # Errors
    /// It is not connected any more.
    pub fn shutdown(&self) -> io::Result<()> {
        let number = self.opened.number;
        Ok(self.opened.kernel.with(|state| state.shutdown(number))?)
    }

    /// Closes it and resets the connection, which the other end sees as an error.
    pub fn reset(self) {
        let number = self.opened.number;
        let kernel = &self.opened.kernel;
        let _ = kernel.with(|state| state.ask(number, Query::ResetOnClose));
    }
}

impl Read for &Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.opened.wait(self.timeout, |state| {
            state.receive(self.opened.number, into.len(), false)
        })?;
        into[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.opened
            .wait(self.timeout, |state| state.send(self.opened.number, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (&*self).read(into)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Listener {
    /// The address that it listens at.
    ///
    /// # Errors
    /// None.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.address(Query::LocalAddress)
    }

    /// Accepts a connection, and blocks until there is one.
    ///
    /// # Errors
    /// As accept(2), if the faults are set so.
    pub fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        let (number, peer) = self.0.wait(None, |state| state.accept(self.0.number))?;
        Ok((self.0.kernel.stream(number), peer))
    }
}

impl Datagrams {
    /// Its address.
    ///
    /// # Errors
    /// None.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.address(Query::LocalAddress)
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// As sendto(2).
    pub fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        let number = self.0.number;
        self.0
            .kernel
            .with(|state| state.send_datagram(number, bytes, to))?;
        Ok(bytes.len())
    }

    /// Receives one datagram, for `timeout` at most.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock): there was none.
    pub fn receive(&self, timeout: Option<Duration>) -> io::Result<(SocketAddr, Vec<u8>)> {
        self.0.wait(timeout, |state| {
            state.receive_datagram(self.0.number, false)
        })
    }
}

impl From<Stream> for Descriptor {
    fn from(stream: Stream) -> Self {
        stream.opened.into()
    }
}

impl From<Listener> for Descriptor {
    fn from(listener: Listener) -> Self {
        listener.0.into()
    }
}

impl From<Datagrams> for Descriptor {
    fn from(socket: Datagrams) -> Self {
        socket.0.into()
    }
}

impl From<File> for Descriptor {
    fn from(file: File) -> Self {
        file.0.into()
    }
}
