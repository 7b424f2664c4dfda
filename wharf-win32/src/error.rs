//! The codes of GetLastError. Those of Winsock are in `codes.rs`.

pub(crate) const FILE_NOT_FOUND: u32 = 2;
pub(crate) const PATH_NOT_FOUND: u32 = 3;
pub(crate) const TOO_MANY_OPEN_FILES: u32 = 4;
pub(crate) const ACCESS_DENIED: u32 = 5;
pub(crate) const INVALID_HANDLE: u32 = 6;
pub(crate) const NOT_ENOUGH_MEMORY: u32 = 8;
pub(crate) const WRITE_FAULT: u32 = 29;
pub(crate) const GEN_FAILURE: u32 = 31;
pub(crate) const HANDLE_EOF: u32 = 38;
pub(crate) const FILE_EXISTS: u32 = 80;
pub(crate) const INVALID_PARAMETER: u32 = 87;
pub(crate) const BROKEN_PIPE: u32 = 109;
pub(crate) const BUFFER_OVERFLOW: u32 = 111;
pub(crate) const DISK_FULL: u32 = 112;
pub(crate) const INSUFFICIENT_BUFFER: u32 = 122;
pub(crate) const MOD_NOT_FOUND: u32 = 126;
pub(crate) const PROC_NOT_FOUND: u32 = 127;
pub(crate) const ALREADY_EXISTS: u32 = 183;
/// Calls that were queued for the thread were run: of a wait it is also what that returns.
pub(crate) const WAIT_IO_COMPLETION: u32 = 192;
/// Likewise: the time is over.
pub(crate) const WAIT_TIMEOUT: u32 = 258;
pub(crate) const NO_MORE_ITEMS: u32 = 259;
pub(crate) const NOT_OWNER: u32 = 288;
pub(crate) const TOO_MANY_POSTS: u32 = 298;
pub(crate) const MR_MID_NOT_FOUND: u32 = 317;
pub(crate) const INVALID_ADDRESS: u32 = 487;
pub(crate) const ABANDONED_WAIT: u32 = 735;
pub(crate) const IO_INCOMPLETE: u32 = 996;
pub(crate) const IO_PENDING: u32 = 997;
pub(crate) const NO_UNICODE_TRANSLATION: u32 = 1113;
pub(crate) const NOT_FOUND: u32 = 1168;
pub(crate) const NO_SYSTEM_RESOURCES: u32 = 1450;
pub(crate) const TIMEOUT: u32 = 1460;
