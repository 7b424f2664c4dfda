//! Asking a socket or file something, or setting it.

use std::{
    io,
    os::windows::io::{BorrowedSocket, RawSocket},
    ptr,
    time::Duration,
};

use socket2::SockRef;
use windows_sys::Win32::{
    Foundation::HANDLE,
    Networking::WinSock::{
        FIONREAD, SIO_TCP_INFO, SIO_UDP_CONNRESET, SOCKET, TCP_INFO_v0, TCPSTATE, TCPSTATE_CLOSED,
        TCPSTATE_FIN_WAIT_2, TCPSTATE_TIME_WAIT, WSAIoctl, ioctlsocket,
    },
    Storage::FileSystem::GetFileSizeEx,
};

use super::calls::last_error;
use crate::driver::{Query, RawDescriptor, Reply};

/// Asks or sets something.
///
/// # Safety
/// The descriptor is open.
pub(crate) unsafe fn ask(descriptor: RawDescriptor, query: Query) -> io::Result<Reply> {
    if let Query::Length = query {
        let mut length = 0;
        // SAFETY: the file is open.
        return match unsafe { GetFileSizeEx(descriptor as HANDLE, &mut length) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(Reply::Count(length.max(0) as u64)),
        };
    }
    // SAFETY: the caller says that it is open.
    let socket = unsafe { BorrowedSocket::borrow_raw(descriptor as RawSocket) };
    let socket = SockRef::from(&socket);
    Ok(match query {
        Query::LocalAddress => Reply::Address(socket.local_addr()?.as_socket()),
        Query::PeerAddress => Reply::Address(socket.peer_addr()?.as_socket()),
        Query::Unread => {
            let mut unread = 0;
            // SAFETY: the socket is open.
            if unsafe { ioctlsocket(descriptor as SOCKET, FIONREAD, &mut unread) } != 0 {
                return Err(io::Error::last_os_error());
            }
            Reply::Count(unread.into())
        }
        Query::Nodelay(at_once) => {
            socket.set_tcp_nodelay(at_once)?;
            Reply::Set
        }
        Query::ResetOnClose => {
            socket.set_linger(Some(Duration::ZERO))?;
            Reply::Set
        }
        Query::IsDelivered => {
            // A connection comes to these once its end is acknowledged, and with it all before.
            let states = [TCPSTATE_FIN_WAIT_2, TCPSTATE_TIME_WAIT, TCPSTATE_CLOSED];
            // SAFETY: the socket is open.
            let state = unsafe { tcp_state(descriptor) }?;
            Reply::Whether(states.contains(&state))
        }
        // It has the memory of what is sent until then, so its own completions tell.
        Query::Unacknowledged => return Err(io::ErrorKind::Unsupported.into()),
        Query::Length => unreachable!("it is asked of files"),
    })
}

/// Has a datagram socket keep to itself what happened to a datagram that was sent: else a receive would fail for it.
///
/// # Safety
/// The socket is open.
pub(crate) unsafe fn to_datagrams(socket: RawDescriptor) -> io::Result<()> {
    let reports: u32 = 0;
    // SAFETY: it is open; the request takes a number and answers nothing.
    let set = unsafe { control(socket, SIO_UDP_CONNRESET, &reports, &mut ()) };
    set.map_err(io::Error::from_raw_os_error)
}

/// How far a connection is (`SIO_TCP_INFO`).
///
/// # Safety
/// The socket is open.
unsafe fn tcp_state(socket: RawDescriptor) -> io::Result<TCPSTATE> {
    /// The first version is enough.
    const VERSION: u32 = 0;
    let mut info = TCP_INFO_v0::default();
    // SAFETY: the socket is open; the request takes a number and answers with this.
    match unsafe { control(socket, SIO_TCP_INFO, &VERSION, &mut info) } {
        Ok(()) => Ok(info.State),
        Err(code) => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Makes a request of a socket that is answered within the call.
///
/// # Safety
/// The socket is open. The request takes what `A` is, and writes what `B` is, or nothing.
pub(super) unsafe fn control<A, B>(
    socket: RawDescriptor,
    request: u32,
    asked: &A,
    answer: &mut B,
) -> Result<(), i32> {
    let mut len = 0;
    // SAFETY: passed on to the caller; both are as large as said.
    let result = unsafe {
        WSAIoctl(
            socket as SOCKET,
            request,
            ptr::from_ref(asked).cast(),
            size_of::<A>() as u32,
            ptr::from_mut(answer).cast(),
            size_of::<B>() as u32,
            &mut len,
            ptr::null_mut(),
            None,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(last_error()),
    }
}
