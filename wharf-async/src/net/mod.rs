//! TCP: listeners and streams.
//!
//! What completes belongs to the stream or the listener, and not to the future that waits for it: a future that is dropped at any
//! await loses no byte and no connection.

mod connect;
mod listener;
mod read;
mod slot;
mod split;
mod state;
mod stream;
mod traits;
mod unsent;
mod write;

pub use listener::TcpListener;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
pub use stream::TcpStream;
pub use wharf::names::{ConnectError, Target, ToTarget};

pub(crate) use listener::ListenerState;
pub(crate) use slot::Slot;
pub(crate) use state::StreamState;
#[cfg(unix)]
pub(crate) use stream::receive_one;
#[cfg(feature = "hyper")]
pub(crate) use traits::writes;
pub(crate) use unsent::{Listed, Unsent};
