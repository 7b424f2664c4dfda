//! Making and ending connections: the calls that Windows adds to those of sockets.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    ptr,
    sync::OnceLock,
};

use socket2::{Domain, SockAddr, Socket, Type};
use windows_sys::{
    Win32::{
        Networking::WinSock::{
            LPFN_CONNECTEX, LPFN_DISCONNECTEX, SIO_GET_EXTENSION_FUNCTION_POINTER,
            SO_UPDATE_CONNECT_CONTEXT, SOCKET, SOL_SOCKET, TF_REUSE_SOCKET, WSAID_CONNECTEX,
            WSAID_DISCONNECTEX, setsockopt,
        },
        System::IO::OVERLAPPED,
    },
    core::GUID,
};

use super::{
    Descriptor,
    address::as_raw,
    ask::control,
    calls::{Begun, begun, last_error},
};
use crate::driver::{RawBuffer, RawDescriptor};

/// More first bytes than this are sent when the connection is made: the kernel keeps them until then.
const FIRST_BYTES_MAX: usize = 16 << 10;

/// Makes a stream socket that can be connected to `peer`: bound, since `ConnectEx` asks for that.
pub(crate) fn stream_for(peer: SocketAddr, local: Option<SocketAddr>) -> io::Result<Descriptor> {
    let socket = Socket::new(Domain::for_address(peer), Type::STREAM, None)?;
    let any: SocketAddr = match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    socket.bind(&local.unwrap_or(any).into())?;
    Ok(Descriptor::Socket(socket.into()))
}

/// Connects, and sends the bytes then.
///
/// # Safety
/// As told for the other [calls](super::calls).
pub(crate) unsafe fn connect(
    socket: RawDescriptor,
    to: SocketAddr,
    first_bytes: RawBuffer,
    overlapped: *mut OVERLAPPED,
) -> Begun {
    static FOUND: OnceLock<LPFN_CONNECTEX> = OnceLock::new();
    // SAFETY: the socket is open, and this is the type of the function of that name.
    let connect_ex = match unsafe { extension(socket, &WSAID_CONNECTEX, &FOUND) } {
        Ok(found) => found.expect("every provider of TCP has it"),
        Err(code) => return Begun::Failed(code),
    };
    let to = SockAddr::from(to);
    let (address, len) = as_raw(&to);
    let mut moved = 0;
    let bytes = match first_bytes.len {
        0 => ptr::null(),
        _ => first_bytes.start.cast_const().cast(),
    };
    // SAFETY: as the caller promises; the address is captured within the call.
    let connected = unsafe {
        connect_ex(
            socket as SOCKET,
            address,
            len,
            bytes,
            first_bytes.len.min(FIRST_BYTES_MAX) as u32,
            &mut moved,
            overlapped,
        )
    };
    begun(connected != 0, moved)
}

/// What is to be done with a socket that `ConnectEx` has connected.
///
/// # Safety
/// It is open.
pub(crate) unsafe fn connected(socket: RawDescriptor) -> Result<(), i32> {
    // SAFETY: passed on to the caller; the option has no value.
    let updated = unsafe {
        setsockopt(
            socket as SOCKET,
            SOL_SOCKET,
            SO_UPDATE_CONNECT_CONTEXT,
            ptr::null(),
            0,
        )
    };
    match updated {
        0 => Ok(()),
        _ => Err(last_error()),
    }
}

/// Ends the connection in order, and leaves the socket to be connected again.
///
/// # Safety
/// As told for the other [calls](super::calls).
pub(crate) unsafe fn disconnect(socket: RawDescriptor, overlapped: *mut OVERLAPPED) -> Begun {
    static FOUND: OnceLock<LPFN_DISCONNECTEX> = OnceLock::new();
    // SAFETY: the socket is open, and this is the type of the function of that name.
    let disconnect_ex = match unsafe { extension(socket, &WSAID_DISCONNECTEX, &FOUND) } {
        Ok(found) => found.expect("every provider of TCP has it"),
        Err(code) => return Begun::Failed(code),
    };
    // SAFETY: as the caller promises.
    let disconnected = unsafe { disconnect_ex(socket as SOCKET, overlapped, TF_REUSE_SOCKET, 0) };
    begun(disconnected != 0, 0)
}

/// A function that no library exports: a socket is asked for it, once.
///
/// # Safety
/// The socket is open, and `F` is an `Option` of the type of the function with this name.
unsafe fn extension<F: Copy>(
    socket: RawDescriptor,
    name: &GUID,
    found: &OnceLock<Option<F>>,
) -> Result<Option<F>, i32> {
    if let Some(found) = found.get() {
        return Ok(*found);
    }
    let mut function: Option<F> = None;
    // SAFETY: the socket is open; the request takes a name and answers with the address of a function.
    unsafe {
        control(
            socket,
            SIO_GET_EXTENSION_FUNCTION_POINTER,
            name,
            &mut function,
        )
    }?;
    Ok(*found.get_or_init(|| function))
}
