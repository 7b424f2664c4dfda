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
    pub(crate) const RESET: u32 = 10054;
    pub(crate) const NO_BUFFERS: u32 = 10055;
    pub(crate) const IS_CONNECTED: u32 = 10056;
    pub(crate) const NOT_CONNECTED: u32 = 10057;
    pub(crate) const SHUT_DOWN: u32 = 10058;
    pub(crate) const TIMED_OUT: u32 = 10060;
    pub(crate) const REFUSED: u32 = 10061;
    pub(crate) const NOT_INITIALISED: u32 = 10093;
}

/// What an operation can end with.
struct End {
    /// Of Linux; none for what Linux has no number for.
    errnos: &'static [i32],
    status: u32,
    /// What GetLastError says after its packet, or after GetOverlappedResult.
    code: u32,
    /// What a call says that ends so, and WSAGetOverlappedResult.
    wsa: u32,
}

const fn end(errnos: &'static [i32], status: u32, code: u32, wsa: u32) -> End {
    End {
        errnos,
        status,
        code,
        wsa,
    }
}

static ENDS: &[End] = &[
    end(&[], SUCCESS, 0, 0),
    end(&[], PENDING, error::IO_INCOMPLETE, error::IO_INCOMPLETE),
    end(&[libc::ECONNRESET, libc::EPIPE], RESET, 64, wsa::RESET),
    end(&[libc::ECANCELED], CANCELLED, 995, 995),
    end(&[libc::ECONNABORTED], ABORTED, 1236, 10053),
    // What old versions of Windows said instead.
    end(&[], 0xC000_013B, 64, 10053),
    end(&[libc::ECONNREFUSED], 0xC000_0236, 1225, 10061),
    end(&[libc::ETIMEDOUT], 0xC000_00B5, 121, wsa::TIMED_OUT),
    end(&[libc::ENETUNREACH], 0xC000_023C, 1231, 10051),
    end(&[libc::EHOSTUNREACH], 0xC000_023D, 1232, 10065),
    end(&[], PORT_UNREACHABLE, 1234, wsa::RESET),
    end(&[libc::EMSGSIZE], CUT, 234, wsa::MESSAGE_SIZE),
    end(
        &[libc::ENOBUFS, libc::ENOMEM],
        0xC000_009A,
        error::NO_SYSTEM_RESOURCES,
        wsa::NO_BUFFERS,
    ),
    end(&[], END_OF_FILE, error::HANDLE_EOF, wsa::INVALID),
    end(&[], NOT_SUPPORTED, 50, wsa::NOT_SUPPORTED),
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
    (libc::ENETDOWN, 10050),
    (libc::ENETRESET, 10052),
    (libc::EHOSTDOWN, 10064),
];

/// The status of an operation that Linux ended with this number.
pub(crate) fn status_of(errno: i32, is_datagram: bool) -> u32 {
    if is_datagram && errno == libc::ECONNREFUSED {
        return PORT_UNREACHABLE;
    }
    let found = ENDS.iter().find(|end| end.errnos.contains(&errno));
    found.map_or(UNSUCCESSFUL, |end| end.status)
}

/// What GetLastError says of a status.
pub(crate) fn code_of(status: u32) -> u32 {
    let found = ENDS.iter().find(|end| end.status == status);
    found.map_or(error::GEN_FAILURE, |end| end.code)
}

/// What WSAGetOverlappedResult says of a status.
pub(crate) fn wsa_of(status: u32) -> u32 {
    let found = ENDS.iter().find(|end| end.status == status);
    found.map_or(wsa::INVALID, |end| end.wsa)
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
