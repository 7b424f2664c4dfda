//! Errors: the numbers of Linux, of Windows' kernel (NTSTATUS), of GetLastError and of Winsock, in one table.

use crate::error;

/// The status of an operation that has succeeded.
pub(crate) const SUCCESS: u32 = 0;
/// The status of an operation that is under way.
pub(crate) const PENDING: u32 = 0x103;
pub(crate) const CANCELLED: u32 = 0xC000_0120;
/// A transfer whose socket was closed by its own program.
pub(crate) const ABORTED: u32 = 0xC000_0241;
pub(crate) const RESET: u32 = 0xC000_020D;
/// A datagram did not fit.
pub(crate) const CUT: u32 = 0x8000_0005;
pub(crate) const NOT_SUPPORTED: u32 = 0xC000_00BB;
const PORT_UNREACHABLE: u32 = 0xC000_023F;
pub(crate) const UNSUCCESSFUL: u32 = 0xC000_0001;
pub(crate) const END_OF_FILE: u32 = 0xC000_0011;

/// Codes of WSAGetLastError.
pub(crate) mod wsa {
    pub(crate) const INTERRUPTED: u32 = 10004;
    pub(crate) const FAULT: u32 = 10014;
    pub(crate) const INVALID: u32 = 10022;
    pub(crate) const TOO_MANY_FILES: u32 = 10024;
    pub(crate) const WOULD_BLOCK: u32 = 10035;
    pub(crate) const ALREADY: u32 = 10037;
    pub(crate) const NOT_A_SOCKET: u32 = 10038;
    pub(crate) const MESSAGE_SIZE: u32 = 10040;
    pub(crate) const NO_SUCH_OPTION: u32 = 10042;
    pub(crate) const PROTOCOL_NOT_SUPPORTED: u32 = 10043;
    pub(crate) const TYPE_NOT_SUPPORTED: u32 = 10044;
    pub(crate) const NOT_SUPPORTED: u32 = 10045;
    pub(crate) const FAMILY_NOT_SUPPORTED: u32 = 10047;
    pub(crate) const ADDRESS_IN_USE: u32 = 10048;
    pub(crate) const ACCESS: u32 = 10013;
    pub(crate) const NETWORK_DOWN: u32 = 10050;
    pub(crate) const RESET: u32 = 10054;
    pub(crate) const NO_BUFFERS: u32 = 10055;
    pub(crate) const IS_CONNECTED: u32 = 10056;
    pub(crate) const NOT_CONNECTED: u32 = 10057;
    pub(crate) const SHUT_DOWN: u32 = 10058;
    pub(crate) const TIMED_OUT: u32 = 10060;
    pub(crate) const REFUSED: u32 = 10061;
    pub(crate) const NOT_INITIALISED: u32 = 10093;
}

/// The table of the driver for Windows: what the one gets from the kernel, the other says in its place.
#[path = "../../wharf/src/driver/windows/statuses.rs"]
mod statuses;

