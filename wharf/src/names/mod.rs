//! Names of machines, where an address is taken: what may be [given](ToTarget), the [look-up](Names), and the
//! [attempts](Attempts) to connect to one of several addresses.
//!
//! None of it belongs to a port: a look-up calls a function with what it has found, and the attempts are started by whoever
//! makes them, on a port and with keys of its own. So a server, an async runtime and a load generator connect in one way.
//!
//! 1. [`Target`] is what to connect to: a name with a port, or addresses. Reading it makes no look-up.
//! 2. [`Names::look_up`] finds the addresses, on threads of its own, within a time.
//! 3. [`Attempts`] says which address to try when, as RFC 8305 has it: the next one after a quarter of a second, or as soon as one
//!    has failed, while the earlier attempts go on; the first connection counts.
//! 4. If none comes, [`ConnectError`] lists each address that was tried, with what came of it.

mod attempts;
mod look_up;
mod target;

pub use attempts::{ATTEMPT_DELAY, Attempts, ConnectError};
pub use look_up::{ADDRESSES_MAX, LookUp, Names, NamesLimits, TIMEOUT};
pub use target::{Target, TargetError, ToTarget};
