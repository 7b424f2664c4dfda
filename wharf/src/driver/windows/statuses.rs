//! What operations of sockets end with: the numbers of Windows' kernel (NTSTATUS), of its calls, and of Winsock. They are
//! the system's own, and `wharf-win32`, which stands for it on Linux, takes them from here.

/// A status, what GetLastError says of it, and what Winsock says.
pub(crate) type Row = (u32, u32, u32);

/// Those that sockets end with; of files, only the few that say the same there. In the order of their numbers.
pub(crate) const OF_SOCKETS: &[Row] = &[
    // BUFFER_OVERFLOW: a datagram was cut.
    (0x8000_0005, 234, 10040),
    // ACCESS_VIOLATION
    (0xC000_0005, 998, 10014),
    // NO_MEMORY
    (0xC000_0017, 8, 10055),
    // BUFFER_TOO_SMALL
    (0xC000_0023, 122, 10014),
    // INSUFFICIENT_RESOURCES
    (0xC000_009A, 1450, 10055),
    // PIPE_DISCONNECTED
    (0xC000_00B0, 233, 10058),
    // IO_TIMEOUT
    (0xC000_00B5, 121, 10060),
    // CANCELLED
    (0xC000_0120, 995, 995),
    // LOCAL_DISCONNECT, REMOTE_DISCONNECT
    (0xC000_013B, 64, 10053),
    (0xC000_013C, 64, 10054),
    // REMOTE_RESOURCES
    (0xC000_013D, 51, 10055),
    // LINK_FAILED, LINK_TIMEOUT
    (0xC000_013E, 59, 10054),
    (0xC000_013F, 59, 10060),
    // INVALID_CONNECTION, INVALID_ADDRESS
    (0xC000_0140, 59, 10057),
    (0xC000_0141, 59, 10049),
    // INVALID_ADDRESS_COMPONENT, TOO_MANY_ADDRESSES, ADDRESS_ALREADY_EXISTS
    (0xC000_0207, 1214, 10049),
    (0xC000_0209, 68, 10055),
    (0xC000_020A, 52, 10048),
    // CONNECTION_DISCONNECTED, CONNECTION_RESET
    (0xC000_020C, 64, 10054),
    (0xC000_020D, 64, 10054),
    // TRANSACTION_ABORTED
    (0xC000_020F, 59, 10053),
    // CONNECTION_REFUSED, GRACEFUL_DISCONNECT, CONNECTION_ACTIVE
    (0xC000_0236, 1225, 10061),
    (0xC000_0237, 1226, 10101),
    (0xC000_023B, 1230, 10056),
    // NETWORK_, HOST_, PROTOCOL_ and PORT_UNREACHABLE
    (0xC000_023C, 1231, 10051),
    (0xC000_023D, 1232, 10065),
    (0xC000_023E, 1233, 10051),
    (0xC000_023F, 1234, 10054),
    // REQUEST_ABORTED, CONNECTION_ABORTED
    (0xC000_0240, 1235, 10004),
    (0xC000_0241, 1236, 10053),
    // HOST_DOWN
    (0xC000_0350, 1256, 10064),
];
