//! Where the kernel writes what comes with a connection or a datagram.

use std::{
    fmt, io,
    mem::{self, MaybeUninit},
    net::SocketAddr,
    os::windows::io::{AsRawSocket, BorrowedSocket, OwnedSocket, RawSocket},
    ptr,
};

use socket2::{SockRef, Socket, Type};
use windows_sys::Win32::{
    Networking::WinSock::{
        AcceptEx, GetAcceptExSockaddrs, SO_UPDATE_ACCEPT_CONTEXT, SOCKADDR, SOCKADDR_STORAGE,
        SOCKET, SOL_SOCKET, setsockopt,
    },
    System::IO::OVERLAPPED,
};

use super::{
    address,
    calls::{Begun, begun},
};
use crate::driver::{RawBuffer, RawDescriptor};

/// `AcceptEx` asks for 16 bytes more than the longest address, for each of the two.
const ADDRESS: usize = mem::size_of::<SOCKADDR_STORAGE>() + 16;

/// The socket that an accept fills, and the memory for the first bytes and both addresses.
#[derive(Debug)]
pub(crate) struct Arrival {
    socket: OwnedSocket,
    memory: Box<[u8]>,
    first_bytes: usize,
}

impl Arrival {
    /// Begins to accept on a listener, and to receive up to `first_bytes`.
    ///
    /// # Safety
    /// The listener is open, and the address of `overlapped` and what is returned stay until the call has ended.
    pub(crate) unsafe fn begin(
        listener: RawDescriptor,
        first_bytes: usize,
        overlapped: *mut OVERLAPPED,
    ) -> Result<(Box<Arrival>, Begun), i32> {
        let first_bytes = first_bytes.min(u32::MAX as usize - 2 * ADDRESS);
        let number = |error: io::Error| error.raw_os_error().unwrap_or_default();
        // SAFETY: passed on to the caller.
        let socket = unsafe { like(listener) }.map_err(number)?;
        let mut arrival = Box::new(Arrival {
            socket,
            memory: vec![0; first_bytes + 2 * ADDRESS].into(),
            first_bytes,
        });
        let mut moved = 0;
        // SAFETY: both sockets are open, and the memory is as large as said.
        let accepted = unsafe {
            AcceptEx(
                listener as SOCKET,
                arrival.socket.as_raw_socket() as SOCKET,
                arrival.memory.as_mut_ptr().cast(),
                first_bytes as u32,
                ADDRESS as u32,
                ADDRESS as u32,
                &mut moved,
                overlapped,
            )
        };
        Ok((arrival, begun(accepted != 0, moved)))
    }

    /// The connection that was made, and its peer; the first bytes go to `into`.
    ///
    /// # Safety
    /// The call has ended well. The listener is open, and the memory may be written.
    pub(crate) unsafe fn finish(
        self,
        listener: RawDescriptor,
        into: Option<RawBuffer>,
        moved: usize,
    ) -> Result<(OwnedSocket, Option<SocketAddr>), i32> {
        let listener = listener as SOCKET;
        // So that the new socket knows what it is: without it, neither its addresses nor its end can be asked for.
        // SAFETY: both sockets are open, and the option is one socket.
        let updated = unsafe {
            setsockopt(
                self.socket.as_raw_socket() as SOCKET,
                SOL_SOCKET,
                SO_UPDATE_ACCEPT_CONTEXT,
                ptr::from_ref(&listener).cast(),
                mem::size_of::<SOCKET>() as i32,
            )
        };
        if updated != 0 {
            return Err(super::calls::last_error());
        }
        if let Some(buffer) = into {
            let moved = moved.min(buffer.len).min(self.first_bytes);
            // SAFETY: there are as many bytes on both sides, which are apart.
            unsafe { ptr::copy_nonoverlapping(self.memory.as_ptr(), buffer.start, moved) };
        }
        // For a program that uses it without a port; overlapped calls never wait.
        let set = SockRef::from(&self.socket).set_nonblocking(true);
        set.map_err(|error| error.raw_os_error().unwrap_or_default())?;
        let peer = self.peer().map_or_else(
            || {
                let peer = SockRef::from(&self.socket).peer_addr();
                peer.map(|peer| peer.as_socket())
            },
            |peer| Ok(Some(peer)),
        );
        let peer = peer.map_err(|error| error.raw_os_error().unwrap_or_default())?;
        Ok((self.socket, peer))
    }

    /// What was written of its address, if anything was.
    fn peer(&self) -> Option<SocketAddr> {
        let (mut local, mut remote) = (ptr::null_mut::<SOCKADDR>(), ptr::null_mut::<SOCKADDR>());
        let (mut local_len, mut remote_len) = (0, 0);
        // SAFETY: the memory is as it was given to the call that filled it.
        unsafe {
            GetAcceptExSockaddrs(
                self.memory.as_ptr().cast(),
                self.first_bytes as u32,
                ADDRESS as u32,
                ADDRESS as u32,
                &mut local,
                &mut local_len,
                &mut remote,
                &mut remote_len,
            );
        }
        let mut aligned = SOCKADDR_STORAGE::default();
        let len = (remote_len.max(0) as usize).min(mem::size_of_val(&aligned));
        if remote.is_null() {
            return None;
        }
        // SAFETY: it points into our memory, to so many bytes, and there is room for them.
        unsafe {
            ptr::copy_nonoverlapping(remote.cast::<u8>(), (&raw mut aligned).cast::<u8>(), len);
        }
        // SAFETY: the bytes are there, and aligned.
        unsafe { address::read((&raw const aligned).cast(), len) }
    }
}

/// A stream socket of the family of another.
///
/// # Safety
/// That is open.
unsafe fn like(listener: RawDescriptor) -> io::Result<OwnedSocket> {
    // SAFETY: the caller says that it is open.
    let listener = unsafe { BorrowedSocket::borrow_raw(listener as RawSocket) };
    let family = SockRef::from(&listener).local_addr()?.domain();
    Ok(Socket::new(family, Type::STREAM, None)?.into())
}

/// Where the address of a datagram's sender is written.
pub(crate) struct Sender {
    pub(super) storage: MaybeUninit<SOCKADDR_STORAGE>,
    pub(super) len: i32,
}

impl Sender {
    pub(crate) fn new() -> Box<Sender> {
        Box::new(Sender {
            storage: MaybeUninit::zeroed(),
            len: mem::size_of::<SOCKADDR_STORAGE>() as i32,
        })
    }

    /// What was written, once the call has ended.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        // SAFETY: the storage is aligned and larger than any address.
        unsafe { address::read(self.storage.as_ptr().cast(), self.len.max(0) as usize) }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Sender")
            .field(&self.address())
            .finish()
    }
}