/// What operations of files end with, and calls: all that Winsock has a code for, and what this layer says itself. What Winsock does
/// not know is 10022.
const OTHERS: &[statuses::Row] = &[
    (SUCCESS, 0, 0),
    (PENDING, error::IO_INCOMPLETE, error::IO_INCOMPLETE),
    (UNSUCCESSFUL, error::GEN_FAILURE, wsa::INVALID),
    // NOT_IMPLEMENTED
    (0xC000_0002, 1, wsa::NOT_SUPPORTED),
    // PAGEFILE_QUOTA
    (0xC000_0007, 1454, wsa::NO_BUFFERS),
    // INVALID_HANDLE
    (0xC000_0008, error::INVALID_HANDLE, wsa::NOT_A_SOCKET),
    // INVALID_PARAMETER
    (0xC000_000D, error::INVALID_PARAMETER, wsa::INVALID),
    // NO_SUCH_DEVICE, NO_SUCH_FILE
    (0xC000_000E, 433, wsa::NETWORK_DOWN),
    (0xC000_000F, error::FILE_NOT_FOUND, wsa::NETWORK_DOWN),
    (END_OF_FILE, error::HANDLE_EOF, wsa::INVALID),
    // CONFLICTING_ADDRESSES
    (0xC000_0018, error::INVALID_ADDRESS, wsa::NO_BUFFERS),
    // ACCESS_DENIED
    (0xC000_0022, error::ACCESS_DENIED, wsa::ACCESS),
    // OBJECT_TYPE_MISMATCH
    (0xC000_0024, error::INVALID_HANDLE, wsa::NOT_A_SOCKET),
    // OBJECT_NAME_NOT_FOUND, OBJECT_PATH_NOT_FOUND
    (0xC000_0034, error::FILE_NOT_FOUND, wsa::NETWORK_DOWN),
    (0xC000_003A, error::PATH_NOT_FOUND, wsa::NETWORK_DOWN),
    // SHARING_VIOLATION
    (0xC000_0043, 32, wsa::ADDRESS_IN_USE),
    // QUOTA_EXCEEDED, TOO_MANY_PAGING_FILES, WORKING_SET_QUOTA
    (0xC000_0044, 1816, wsa::NO_BUFFERS),
    (0xC000_0097, error::NOT_ENOUGH_MEMORY, wsa::NO_BUFFERS),
    (0xC000_00A1, 1453, wsa::NO_BUFFERS),
    // DEVICE_NOT_READY
    (0xC000_00A3, 21, wsa::WOULD_BLOCK),
    (NOT_SUPPORTED, 50, wsa::NOT_SUPPORTED),
    // REMOTE_NOT_LISTENING
    (0xC000_00BC, 51, 10061),
    // BAD_NETWORK_PATH
    (0xC000_00BE, 53, 10051),
    // NETWORK_BUSY, INVALID_NETWORK_RESPONSE, UNEXPECTED_NETWORK_ERROR
    (0xC000_00BF, 54, wsa::NETWORK_DOWN),
    (0xC000_00C3, 58, wsa::NETWORK_DOWN),
    (0xC000_00C4, 59, wsa::NETWORK_DOWN),
    // REQUEST_NOT_ACCEPTED
    (0xC000_00D0, 71, wsa::WOULD_BLOCK),
    // COMMITMENT_LIMIT
    (0xC000_012D, 1455, wsa::NO_BUFFERS),
    // INVALID_BUFFER_SIZE
    (0xC000_0206, 1784, wsa::MESSAGE_SIZE),
    // DATATYPE_MISALIGNMENT_ERROR
    (0xC000_02C5, 998, wsa::FAULT),
];

/// What Linux ends an operation with.
const ENDS: &[(i32, u32)] = &[
    (libc::ECONNRESET, RESET),
    (libc::EPIPE, RESET),
    (libc::ECANCELED, CANCELLED),
    (libc::ECONNABORTED, ABORTED),
    (libc::ECONNREFUSED, 0xC000_0236),
    (libc::ETIMEDOUT, 0xC000_00B5),
    (libc::ENETUNREACH, 0xC000_023C),
    (libc::EHOSTUNREACH, 0xC000_023D),
    (libc::EMSGSIZE, CUT),
    (libc::ENOBUFS, 0xC000_009A),
    (libc::ENOMEM, 0xC000_009A),
    (libc::ENODATA, END_OF_FILE),
];

/// What only calls say.
static CALLS: &[(i32, u32)] = &[
    (libc::EINTR, wsa::INTERRUPTED),
    (libc::EBADF, wsa::NOT_A_SOCKET),
    (libc::ENOTSOCK, wsa::NOT_A_SOCKET),
    (libc::EAGAIN, wsa::WOULD_BLOCK),
    (libc::EINPROGRESS, wsa::WOULD_BLOCK),
    (libc::ENOTCONN, wsa::NOT_CONNECTED),
    (libc::EISCONN, wsa::IS_CONNECTED),
    (libc::EALREADY, wsa::ALREADY),
    (libc::EADDRINUSE, wsa::ADDRESS_IN_USE),
    (libc::EADDRNOTAVAIL, 10049),
    (libc::EACCES, wsa::ACCESS),
    (libc::EPERM, wsa::ACCESS),
    (libc::EINVAL, wsa::INVALID),
    (libc::EFAULT, wsa::FAULT),
    (libc::EMFILE, wsa::TOO_MANY_FILES),
    (libc::ENFILE, wsa::TOO_MANY_FILES),
    (libc::EAFNOSUPPORT, wsa::FAMILY_NOT_SUPPORTED),
    (libc::EPROTONOSUPPORT, wsa::PROTOCOL_NOT_SUPPORTED),
    (libc::ESOCKTNOSUPPORT, wsa::TYPE_NOT_SUPPORTED),
    (libc::EPROTOTYPE, 10041),
    (libc::EDESTADDRREQ, 10039),
    (libc::EOPNOTSUPP, wsa::NOT_SUPPORTED),
    (libc::ENOPROTOOPT, wsa::NO_SUCH_OPTION),
    (libc::ENETDOWN, wsa::NETWORK_DOWN),
    (libc::ENETRESET, 10052),
    (libc::EHOSTDOWN, 10064),
];

