//! One transfer, one system call: what every driver falls back on.

use std::{
    io::{self, IoSlice},
    mem::{self, MaybeUninit},
    net::SocketAddr,
    slice,
    time::Duration,
};

use rustix::{
    fd::{AsFd, AsRawFd, BorrowedFd},
    io::Errno,
    net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType},
};

use super::signals::without_sigpipe;
use crate::driver::{
    BUFFERS_PER_CALL_MAX, Call, Descriptor, Outcome, Query, RawBuffer, Reply, Transfer,
};

/// What every receive and send asks for: come back at once, and leave signals out of it.
pub(in crate::driver) const RECEIVE: RecvFlags = RecvFlags::DONTWAIT;
pub(in crate::driver) const SEND: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// Tries `transfer` once, by plain system call.
///
/// # Safety
/// The descriptor is open, and the memory that the call names is valid and not used by other code until this returns.
pub(in crate::driver) unsafe fn perform(transfer: &mut Transfer) {
    // SAFETY: the caller promises that the descriptor is open.
    let descriptor = unsafe { BorrowedFd::borrow_raw(transfer.descriptor) };
    let call = transfer.call;
    // SAFETY: passed on to the caller. The calls of nearly all transfers stand by themselves: so they need not the room on the
    // stack that some of the others need.
    transfer.outcome = unsafe {
        let ended = match call {
            Call::Receive(buffer) => receive(descriptor, buffer),
            Call::Send(buffer) => send(descriptor, buffer),
            _ => attempt(descriptor, call),
        };
        match ended {
            Ok(outcome) => outcome,
            Err(error) => outcome_of(error, descriptor, call),
        }
    };
}

/// What an error means; a call that a signal has interrupted is made again.
///
/// # Safety
/// As for [`perform`].
#[cold]
unsafe fn outcome_of(error: Errno, descriptor: BorrowedFd<'_>, call: Call) -> Outcome {
    if error != Errno::INTR {
        return failure(call, error);
    }
    // SAFETY: passed on to the caller.
    until_it_ends(call, || unsafe { attempt(descriptor, call) })
}

/// # Safety
/// As for [`perform`].
#[inline]
unsafe fn receive(descriptor: BorrowedFd<'_>, buffer: RawBuffer) -> Result<Outcome, Errno> {
    // SAFETY: the caller promises `len` bytes that are valid for writing and not used by other code.
    let memory = unsafe { uninitialised(buffer) };
    let ((received, _), _) = net::recv(descriptor, memory, RECEIVE)?;
    Ok(Outcome::Moved(received.len()))
}

/// # Safety
/// As for [`perform`].
#[inline]
unsafe fn send(descriptor: BorrowedFd<'_>, buffer: RawBuffer) -> Result<Outcome, Errno> {
    // SAFETY: the caller promises `len` bytes that are valid for reading and stay as they are.
    let bytes = unsafe { slice::from_raw_parts(buffer.start, buffer.len) };
    net::send(descriptor, bytes, SEND).map(Outcome::Moved)
}

/// Tries a call until no signal interrupts it.
pub(in crate::driver) fn until_it_ends(
    call: Call,
    mut attempt: impl FnMut() -> Result<Outcome, Errno>,
) -> Outcome {
    loop {
        match attempt() {
            Err(Errno::INTR) => {}
            Ok(outcome) => return outcome,
            Err(error) => return failure(call, error),
        }
    }
}

/// What an error means to the operation: try again later, or fail.
pub(in crate::driver) fn failure(call: Call, error: Errno) -> Outcome {
    match (call, error) {
        // A local listener whose backlog is full (unix(7)): no event would tell when there is room.
        (Call::ConnectLocal(_), error) => Outcome::Failed(error.raw_os_error()),
        (_, Errno::AGAIN) | (Call::Connect(_), Errno::INPROGRESS | Errno::ALREADY) => {
            Outcome::NotReady
        }
        (Call::Connect(_), Errno::ISCONN) => Outcome::Moved(0),
        (_, error) => Outcome::Failed(error.raw_os_error()),
    }
}

