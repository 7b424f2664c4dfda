//! The kernel's status of a packet, in the numbers that its calls return.
//!
//! `RtlNtStatusToDosError` knows files; what it makes of a socket's status is not what the socket's own calls say for the
//! same (`ERROR_NETNAME_DELETED` for `WSAECONNRESET`). `WSAGetOverlappedResult` would tell, but asks for the socket, which may
//! be closed.

use windows_sys::Win32::{
    Foundation::{
        ERROR_NETNAME_DELETED, NTSTATUS, RtlNtStatusToDosError, STATUS_ACCESS_VIOLATION,
        STATUS_BUFFER_OVERFLOW, STATUS_BUFFER_TOO_SMALL, STATUS_CANCELLED,
        STATUS_CONNECTION_ABORTED, STATUS_CONNECTION_DISCONNECTED, STATUS_CONNECTION_REFUSED,
        STATUS_CONNECTION_RESET, STATUS_HOST_UNREACHABLE, STATUS_INSUFFICIENT_RESOURCES,
        STATUS_INVALID_CONNECTION, STATUS_IO_TIMEOUT, STATUS_LOCAL_DISCONNECT,
        STATUS_NETWORK_UNREACHABLE, STATUS_NO_MEMORY, STATUS_PIPE_DISCONNECTED,
        STATUS_PORT_UNREACHABLE, STATUS_PROTOCOL_UNREACHABLE, STATUS_REMOTE_DISCONNECT,
    },
    Networking::WinSock::{
        WSAECONNABORTED, WSAECONNREFUSED, WSAECONNRESET, WSAEFAULT, WSAEHOSTUNREACH, WSAEMSGSIZE,
        WSAENETRESET, WSAENETUNREACH, WSAENOBUFS, WSAENOTCONN, WSAESHUTDOWN, WSAETIMEDOUT,
    },
};

use super::codes::CANCELLED;

/// Why an operation failed, if its packet's status says so.
pub(crate) fn code_of(status: NTSTATUS) -> Option<i32> {
    if status >= 0 {
        return None;
    }
    Some(match status {
        STATUS_CANCELLED => CANCELLED,
        STATUS_CONNECTION_RESET | STATUS_REMOTE_DISCONNECT | STATUS_CONNECTION_DISCONNECTED => {
            WSAECONNRESET
        }
        STATUS_CONNECTION_ABORTED | STATUS_LOCAL_DISCONNECT => WSAECONNABORTED,
        STATUS_CONNECTION_REFUSED => WSAECONNREFUSED,
        STATUS_PORT_UNREACHABLE => WSAECONNRESET,
        STATUS_IO_TIMEOUT => WSAETIMEDOUT,
        STATUS_NETWORK_UNREACHABLE | STATUS_PROTOCOL_UNREACHABLE => WSAENETUNREACH,
        STATUS_HOST_UNREACHABLE => WSAEHOSTUNREACH,
        STATUS_BUFFER_OVERFLOW | STATUS_BUFFER_TOO_SMALL => WSAEMSGSIZE,
        STATUS_INSUFFICIENT_RESOURCES | STATUS_NO_MEMORY => WSAENOBUFS,
        STATUS_PIPE_DISCONNECTED => WSAESHUTDOWN,
        STATUS_INVALID_CONNECTION => WSAENOTCONN,
        STATUS_ACCESS_VIOLATION => WSAEFAULT,
        // SAFETY: it only looks a number up.
        other => unsafe { RtlNtStatusToDosError(other) as i32 },
    })
}

/// Whether a peer was gone before its connection was accepted, which is found out in several places.
pub(crate) fn has_vanished(code: i32) -> bool {
    breaks_a_stream(code) || code == WSAENOTCONN || code == ERROR_NETNAME_DELETED as i32
}

/// Whether nothing more will come of a connection whose operation failed so.
pub(crate) fn breaks_a_stream(code: i32) -> bool {
    matches!(
        code,
        WSAECONNRESET | WSAECONNABORTED | WSAENETRESET | WSAETIMEDOUT
    )
}