/// The status of an operation that Linux ended with this number.
pub(crate) fn status_of(errno: i32, is_datagram: bool) -> u32 {
    if is_datagram && errno == libc::ECONNREFUSED {
        return PORT_UNREACHABLE;
    }
    let found = ENDS.iter().find(|(number, _)| *number == errno);
    found.map_or(UNSUCCESSFUL, |(_, status)| *status)
}

fn row_of(status: u32) -> Option<&'static statuses::Row> {
    let mut rows = statuses::OF_SOCKETS.iter().chain(OTHERS);
    rows.find(|(listed, ..)| *listed == status)
}

/// What GetLastError says of a status. Of one that is in no row, that there is no text for it, as Windows does.
pub(crate) fn code_of(status: u32) -> u32 {
    row_of(status).map_or(error::MR_MID_NOT_FOUND, |(_, code, _)| *code)
}

/// What WSAGetOverlappedResult says of a status.
pub(crate) fn wsa_of(status: u32) -> u32 {
    row_of(status).map_or(wsa::INVALID, |(.., winsock)| *winsock)
}

/// What a call says that Linux ended with this number.
pub(crate) fn of_call(errno: i32, is_datagram: bool) -> u32 {
    let called = CALLS.iter().find(|(number, _)| *number == errno);
    called.map_or_else(|| wsa_of(status_of(errno, is_datagram)), |(_, code)| *code)
}

/// Whether a status is one of success. A warning, such as a datagram that was cut, is none.
pub(crate) fn is_success(status: u32) -> bool {
    status < 0x8000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the contract, §8: Linux, status, after a packet, from a call.
    #[test]
    fn an_end_has_one_number_for_each_who_asks() {
        let rows = [
            (libc::ECONNRESET, 0xC000_020D, 64, 10054),
            (libc::EPIPE, 0xC000_020D, 64, 10054),
            (libc::ECANCELED, 0xC000_0120, 995, 995),
            (libc::ECONNABORTED, 0xC000_0241, 1236, 10053),
            (libc::ECONNREFUSED, 0xC000_0236, 1225, 10061),
            (libc::ETIMEDOUT, 0xC000_00B5, 121, 10060),
            (libc::ENETUNREACH, 0xC000_023C, 1231, 10051),
            (libc::EHOSTUNREACH, 0xC000_023D, 1232, 10065),
            (libc::EMSGSIZE, 0x8000_0005, 234, 10040),
            (libc::ENOBUFS, 0xC000_009A, 1450, 10055),
            (libc::ENOMEM, 0xC000_009A, 1450, 10055),
        ];
        for (errno, status, code, wsa) in rows {
            assert_eq!(status_of(errno, false), status, "{errno}");
            assert_eq!(code_of(status), code, "{status:x}");
            assert_eq!(wsa_of(status), wsa, "{status:x}");
            assert_eq!(of_call(errno, false), wsa, "{errno}");
        }
        assert_eq!(code_of(PENDING), 996);
        assert_eq!(wsa_of(0xC000_0011), 10022);
        assert_eq!(wsa_of(0xC012_3456), 10022, "what is in no row");
    }

    #[test]
    fn no_status_is_listed_twice() {
        let rows = statuses::OF_SOCKETS.iter().chain(OTHERS);
        let all: Vec<_> = rows.map(|(status, ..)| status).collect();
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn a_refused_datagram_was_unreachable() {
        assert_eq!(status_of(libc::ECONNREFUSED, true), 0xC000_023F);
        assert_eq!(of_call(libc::ECONNREFUSED, true), 10054);
    }

    #[test]
    fn what_only_calls_say() {
        for (errno, code) in [
            (libc::EBADF, 10038),
            (libc::EAGAIN, 10035),
            (libc::EINPROGRESS, 10035),
            (libc::EADDRINUSE, 10048),
            (libc::EMFILE, 10024),
        ] {
            assert_eq!(of_call(errno, false), code);
        }
    }
}