/// # Safety
/// As for [`perform`].
unsafe fn attempt(descriptor: BorrowedFd<'_>, call: Call) -> Result<Outcome, Errno> {
    match call {
        // SAFETY: passed on to the caller.
        Call::Receive(buffer) => unsafe { receive(descriptor, buffer) },
        Call::Probe => {
            let mut byte = [MaybeUninit::uninit(); 1];
            net::recv(descriptor, &mut byte[..], RECEIVE | RecvFlags::PEEK)?;
            Ok(Outcome::Moved(0))
        }
        Call::Peek => peek(descriptor),
        Call::Scatter { first, count, skip } => {
            // SAFETY: the caller promises `count` buffers there, each valid for writing and not used by other code.
            unsafe { scatter(descriptor, first, count, skip) }
        }
        // SAFETY: passed on to the caller.
        Call::Send(buffer) => unsafe { send(descriptor, buffer) },
        Call::Gather { first, count, skip } => {
            // SAFETY: the caller promises `count` buffers there, each valid for reading.
            unsafe { gather(descriptor, first, count, skip) }
        }
        Call::Accept => accept(descriptor),
        Call::Connect(address) => {
            put_mode_back(descriptor)?;
            net::connect(descriptor, &address).map(|()| Outcome::Moved(0))
        }
        Call::ConnectLocal(address) => {
            put_mode_back(descriptor)?;
            // SAFETY: the address is the operation's, which stays while it is in transfer.
            let address = unsafe { address.as_ref() };
            net::connect(descriptor, &address.0).map(|()| Outcome::Moved(0))
        }
        Call::Shutdown => {
            net::shutdown(descriptor, net::Shutdown::Write).map(|()| Outcome::Moved(0))
        }
        Call::ReceiveFrom(buffer) => {
            // SAFETY: the caller promises `len` bytes that are valid for writing and not used by other code.
            unsafe { receive_from(descriptor, buffer) }
        }
        Call::SendTo(buffer, to) => {
            // SAFETY: the caller promises `len` bytes that are valid for reading and stay as they are.
            let bytes = unsafe { slice::from_raw_parts(buffer.start, buffer.len) };
            net::sendto(descriptor, bytes, SEND, &to).map(Outcome::Moved)
        }
        Call::SendFile { file, offset, len } => {
            // SAFETY: the operation keeps its file open.
            let file = unsafe { BorrowedFd::borrow_raw(file) };
            send_file(descriptor, file, offset, len).map(Outcome::Moved)
        }
        Call::ReadAt(buffer, offset) => {
            // SAFETY: the caller promises `len` bytes that are valid for writing and not used by other code.
            let memory = unsafe { uninitialised(buffer) };
            let (read, _) = rustix::io::pread(descriptor, memory, offset)?;
            Ok(Outcome::Moved(read.len()))
        }
        Call::WriteAt(buffer, offset) => {
            // SAFETY: the caller promises `len` bytes that are valid for reading and stay as they are.
            let bytes = unsafe { slice::from_raw_parts(buffer.start, buffer.len) };
            rustix::io::pwrite(descriptor, bytes, offset).map(Outcome::Moved)
        }
        Call::Flush => rustix::fs::fsync(descriptor).map(|()| Outcome::Moved(0)),
    }
}

fn send_file(
    descriptor: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    mut offset: u64,
    len: u64,
) -> Result<usize, Errno> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    put_mode_back(descriptor)?;
    without_sigpipe(
        || rustix::fs::sendfile(descriptor, file, Some(&mut offset), len),
        // What moved some bytes may have met the broken pipe behind them.
        |sent| sent.map_or_else(|error| error == Errno::PIPE, |sent| sent < len),
    )
}

/// Looks for the end of a stream, or for its failure. A failure is reported at once, even if there are unread bytes before it:
/// the peer would not take an answer to them.
fn peek(descriptor: BorrowedFd<'_>) -> Result<Outcome, Errno> {
    let mut byte = [MaybeUninit::uninit(); 1];
    let ((received, _), _) = net::recv(descriptor, &mut byte[..], RECEIVE | RecvFlags::PEEK)?;
    if received.is_empty() {
        return Ok(Outcome::Moved(0));
    }
    match net::sockopt::socket_error(descriptor)? {
        Ok(()) => Ok(Outcome::NotReady),
        Err(error) => Err(error),
    }
}

/// # Safety
/// `buffer` names memory that is valid for writing and not used by other code until this returns.
unsafe fn receive_from(descriptor: BorrowedFd<'_>, buffer: RawBuffer) -> Result<Outcome, Errno> {
    // SAFETY: passed on to the caller.
    let memory = unsafe { uninitialised(buffer) };
    // Asked to, the kernel gives the length of the whole datagram (recv(2), MSG_TRUNC). A TCP socket would count what it has
    // thrown away (tcp(7)): the safe layer associates none as a datagram socket.
    let flags = RECEIVE | RecvFlags::TRUNC;
    let ((received, _), len, peer) = net::recvfrom(descriptor, memory, flags)?;
    Ok(Outcome::Datagram {
        len: received.len(),
        peer: peer.and_then(|peer| SocketAddr::try_from(peer).ok()),
        is_truncated: len > received.len(),
    })
}

