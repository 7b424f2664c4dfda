//! The cases: which call fails with what, and what is to come of it.

use crate::harness::Driver::{self, Readiness, Uring};

pub struct Case {
    pub driver: Driver,
    pub call: &'static str,
    pub errors: &'static [&'static str],
    /// Which call of this kind in the scenario, counted for each thread.
    pub when: u32,
    pub scenario: &'static str,
    /// What the scenario says; `{error}` is the error.
    pub outcome: &'static str,
}

const fn case(
    driver: Driver,
    call: &'static str,
    errors: &'static [&'static str],
    scenario: &'static str,
    outcome: &'static str,
) -> Case {
    Case {
        driver,
        call,
        errors,
        when: 1,
        scenario,
        outcome,
    }
}

/// That this is the second of its kind, or a later one.
const fn nth(when: u32, case: Case) -> Case {
    Case { when, ..case }
}

const NO_PORT: &str = "port: {error}";
const OK: &str = "ok; afterwards: ok";
const GONE: &str = "{error}; then: {error}; afterwards: ok";
const ONCE: &str = "{error}; then: ok; afterwards: ok";

pub const CASES: &[Case] = &[
    // Making a port.
    case(
        Readiness,
        "epoll_create1",
        &["EMFILE", "ENFILE", "ENOMEM"],
        "make",
        NO_PORT,
    ),
    case(
        Readiness,
        "eventfd2",
        &["EMFILE", "ENFILE", "ENODEV", "ENOMEM"],
        "make",
        NO_PORT,
    ),
    case(
        Readiness,
        "timerfd_create",
        &["EMFILE", "ENFILE", "ENODEV", "ENOMEM"],
        "make",
        NO_PORT,
    ),
    case(
        Readiness,
        "epoll_ctl",
        &["ENOMEM", "ENOSPC"],
        "make",
        NO_PORT,
    ),
    case(
        Uring,
        "io_uring_setup",
        &[
            "EMFILE", "ENFILE", "ENOMEM", "EPERM", "EACCES", "ENOSYS", "EINVAL",
        ],
        "make",
        NO_PORT,
    ),
    case(
        Uring,
        "io_uring_setup",
        &["EPERM", "ENOSYS", "ENOMEM"],
        "make-any",
        "port: readiness",
    ),
    case(
        Uring,
        "io_uring_enter",
        &["EPERM", "EINVAL", "EOPNOTSUPP"],
        "make",
        NO_PORT,
    ),
    case(
        Uring,
        "io_uring_enter",
        &["EINTR", "EAGAIN", "EBUSY"],
        "make",
        "port: uring",
    ),
    case(
        Uring,
        "io_uring_register",
        &["EMFILE", "ENOMEM", "EINVAL", "EPERM"],
        "make",
        NO_PORT,
    ),
    // Associating.
    case(
        Readiness,
        "epoll_ctl",
        &["ENOMEM", "ENOSPC"],
        "associate",
        ONCE,
    ),
    case(Readiness, "ioctl", &["ENOTTY"], "associate", ONCE),
    // Whether it is TCP: not told, it is taken for something else, and works as well.
    case(
        Readiness,
        "getsockopt",
        &["ENOPROTOOPT", "EPERM"],
        "associate",
        "ok; then: ok; afterwards: ok",
    ),
    // Waiting.
    case(Readiness, "epoll_pwait", &["EINTR"], "wait", OK),
    case(
        Readiness,
        "epoll_pwait2",
        &["EINTR", "ENOSYS", "EPERM"],
        "wait-briefly",
        OK,
    ),
    // Receiving and sending.
    case(
        Readiness,
        "recvfrom",
        &[
            "ECONNRESET",
            "ETIMEDOUT",
            "ENOTCONN",
            "EHOSTUNREACH",
            "ENETDOWN",
        ],
        "receive",
        GONE,
    ),
    case(
        Readiness,
        "recvfrom",
        &["ENOMEM", "ENOBUFS"],
        "receive",
        ONCE,
    ),
    case(
        Readiness,
        "recvfrom",
        &["EINTR"],
        "receive",
        "ok; then: ok; afterwards: ok",
    ),
    case(
        Readiness,
        "recvmsg",
        &["ECONNRESET", "ETIMEDOUT"],
        "receive-many",
        GONE,
    ),
    case(
        Readiness,
        "recvmsg",
        &["ENOMEM", "ENOBUFS"],
        "receive-many",
        ONCE,
    ),
    case(
        Readiness,
        "recvmsg",
        &["EINTR"],
        "receive-many",
        "ok; then: ok; afterwards: ok",
    ),
    case(
        Readiness,
        "sendto",
        &[
            "ECONNRESET",
            "EPIPE",
            "ETIMEDOUT",
            "ENOTCONN",
            "EHOSTUNREACH",
        ],
        "send",
        GONE,
    ),
    case(Readiness, "sendto", &["ENOMEM", "ENOBUFS"], "send", ONCE),
    case(
        Readiness,
        "sendto",
        &["EINTR"],
        "send",
        "ok; then: ok; afterwards: ok",
    ),
    case(
        Readiness,
        "sendmsg",
        &["ECONNRESET", "EPIPE"],
        "send-many",
        GONE,
    ),
    case(
        Readiness,
        "sendmsg",
        &["ENOMEM", "ENOBUFS"],
        "send-many",
        ONCE,
    ),
    case(
        Readiness,
        "sendmsg",
        &["EINTR"],
        "send-many",
        "ok; then: ok; afterwards: ok",
    ),
    case(
        Readiness,
        "shutdown",
        &["ENOTCONN"],
        "shutdown",
        "{error}; afterwards: ok",
    ),
    // Many in one call.
    case(
        Uring,
        "io_uring_enter",
        &["EINTR", "EAGAIN", "EBUSY", "ENOMEM", "EBADR", "EINVAL"],
        "batch",
        OK,
    ),
    case(
        Uring,
        "io_uring_register",
        &["ENOMEM", "EMFILE", "EBUSY", "EINVAL"],
        "register",
        OK,
    ),
    case(
        Uring,
        "io_uring_register",
        &["ENOMEM", "EAGAIN", "EINTR", "EINVAL"],
        "take-back",
        OK,
    ),
    // Datagrams.
    case(
        Readiness,
        "recvfrom",
        &["ECONNREFUSED", "ENOMEM"],
        "receive-datagram",
        ONCE,
    ),
    case(
        Readiness,
        "recvfrom",
        &["EINTR"],
        "receive-datagram",
        "ok; then: ok; afterwards: ok",
    ),
    case(
        Readiness,
        "sendto",
        &[
            "EACCES",
            "ECONNREFUSED",
            "EMSGSIZE",
            "ENETUNREACH",
            "ENOBUFS",
            "ENOMEM",
            "EPERM",
        ],
        "send-datagram",
        ONCE,
    ),
    case(
        Readiness,
        "sendto",
        &["EINTR"],
        "send-datagram",
        "ok; then: ok; afterwards: ok",
    ),
    // Accepting.
    case(
        Readiness,
        "accept4",
        &["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EPERM"],
        "accept",
        ONCE,
    ),
    case(
        Readiness,
        "accept4",
        &[
            "ECONNABORTED",
            "EINTR",
            "EHOSTDOWN",
            "EHOSTUNREACH",
            "ENETDOWN",
            "ENETUNREACH",
            "ENONET",
            "ENOPROTOOPT",
            "EPROTO",
        ],
        "accept",
        "ok; then: ok; afterwards: ok",
    ),
    // Connecting.
    case(
        Readiness,
        "socket",
        &["EACCES", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"],
        "connect",
        "refused, {error}; then: ok; afterwards: ok",
    ),
    case(
        Readiness,
        "connect",
        &[
            "EACCES",
            "EPERM",
            "EADDRNOTAVAIL",
            "ECONNREFUSED",
            "ENETUNREACH",
            "ETIMEDOUT",
        ],
        "connect",
        ONCE,
    ),
    case(
        Readiness,
        "connect",
        &["EINTR", "EAGAIN"],
        "connect",
        "ok; then: ok; afterwards: ok",
    ),
    case(
        Readiness,
        "epoll_ctl",
        &["ENOMEM", "ENOSPC"],
        "connect",
        ONCE,
    ),
    case(
        Readiness,
        "bind",
        &["EACCES", "EADDRINUSE", "EADDRNOTAVAIL", "ENOMEM"],
        "connect-from",
        "refused, {error}; then: ok; afterwards: ok",
    ),
    case(
        Readiness,
        "setsockopt",
        &["ENOPROTOOPT"],
        "connect-from",
        "refused, {error}; then: ok; afterwards: ok",
    ),
    // Asking.
    case(
        Readiness,
        "getpeername",
        &["ENOBUFS", "ENOTCONN"],
        "peer-address",
        ONCE,
    ),
    case(Readiness, "getsockname", &["ENOBUFS"], "own-address", ONCE),
    case(Readiness, "ioctl", &["ENOTTY"], "unread", ONCE),
    // Files, and threads for them.
    case(
        Readiness,
        "pread64",
        &["EIO", "EISDIR", "ENXIO", "EOVERFLOW"],
        "read",
        ONCE,
    ),
    case(
        Readiness,
        "pread64",
        &["EINTR"],
        "read",
        "ok; then: ok; afterwards: ok",
    ),
    case(
        Readiness,
        "pwrite64",
        &["EDQUOT", "EFBIG", "EIO", "ENOSPC", "EPERM", "EPIPE"],
        "write",
        ONCE,
    ),
    case(
        Readiness,
        "pwrite64",
        &["EINTR"],
        "write",
        "ok; then: ok; afterwards: ok",
    ),
    case(
        Readiness,
        "fsync",
        &["EIO", "ENOSPC", "EROFS", "EDQUOT"],
        "flush",
        ONCE,
    ),
    case(
        Readiness,
        "fsync",
        &["EINTR"],
        "flush",
        "ok; then: ok; afterwards: ok",
    ),
    case(
        Readiness,
        "sendfile",
        &["EIO", "ENOMEM", "EOVERFLOW"],
        "transmit",
        ONCE,
    ),
    case(
        Readiness,
        "sendfile",
        &["EPIPE", "ECONNRESET"],
        "transmit",
        GONE,
    ),
    case(
        Readiness,
        "sendfile",
        &["EINTR"],
        "transmit",
        "ok; then: ok; afterwards: ok",
    ),
    case(
        Readiness,
        "clone3",
        &["EAGAIN", "EPERM"],
        "read",
        "refused, {error}; then: ok; afterwards: ok",
    ),
    case(
        Readiness,
        "clone3",
        &["EAGAIN"],
        "workers",
        "refused, {error}; then: ok; afterwards: ok",
    ),
    // Closing.
    nth(
        1,
        case(
            Readiness,
            "close",
            &["EINTR", "EIO", "ENOSPC", "EDQUOT"],
            "close",
            OK,
        ),
    ),
];

/// What no case has fail, and why.
pub const LEFT_OUT: &[(&str, &str)] = &[
    (
        "EFAULT, EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP and their like",
        "only a fault of ours could cause them; a few of io_uring's, which an older kernel gives, are in",
    ),
    (
        "EAGAIN from recvfrom, recvmsg, sendto, sendmsg, accept4 and sendfile",
        "the kernel gives it when there is nothing, and an event follows; to inject it where there is something would be a lie \
         that no event corrects. The simulated kernel does it, with the event",
    ),
    (
        "write to an eventfd, timerfd_settime",
        "a write that can't wait is not interrupted, and fails at 2^64; a timer's values are all in range",
    ),
    (
        "mmap, brk",
        "memory that is refused ends a Rust program; where rings get none, io_uring_setup's ENOMEM is the same to the user",
    ),
    (
        "openat and pread64 of /proc/self/task",
        "tests/shortages.rs has no descriptors for them, and wharf-cli/tests/blocking.rs no /proc at all",
    ),
];
