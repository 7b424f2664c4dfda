//! The kernel's status of a packet, in the numbers that its calls return.
//!
//! `RtlNtStatusToDosError` knows files; what it makes of a socket's status is not what the socket's own calls say for the
//! same (`ERROR_NETNAME_DELETED` for `WSAECONNRESET`). `WSAGetOverlappedResult` would tell, but asks for the socket, which may
//! be closed.

use windows_sys::Win32::{
    Foundation::{ERROR_NETNAME_DELETED, NTSTATUS, RtlNtStatusToDosError},
    Networking::WinSock::{
        WSAECONNABORTED, WSAECONNRESET, WSAENETRESET, WSAENOTCONN, WSAETIMEDOUT,
    },
};

use super::statuses::OF_SOCKETS;

/// Why an operation failed, if its packet's status says so.
pub(crate) fn code_of(status: NTSTATUS) -> Option<i32> {
    if status >= 0 {
        return None;
    }
    let mut rows = OF_SOCKETS.iter();
    let row = rows.find(|(listed, ..)| *listed == status as u32);
    Some(match row {
        Some((_, _, winsock)) => *winsock as i32,
        // SAFETY: it only looks a number up.
        None => unsafe { RtlNtStatusToDosError(status) as i32 },
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The table gives GetLastError's numbers to those who have no Windows to ask.
    #[test]
    fn the_table_has_the_numbers_of_the_system() {
        for &(status, code, _) in OF_SOCKETS {
            // SAFETY: it only looks a number up.
            let said = unsafe { RtlNtStatusToDosError(status as NTSTATUS) };
            assert_eq!(said, code, "{status:x}");
        }
    }

    #[test]
    fn a_status_of_a_socket_is_a_code_of_winsock_and_another_is_the_systems() {
        assert_eq!(code_of(0xC000_020D_u32 as NTSTATUS), Some(WSAECONNRESET));
        assert_eq!(
            code_of(0xC000_0120_u32 as NTSTATUS),
            Some(super::super::codes::CANCELLED)
        );
        // Access denied, as of a file.
        assert_eq!(code_of(0xC000_0022_u32 as NTSTATUS), Some(5));
        assert_eq!(code_of(0x103), None);
    }
}