/// # Safety
/// `buffer` names memory that is valid for writing and not used by other code for as long as the slice lives.
unsafe fn uninitialised<'a>(buffer: RawBuffer) -> &'a mut [MaybeUninit<u8>] {
    // SAFETY: passed on to the caller. `MaybeUninit` asks nothing of the bytes.
    unsafe { slice::from_raw_parts_mut(buffer.start.cast(), buffer.len) }
}

/// Receives into several buffers, which need not be initialised; rustix asks for that.
///
/// # Safety
/// `first` points to `count` buffers, each valid for writing and not used by other code until this returns.
unsafe fn scatter(
    descriptor: BorrowedFd<'_>,
    first: *const RawBuffer,
    count: usize,
    skip: usize,
) -> Result<Outcome, Errno> {
    // SAFETY: passed on to the caller.
    let left = Left::of(unsafe { slice::from_raw_parts(first, count) }, skip);
    let list = left.list();
    // SAFETY: zeroes are a message without any memory; it may have fields that are the library's own.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    // The list is only read, and laid out as this one (`RawBuffer`).
    message.msg_iov = list.as_ptr().cast_mut().cast();
    message.msg_iovlen = list.len() as _;
    let flags = RECEIVE.bits() as libc::c_int;
    // SAFETY: the message names these buffers and no other memory; passed on to the caller.
    let received = unsafe { libc::recvmsg(descriptor.as_raw_fd(), &mut message, flags) };
    usize::try_from(received)
        .map(Outcome::Moved)
        .map_err(|_| last_error())
}

/// Why the C library's last call failed.
fn last_error() -> Errno {
    let error = io::Error::last_os_error();
    Errno::from_io_error(&error).expect("the system's errors have numbers")
}

