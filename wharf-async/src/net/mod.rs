//! Listeners and streams, of TCP and on Unix local ones; UDP.
//!
//! Results belong to the stream or the listener, and not to the future that waits for them: a future that is dropped at any
//! await loses no byte and no connection.

mod arrivals;
mod connect;
#[cfg(feature = "futures-io")]
mod futures;
mod listener;
mod read;
mod slot;
mod split;
mod state;
mod stream;
pub mod tcp;
pub(crate) mod traits;
mod udp;
#[cfg(unix)]
pub mod unix;
#[cfg(unix)]
mod unix_datagram;
mod unsent;
mod write;

pub use listener::TcpListener;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::TcpStream;
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{UnixListener, UnixStream};
#[cfg(unix)]
pub use unix_datagram::UnixDatagram;
pub use wharf::names::{ConnectError, Target, ToTarget};

pub(crate) use arrivals::Arrivals;
pub(crate) use slot::{Outcome, Slot};
pub(crate) use state::StreamState;
#[cfg(unix)]
pub(crate) use stream::Inner;
pub(crate) use udp::Datagram;
pub(crate) use unsent::{Listed, Unsent};
