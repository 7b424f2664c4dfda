//! The numbers of errors that the port makes itself, or looks for, and what they mean to a handle.

use rustix::io::Errno;

/// The operation was cancelled.
pub(crate) const CANCELLED: i32 = Errno::CANCELED.raw_os_error();
/// The datagram is longer than the buffer.
pub(crate) const CUT: i32 = Errno::MSGSIZE.raw_os_error();
/// The sending side is shut down.
pub(crate) const SHUT_DOWN: i32 = Errno::PIPE.raw_os_error();
/// It is being connected already.
pub(crate) const CONNECTS_ALREADY: i32 = Errno::ALREADY.raw_os_error();
/// The file ends before the part of it that is to be sent.
pub(crate) const FILE_ENDED: i32 = Errno::NODATA.raw_os_error();
/// A file took nothing of what was written, and gave no reason.
pub(crate) const WRITE_FAULT: i32 = Errno::IO.raw_os_error();
/// The system gave no number.
pub(crate) const UNKNOWN: i32 = Errno::IO.raw_os_error();
/// It would have to wait, where nothing tells for what.
pub(crate) const WOULD_BLOCK: i32 = Errno::AGAIN.raw_os_error();

/// Whether the system had no descriptor, or no memory, for a socket: it may have later.
pub(crate) fn is_shortage(number: i32) -> bool {
    matches!(
        Errno::from_raw_os_error(number),
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM
    )
}

/// Whether nothing more will come of a connection whose operation failed so; else this attempt failed, and the next may
/// not.
pub(crate) fn breaks_a_stream(number: i32) -> bool {
    !matches!(
        Errno::from_raw_os_error(number),
        Errno::CANCELED
            | Errno::NOBUFS
            | Errno::NOMEM
            | Errno::FAULT
            | Errno::INVAL
            | Errno::MSGSIZE
            // Of the file that is transmitted.
            | Errno::IO
            | Errno::NODATA
            | Errno::OVERFLOW
    )
}
