//! The Windows kernel: its completion port, and the calls that it completes.
//!
//! Nothing here waits for readiness: an overlapped call is begun, and the kernel queues its packet on the port when it has
//! ended. Handles are told not to queue what ended within the call (`SetFileCompletionNotificationModes`), so that each call
//! ends in one way: [`Begun`] says which.
//!
//! Not so the sockets of datagrams: whether a packet follows a datagram that does not fit is not to be relied on in that mode,
//! in any known Windows. They have a packet for each call that was not refused, and the datagram that does not fit counts
//! as received: see [`Begun::queued`]. Nor have the sockets of layered providers, which know nothing of that mode.

mod address;
mod arrival;
mod ask;
mod blocking_call;
mod calls;
mod codes_of;
mod connection;
mod descriptor;
mod queue;
mod statuses;

pub(crate) use arrival::{Arrival, Sender};
pub(crate) use ask::{ask, to_datagrams};
pub(crate) use blocking_call::{FileTask, blocking_call_result, send_by_blocking_call};
pub(crate) use calls::{
    Begun, cancel, cancel_all, do_not_wait, has_ended, read_at, receive, receive_from, send,
    send_file, send_to, shutdown, write_at,
};
pub(crate) use codes_of::{breaks_a_stream, code_of, has_vanished};
pub(crate) use connection::{connect, connected, disconnect, stream_for};
pub use descriptor::{Descriptor, RawDescriptor, SystemSocket};
pub(crate) use queue::{Queue, Taken};

use std::io;

/// The system's numbers of errors that the port makes itself, or looks for.
pub(crate) mod codes {
    use windows_sys::Win32::{Foundation, Networking::WinSock};

    /// The operation was cancelled.
    pub(crate) const CANCELLED: i32 = Foundation::ERROR_OPERATION_ABORTED as i32;
    /// The datagram is longer than the buffer.
    pub(crate) const CUT: i32 = WinSock::WSAEMSGSIZE;
    /// The sending side is shut down. Of the numbers for it, this is the one that the standard library takes for a broken
    /// pipe, as everywhere.
    pub(crate) const SHUT_DOWN: i32 = Foundation::ERROR_BROKEN_PIPE as i32;
    /// It is connected no longer, or is being disconnected.
    pub(crate) const NOT_CONNECTED: i32 = WinSock::WSAENOTCONN;
    /// It is being connected already.
    pub(crate) const CONNECTS_ALREADY: i32 = WinSock::WSAEALREADY;
    /// The file ends before.
    pub(crate) const END_OF_FILE: i32 = Foundation::ERROR_HANDLE_EOF as i32;
    /// A file took nothing of what was written.
    pub(crate) const WRITE_FAULT: i32 = Foundation::ERROR_WRITE_FAULT as i32;
}

/// Whether blocked workers are noticed. Always: the kernel sees to it.
///
/// # Errors
/// None.
pub fn thread_states_available() -> io::Result<()> {
    Ok(())
}

/// Whether io_uring can be used here: not on Windows.
///
/// # Errors
/// [`Unsupported`](io::ErrorKind::Unsupported), always.
pub fn uring_available() -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "io_uring is Linux's; here the kernel has a completion port of its own",
    ))
}