/// Sends from several buffers.
///
/// # Safety
/// `first` points to `count` buffers, each valid for reading until this returns.
unsafe fn gather(
    descriptor: BorrowedFd<'_>,
    first: *const RawBuffer,
    count: usize,
    skip: usize,
) -> Result<Outcome, Errno> {
    // SAFETY: passed on to the caller.
    let left = Left::of(unsafe { slice::from_raw_parts(first, count) }, skip);
    let list = left.list();
    // SAFETY: both are laid out as the system's list is (`RawBuffer`), and the bytes are valid for reading, as the caller
    // promises.
    let slices = unsafe { slice::from_raw_parts(list.as_ptr().cast::<IoSlice<'_>>(), list.len()) };
    let mut control = net::SendAncillaryBuffer::default();
    net::sendmsg(descriptor, slices, &mut control, SEND).map(Outcome::Moved)
}

/// What is left of several buffers, as much of it as one call is given.
pub(in crate::driver) struct Left {
    list: [RawBuffer; BUFFERS_PER_CALL_MAX],
    used: usize,
}

impl Left {
    /// Of these, behind their first `skip` bytes.
    pub(in crate::driver) fn of(buffers: &[RawBuffer], mut skip: usize) -> Left {
        let mut left = Left {
            list: [RawBuffer::EMPTY; BUFFERS_PER_CALL_MAX],
            used: 0,
        };
        for buffer in buffers {
            let skipped = skip.min(buffer.len);
            skip -= skipped;
            if skipped < buffer.len {
                left.list[left.used] = RawBuffer {
                    start: buffer.start.wrapping_add(skipped),
                    len: buffer.len - skipped,
                };
                left.used += 1;
            }
            if left.used == BUFFERS_PER_CALL_MAX {
                break;
            }
        }
        left
    }

    pub(in crate::driver) fn list(&self) -> &[RawBuffer] {
        &self.list[..self.used]
    }
}

/// Has a call not wait that can't be told so by a flag: it goes by the mode of the descriptor (accept(2), connect(2),
/// sendfile(2)).
///
/// Duplicates of the descriptor share that mode, those in other processes, too, and the owner of one may have made it blocking
/// since the association. So it is put back before each such call. What changes it between the two still has that one call
/// wait; nothing can be done about that, but it is some nanoseconds.
fn put_mode_back(descriptor: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::io::ioctl_fionbio(descriptor, true)
}

fn accept(descriptor: BorrowedFd<'_>) -> Result<Outcome, Errno> {
    put_mode_back(descriptor)?;
    loop {
        match net::acceptfrom_with(descriptor, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((accepted, peer)) => {
                let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                return Ok(Outcome::Accepted(accepted.into(), peer));
            }
            Err(error) if passes_over(error) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether an accept goes on to the next in the backlog: the peer is gone, or its network was. accept(2) says to treat
/// these like a retry.
pub(in crate::driver) fn passes_over(error: Errno) -> bool {
    matches!(
        error,
        Errno::CONNABORTED
            | Errno::NETDOWN
            | Errno::PROTO
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::NONET
            | Errno::HOSTUNREACH
            | Errno::NETUNREACH
    )
}

/// Asks or sets something.
///
/// # Safety
/// The descriptor is open.
pub(in crate::driver) unsafe fn ask(descriptor: i32, query: Query) -> io::Result<Reply> {
    // SAFETY: the caller promises that the descriptor is open.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let internet = |address| SocketAddr::try_from(address).ok();
    Ok(match query {
        Query::LocalAddress => Reply::Address(internet(net::getsockname(descriptor)?)),
        Query::PeerAddress => {
            let address = net::getpeername(descriptor)?.ok_or(Errno::NOTCONN)?;
            Reply::Address(internet(address))
        }
        Query::Unread => Reply::Count(rustix::io::ioctl_fionread(descriptor)?),
        // The end counts as one byte until it is acknowledged.
        Query::IsDelivered => Reply::Whether(unacknowledged(descriptor)? <= 1),
        Query::Unacknowledged => Reply::Count(unacknowledged(descriptor)?),
        Query::Nodelay(at_once) => {
            net::sockopt::set_tcp_nodelay(descriptor, at_once)?;
            Reply::Set
        }
        Query::IsTcp => {
            let protocol = net::sockopt::socket_protocol(descriptor)?;
            Reply::Whether(protocol == Some(net::ipproto::TCP))
        }
        Query::Length => {
            let length = rustix::fs::fstat(descriptor)?.st_size;
            Reply::Count(u64::try_from(length).unwrap_or(0))
        }
        Query::ResetOnClose => {
            // Lingering for no time at all is how a reset is asked for (socket(7), SO_LINGER).
            net::sockopt::set_socket_linger(descriptor, Some(Duration::ZERO))?;
            Reply::Set
        }
    })
}

/// Makes a stream socket that can be connected to `peer`, from `local` if that is given; there, port 0 is one that is
/// chosen when the connection is made.
pub(in crate::driver) fn stream_for(
    peer: SocketAddr,
    local: Option<SocketAddr>,
) -> io::Result<Descriptor> {
    let family = match peer {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, SocketType::STREAM, flags, Some(net::ipproto::TCP))?;
    if let Some(local) = local {
        if local.port() == 0 {
            choose_port_late(socket.as_fd())?;
        }
        net::bind(&socket, &local)?;
    }
    Ok(socket.into())
}

/// Makes a stream socket that can be connected to a local one.
pub(in crate::driver) fn local_stream() -> io::Result<Descriptor> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok(socket.into())
}

/// Bytes that the kernel has taken to send on a TCP socket and the peer has not acknowledged (`SIOCOUTQ`, tcp(7)).
fn unacknowledged(descriptor: BorrowedFd<'_>) -> io::Result<u64> {
    use rustix::ioctl::{Getter, ioctl};
    /// `SIOCOUTQ` is `TIOCOUTQ` by another name.
    const SIOCOUTQ: rustix::ioctl::Opcode = libc::TIOCOUTQ as _;
    // SAFETY: the request writes one `int` (tcp(7)), which is what the getter has room for.
    let bytes: i32 = unsafe { ioctl(descriptor, Getter::<SIOCOUTQ, i32>::new()) }?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// Has a bind to port 0 leave the choice of the port to the connect.
fn choose_port_late(descriptor: BorrowedFd<'_>) -> io::Result<()> {
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
        _ => Err(io::Error::last_os_error()),
    }
}

/// The process at the other end of a local stream, its user and its group (`SO_PEERCRED`, unix(7)). The process is 0 where this one's
/// namespace has no number for it; so it is a plain number here, where `rustix` would take it for one that is never 0.
#[cfg(feature = "safe")]
pub(crate) fn peer_process(descriptor: BorrowedFd<'_>) -> io::Result<(i32, u32, u32)> {
    let mut told = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut len = size_of_val(&told) as libc::socklen_t;
    // SAFETY: the option fills in no more than `len` bytes of what the pointer points to, which are that many (unix(7)).
    let result = unsafe {
        libc::getsockopt(
            descriptor.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut told).cast(),
            &raw mut len,
        )
    };
    match result {
        0 => Ok((told.pid, told.uid, told.gid)),
        _ => Err(io::Error::last_os_error()),
    }
}
