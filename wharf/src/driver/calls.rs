//! One transfer, one system call: what every driver falls back on.

use std::{
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::SocketAddr,
    slice,
};

use rustix::{
    fd::{AsRawFd, BorrowedFd},
    io::Errno,
    net::{self, RecvFlags, SendFlags, SocketFlags},
};

use super::{BUFFERS_PER_CALL_MAX, Call, Outcome, RawBuffer, Transfer};

/// What every receive and send asks for: come back at once, and leave signals out of it.
pub(super) const RECEIVE: RecvFlags = RecvFlags::DONTWAIT;
pub(super) const SEND: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// Tries `transfer` once, by plain system call.
///
/// # Safety
/// The descriptor is open, and the memory that the call names is valid and nobody else's until this returns.
pub(super) unsafe fn perform(transfer: &mut Transfer) {
    // SAFETY: the caller promises that the descriptor is open.
    let descriptor = unsafe { BorrowedFd::borrow_raw(transfer.descriptor) };
    transfer.outcome = loop {
        // SAFETY: the caller promises that the memory is valid and ours.
        let result = unsafe { attempt(descriptor, transfer.call) };
        match result {
            Err(Errno::INTR) => {}
            Ok(outcome) => break outcome,
            Err(error) => break failure(transfer.call, error),
        }
    };
}

/// What an error means to the operation: try again later, or fail.
pub(super) fn failure(call: Call, error: Errno) -> Outcome {
    match (call, error) {
        (_, Errno::AGAIN) | (Call::Connect(_), Errno::INPROGRESS | Errno::ALREADY) => {
            Outcome::NotReady
        }
        (Call::Connect(_), Errno::ISCONN) => Outcome::Moved(0),
        (_, error) => Outcome::Failed(error),
    }
}

/// # Safety
/// As for [`perform`].
unsafe fn attempt(descriptor: BorrowedFd<'_>, call: Call) -> Result<Outcome, Errno> {
    match call {
        Call::Receive(buffer) => {
            // SAFETY: the caller promises `len` bytes that are valid for writing and nobody else's.
            let memory = unsafe { uninitialised(buffer) };
            let ((received, _), _) = net::recv(descriptor, memory, RECEIVE)?;
            Ok(Outcome::Moved(received.len()))
        }
        Call::Probe => {
            let mut byte = [MaybeUninit::uninit(); 1];
            net::recv(descriptor, &mut byte[..], RECEIVE | RecvFlags::PEEK)?;
            Ok(Outcome::Moved(0))
        }
        Call::Scatter { first, count } => {
            // SAFETY: the caller promises `count` buffers there, each valid for writing and nobody else's.
            unsafe { scatter(descriptor, first, count) }
        }
        Call::Send(buffer) => {
            // SAFETY: the caller promises `len` bytes that are valid for reading and stay as they are.
            let bytes = unsafe { slice::from_raw_parts(buffer.start, buffer.len) };
            net::send(descriptor, bytes, SEND).map(Outcome::Moved)
        }
        Call::Gather { first, count, skip } => {
            // SAFETY: the caller promises `count` buffers there, each valid for reading.
            unsafe { gather(descriptor, first, count, skip) }
        }
        Call::Accept => accept(descriptor),
        Call::Connect(address) => net::connect(descriptor, &address).map(|()| Outcome::Moved(0)),
        Call::Shutdown => {
            net::shutdown(descriptor, net::Shutdown::Write).map(|()| Outcome::Moved(0))
        }
    }
}

/// # Safety
/// `buffer` names memory that is valid for writing and nobody else's for as long as the slice lives.
unsafe fn uninitialised<'a>(buffer: RawBuffer) -> &'a mut [MaybeUninit<u8>] {
    // SAFETY: passed on to the caller. `MaybeUninit` asks nothing of the bytes.
    unsafe { slice::from_raw_parts_mut(buffer.start.cast(), buffer.len) }
}

/// # Safety
/// `first` points to `count` buffers, each valid for writing and nobody else's until this returns.
unsafe fn scatter(
    descriptor: BorrowedFd<'_>,
    first: *const RawBuffer,
    count: usize,
) -> Result<Outcome, Errno> {
    let count = count.min(BUFFERS_PER_CALL_MAX);
    // SAFETY: passed on to the caller.
    let buffers = unsafe { slice::from_raw_parts(first, count) };
    let mut slices: [IoSliceMut<'_>; BUFFERS_PER_CALL_MAX] =
        std::array::from_fn(|_| IoSliceMut::new(&mut []));
    for (slice, buffer) in slices.iter_mut().zip(buffers) {
        // SAFETY: passed on to the caller; scattered buffers are initialised (`Request::Receive`).
        *slice = IoSliceMut::new(unsafe { slice::from_raw_parts_mut(buffer.start, buffer.len) });
    }
    let mut control = net::RecvAncillaryBuffer::default();
    let message = net::recvmsg(descriptor, &mut slices[..count], &mut control, RECEIVE)?;
    Ok(Outcome::Moved(message.bytes))
}

/// # Safety
/// `first` points to `count` buffers, each valid for reading until this returns.
unsafe fn gather(
    descriptor: BorrowedFd<'_>,
    first: *const RawBuffer,
    count: usize,
    mut skip: usize,
) -> Result<Outcome, Errno> {
    // SAFETY: passed on to the caller.
    let buffers = unsafe { slice::from_raw_parts(first, count) };
    let mut slices = [IoSlice::new(&[]); BUFFERS_PER_CALL_MAX];
    let mut used = 0;
    for buffer in buffers {
        let skipped = skip.min(buffer.len);
        skip -= skipped;
        if skipped < buffer.len && used < BUFFERS_PER_CALL_MAX {
            // SAFETY: passed on to the caller.
            let bytes = unsafe { slice::from_raw_parts(buffer.start, buffer.len) };
            slices[used] = IoSlice::new(&bytes[skipped..]);
            used += 1;
        }
    }
    let mut control = net::SendAncillaryBuffer::default();
    net::sendmsg(descriptor, &slices[..used], &mut control, SEND).map(Outcome::Moved)
}

fn accept(descriptor: BorrowedFd<'_>) -> Result<Outcome, Errno> {
    loop {
        match net::acceptfrom_with(descriptor, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((accepted, peer)) => {
                let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                return Ok(Outcome::Accepted(accepted, peer));
            }
            // The peer is gone, or its network was: accept(2) says to treat these like a retry, and the next in
            // the backlog is not to blame.
            Err(
                Errno::CONNABORTED
                | Errno::NETDOWN
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::HOSTDOWN
                | Errno::NONET
                | Errno::HOSTUNREACH
                | Errno::NETUNREACH,
            ) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes that the kernel has taken to send on a TCP socket and the peer has not acknowledged (`SIOCOUTQ`, tcp(7)).
pub(crate) fn unacknowledged(descriptor: BorrowedFd<'_>) -> std::io::Result<u64> {
    use rustix::ioctl::{Getter, ioctl};
    /// `SIOCOUTQ` is `TIOCOUTQ` by another name.
    const SIOCOUTQ: rustix::ioctl::Opcode = libc::TIOCOUTQ as _;
    // SAFETY: the request writes one `int` (tcp(7)), which is what the getter has room for.
    let bytes: i32 = unsafe { ioctl(descriptor, Getter::<SIOCOUTQ, i32>::new()) }?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// Has a bind to port 0 leave the choice of the port to the connect.
pub(crate) fn choose_port_late(descriptor: BorrowedFd<'_>) -> std::io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option takes an `int` (ip(7)), which is what the pointer and the length say.
    let result = unsafe {
        libc::setsockopt(
            descriptor.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
